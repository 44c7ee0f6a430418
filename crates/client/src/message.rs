//! A message on its way to the server.

use serde::Serialize;
use wire::extension::{ChatExtras, WatchExtras, WhenActive};
use wire::transport::{ChatRequest, QueueResponse};
use wire::{ConversationId, TurnId};

use crate::{Answer, Events};

/// The client's own id of a message: sent again under it, a message does nothing twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessageId(String);

impl ClientMessageId {
    /// One that was never used.
    pub fn mint() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// As it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What `POST /chat` takes.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// What the contract has.
    #[serde(flatten)]
    pub request: ChatRequest,
    /// What it has not.
    #[serde(flatten)]
    pub extras: ChatExtras,
}

impl Message {
    /// A message that can be sent again: it has an id of its own, and so has its conversation, even if it is a new one.
    pub fn new(conversation: Option<ConversationId>, text: String) -> Self {
        let mut message = Self {
            request: ChatRequest { message: text, conversation_id: conversation, ..ChatRequest::default() },
            extras: ChatExtras::default(),
        };
        message.name();
        message
    }

    /// Gives it the ids with which it can be sent again, where it has none.
    pub(crate) fn name(&mut self) {
        let anew = || ConversationId::new(uuid::Uuid::new_v4().to_string());
        self.request.conversation_id.get_or_insert_with(anew);
        self.extras.client_message_id.get_or_insert_with(|| ClientMessageId::mint().0);
    }

    /// Says what becomes of it while a turn runs. Without, it is refused.
    pub fn when_active(mut self, when: WhenActive) -> Self {
        self.extras.when_active = Some(when);
        self
    }

    /// Whether it has ids of its own, so that it can be sent again.
    pub(crate) fn is_named(&self) -> bool {
        self.request.conversation_id.is_some() && self.extras.client_message_id.is_some()
    }

    /// Asks for events beyond the contract.
    pub fn with_extensions(mut self) -> Self {
        self.extras.watch = WatchExtras { extensions: Some(true), ..WatchExtras::default() };
        self
    }
}

/// What became of a message.
pub enum Sent {
    /// Its turn. Dropping the events leaves it running.
    Turn(Events),
    /// It waits: an earlier try of the same message was queued.
    Queued(Answer<QueueResponse>),
}

/// What became of a message that the server has.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It runs as this turn.
    Turn(TurnId),
    /// It waits in this queue.
    Queued(QueueResponse),
}
