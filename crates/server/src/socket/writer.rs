//! Sends the client what it watches, as fast as it takes it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use engine::Notice;
use engine::live::{Heard, Watch, Watcher};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use wire::extension::ExtensionServerMessage;
use wire::transport::ServerMessage;
use wire::{ConversationId, ConversationStatus};

use super::kind::Kind;
use crate::App;

/// How many bytes are put together before they are sent.
pub(super) const FLUSH_BYTES: usize = 64 * 1024;

/// Keeps proxies and browsers from closing a quiet socket.
const PING: Duration = Duration::from_secs(20);

/// A client that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a client of the first contract is given to show that it knows more, before it is sent what runs.
const LEGACY_GRACE: Duration = Duration::from_millis(400);

/// What the reader wants of the writer.
pub(super) enum Order {
    /// Send a frame.
    Say(ServerMessage),
    /// Send an event, a complete `chat.delta` frame.
    Delta(Bytes),
    /// Send what that watcher hears. A conversation that is watched already stays as it is, without a second replay.
    Watch(ConversationId, Watcher),
    /// Stop sending what happens there.
    Unwatch(ConversationId),
    /// The client has shown that it is of that kind.
    Become(Kind),
}

/// Writes until the socket is gone, or takes nothing for too long, or the server stops.
pub(super) async fn write(
    app: App,
    sink: SplitSink<WebSocket, Message>,
    mut orders: mpsc::Receiver<Order>,
    mut notices: broadcast::Receiver<Notice>,
    kind: Kind,
) {
    let closing = app.closing.clone();
    let mut writer = Writer { app, sink, watched: Watched::default(), unflushed: 0, kind, shows_all: false };
    let mut pings = interval_at(tokio::time::Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let grace = tokio::time::sleep(LEGACY_GRACE);
    tokio::pin!(grace);
    let catalog = writer.app.surfaces.catalog();
    let mut going = writer.say(&ServerMessage::Catalog { catalog }).await.is_some();
    while going && writer.flush().await.is_some() {
        let done = tokio::select! {
            order = orders.recv() => match order {
                Some(order) => writer.obey(order).await,
                None => None,
            },
            frame = writer.watched.next() => writer.delta(frame).await,
            notice = notices.recv() => match notice {
                Ok(notice) => writer.tell(notice).await,
                // More notices than the channel holds while the client took none; the list has the truth.
                Err(RecvError::Lagged(_)) => Some(()),
                Err(RecvError::Closed) => None,
            },
            _ = pings.tick() => writer.send(Message::Ping(Bytes::new())).await,
            () = &mut grace, if writer.kind == Kind::Legacy && !writer.shows_all => {
                writer.show_all();
                Some(())
            }
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
    app: App,
    sink: SplitSink<WebSocket, Message>,
    watched: Watched,
    unflushed: usize,
    kind: Kind,
    /// A client of the first contract is sent every turn, as it cannot ask for any.
    shows_all: bool,
}

impl Writer {
    async fn obey(&mut self, order: Order) -> Option<()> {
        match order {
            Order::Say(message) => return self.say(&message).await,
            Order::Delta(frame) => return self.delta(frame).await,
            Order::Watch(id, watcher) => self.watched.add(id, watcher, true),
            Order::Unwatch(id) => self.watched.remove(&id),
            Order::Become(kind) => {
                self.kind = kind;
                self.watched.become_of(kind);
            }
        }
        Some(())
    }

    /// Passes on what every client is told, as far as this one knows it.
    async fn tell(&mut self, notice: Notice) -> Option<()> {
        if self.kind == Kind::Legacy {
            if let Notice::Status { conversation_id, status: ConversationStatus::Active } = &notice
                && self.shows_all
            {
                self.show(conversation_id);
            }
            return Some(());
        }
        match notice {
            Notice::Status { conversation_id, status } => {
                self.broadcast(&ServerMessage::ConversationStatusChanged { conversation_id, status }).await
            }
            Notice::Opened { conversation_id } => {
                self.broadcast(&ServerMessage::ConversationOpen { conversation_id }).await
            }
            Notice::Compacted { conversation_id, result } => {
                let message = ServerMessage::ConversationCompacted {
                    conversation_id,
                    new_conversation_id: result.new_conversation_id,
                    messages_summarized: result.messages_summarized,
                    messages_kept: result.messages_kept,
                };
                self.broadcast(&message).await
            }
            Notice::Deleted { conversation_id } if self.kind == Kind::Extended => {
                self.broadcast(&ExtensionServerMessage::ConversationDeleted { conversation_id }).await
            }
            Notice::Titled { conversation_id, title } if self.kind == Kind::Extended => {
                let message = ExtensionServerMessage::ConversationTitleChanged { conversation_id, title };
                self.broadcast(&message).await
            }
            Notice::Deleted { .. } | Notice::Titled { .. } => Some(()),
        }
    }

    /// Shows every turn that runs, and those that begin from now on.
    fn show_all(&mut self) {
        self.shows_all = true;
        for id in self.app.engine.active() {
            self.show(&id);
        }
    }

    fn show(&mut self, id: &ConversationId) {
        if !self.watched.contains(id) {
            let watch = Watch { audience: self.kind.audience(), ..Watch::default() };
            let watcher = self.app.engine.watch(id, watch);
            self.watched.add(id.clone(), watcher, false);
        }
    }

    /// Sends a frame with the workspace in it: clients of the later contract ignore one without.
    async fn broadcast(&mut self, message: &impl serde::Serialize) -> Option<()> {
        let mut message = serde_json::to_value(message).ok()?;
        message.as_object_mut()?.insert("workspaceId".to_owned(), crate::WORKSPACE.into());
        self.send(Message::Text(message.to_string().into())).await
    }

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
    watchers: Vec<Watching>,
    places: HashMap<ConversationId, usize>,
    /// Where the next look begins, so that a busy conversation does not starve the others.
    turn: usize,
}

struct Watching {
    id: ConversationId,
    watcher: Watcher,
    /// Whether the client asked for it. Otherwise it is watched to the end of the turn.
    asked: bool,
}

impl Watched {
    fn contains(&self, id: &ConversationId) -> bool {
        self.places.contains_key(id)
    }

    fn add(&mut self, id: ConversationId, watcher: Watcher, asked: bool) {
        match self.places.get(&id) {
            Some(place) => self.watchers[*place].asked |= asked,
            None => {
                self.places.insert(id.clone(), self.watchers.len());
                self.watchers.push(Watching { id, watcher, asked });
            }
        }
    }

    fn remove(&mut self, id: &ConversationId) {
        if let Some(place) = self.places.remove(id) {
            self.watchers.swap_remove(place);
            if let Some(moved) = self.watchers.get(place) {
                self.places.insert(moved.id.clone(), place);
            }
        }
    }

    /// The client knows more than it seemed: it gets that, and no longer what it did not ask for.
    fn become_of(&mut self, kind: Kind) {
        let unasked: Vec<_> = self
            .watchers
            .iter()
            .filter(|watching| !watching.asked)
            .map(|watching| watching.id.clone())
            .collect();
        for id in unasked {
            self.remove(&id);
        }
        for watching in &mut self.watchers {
            watching.watcher.set_audience(kind.audience());
        }
    }

    async fn next(&mut self) -> Bytes {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        self.look(|watcher| match watcher.poll_next(context) {
            Poll::Ready(heard) => Some(heard),
            Poll::Pending => None,
        })
        .map_or(Poll::Pending, Poll::Ready)
    }

    fn try_next(&mut self) -> Option<Bytes> {
        self.look(Watcher::try_next)
    }

    /// The next frame of any conversation, the one after the last first.
    fn look(&mut self, mut read: impl FnMut(&mut Watcher) -> Option<Heard>) -> Option<Bytes> {
        let mut left = self.watchers.len();
        while left > 0 {
            left -= 1;
            let place = (self.turn + 1) % self.watchers.len();
            self.turn = place;
            loop {
                match read(&mut self.watchers[place].watcher) {
                    Some(Heard::Frame(frame)) => return Some(frame.delta()),
                    Some(Heard::TurnOver) if !self.watchers[place].asked => {
                        let id = self.watchers[place].id.clone();
                        self.remove(&id);
                        // Another one stands in its place now: all are looked at again.
                        left = self.watchers.len();
                        break;
                    }
                    Some(Heard::TurnOver) => {}
                    None => break,
                }
            }
        }
        None
    }
}
