//! What a server says besides its answers: progress, log messages, a changed list, and that it is gone.
//!
//! It is heard here, in the order in which it came, and before the answers that follow it. The SDK would handle each
//! notification in a task of its own, in any order, and as many at once as the server sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::ToolOutput;
use rmcp::RoleClient;
use rmcp::model::{ClientRequest, GetMeta, JsonRpcMessage, ProgressToken, ServerNotification};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::OutputStream;

/// Where the live output of a call goes. Travels with its request, so that no notification can be earlier.
#[derive(Clone)]
pub(crate) struct Live(pub(crate) mpsc::Sender<ToolOutput>);

/// The most bytes of one piece of live output.
const MAX_PIECE_BYTES: usize = 8 << 10;

/// The most bytes of live output of one call. The call goes on after that, its live output ends.
const MAX_LIVE_BYTES: usize = 1 << 20;

/// The most requests of a server that wait for an answer. One that asks more without taking answers is cut off.
const MAX_OPEN_REQUESTS: usize = 256;

#[derive(Default)]
pub(crate) struct Ear {
    /// The server is gone.
    pub(crate) ended: CancellationToken,
    /// The list of tools may have become stale.
    pub(crate) changed: Notify,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    calls: HashMap<ProgressToken, Call>,
    stale: Option<Stale>,
    open_requests: usize,
}

#[derive(Clone, Copy)]
struct Stale {
    since: Instant,
    changes: u64,
}

struct Call {
    live: mpsc::Sender<ToolOutput>,
    left: usize,
}

impl Ear {
    /// Since when the list of tools is known to be out of date.
    pub(crate) fn stale_since(&self) -> Option<Instant> {
        self.heard().stale.map(|stale| stale.since)
    }

    /// A mark to be given to [`Ear::has_listed`] when the list was read.
    pub(crate) fn before_listing(&self) -> u64 {
        self.heard().stale.map_or(0, |stale| stale.changes)
    }

    /// The list was read. It is still stale if it changed meanwhile.
    pub(crate) fn has_listed(&self, mark: u64) {
        let mut heard = self.heard();
        if heard.stale.is_some_and(|stale| stale.changes == mark) {
            heard.stale = None;
        }
    }

