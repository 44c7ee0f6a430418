//! What goes beyond the contract: the later contract's additions that are served, and our own.
//!
//! Everything here is optional for a client. Fields named *extras* ride on messages of the contract and are left out
//! when they are unused; events, chunks and frames reach only clients that ask for extensions.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ConversationId, ConversationStatus, QueuedMessage, TurnId};

/// Events beyond the contract on a conversation's stream. None is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ExtensionEvent {
    /// A provider call failed before its first content and will be tried again. Not replayed.
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
    /// A tool has started: at its call, or when those have ended that it had to wait for. Replayed to those who join late.
    #[schemars(title = "ToolStartEvent")]
    ToolStart {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The call.
        tool_call_id: String,
        /// By the clock of the server, in milliseconds since the Unix epoch.
        started_at: u64,
    },
}

/// What the events of the contract may carry besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventExtras {
    /// The number of the event in its turn, from 1, for clients that asked for a cursor. Deltas that were merged into
    /// one carry the number of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_seq: Option<u64>,
    /// Which try of its step's provider call the event belongs to, from 1, for clients that asked for a cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// On `user-message` and `steering`: the client's own id of the one message that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    /// On `user-message` and `steering`: the clients' own ids of the messages that were joined into this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_ids: Option<Vec<String>>,
    /// On `user-message`: the images that belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<MessageImage>>,
}

/// An image of a message, as the history will have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageImage {
    /// Where it is: `/images/…` on this server, or an address elsewhere.
    pub url: String,
    /// For example `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// What a chunk of the history carries besides, where extensions were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredChunkExtras {
    /// The turn that wrote it. Absent on the summary of a compaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// `true` on a user's `text` that its turn took in while it ran, as its `steering` event said. Absent on all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steering: Option<bool>,
    /// On a `tool-result`: milliseconds that the tool itself ran, as its event said. Absent if it never started, if the
    /// server was killed meanwhile, and on what an older version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What the metrics of a turn carry besides, where extensions were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnMetricsExtras {
    /// When the turn began, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    /// Why it ended, as its `done` event said; `interrupted` for one that was found open after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The model that answered, `credential/model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What becomes of a message to a conversation whose turn is still running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenActive {
    /// It is refused.
    #[default]
    Reject,
    /// It is queued: it steers the running turn, or starts the next one.
    Queue,
    /// The running turn is stopped, and the message starts the next one.
    Interrupt,
}

impl WhenActive {
    /// The values on the wire.
    pub const ALL: [Self; 3] = [Self::Reject, Self::Queue, Self::Interrupt];

    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Queue => "queue",
            Self::Interrupt => "interrupt",
        }
    }

    /// The value of that name.
    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == value)
    }
}

/// An image that comes with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInput {
    /// A `data:` URL with the image in base64, or an `https:` or `http:` address that the model's provider can reach.
    pub url: String,
    /// For example `image/png`. Absent: as the URL says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// An image in the log, as a chunk. Clients that did not ask for extensions find a `text` chunk in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = as_chunk)]
pub struct ImageChunk {
    /// Where it is: `/images/…` on this server, or an address elsewhere.
    pub url: String,
    /// For example `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// It crosses the wire as a variant of [`crate::Chunk`] only, with the `type` that such a variant has.
fn as_chunk(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("type".to_owned(), json!({ "type": "string", "const": "image" }));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.insert(0, "type".into());
    }
}

/// What `POST /chat` and `chat.send` take besides the fields of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatExtras {
    /// The client's own id of the message, unique in the conversation. Sent again, it starts nothing twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    /// What becomes of the message while a turn runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_active: Option<WhenActive>,
    /// Images that belong to the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ImageInput>>,
    /// How the turn is watched.
    #[serde(flatten)]
    pub watch: WatchExtras,
}

/// What `chat.subscribe` takes besides the fields of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchExtras {
    /// Whether events beyond the contract are wanted. Holds for the socket from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<bool>,
    /// Whether events are to carry `eventSeq` and `attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<bool>,
    /// With `afterEventSeq`: the turn that it counts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// Go on after that event of that turn. If the turn is over, its `turn-sealed` is heard first: its events are
    /// history by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_event_seq: Option<u64>,
}

/// What `POST /conversations/:id/queue` and `chat.queue` take besides the fields of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueExtras {
    /// The client's own id of the message, unique in the conversation. Sent again, it is queued once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    /// Only if this turn is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_turn_id: Option<TurnId>,
}

/// What a queued message carries besides, where the queue is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueuedMessageExtras {
    /// The client's own id of the message, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
}

