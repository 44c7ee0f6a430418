//! What a conversation is, apart from what was said in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ConversationId;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConversationStatus {
    /// A turn is running.
    Active,
    /// No turn is running.
    Idle,
    /// Dismissed by a client: hidden from tab bars, not deleted. The next message brings it back.
    Closed,
}

impl ConversationStatus {
    /// The status's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Closed => "closed",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Idle, Self::Closed].into_iter().find(|status| status.as_str() == name)
    }
}

/// One conversation in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationMeta {
    /// The conversation.
    pub id: ConversationId,
    /// When the first thing was written for it, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When the last chunk was appended, in milliseconds since the Unix epoch.
    pub last_activity_at: u64,
    /// What a client set, else the beginning of the first user message.
    pub title: String,
    /// Where it stands.
    pub status: ConversationStatus,
    /// The archive that holds the history from before the last compaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacted_from: Option<ConversationId>,
}

/// What a compaction did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompactionResult {
    /// The text that stands for the old messages now.
    pub summary: String,
    /// The archive: a closed conversation with the full history. Not one to switch to.
    pub new_conversation_id: ConversationId,
    /// How many messages the summary replaced.
    pub messages_summarized: u64,
    /// How many recent messages stayed as they were.
    pub messages_kept: u64,
}
