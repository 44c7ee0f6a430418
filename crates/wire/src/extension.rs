//! What goes beyond the contract: only clients that ask for extensions meet it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConversationId, TurnId};

/// Events of ours on a conversation's stream. Neither stored nor replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ExtensionEvent {
    /// A provider call failed before its first content and will be tried again.
    #[schemars(title = "ProviderRetryEvent")]
    ProviderRetry {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// Which retry this is, from 1.
        attempt: u32,
        /// Milliseconds until it starts.
        delay_ms: u64,
        /// What failed.
        message: String,
        /// A stable code, or the HTTP status of the provider as a string.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
}
