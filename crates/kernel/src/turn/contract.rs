//! What goes into a turn and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wire::extension::{ExtensionEvent, MessageImage};
use wire::{AgentEvent, ConversationId, ErrorCode, QueuedMessage, ReasoningEffort, TurnId};

use super::RetryPolicy;
use crate::Message;
use crate::log::LogOp;
use crate::provider::{ProviderEvent, Request};
use crate::tool::{ToolOutput, ToolResult, ToolSpec};

/// What a turn is about.
#[derive(Clone, Debug)]
pub struct Start {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The turn.
    pub turn_id: TurnId,
    /// The prompt's text, for watchers; it is in the log already.
    pub text: String,
    /// The prompt's images, for watchers.
    pub images: Vec<MessageImage>,
    /// The prompt as the provider gets it: the text, and what else belongs to it.
    pub prompt: Arc<Message>,
    /// Of each message that the prompt consists of, the client's own id, if it gave one.
    pub client_message_ids: Vec<Option<String>>,
    /// What was said before, reconciled, without the prompt.
    pub history: Vec<Arc<Message>>,
    /// The provider's own name for the model.
    pub model: String,
    /// Instructions that come before the conversation.
    pub system: Option<Arc<str>>,
    /// What the model may call, in this order, in all steps.
    pub tools: Arc<[ToolSpec]>,
    /// How much to reason.
    pub effort: ReasoningEffort,
    /// The seq after the prompt's.
    pub next_seq: u64,
    /// The message number after the prompt's.
    pub next_message: u64,
    /// Makes the jitter of retries repeatable.
    pub jitter_seed: u64,
}

impl Start {
    /// The request that carries these messages. Every request about a conversation is made here, so that each begins
    /// with the bytes of the one before.
    pub fn request(&self, messages: Vec<Arc<Message>>, max_tokens: Option<u64>) -> Request {
        Request {
            model: self.model.clone(),
            system: self.system.clone(),
            messages,
            tools: self.tools.clone(),
            effort: self.effort,
            max_tokens,
        }
    }
}

/// The limits and policies of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most steps; 0 means no limit.
    pub max_steps: u32,
    /// The most tools at a time; 0 means no limit.
    pub max_concurrent: usize,
    /// Whether a tool starts as soon as its call is complete, while the model still streams.
    pub eager: bool,
    /// How a provider call that failed before its first content is tried again.
    pub retry: RetryPolicy,
    /// How long tools that run have to end after a stop before they are given up on.
    pub stop_grace: Duration,
    /// The most bytes of live output of one call.
    pub live_output_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_steps: 200,
            max_concurrent: 4,
            eager: true,
            retry: RetryPolicy::default(),
            stop_grace: Duration::from_millis(1000),
            live_output_limit: 1 << 20,
        }
    }
}

/// What happens to a turn.
#[derive(Clone, Debug)]
pub enum Input {
    /// An item of the stream of that provider call.
    Provider {
        /// As in [`Output::CallProvider`].
        call: u32,
        /// The item.
        event: ProviderEvent,
    },
    /// The stream of that provider call is at its end.
    ProviderEnded {
        /// As in [`Output::CallProvider`].
        call: u32,
    },
    /// A running tool wrote something.
    ToolOutput {
        /// As in [`Output::RunTool`].
        run: u32,
        /// What it wrote.
        output: ToolOutput,
    },
    /// A tool is done.
    ToolDone {
        /// As in [`Output::RunTool`].
        run: u32,
        /// Its result.
        result: ToolResult,
    },
    /// The answer to [`Output::Drain`]: all that is queued, oldest first. It stays queued until it is delivered.
    Drained(Vec<QueuedMessage>),
    /// Somebody wants the turn to end.
    Stop,
    /// Time has passed.
    Time,
    /// The log refused the last batch; nothing of it happened.
    LogFailed {
        /// What happened.
        message: String,
        /// Which kind of error.
        code: ErrorCode,
    },
    /// The turn is in the history and on the disk.
    Sealed,
    /// The turn could not be sealed; the log will be mended later.
    SealFailed {
        /// What happened.
        message: String,
        /// Which kind of error.
        code: ErrorCode,
    },
}

/// What a turn wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write to the journal. All of a batch's writes come before anything else of it.
    Log(LogOp),
    /// Tell every watcher.
    Emit(AgentEvent),
    /// Tell the watchers who asked for extensions.
    Announce(ExtensionEvent),
    /// Call the provider and bring what its stream says.
    CallProvider {
        /// Names the call in inputs; counted from 1.
        call: u32,
        /// The whole request.
        request: Request,
    },
    /// Drop the provider's stream.
    CancelProvider,
    /// Run a tool and bring its output and its result.
    RunTool {
        /// Names the run in inputs.
        run: u32,
        /// The call's id.
        tool_call_id: String,
        /// The tool; one of those in [`Start::tools`].
        name: String,
        /// What the model wrote.
        input: Value,
    },
    /// Tell all running tools to end.
    CancelTools,
    /// Say what is queued.
    Drain,
    /// Drop whatever still runs, seal the turn and say how that went.
    Seal(Outcome),
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why.
    pub reason: DoneReason,
    /// Milliseconds from the start of the turn.
    pub duration_ms: u64,
    /// Tokens that the conversation occupies now, where the last step said.
    pub context_size: Option<u64>,
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DoneReason {
    /// The model was done.
    Stop,
    /// The model hit a limit of tokens.
    Length,
    /// The provider's filter ended it.
    ContentFilter,
    /// Somebody stopped it.
    Aborted,
    /// It failed; an `error` event said how.
    Error,
    /// It had as many steps as it may have.
    MaxSteps,
    /// It was found open after a crash.
    Interrupted,
}

impl DoneReason {
    /// The reason's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Aborted => "aborted",
            Self::Error => "error",
            Self::MaxSteps => "max-steps",
            Self::Interrupted => "interrupted",
        }
    }
}
