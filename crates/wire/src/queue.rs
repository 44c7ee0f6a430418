//! Messages that wait for a running turn to take them in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user message in a conversation's queue, waiting to steer the running turn or to start the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueuedMessage {
    /// Stable and visible to clients.
    pub id: String,
    /// What the client enqueued.
    pub text: String,
    /// When, in milliseconds since the Unix epoch.
    pub queued_at: u64,
    /// See [`crate::extension::QueueExtras::client_message_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub client_message_id: Option<String>,
}

/// The payload of the `message-queue` surface: the queue as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueuePayload {
    /// Oldest first; empty when nothing waits.
    pub messages: Vec<QueuedMessage>,
}
