//! A message on its way to the server.

use serde::Serialize;
use wire::ConversationId;
use wire::extension::{ChatExtras, WatchExtras};
use wire::transport::{ChatRequest, QueueResponse};

use super::{Answer, Events};

/// The client's own id of a message: sent again under it, a message does nothing twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientMessageId(String);

impl ClientMessageId {
    /// One that was never used.
    pub(crate) fn mint() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What `POST /chat` takes.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    #[serde(flatten)]
    pub(crate) request: ChatRequest,
    #[serde(flatten)]
    pub(crate) extras: ChatExtras,
}

impl Message {
    /// A message that can be sent again: it has an id of its own, and so has its conversation, even if it is a new one.
    pub(crate) fn new(conversation: Option<ConversationId>, text: String) -> Self {
        let conversation =
            conversation.unwrap_or_else(|| ConversationId::new(uuid::Uuid::new_v4().to_string()));
        Self {
            request: ChatRequest {
                message: text,
                conversation_id: Some(conversation),
                ..ChatRequest::default()
            },
            extras: ChatExtras {
                client_message_id: Some(ClientMessageId::mint().0),
                ..ChatExtras::default()
            },
        }
    }

    /// Asks for events beyond the contract.
    pub(crate) fn with_extensions(mut self) -> Self {
        self.extras.watch = WatchExtras { extensions: Some(true), ..WatchExtras::default() };
        self
    }
}

/// What became of a message.
pub(crate) enum Sent {
    /// Its turn. Dropping the events leaves it running.
    Turn(Events),
    /// It waits: an earlier try of the same message was queued.
    Queued(Answer<QueueResponse>),
}
