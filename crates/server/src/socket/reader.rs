//! Takes the client's frames and does what they ask.

use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::Value;
use tokio::sync::mpsc;
use wire::transport::ServerMessage;
use wire::{ConversationId, ErrorCode};

use super::writer::Order;
use crate::answer::Refusal;
use crate::input::Fields;
use crate::{App, input};

/// Reads until the client is gone.
pub(super) async fn read(app: App, mut source: SplitStream<WebSocket>, orders: mpsc::Sender<Order>) {
    let reader = Reader { app, orders };
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

struct Reader {
    app: App,
    orders: mpsc::Sender<Order>,
}

impl Reader {
    async fn frame(&self, text: &str) {
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => {
                return self.protocol_error(ErrorCode::InvalidJson, "a frame must be a JSON object").await;
            }
            Err(_) => return self.protocol_error(ErrorCode::InvalidJson, "Invalid JSON").await,
        };
        match fields.get("type").and_then(Value::as_str) {
            Some("chat.send") => self.chat_send(&fields).await,
            Some("chat.subscribe") => self.chat_subscribe(&fields).await,
            Some("chat.unsubscribe") => self.chat_unsubscribe(&fields).await,
            Some("chat.queue") => self.chat_queue(&fields).await,
            Some("subscribe" | "invoke") => self.no_such_surface(&fields).await,
            // There is nothing that could be subscribed, so there is nothing to do.
            Some("unsubscribe") => {}
            Some(other) => {
                let message = format!("unknown message type: {other}");
                self.protocol_error(ErrorCode::UnknownMessage, &message).await;
            }
            None => self.protocol_error(ErrorCode::UnknownMessage, "a frame must have a string `type`").await,
        }
    }

    async fn chat_send(&self, fields: &Fields) {
        let (id, prompt) = match input::chat(fields) {
            Ok(chat) => chat,
            Err(refusal) => return self.chat_error(given_id(fields), "chat.send", refusal).await,
        };
        // Whoever sends watches; also when the message is refused because a turn is running.
        self.subscribe(id.clone()).await;
        if let Err(error) = self.app.engine.send(&id, prompt).await {
            self.chat_error(Some(id), "", error.into()).await;
        }
    }

    async fn chat_subscribe(&self, fields: &Fields) {
        match required_id(fields) {
            Ok(id) => self.subscribe(id).await,
            Err(refusal) => self.chat_error(None, "chat.subscribe", refusal).await,
        }
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
        let text = match input::text(fields, "text") {
            Ok(text) => text,
            Err(refusal) => return self.chat_error(Some(id), "chat.queue", refusal).await,
        };
        match self.app.engine.queue(&id, text).await {
            Ok(queued) => {
                if let Some(started) = queued.started {
                    self.order(Order::Watch(id, started.watcher)).await;
                }
            }
            Err(error) => self.chat_error(Some(id), "", error.into()).await,
        }
    }

    async fn no_such_surface(&self, fields: &Fields) {
        let surface = fields.get("surfaceId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = format!("Unknown surface: {surface}");
        let code = Some(ErrorCode::UnknownSurface.as_str().to_owned());
        self.say(ServerMessage::Error { surface_id: Some(surface), message, code }).await;
    }

    async fn subscribe(&self, id: ConversationId) {
        let watcher = self.app.engine.watch(&id, false);
        self.order(Order::Watch(id, watcher)).await;
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

fn required_id(fields: &Fields) -> Result<ConversationId, Refusal> {
    input::conversation_id(&input::text(fields, "conversationId")?)
}

fn given_id(fields: &Fields) -> Option<ConversationId> {
    fields.get("conversationId").and_then(Value::as_str).and_then(|id| ConversationId::parse(id).ok())
}
