//! What the server says to one request, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// One reply: a status, headers, and a body that may take its time, break off or never end.
///
/// A body without an end of its own ([`Reply::stall`], [`Reply::hang_up`]) ends as HTTP wants it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) delay: Duration,
    pub(crate) acts: Vec<Act>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Send {
        bytes: Bytes,
        token: bool,
    },
    Wait(Duration),
    /// Frames at fixed times, counted from the first, so that a late one does not delay those after it.
    Paced {
        frames: Arc<[Bytes]>,
        interval: Duration,
    },
    Stall,
    HangUp,
}

impl Reply {
    /// A reply with that status and no body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), delay: Duration::ZERO, acts: Vec::new() }
    }

    /// A reply of status 200 with JSON.
    pub fn json(body: &Value) -> Self {
        Self::status(200).with_json(body)
    }

    /// A stream of server-sent events with this content.
    pub fn recording(bytes: impl Into<Bytes>) -> Self {
        Self::events().send(bytes)
    }

    /// A stream of server-sent events without any yet.
    pub fn events() -> Self {
        Self::status(200).header("content-type", "text/event-stream")
    }

    /// Silence: the request is read and nothing is ever said.
    pub fn silence() -> Self {
        Self::status(200).after(Duration::from_secs(86_400))
    }

    /// The same reply with JSON as its body.
    pub fn with_json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").send(body.to_string())
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits before the head of the reply.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends bytes, in a frame of their own.
    pub fn send(mut self, bytes: impl Into<Bytes>) -> Self {
        self.acts.push(Act::Send { bytes: bytes.into(), token: false });
        self
    }

    /// Sends bytes that carry content: the first of these is the first token.
    pub fn send_token(mut self, bytes: impl Into<Bytes>) -> Self {
        self.acts.push(Act::Send { bytes: bytes.into(), token: true });
        self
    }

    /// Sends these frames of content at fixed times: the first at once, each further one an interval later.
    pub fn send_paced(mut self, frames: impl Into<Arc<[Bytes]>>, interval: Duration) -> Self {
        self.acts.push(Act::Paced { frames: frames.into(), interval });
        self
    }

    /// Waits.
    pub fn wait(mut self, delay: Duration) -> Self {
        self.acts.push(Act::Wait(delay));
        self
    }

    /// Sends nothing more and keeps the connection open.
    pub fn stall(mut self) -> Self {
        self.acts.push(Act::Stall);
        self
    }

    /// Breaks the connection.
    pub fn hang_up(mut self) -> Self {
        self.acts.push(Act::HangUp);
        self
    }

    /// Cuts everything that was scripted so far into frames of that many bytes, across lines and characters.
    pub fn split(mut self, size: usize) -> Self {
        let size = size.max(1);
        let mut acts = Vec::with_capacity(self.acts.len());
        for act in self.acts {
            match act {
                Act::Send { mut bytes, token } => {
                    while !bytes.is_empty() {
                        let piece = bytes.split_to(size.min(bytes.len()));
                        acts.push(Act::Send { bytes: piece, token });
                    }
                }
                other => acts.push(other),
            }
        }
        self.acts = acts;
        self
    }
}
