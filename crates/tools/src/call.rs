//! How a call ends: refused, finished, or cancelled while its blocking work runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use kernel::ToolResult;
use kernel::tool::Cancelled;

/// Why a call failed, in words for the model.
#[derive(Debug)]
pub(crate) struct Refusal(String);

impl Refusal {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The result of a call that does its work in one go.
pub(crate) fn result(outcome: Result<String, Refusal>) -> ToolResult {
    match outcome {
        Ok(content) => ToolResult::ok(content),
        Err(refusal) => ToolResult::error(refusal.0),
    }
}

const OPEN: u8 = 0;
const ENDED: u8 = 1;
const COMMITTED: u8 = 2;

/// Two ends of one call: whoever waits for its work, and whoever does it.
pub(crate) fn watched() -> (End, Watch) {
    let state = Arc::new(AtomicU8::new(OPEN));
    (End(state.clone()), Watch(state))
}

/// How work learns that nobody waits for it any more.
pub(crate) struct Watch(Arc<AtomicU8>);

impl Watch {
    /// To be asked often. Fails when the call has ended.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.0.load(Ordering::Relaxed) == ENDED { Err(aborted()) } else { Ok(()) }
    }

    /// To be asked once, right before what cannot be undone. Fails when the call has ended; after it the call cannot
    /// end before the work does. So a result never says "aborted" of a file that was written.
    pub(crate) fn commit(&self) -> Result<(), Refusal> {
        match self.0.compare_exchange(OPEN, COMMITTED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(_) => Err(aborted()),
        }
    }
}

fn aborted() -> Refusal {
    Refusal::new("aborted before it was done; nothing was changed")
}

/// Ends the work when the call's future is dropped.
pub(crate) struct End(Arc<AtomicU8>);

impl End {
    /// Ends the work, and says whether it ended before it committed to anything.
    pub(crate) fn now(&self) -> bool {
        self.0.compare_exchange(OPEN, ENDED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.now();
    }
}

/// Runs blocking work for a call beside the async runtime.
pub(crate) async fn blocking(
    cancelled: Cancelled,
    work: impl FnOnce(&Watch) -> Result<String, Refusal> + Send + 'static,
) -> ToolResult {
    let (end, watch) = watched();
    // First, so that a call that was cancelled before it began does nothing at all.
    if cancelled.clone().now_or_never().is_some() {
        return result(Err(aborted()));
    }
    let work = tokio::task::spawn_blocking(move || {
        watch.check()?;
        work(&watch)
    });
    let outcome = match select(work, cancelled).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), work)) => {
            if end.now() {
                return result(Err(aborted()));
            }
            work.await
        }
    };
    result(outcome.unwrap_or_else(|_| Err(Refusal::new("the tool failed by a defect of its own"))))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use kernel::ToolContext;

    use super::*;

    const ABORTED: &str = "aborted before it was done; nothing was changed";

    fn never() -> Cancelled {
        ToolContext::cancelled_by(std::future::pending())
    }

    #[tokio::test]
    async fn work_that_panics_is_a_result() {
        let result = blocking(never(), |_| panic!("a defect")).await;
        assert_eq!(result, ToolResult::error("the tool failed by a defect of its own"));
    }

    #[tokio::test]
    async fn a_call_that_was_cancelled_before_it_began_does_nothing() {
        let cancelled = ToolContext::cancelled_by(std::future::ready(()));
        let result = blocking(cancelled, |_| panic!("it ran")).await;
        assert_eq!(result, ToolResult::error(ABORTED));
    }

    #[tokio::test]
    async fn a_cancelled_call_ends_while_its_work_still_blocks() {
        let (release, released) = mpsc::channel::<()>();
        let (report, reported) = mpsc::channel();
        let (cancel, cancelled) = tokio::sync::oneshot::channel();
        let cancelled = ToolContext::cancelled_by(cancelled.map(|_| ()));
        let result = blocking(cancelled, move |watch| {
            let _ = cancel.send(());
            let _ = released.recv();
            let _ = report.send((watch.check().is_err(), watch.commit().is_err()));
            Ok("done".to_owned())
        })
        .await;
        assert_eq!(result, ToolResult::error(ABORTED));
        release.send(()).unwrap();
        assert_eq!(reported.recv().unwrap(), (true, true), "the work sees that it has ended");
    }

    #[tokio::test]
    async fn a_call_that_has_committed_says_what_it_did() {
        let (cancel, cancelled) = tokio::sync::oneshot::channel();
        let cancelled = ToolContext::cancelled_by(cancelled.map(|_| ()));
        let result = blocking(cancelled, move |watch| {
            watch.commit()?;
            let _ = cancel.send(());
            std::thread::sleep(std::time::Duration::from_millis(20));
            watch.check()?;
            Ok("written".to_owned())
        })
        .await;
        assert_eq!(result, ToolResult::ok("written"));
    }

    #[tokio::test]
    async fn work_ends_when_the_call_is_dropped() {
        let (start, started) = mpsc::channel();
        let (report, reported) = mpsc::channel();
        let mut call = Box::pin(blocking(never(), move |watch| {
            let _ = start.send(());
            while watch.check().is_ok() {
                std::thread::yield_now();
            }
            let _ = report.send(watch.commit().is_err());
            Ok(String::new())
        }));
        assert_eq!((&mut call).now_or_never(), None);
        started.recv().unwrap();
        drop(call);
        assert!(reported.recv().unwrap());
    }
}
