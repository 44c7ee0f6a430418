//! Takes the client's frames and does what they ask.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use engine::live::{Heard, Watch};
use engine::{Prompt, Sent, Steer};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::Value;
use tokio::sync::mpsc;
use wire::transport::ServerMessage;
use wire::{ConversationId, ErrorCode, TurnId};

use super::kind::Kind;
use super::panels::{self, Subscription, Wish};
use super::writer::Order;
use crate::access::Caller;
use crate::answer::Refusal;
use crate::input::Fields;
use crate::surfaces::Surface;
use crate::{App, input};

/// Reads until the client is gone.
pub(super) async fn read(
    app: App,
    mut source: SplitStream<WebSocket>,
    orders: mpsc::Sender<Order>,
    kind: Kind,
    caller: Caller,
) {
    let mut reader = Reader { app, orders, kind, caller, panels: None };
    while let Some(Ok(message)) = source.next().await {
        match message {
            Message::Text(text) => reader.frame(text.as_str()).await,
            Message::Binary(_) => reader.protocol_error(ErrorCode::InvalidJson, "frames must be text").await,
            // Pongs are sent by the library.
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return,
        }
    }
}

/// A frame about surfaces that could not be served.
pub(super) fn surface_error(surface_id: Option<String>, refusal: Refusal) -> ServerMessage {
    let code = Some(refusal.code.as_str().to_owned());
    ServerMessage::Error { surface_id, message: refusal.message, code }
}

struct Reader {
    app: App,
    orders: mpsc::Sender<Order>,
    kind: Kind,
    /// Who pays for the turns that frames start.
    caller: Caller,
    /// Where wishes about surfaces go, once there was one.
    panels: Option<mpsc::Sender<Wish>>,
}

