//! Sends the client what it watches, as fast as it takes it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use engine::StatusChange;
use engine::live::{Heard, Watcher};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use wire::ConversationId;
use wire::transport::ServerMessage;

/// How many bytes are put together before they are sent.
pub(super) const FLUSH_BYTES: usize = 64 * 1024;

/// Keeps proxies and browsers from closing a quiet socket.
const PING: Duration = Duration::from_secs(20);

/// A client that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the reader wants of the writer.
pub(super) enum Order {
    /// Send a frame.
    Say(ServerMessage),
    /// Send what that watcher hears. A conversation that is watched already stays as it is, without a second replay.
    Watch(ConversationId, Watcher),
    /// Stop sending what happens there.
    Unwatch(ConversationId),
}

/// Writes until the socket is gone, or takes nothing for too long, or the server stops.
pub(super) async fn write(
    sink: SplitSink<WebSocket, Message>,
    mut orders: mpsc::Receiver<Order>,
    mut statuses: broadcast::Receiver<StatusChange>,
    closing: CancellationToken,
) {
    let mut writer = Writer { sink, watched: Watched::default(), unflushed: 0 };
    let mut pings = interval_at(tokio::time::Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut going = writer.say(&ServerMessage::Catalog { catalog: Vec::new() }).await.is_some();
    while going && writer.flush().await.is_some() {
        let done = tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Say(message)) => writer.say(&message).await,
                Some(Order::Watch(id, watcher)) => { writer.watched.add(id, watcher); Some(()) }
                Some(Order::Unwatch(id)) => { writer.watched.remove(&id); Some(()) }
                None => None,
            },
            frame = writer.watched.next() => writer.delta(frame).await,
            change = statuses.recv() => match change {
                Ok(change) => writer.say(&status_changed(change)).await,
                // More changes than the channel holds while the client took none; the list has the truth.
                Err(RecvError::Lagged(_)) => Some(()),
                Err(RecvError::Closed) => None,
            },
            _ = pings.tick() => writer.send(Message::Ping(Bytes::new())).await,
            () = closing.cancelled() => {
                let reason = Utf8Bytes::from_static("the server is stopping");
                let _ = writer.send(Message::Close(Some(CloseFrame { code: close_code::AWAY, reason }))).await;
                let _ = writer.flush().await;
                None
            }
        };
        going = done.is_some();
    }
}

struct Writer {
    sink: SplitSink<WebSocket, Message>,
    watched: Watched,
    unflushed: usize,
}

impl Writer {
    async fn say(&mut self, message: &ServerMessage) -> Option<()> {
        let text = serde_json::to_string(message).ok()?;
        self.send(Message::Text(text.into())).await
    }

    /// Sends a frame, and what else is there already, up to a buffer full.
    async fn delta(&mut self, first: Bytes) -> Option<()> {
        let mut frame = first;
        loop {
            // Frames are made of JSON, which is UTF-8.
            self.send(Message::Text(Utf8Bytes::try_from(frame).ok()?)).await?;
            if self.unflushed >= FLUSH_BYTES {
                return Some(());
            }
            match self.watched.try_next() {
                Some(more) => frame = more,
                None => return Some(()),
            }
        }
    }

    async fn send(&mut self, message: Message) -> Option<()> {
        if let Message::Text(text) = &message {
            self.unflushed += text.len();
        }
        timeout(PATIENCE, self.sink.feed(message)).await.ok()?.ok()
    }

    async fn flush(&mut self) -> Option<()> {
        self.unflushed = 0;
        timeout(PATIENCE, self.sink.flush()).await.ok()?.ok()
    }
}

/// The conversations that a socket watches.
#[derive(Default)]
struct Watched {
    watchers: Vec<(ConversationId, Watcher)>,
    places: HashMap<ConversationId, usize>,
    /// Where the next look begins, so that a busy conversation does not starve the others.
    turn: usize,
}

impl Watched {
    fn add(&mut self, id: ConversationId, watcher: Watcher) {
        if !self.places.contains_key(&id) {
            self.places.insert(id.clone(), self.watchers.len());
            self.watchers.push((id, watcher));
        }
    }

    fn remove(&mut self, id: &ConversationId) {
        if let Some(place) = self.places.remove(id) {
            self.watchers.swap_remove(place);
            if let Some((moved, _)) = self.watchers.get(place) {
                self.places.insert(moved.clone(), place);
            }
        }
    }

    async fn next(&mut self) -> Bytes {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        for _ in 0..self.watchers.len() {
            self.turn = (self.turn + 1) % self.watchers.len();
            let (_, watcher) = &mut self.watchers[self.turn];
            while let Poll::Ready(heard) = watcher.poll_next(context) {
                if let Heard::Frame(frame) = heard {
                    return Poll::Ready(frame.delta());
                }
            }
        }
        Poll::Pending
    }

    fn try_next(&mut self) -> Option<Bytes> {
        for _ in 0..self.watchers.len() {
            let place = self.turn % self.watchers.len();
            while let Some(heard) = self.watchers[place].1.try_next() {
                if let Heard::Frame(frame) = heard {
                    return Some(frame.delta());
                }
            }
            self.turn = (place + 1) % self.watchers.len();
        }
        None
    }
}

fn status_changed(change: StatusChange) -> ServerMessage {
    ServerMessage::ConversationStatusChanged {
        conversation_id: change.conversation_id,
        status: change.status,
    }
}
