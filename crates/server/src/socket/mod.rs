//! The WebSocket: surfaces and conversations on one socket.
//!
//! Two halves. The reader takes frames and does what they ask. The writer owns the socket's subscriptions and reads each
//! conversation's stream only as fast as the client takes it: a slow client costs one frame of memory, and what it has
//! not read yet is merged on the stream. Surfaces, whose content has to be looked up, have a task of their own beside
//! them as soon as one is subscribed to.

mod kind;
mod panels;
mod reader;
mod writer;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::UPGRADE;
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::App;
use crate::access::Caller;
use kind::Kind;

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Accepts the upgrade.
pub(crate) fn accept(app: App, upgrade: WebSocketUpgrade, caller: Caller) -> Response {
    let limit = app.body_limit;
    upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .write_buffer_size(writer::FLUSH_BYTES)
        .on_upgrade(move |socket| serve(app, socket, caller))
}

async fn serve(app: App, socket: WebSocket, caller: Caller) {
    let (sink, source) = socket.split();
    let (orders, from_reader) = mpsc::channel(64);
    // Subscribed before the first frame goes out, so that no change after `catalog` is missed.
    let notices = app.engine.notices();
    let kind = Kind::new(app.legacy_clients);
    let writer = writer::write(app.clone(), sink, from_reader, notices, kind);
    tokio::select! {
        () = reader::read(app, source, orders, kind, caller) => {}
        () = writer => {}
    }
}
