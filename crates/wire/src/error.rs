//! Errors as a client sees them: a sentence and a code.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every HTTP answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What happened and, where there is something to do, what to do.
    pub error: String,
    /// Which kind of error it is: the text of an [`ErrorCode`]. Absent from servers that do not know codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The stable names of the errors that a user can meet. `docs/errors.md` has a paragraph on each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The code of that name.
            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == code)
            }
        }
    };
}

codes! {
    /// The body or frame is not JSON, or not a JSON object.
    InvalidJson = "invalid-json",
    /// A field is missing or has a value that it cannot have.
    InvalidRequest = "invalid-request",
    /// The body is larger than the configured limit.
    BodyTooLarge = "body-too-large",
    /// No route has that path, or not with that method; or there is nothing of that name.
    NotFound = "not-found",
    /// The request named a host or came from an origin that this server does not answer.
    ForbiddenOrigin = "forbidden-origin",
    /// The request brought no key, or a wrong one.
    Unauthorized = "unauthorized",
    /// The key is good, and what was asked for is the operator's alone.
    OperatorOnly = "operator-only",
    /// The key has no credits left. The name is that of the contract of realtime sessions.
    InsufficientCredits = "insufficient_credits",
    /// A turn is already running in that conversation.
    TurnActive = "turn-active",
    /// Another turn than the one that was meant is running, or none.
    TurnMismatch = "turn-mismatch",
    /// The conversation is active: a turn runs in it.
    ConversationActive = "conversation-active",
    /// The conversation cannot be compacted now, for the reason that the text gives; nothing was changed.
    CompactionRefused = "compaction-refused",
    /// The prompt cache cannot be warmed now, for the reason that the text gives.
    WarmRefused = "warm-refused",
    /// No configured credential serves a model of that name.
    UnknownModel = "unknown-model",
    /// The type of a WebSocket frame is not known.
    UnknownMessage = "unknown-message",
    /// No surface has that id.
    UnknownSurface = "unknown-surface",
    /// The surface has no action of that id.
    UnknownAction = "unknown-action",
    /// The action of a surface could not be done, or not with that payload.
    ActionFailed = "action-failed",
    /// The log could not be read or written: a full disk, an I/O error, a damaged file.
    StoreFailed = "store-failed",
    /// The server is stopping and starts no more turns.
    ShuttingDown = "shutting-down",
    /// The provider could not be reached, or the connection broke.
    ProviderUnreachable = "provider-unreachable",
    /// The provider refused the key.
    ProviderUnauthorized = "provider-unauthorized",
    /// The provider answered that there were too many requests.
    ProviderRateLimited = "provider-rate-limited",
    /// The provider refused the request, or failed while it answered.
    ProviderFailed = "provider-failed",
    /// The provider sent something that is not what its protocol says.
    ProviderProtocol = "provider-protocol",
    /// The provider's stream ended before it said that it was finished.
    ProviderStreamEnded = "provider-stream-ended",
    /// The provider sent nothing for too long.
    ProviderStalled = "provider-stalled",
    /// Something failed that should not have; the log has more.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