    /// The call has ended.
    pub(crate) fn forget(&self, token: &ProgressToken) {
        self.heard().calls.remove(token);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self, message: &mut TxJsonRpcMessage<RoleClient>) {
        let mut heard = self.heard();
        match message {
            JsonRpcMessage::Request(request) => {
                let token = request.request.get_meta().get_progress_token();
                if let ClientRequest::CallToolRequest(call) = &mut request.request
                    && let (Some(Live(live)), Some(token)) = (call.extensions.remove::<Live>(), token)
                {
                    heard.calls.retain(|_, call| !call.live.is_closed());
                    heard.calls.insert(token, Call { live, left: MAX_LIVE_BYTES });
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {
                heard.open_requests = heard.open_requests.saturating_sub(1);
            }
            JsonRpcMessage::Notification(_) => {}
        }
    }

    /// Takes what the SDK does not need to see. An error is the end.
    fn hears(
        &self,
        message: RxJsonRpcMessage<RoleClient>,
    ) -> Result<Option<RxJsonRpcMessage<RoleClient>>, TooMany> {
        match &message {
            JsonRpcMessage::Notification(notification) => {
                if self.notices(&notification.notification) {
                    return Ok(None);
                }
            }
            JsonRpcMessage::Request(_) => {
                let mut heard = self.heard();
                heard.open_requests += 1;
                if heard.open_requests > MAX_OPEN_REQUESTS {
                    return Err(TooMany);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Ok(Some(message))
    }

    /// Whether that is all there is to do about it.
    #[allow(deprecated, reason = "log messages are deprecated in the protocol, but servers send them")]
    fn notices(&self, notification: &ServerNotification) -> bool {
        match notification {
            ServerNotification::ProgressNotification(progress) => {
                let progress = &progress.params;
                let text = progress_text(progress.progress, progress.total, progress.message.as_deref());
                if let Some(call) = self.heard().calls.get_mut(&progress.progress_token) {
                    call.show(OutputStream::Stdout, text);
                }
                true
            }
            ServerNotification::LoggingMessageNotification(log) => {
                let log = &log.params;
                tracing::debug!(level = ?log.level, "an MCP server logged a message");
                let mut heard = self.heard();
                heard.calls.retain(|_, call| !call.live.is_closed());
                // It does not say which call it is about. With several running, it could be another conversation's.
                let mut calls = heard.calls.values_mut();
                if let (Some(call), None) = (calls.next(), calls.next()) {
                    let level = format!("{:?}", log.level).to_lowercase();
                    call.show(OutputStream::Stderr, log_text(&level, log.logger.as_deref(), &log.data));
                }
                true
            }
            ServerNotification::ToolListChangedNotification(_) => {
                {
                    let mut heard = self.heard();
                    let stale = heard.stale.get_or_insert(Stale { since: Instant::now(), changes: 0 });
                    stale.changes += 1;
                }
                self.changed.notify_one();
                true
            }
            ServerNotification::CancelledNotification(_) => {
                // It takes back a request of its own, which gets no answer then.
                let mut heard = self.heard();
                heard.open_requests = heard.open_requests.saturating_sub(1);
                false
            }
            // Nothing of these is used.
            _ => true,
        }
    }
}

struct TooMany;

impl Call {
    /// Never waits: what nobody takes in time is not shown.
    fn show(&mut self, stream: OutputStream, mut data: String) {
        if data.len() > MAX_PIECE_BYTES {
            data.truncate(data.floor_char_boundary(MAX_PIECE_BYTES));
            data.push('…');
        }
        data.push('\n');
        if data.len() <= self.left && self.live.try_send(ToolOutput { stream, data: data.clone() }).is_ok() {
            self.left -= data.len();
        }
    }
}

fn progress_text(progress: f64, total: Option<f64>, message: Option<&str>) -> String {
    let amount = match total {
        Some(total) => format!("[{progress}/{total}]"),
        None => format!("[{progress}]"),
    };
    match message.map(str::trim_end).filter(|message| !message.is_empty()) {
        Some(message) => format!("{amount} {message}"),
        None => amount,
    }
}

fn log_text(level: &str, logger: Option<&str>, data: &Value) -> String {
    let words = match data {
        Value::String(text) => text.trim_end().to_owned(),
        other => other.to_string(),
    };
    match logger {
        Some(logger) => format!("[{level}] {logger}: {words}"),
        None => format!("[{level}] {words}"),
    }
}

/// A transport with an ear.
pub(crate) struct Tap<T> {
    inner: T,
    ear: Arc<Ear>,
}

impl<T> Tap<T> {
    pub(crate) fn new(inner: T, ear: Arc<Ear>) -> Self {
        Self { inner, ear }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Tap<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        mut item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.ear.said(&mut item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let Some(message) = self.inner.receive().await else { break };
            match self.ear.hears(message) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(TooMany) => break,
            }
        }
        self.ear.ended.cancel();
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.ear.ended.cancel();
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_and_log_messages_are_lines() {
        assert_eq!(progress_text(3.0, Some(10.0), Some("reading\n")), "[3/10] reading");
        assert_eq!(progress_text(0.5, None, None), "[0.5]");
        assert_eq!(log_text("info", Some("db"), &json!("connected\n")), "[info] db: connected");
        assert_eq!(log_text("error", None, &json!({"code": 1})), "[error] {\"code\":1}");
    }

    #[test]
    fn a_call_shows_so_much_and_no_more() {
        let (live, mut shown) = mpsc::channel(1000);
        let mut call = Call { live, left: MAX_LIVE_BYTES };
        for _ in 0..1000 {
            call.show(OutputStream::Stdout, "é".repeat(MAX_PIECE_BYTES));
        }
        drop(call);
        let mut total = 0;
        while let Ok(piece) = shown.try_recv() {
            total += piece.data.len();
            assert!(piece.data.len() <= MAX_PIECE_BYTES + 4 && piece.data.ends_with("é…\n"));
        }
        assert!(total <= MAX_LIVE_BYTES && total > MAX_LIVE_BYTES - 2 * MAX_PIECE_BYTES, "{total}");
    }

    #[test]
    fn a_list_that_changes_while_it_is_read_stays_stale() {
        let ear = Ear::default();
        let change = || {
            assert!(ear.notices(&ServerNotification::ToolListChangedNotification(
                rmcp::model::ToolListChangedNotification::default()
            )));
        };
        change();
        let mark = ear.before_listing();
        change();
        ear.has_listed(mark);
        assert!(ear.stale_since().is_some());
        ear.has_listed(ear.before_listing());
        assert!(ear.stale_since().is_none());
    }
}
