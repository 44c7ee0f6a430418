//! A signaling WebSocket, whatever library it comes from.

use std::time::Duration;

use wire::realtime::ServerMessage;

/// How long a client may take nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// What comes from a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text frame.
    Text(String),
    /// Any frame that is neither text nor a close.
    Other,
    /// A close frame, with its code if it has one.
    Close(Option<u16>),
}

/// What goes to a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A ping.
    Ping,
    /// A close frame of ours.
    Close {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// The answer to a close frame, with the code that it had.
    Echo(Option<u16>),
}

/// A WebSocket.
pub trait Socket: Send {
    /// The next frame; none when the connection is gone. Can be dropped while it waits without losing anything.
    fn receive(&mut self) -> impl Future<Output = Option<Received>> + Send;

    /// Sends a frame. False when the connection is gone.
    fn send(&mut self, frame: Frame) -> impl Future<Output = bool> + Send;
}

/// Sends a frame to a client that takes it in time.
pub(super) async fn send(socket: &mut impl Socket, frame: Frame) -> bool {
    tokio::time::timeout(PATIENCE, socket.send(frame)).await.unwrap_or(false)
}

pub(super) async fn send_message(socket: &mut impl Socket, message: &ServerMessage) -> bool {
    match serde_json::to_string(message) {
        Ok(text) => send(socket, Frame::Text(text)).await,
        Err(error) => {
            tracing::error!("a message cannot be written: {error}");
            false
        }
    }
}
