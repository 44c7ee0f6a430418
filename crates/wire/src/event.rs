//! What a turn says while it runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extension::MessageImage;
use crate::{ConversationId, StepId, TurnId, Usage};

/// Which stream of a tool wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The fourteen events of the contract, in the order in which a turn can say them:
///
/// ```text
/// user-message turn-start
/// ( (reasoning-delta | text-delta | tool-call | tool-output | error)* usage? step-complete
///   tool-output* tool-result* steering? )+
/// done turn-sealed
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum AgentEvent {
    /// The status of a conversation changed. In the contract, but never part of a turn.
    #[schemars(title = "StatusEvent")]
    Status {
        /// The conversation.
        conversation_id: ConversationId,
        /// The new status.
        status: String,
    },
    /// A turn has begun.
    #[schemars(title = "TurnStartEvent")]
    TurnStart {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
    },
    /// The prompt that opened the turn: always the first event, so that a watcher who did not send it sees it.
    #[serde(rename = "user-message")]
    #[schemars(title = "TurnInputEvent")]
    UserMessage {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The text exactly as the provider gets it.
        text: String,
        /// See [`crate::extension::EventExtras::client_message_id`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(skip)]
        client_message_id: Option<String>,
        /// See [`crate::extension::EventExtras::client_message_ids`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(skip)]
        client_message_ids: Option<Vec<String>>,
        /// See [`crate::extension::EventExtras::images`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(skip)]
        images: Option<Vec<MessageImage>>,
    },
    /// More text of the answer.
    #[schemars(title = "TurnTextDeltaEvent")]
    TextDelta {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// To be appended to what came before.
        delta: String,
    },
    /// More reasoning.
    #[schemars(title = "TurnReasoningDeltaEvent")]
    ReasoningDelta {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// To be appended to what came before.
        delta: String,
    },
    /// The model asks for a tool to be run.
    #[schemars(title = "TurnToolCallEvent")]
    ToolCall {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// Shared by all calls of the step.
        step_id: StepId,
        /// Pairs the call with its result.
        tool_call_id: String,
        /// The tool.
        tool_name: String,
        /// Its arguments.
        input: Value,
    },
    /// A tool has finished. Sent after the step's `step-complete`, in the order of the calls.
    #[schemars(title = "TurnToolResultEvent")]
    ToolResult {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The step of the call.
        step_id: StepId,
        /// The call.
        tool_call_id: String,
        /// The tool.
        tool_name: String,
        /// What the model is told.
        content: String,
        /// Whether the tool failed.
        is_error: bool,
        /// Milliseconds that the tool itself ran. Absent if it never started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// Output of a running tool. Live only: the log keeps the result.
    #[schemars(title = "TurnToolOutputEvent")]
    ToolOutput {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The call.
        tool_call_id: String,
        /// To be appended to what came before on that stream.
        data: String,
        /// Where the tool wrote it.
        stream: OutputStream,
    },
    /// The tokens of a step: once, near its end, never cumulative over steps.
    #[schemars(title = "TurnUsageEvent")]
    Usage {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_id: Option<StepId>,
        /// Its tokens.
        usage: Usage,
    },
    /// The provider's stream of a step is over; the timings are final.
    #[schemars(title = "TurnStepCompleteEvent")]
    StepComplete {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The step.
        step_id: StepId,
        /// Milliseconds from the start of the stream to the first text or reasoning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttft_ms: Option<u64>,
        /// Milliseconds from the first text or reasoning to the end of the stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decode_ms: Option<u64>,
        /// Milliseconds from the start of the stream to its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gen_total_ms: Option<u64>,
    },
    /// Something failed. The turn is not over until `done`.
    #[schemars(title = "TurnErrorEvent")]
    Error {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// What happened, in a sentence.
        message: String,
        /// A stable code, or the HTTP status of the provider as a string.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Generation is over.
    #[schemars(title = "TurnDoneEvent")]
    Done {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// `stop`, `length`, `content_filter`, `aborted`, `error`, `max-steps` or `interrupted`.
        reason: String,
        /// Milliseconds from the start of the turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        /// The sum of the steps' tokens. Absent if the provider reported none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// Tokens that the conversation occupies now: input plus output of the last step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context_size: Option<u64>,
    },
    /// All of the turn is on the disk and in the history.
    #[schemars(title = "TurnSealedEvent")]
    TurnSealed {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
    },
    /// Queued messages were handed to the model together with the tool results of a step.
    #[serde(rename = "steering")]
    #[schemars(title = "TurnSteeringEvent")]
    Steering {
        /// The conversation.
        conversation_id: ConversationId,
        /// The turn.
        turn_id: TurnId,
        /// The texts of all of them, a blank line between.
        text: String,
        /// See [`crate::extension::EventExtras::client_message_id`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(skip)]
        client_message_id: Option<String>,
        /// See [`crate::extension::EventExtras::client_message_ids`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(skip)]
        client_message_ids: Option<Vec<String>>,
    },
}

impl AgentEvent {
    /// The event's `type` on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::TurnStart { .. } => "turn-start",
            Self::UserMessage { .. } => "user-message",
            Self::TextDelta { .. } => "text-delta",
            Self::ReasoningDelta { .. } => "reasoning-delta",
            Self::ToolCall { .. } => "tool-call",
            Self::ToolResult { .. } => "tool-result",
            Self::ToolOutput { .. } => "tool-output",
            Self::Usage { .. } => "usage",
            Self::StepComplete { .. } => "step-complete",
            Self::Error { .. } => "error",
            Self::Done { .. } => "done",
            Self::TurnSealed { .. } => "turn-sealed",
            Self::Steering { .. } => "steering",
        }
    }

    /// The conversation that the event belongs to.
    pub fn conversation_id(&self) -> &ConversationId {
        match self {
            Self::Status { conversation_id, .. }
            | Self::TurnStart { conversation_id, .. }
            | Self::UserMessage { conversation_id, .. }
            | Self::TextDelta { conversation_id, .. }
            | Self::ReasoningDelta { conversation_id, .. }
            | Self::ToolCall { conversation_id, .. }
            | Self::ToolResult { conversation_id, .. }
            | Self::ToolOutput { conversation_id, .. }
            | Self::Usage { conversation_id, .. }
            | Self::StepComplete { conversation_id, .. }
            | Self::Error { conversation_id, .. }
            | Self::Done { conversation_id, .. }
            | Self::TurnSealed { conversation_id, .. }
            | Self::Steering { conversation_id, .. } => conversation_id,
        }
    }

    /// The turn that the event belongs to; none for `status`.
    pub fn turn_id(&self) -> Option<&TurnId> {
        match self {
            Self::Status { .. } => None,
            Self::TurnStart { turn_id, .. }
            | Self::UserMessage { turn_id, .. }
            | Self::TextDelta { turn_id, .. }
            | Self::ReasoningDelta { turn_id, .. }
            | Self::ToolCall { turn_id, .. }
            | Self::ToolResult { turn_id, .. }
            | Self::ToolOutput { turn_id, .. }
            | Self::Usage { turn_id, .. }
            | Self::StepComplete { turn_id, .. }
            | Self::Error { turn_id, .. }
            | Self::Done { turn_id, .. }
            | Self::TurnSealed { turn_id, .. }
            | Self::Steering { turn_id, .. } => Some(turn_id),
        }
    }
}
