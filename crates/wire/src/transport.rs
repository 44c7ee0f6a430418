//! The messages that carry the contract over HTTP and WebSocket.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::surface::{SurfaceCatalogEntry, SurfaceSpec};
use crate::{
    AgentEvent, ConversationId, ConversationMeta, ConversationStatus, QueuedMessage, ReasoningEffort,
    Relayed, StoredChunk, TurnId, TurnMetrics,
};

/// The body of `POST /chat`, and the fields of `chat.send`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatRequest {
    /// The prompt; must have something in it besides white space, which is trimmed.
    pub message: String,
    /// The conversation to continue or to create. Absent: the server mints an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// `credential/model`. Absent: the conversation's last model, else the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The directory that tools work in; kept for the conversation's later turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// For this turn only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
}

/// `GET /health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthResponse {
    /// Always true: a server that is not well does not answer.
    pub ok: bool,
}

/// What is known of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// Tokens that a prompt and its answer may have together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Whether it takes images. Not in the contract, but in the later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub vision: Option<bool>,
}

/// `GET /models`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelsResponse {
    /// Names of the form `credential/model`, unique, in the order of the configuration.
    pub models: Vec<String>,
    /// By name. Absent when nothing is known of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_info: Option<BTreeMap<String, ModelInfo>>,
}

/// `GET /conversations`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationListResponse {
    /// The last active first.
    pub conversations: Vec<ConversationMeta>,
}

/// `GET /conversations/:id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationHistoryResponse {
    /// Ascending by seq; of sealed turns only.
    pub chunks: Vec<StoredChunk>,
    /// The seq of the last chunk here, or the requested `sinceSeq` when there is none.
    pub latest_seq: u64,
}

/// `GET /conversations/:id/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationMetricsResponse {
    /// Sealed turns, oldest first.
    pub turns: Vec<TurnMetrics>,
}

/// `POST /conversations/:id/stop` and `POST /conversations/:id/close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StopResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whether a turn was running.
    pub aborted_turn: bool,
}

/// The body of `POST /conversations/:id/queue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueRequest {
    /// Must have something in it besides white space, which is trimmed.
    pub text: String,
}

/// `POST /conversations/:id/queue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whether the text started a turn because none was running.
    pub started_turn: bool,
    /// The queue after this; empty when a turn was started.
    pub queue: Vec<QueuedMessage>,
}

/// The body of `PUT /conversations/:id/cwd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetCwdRequest {
    /// Not empty; relative to the server's own directory.
    pub cwd: String,
}

/// `GET` and `PUT /conversations/:id/cwd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CwdResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// `null` when none was ever set.
    pub cwd: Option<String>,
}

/// The body of `PUT /conversations/:id/reasoning-effort`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetReasoningEffortRequest {
    /// The level for later turns.
    pub reasoning_effort: ReasoningEffort,
}

/// `GET` and `PUT /conversations/:id/reasoning-effort`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningEffortResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// `null` when none was ever set: then `high` holds.
    pub reasoning_effort: Option<ReasoningEffort>,
}

/// The body of `PUT /conversations/:id/title`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetTitleRequest {
    /// Must have something in it besides white space, which is trimmed.
    pub title: String,
}

/// `GET` and `PUT /conversations/:id/title`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TitleResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its title.
    pub title: String,
}

/// `GET /conversations/:id/last`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastMessageResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The last text of the last assistant message; empty when there is none.
    pub content: String,
    /// The turn that was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
}

/// `POST /conversations/:id/open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenConversationResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
}

/// The body of `POST /chat/warm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarmRequest {
    /// The conversation whose prefix is to be kept in the provider's cache.
    pub conversation_id: ConversationId,
    /// As in [`ChatRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As in [`ChatRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

/// `POST /chat/warm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarmResponse {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the cache.
    pub cache_write_tokens: u64,
    /// Percent of the prompt that came from the cache, 0 to 100.
    pub cache_pct: u64,
    /// Percent of the cached tokens that were read rather than written, 0 to 100.
    pub expected_cache_rate: u64,
}

/// The body of `POST /conversations/:id/compact`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompactRequest {
    /// How many recent messages stay; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last_n: Option<u64>,
    /// The model that writes the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
}

/// `POST /conversations/:id/compact`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompactResponse {
    /// The conversation; it keeps its id.
    pub conversation_id: ConversationId,
    /// The archive.
    pub new_conversation_id: ConversationId,
    /// How many messages the summary replaced.
    pub messages_summarized: u64,
    /// How many stayed.
    pub messages_kept: u64,
}

/// The body of `PUT /conversations/:id/compact-percent`: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetCompactPercentRequest {
    /// As in [`CompactPercentResponse`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
    /// The same number under the name that the contract's published types use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
}

/// `GET` and `PUT /conversations/:id/compact-percent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompactPercentResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Percent of the model's context window at which a conversation is compacted; 0 means never by itself.
    pub percent: u64,
    /// The same number under the name that the contract's published types use.
    pub threshold: u64,
}

/// One model in the throughput report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelThroughput {
    /// `credential/model`.
    pub model: String,
    /// All output tokens over all seconds of generation.
    pub tokens_per_second: f64,
    /// Output tokens in the period.
    pub total_output_tokens: u64,
    /// Milliseconds of generation in the period; tools not counted.
    pub total_gen_ms: u64,
    /// Turns in the period.
    pub turns: u64,
}

/// A period of the throughput report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThroughputPeriod {
    /// A calendar day.
    Day,
    /// The ISO week around a day.
    Week,
    /// A calendar month.
    Month,
}

