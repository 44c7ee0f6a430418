//! The conversation model: messages are what a provider sees, chunks are what is stored and rendered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::StepId;
use crate::extension::ImageChunk;

/// Who produced a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions and summaries that the server put in.
    System,
    /// The person, or the program, that drives the conversation.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    /// The role's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One ordered piece of a message: the atomic unit of the append-only conversation log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Chunk {
    /// Plain text from the assistant or the user.
    #[schemars(title = "TextChunk")]
    Text {
        /// The text itself.
        text: String,
    },
    /// Reasoning of the model.
    #[schemars(title = "ThinkingChunk")]
    Thinking {
        /// The reasoning, as far as the provider shows it.
        text: String,
    },
    /// A model's request to run a tool.
    #[schemars(title = "ToolCallChunk")]
    ToolCall {
        /// Pairs the call with its one result.
        tool_call_id: String,
        /// Which tool to run.
        tool_name: String,
        /// The arguments; the raw string when the model's JSON could not be parsed.
        input: Value,
        /// The step that produced the call. Absent on chunks from outside a turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_id: Option<StepId>,
    },
    /// The result of a tool. Every call has exactly one, synthesised if it was interrupted.
    #[schemars(title = "ToolResultChunk")]
    ToolResult {
        /// The call that this answers.
        tool_call_id: String,
        /// The tool that ran.
        tool_name: String,
        /// What the model is told.
        content: String,
        /// Whether the tool failed.
        is_error: bool,
        /// The step of the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_id: Option<StepId>,
    },
    /// An error during generation. Kept for people; never sent to a provider.
    #[schemars(title = "ErrorChunk")]
    Error {
        /// What happened, in a sentence.
        message: String,
        /// A stable code, or the HTTP status of the provider as a string.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Text that the server put in, kept apart from `text` so that the log records where it came from.
    #[schemars(title = "SystemChunk")]
    System {
        /// The text itself.
        text: String,
    },
    /// An image of the user's. Not in the contract: see [`ImageChunk`].
    #[schemars(skip)]
    Image(ImageChunk),
}

/// A role and its ordered chunks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatMessage {
    /// Who produced the message.
    pub role: Role,
    /// Its content, in order.
    pub chunks: Vec<Chunk>,
}

/// A chunk as the log keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredChunk {
    /// 1-based, gap-free number within the conversation; the cursor of incremental reads. A client that holds only
    /// the end of a log knows that older chunks exist when the first seq it has is greater than 1.
    pub seq: u64,
    /// The role of the message that the chunk belongs to.
    pub role: Role,
    /// The content.
    pub chunk: Chunk,
}