/// What is known of a model besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelExtras {
    /// Whether it takes images. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vision: Option<bool>,
}

/// What the frames `conversation.*` and the entries of the list carry besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceExtras {
    /// Which workspace the conversation is in: there is one, `default`.
    pub workspace_id: String,
}

/// `GET /conversations/:id/queue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueStateResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Oldest first.
    pub queue: Vec<QueuedMessage>,
}

/// `DELETE /conversations/:id/queue/:messageId`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelQueuedResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whether the message was still in the queue.
    pub cancelled: bool,
    /// What is left, oldest first.
    pub queue: Vec<QueuedMessage>,
}

/// `GET /conversations/:id/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationStatusResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whether something runs in it: a turn, or a compaction.
    pub is_active: bool,
    /// As in the list; `idle` for a conversation that does not exist.
    pub status: ConversationStatus,
}

/// `GET` and `PUT /conversations/:id/model`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationModelResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// `credential/model`; `null` when none was chosen: then the server's default holds.
    pub model: Option<String>,
}

/// The body of `PUT /conversations/:id/model`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetConversationModelRequest {
    /// `credential/model`, or `null` for the server's default.
    pub model: Option<String>,
}

/// `DELETE /conversations/:id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteConversationResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whether there was one.
    pub deleted: bool,
}

/// How an MCP server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum McpServerState {
    /// It runs, and its tools are known.
    Connected,
    /// It is being started.
    Starting,
    /// It failed.
    Error,
    /// Nothing has needed it yet.
    NotStarted,
    /// The configuration switches it off.
    Disabled,
}

/// An MCP server of a conversation's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServerInfo {
    /// From the configuration.
    pub id: String,
    /// How it does.
    pub state: McpServerState,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many tools it offers.
    pub tool_count: u64,
    /// The file that configures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_source: Option<String>,
}

/// `GET /conversations/:id/mcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpStatusResponse {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// `null` when none was ever set: then the server's own directory holds.
    pub cwd: Option<String>,
    /// The servers of that directory.
    pub servers: Vec<McpServerInfo>,
}

/// `GET` and `PUT /system-prompt`, and the body of the latter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemPromptTemplate {
    /// Text with tags: `[type:name]`, `[if type:name]`, `[if !type:name]`, `[else]`, `[endif]`.
    pub template: String,
}

/// A variable of the system prompt's template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemPromptVariable {
    /// What stands before the colon.
    #[serde(rename = "type")]
    pub kind: String,
    /// What stands after it.
    pub name: String,
    /// What it is replaced by.
    pub description: String,
    /// Whether any name will do, as with the path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<bool>,
}

/// `GET /system-prompt/variables`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemPromptVariablesResponse {
    /// All there are.
    pub variables: Vec<SystemPromptVariable>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    /// Not begun.
    Pending,
    /// Being worked on.
    InProgress,
    /// Done.
    Completed,
    /// No longer wanted.
    Cancelled,
}

/// A task on a conversation's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Todo {
    /// What is to be done; not empty.
    pub content: String,
    /// How far it is.
    pub status: TodoStatus,
}

/// The payload of the `todo` surface: the list as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TodoPayload {
    /// In the model's order.
    pub todos: Vec<Todo>,
}

/// The payload of the timer on the `cache-warming` surface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheWarmingTimer {
    /// When the next warming is due, in milliseconds since the Unix epoch; `null` when none is.
    pub next_warm_at: Option<u64>,
    /// When the last one was done; `null` when none was.
    pub last_warm_at: Option<u64>,
}

/// A frame beyond the contract, from a client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ExtensionClientMessage {
    /// Take a message out of the queue. No answer; nothing happens when it is not there any more.
    #[serde(rename = "chat.queue.cancel")]
    #[schemars(title = "ChatQueueCancelMessage")]
    ChatQueueCancel {
        /// The conversation.
        conversation_id: ConversationId,
        /// The message's id in the queue.
        message_id: String,
    },
}

/// A frame beyond the contract, from the server to clients that asked for extensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ExtensionServerMessage {
    /// A conversation is gone.
    #[serde(rename = "conversation.deleted")]
    #[schemars(title = "ConversationDeletedMessage")]
    ConversationDeleted {
        /// Which.
        conversation_id: ConversationId,
    },
    /// Somebody has set the title of a conversation, which may be new.
    #[serde(rename = "conversation.titleChanged")]
    #[schemars(title = "ConversationTitleChangedMessage")]
    ConversationTitleChanged {
        /// Which.
        conversation_id: ConversationId,
        /// What it is called now.
        title: String,
    },
}