/// `GET /metrics/throughput`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThroughputResponse {
    /// As requested.
    pub period: ThroughputPeriod,
    /// As requested: `YYYY-MM-DD`, or `YYYY-MM` for a month.
    pub date: String,
    /// Start of the period, server-local midnight, in milliseconds since the Unix epoch; included.
    pub start: u64,
    /// End of the period; not included.
    pub end: u64,
    /// The fastest first.
    pub models: Vec<ModelThroughput>,
}

/// How a language server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LspServerState {
    /// It runs and has been initialised.
    Connected,
    /// It is being started.
    Starting,
    /// It failed.
    Error,
    /// Nothing has needed it yet.
    NotStarted,
}

/// A language server of a conversation's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LspServerInfo {
    /// From the configuration.
    pub id: String,
    /// For people.
    pub name: String,
    /// The project root it serves.
    pub root: String,
    /// The file extensions it serves.
    pub extensions: Vec<String>,
    /// How it does.
    pub state: LspServerState,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `GET /conversations/:id/lsp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LspStatusResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// `null` when none was ever set.
    pub cwd: Option<String>,
    /// The servers of that directory.
    pub servers: Vec<LspServerInfo>,
}

/// A frame from a client to the server. One JSON object each, in a text frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ClientMessage {
    /// Watch a surface: answered with `surface` now and `update` on every change.
    #[serde(rename = "subscribe")]
    #[schemars(title = "SurfaceSubscribeMessage")]
    Subscribe {
        /// From the catalog.
        surface_id: String,
        /// Which conversation's, for a surface that has one for each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
    },
    /// Stop watching a surface. No answer.
    #[serde(rename = "unsubscribe")]
    #[schemars(title = "SurfaceUnsubscribeMessage")]
    Unsubscribe {
        /// As subscribed.
        surface_id: String,
        /// As subscribed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
    },
    /// Run an action of a surface. The effect shows as an `update`; a failure is answered with `error`.
    #[serde(rename = "invoke")]
    #[schemars(title = "SurfaceInvokeMessage")]
    Invoke {
        /// From the catalog.
        surface_id: String,
        /// From the field.
        action_id: String,
        /// The new value; absent for a button.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
        /// Which conversation's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
    },
    /// Start a turn and watch the conversation.
    #[serde(rename = "chat.send")]
    #[schemars(title = "ChatSendMessage")]
    ChatSend {
        /// As in `POST /chat`.
        #[serde(flatten)]
        request: ChatRequest,
    },
    /// Watch a conversation: the turn in flight is replayed from its first event, then live.
    #[serde(rename = "chat.subscribe")]
    #[schemars(title = "ChatSubscribeMessage")]
    ChatSubscribe {
        /// Any id; one that does not exist yet is fine.
        conversation_id: ConversationId,
    },
    /// Stop watching. Never touches the turn.
    #[serde(rename = "chat.unsubscribe")]
    #[schemars(title = "ChatUnsubscribeMessage")]
    ChatUnsubscribe {
        /// As subscribed.
        conversation_id: ConversationId,
    },
    /// Steer the running turn, or start one.
    #[serde(rename = "chat.queue")]
    #[schemars(title = "ChatQueueMessage")]
    ChatQueue {
        /// The conversation.
        conversation_id: ConversationId,
        /// Trimmed, like a message.
        text: String,
    },
}

/// A frame from the server to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// What surfaces there are: always the first frame.
    #[serde(rename = "catalog")]
    #[schemars(title = "CatalogMessage")]
    Catalog {
        /// May be empty.
        catalog: Vec<SurfaceCatalogEntry>,
    },
    /// A surface as it is now.
    #[serde(rename = "surface")]
    #[schemars(title = "SurfaceMessage")]
    Surface {
        /// The whole of it.
        spec: SurfaceSpec,
        /// As subscribed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
    },
    /// A surface has changed.
    #[serde(rename = "update")]
    #[schemars(title = "SurfaceUpdateMessage")]
    Update {
        /// What it is now.
        update: SurfaceUpdate,
    },
    /// A frame could not be served.
    #[serde(rename = "error")]
    #[schemars(title = "SurfaceErrorMessage")]
    Error {
        /// The surface it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        surface_id: Option<String>,
        /// What is wrong.
        message: String,
        /// Which kind of error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// One event of a turn, live or replayed.
    #[serde(rename = "chat.delta")]
    #[schemars(title = "ChatDeltaMessage")]
    ChatDelta {
        /// The event.
        event: Relayed<AgentEvent>,
    },
    /// A `chat.*` frame could not be served.
    #[serde(rename = "chat.error")]
    #[schemars(title = "ChatErrorMessage")]
    ChatError {
        /// The conversation it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
        /// What is wrong.
        message: String,
        /// Which kind of error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Someone asks every client to show a conversation.
    #[serde(rename = "conversation.open")]
    #[schemars(title = "ConversationOpenMessage")]
    ConversationOpen {
        /// Which.
        conversation_id: ConversationId,
    },
    /// The status of a conversation has changed. Goes to every socket.
    #[serde(rename = "conversation.statusChanged")]
    #[schemars(title = "ConversationStatusChangedMessage")]
    ConversationStatusChanged {
        /// Which.
        conversation_id: ConversationId,
        /// What it is now.
        status: ConversationStatus,
    },
    /// A conversation's history was replaced by a summary and its recent messages: read it anew.
    #[serde(rename = "conversation.compacted")]
    #[schemars(title = "ConversationCompactedMessage")]
    ConversationCompacted {
        /// Which; it keeps its id.
        conversation_id: ConversationId,
        /// The archive.
        new_conversation_id: ConversationId,
        /// How many messages the summary replaced.
        messages_summarized: u64,
        /// How many stayed.
        messages_kept: u64,
    },
}

/// The content of an `update` frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SurfaceUpdate {
    /// Which surface.
    pub surface_id: String,
    /// The whole of it, as it is now.
    pub spec: SurfaceSpec,
    /// As subscribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
}