impl Reader {
    async fn frame(&mut self, text: &str) {
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => {
                return self.protocol_error(ErrorCode::InvalidJson, "a frame must be a JSON object").await;
            }
            Err(_) => return self.protocol_error(ErrorCode::InvalidJson, "Invalid JSON").await,
        };
        let Some(frame) = fields.get("type").and_then(Value::as_str) else {
            return self.protocol_error(ErrorCode::UnknownMessage, "a frame must have a string `type`").await;
        };
        let kind = self.kind.after(frame, &fields);
        if kind != self.kind {
            self.kind = kind;
            self.order(Order::Become(kind)).await;
        }
        match frame {
            "chat.send" => self.chat_send(&fields).await,
            "chat.subscribe" => self.chat_subscribe(&fields).await,
            "chat.unsubscribe" => self.chat_unsubscribe(&fields).await,
            "chat.queue" => self.chat_queue(&fields).await,
            "chat.queue.cancel" => self.chat_queue_cancel(&fields).await,
            "subscribe" => self.subscribe_surface(&fields).await,
            "unsubscribe" => self.unsubscribe_surface(&fields).await,
            "invoke" => self.invoke(&fields).await,
            other => {
                let message = format!("unknown message type: {other}");
                self.protocol_error(ErrorCode::UnknownMessage, &message).await;
            }
        }
    }

    async fn chat_send(&self, fields: &Fields) {
        let (id, prompt) = match input::chat(fields, self.caller.key()) {
            Ok(chat) => chat,
            Err(refusal) => return self.chat_error(given_id(fields), "chat.send", refusal).await,
        };
        // Whoever sends watches; also when the message is refused because a turn is running.
        self.watch(&id, prompt.watch.clone()).await;
        let prompt = Prompt { watch: Watch::default(), ..prompt };
        match self.app.engine.send(&id, prompt).await {
            // The watcher of before hears it.
            Ok(Sent::Started(_) | Sent::Queued(_)) => {}
            Ok(Sent::Repeated(turn)) => self.say_if_sealed(&id, turn).await,
            Err(error) => self.chat_error(Some(id), "", error.into()).await,
        }
    }

    /// A message that was taken in before: if its turn is over, the client fetches the history.
    async fn say_if_sealed(&self, id: &ConversationId, turn: TurnId) {
        let watch = Watch { audience: self.kind.audience(), ..Watch::default() };
        if let Some(Heard::Frame(frame)) = self.app.engine.watch_turn(id, turn.clone(), watch).try_next()
            && is_sealed(&frame.event())
        {
            self.order(Order::Delta(frame.delta())).await;
        }
    }

    async fn chat_subscribe(&self, fields: &Fields) {
        let (id, watch) = match required_id(fields).and_then(|id| Ok((id, input::watch(fields)?))) {
            Ok(subscription) => subscription,
            Err(refusal) => return self.chat_error(given_id(fields), "chat.subscribe", refusal).await,
        };
        self.watch(&id, watch).await;
    }

    async fn chat_unsubscribe(&self, fields: &Fields) {
        match required_id(fields) {
            Ok(id) => self.order(Order::Unwatch(id)).await,
            Err(refusal) => self.chat_error(None, "chat.unsubscribe", refusal).await,
        }
    }

    async fn chat_queue(&self, fields: &Fields) {
        let id = match required_id(fields) {
            Ok(id) => id,
            Err(refusal) => return self.chat_error(None, "chat.queue", refusal).await,
        };
        let steer = match input::steer(fields, self.caller.key()) {
            Ok(steer) => steer,
            Err(refusal) => return self.chat_error(Some(id), "chat.queue", refusal).await,
        };
        let watch = Watch { audience: self.kind.audience(), ..steer.watch };
        match self.app.engine.queue(&id, Steer { watch, ..steer }).await {
            Ok(queued) => {
                if let Some(started) = queued.started {
                    self.order(Order::Watch(id, started.watcher)).await;
                }
            }
            Err(error) => self.chat_error(Some(id), "", error.into()).await,
        }
    }

    async fn chat_queue_cancel(&self, fields: &Fields) {
        let wanted = required_id(fields).and_then(|id| Ok((id, input::text(fields, "messageId")?)));
        let (id, message) = match wanted {
            Ok(wanted) => wanted,
            Err(refusal) => return self.chat_error(given_id(fields), "chat.queue.cancel", refusal).await,
        };
        if let Err(error) = self.app.engine.cancel_queued(&id, message).await {
            self.chat_error(Some(id), "", error.into()).await;
        }
    }

    async fn subscribe_surface(&mut self, fields: &Fields) {
        match self.subscription(fields) {
            Ok(subscription) => self.wish(Wish::Subscribe(subscription)).await,
            Err(refusal) => self.say(surface_error(Some(named_surface(fields)), refusal)).await,
        }
    }

    async fn unsubscribe_surface(&mut self, fields: &Fields) {
        // Whatever it was, it is not subscribed to any more.
        if let Ok(subscription) = self.subscription(fields) {
            self.wish(Wish::Unsubscribe(subscription)).await;
        }
    }

    async fn invoke(&self, fields: &Fields) {
        match self.invocation(fields) {
            // What the socket sends next does not wait for it.
            Ok(invocation) if invocation.surface.takes_long(&invocation.action) => self.spawn(invocation),
            Ok(invocation) => {
                if let Err(refusal) = invocation.run().await {
                    self.say(surface_error(Some(named_surface(fields)), refusal)).await;
                }
            }
            Err(refusal) => self.say(surface_error(Some(named_surface(fields)), refusal)).await,
        }
    }

    fn invocation(&self, fields: &Fields) -> Result<Invocation, Refusal> {
        let subscription = self.subscription(fields)?;
        Ok(Invocation {
            surface: self.app.surfaces.find(&subscription.surface)?.clone(),
            action: input::text(fields, "actionId")?,
            payload: fields.get("payload").filter(|payload| !payload.is_null()).cloned(),
            subscription,
        })
    }

    /// Runs an action beside the reader. Its end is heard in any case: as an error, or as the surface shown anew.
    fn spawn(&self, invocation: Invocation) {
        // Neither end of the socket stays for it.
        let orders = self.orders.downgrade();
        let panels = self.panels.as_ref().map(mpsc::Sender::downgrade);
        tokio::spawn(async move {
            match invocation.run().await {
                Ok(()) => {
                    if let Some(panels) = panels.and_then(|panels| panels.upgrade()) {
                        let _ = panels.send(Wish::Show(invocation.subscription)).await;
                    }
                }
                Err(refusal) => {
                    if let Some(orders) = orders.upgrade() {
                        let error = surface_error(Some(invocation.subscription.surface), refusal);
                        let _ = orders.send(Order::Say(error)).await;
                    }
                }
            }
        });
    }

    /// What a frame about a surface is about, if there is such a surface.
    fn subscription(&self, fields: &Fields) -> Result<Subscription, Refusal> {
        let surface = named_surface(fields);
        self.app.surfaces.find(&surface)?;
        let conversation = match fields.get("conversationId") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(input::conversation_id(id)?),
            Some(_) => return Err(Refusal::invalid("`conversationId` must be a string")),
        };
        Ok(Subscription { surface, conversation })
    }

    async fn wish(&mut self, wish: Wish) {
        if self.panels.is_none() {
            let (sender, wishes) = mpsc::channel(64);
            let changes = self.app.engine.changes();
            // Ends with this reader, which holds the other end of the wishes.
            tokio::spawn(panels::serve(self.app.clone(), wishes, changes, self.orders.clone()));
            self.panels = Some(sender);
        }
        if let Some(panels) = &self.panels {
            let _ = panels.send(wish).await;
        }
    }

    async fn watch(&self, id: &ConversationId, watch: Watch) {
        let watch = Watch { audience: self.kind.audience(), ..watch };
        let watcher = self.app.engine.watch(id, watch);
        self.order(Order::Watch(id.clone(), watcher)).await;
    }

    async fn chat_error(&self, id: Option<ConversationId>, frame: &str, refusal: Refusal) {
        let message =
            if frame.is_empty() { refusal.message } else { format!("{frame}: {}", refusal.message) };
        let code = Some(refusal.code.as_str().to_owned());
        self.say(ServerMessage::ChatError { conversation_id: id, message, code }).await;
    }

    async fn protocol_error(&self, code: ErrorCode, message: &str) {
        let code = Some(code.as_str().to_owned());
        self.say(ServerMessage::Error { surface_id: None, message: message.to_owned(), code }).await;
    }

    async fn say(&self, message: ServerMessage) {
        self.order(Order::Say(message)).await;
    }

    async fn order(&self, order: Order) {
        // The writer is gone only when the socket is, and then so is this reader in a moment.
        let _ = self.orders.send(order).await;
    }
}

/// An action of a surface, with what belongs to it.
struct Invocation {
    surface: Arc<dyn Surface>,
    action: String,
    payload: Option<Value>,
    /// Who shows it, if anybody does.
    subscription: Subscription,
}

impl Invocation {
    async fn run(&self) -> Result<(), Refusal> {
        let Subscription { surface, conversation } = &self.subscription;
        match self.surface.invoke(&self.action, self.payload.as_ref(), conversation.as_ref()).await {
            Some(done) => done,
            None => {
                let message = format!("{surface} has no action {}", self.action);
                Err(Refusal::of(ErrorCode::UnknownAction, message))
            }
        }
    }
}

fn named_surface(fields: &Fields) -> String {
    fields.get("surfaceId").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_sealed(event: &[u8]) -> bool {
    event.starts_with(br#"{"type":"turn-sealed""#)
}

fn required_id(fields: &Fields) -> Result<ConversationId, Refusal> {
    input::conversation_id(&input::text(fields, "conversationId")?)
}

fn given_id(fields: &Fields) -> Option<ConversationId> {
    fields.get("conversationId").and_then(Value::as_str).and_then(|id| ConversationId::parse(id).ok())
}
