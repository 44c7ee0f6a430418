//! What every exporter does: read on, deliver, acknowledge, and try again.

use std::sync::Arc;
use std::time::Duration;

use meter::Event;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::{Error, Pace};

/// Where events go.
pub(crate) trait Sink: Send {
    /// Delivers all of them, which follow one another. After a failure nobody knows how many have arrived; the same ones
    /// come again.
    fn deliver(&mut self, events: &Arc<[Event]>) -> impl Future<Output = Result<(), Error>> + Send;
}

pub(crate) struct Exporter<S> {
    name: String,
    store: Arc<dyn Store>,
    sink: S,
    pace: Pace,
    /// Everything up to here is delivered,
    position: u64,
    /// and the ledger knows it up to here.
    acknowledged: u64,
    /// What comes next, if it has been read already: a retry delivers the same again.
    pending: Option<Arc<[Event]>>,
    stop: CancellationToken,
}

/// What is left after a step.
enum Left {
    /// Surely something.
    More,
    /// Nothing that was there when the step began.
    Nothing,
}

impl<S: Sink> Exporter<S> {
    pub(crate) fn new(
        name: String,
        store: Arc<dyn Store>,
        sink: S,
        pace: Pace,
        position: u64,
        acknowledged: u64,
        stop: CancellationToken,
    ) -> Self {
        Self { name, store, sink, pace, position, acknowledged, pending: None, stop }
    }

    pub(crate) async fn run(mut self) {
        let mut failures = 0u32;
        loop {
            // Asked before the step, so that a step follows whatever was written before the stop.
            let is_last = self.stop.is_cancelled();
            let wait = match self.step().await {
                Ok(left) => {
                    if failures > 0 {
                        tracing::info!("{}: exports again, up to row {}", self.name, self.position);
                        failures = 0;
                    }
                    match left {
                        Left::More => continue,
                        Left::Nothing if is_last => return,
                        Left::Nothing => self.pace.poll,
                    }
                }
                Err(error) if is_last => {
                    let after = self.position;
                    tracing::warn!(
                        "{}: what follows row {after} waits for the next start: {error}",
                        self.name
                    );
                    return;
                }
                Err(error) => {
                    let wait = self.pace.after(failures);
                    failures = failures.saturating_add(1);
                    tracing::warn!("{}: {error}; tries again in {wait:.1?}", self.name);
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn step(&mut self) -> Result<Left, Error> {
        self.acknowledge().await?;
        let events = match self.pending.take() {
            Some(events) => events,
            None => self.store.outbox(self.position, self.pace.batch).await?.into(),
        };
        let Some(last) = events.last().map(|event| event.position) else { return Ok(Left::Nothing) };
        if let Err(error) = self.sink.deliver(&events).await {
            self.pending = Some(events);
            return Err(error);
        }
        self.position = last;
        self.acknowledge().await?;
        // A few new rows are not worth an attempt of their own each.
        let is_full = events.len() as u64 >= self.pace.batch;
        Ok(if is_full || self.stop.is_cancelled() { Left::More } else { Left::Nothing })
    }

    async fn acknowledge(&mut self) -> Result<(), Error> {
        if self.acknowledged < self.position {
            self.store.acknowledge(&self.name, self.position).await?;
            self.acknowledged = self.position;
        }
        Ok(())
    }
}

impl Pace {
    /// The wait after so many failures in a row and one more.
    fn after(&self, failures: u32) -> Duration {
        let wait = self.retry.saturating_mul(2u32.saturating_pow(failures)).min(self.longest_retry);
        // A receiver that comes back should not meet everybody at once.
        wait.mul_f64(0.75 + fastrand::f64() / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let pace = Pace::default();
        for (failures, most) in [(0, 1), (1, 2), (2, 4), (8, 256), (9, 300), (40, 300), (u32::MAX, 300)] {
            let (wait, most) = (pace.after(failures), Duration::from_secs(most));
            assert!(wait <= most && wait >= most.mul_f64(0.75), "after {failures}: {wait:?}");
        }
    }
}
