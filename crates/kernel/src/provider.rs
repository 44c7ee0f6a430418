//! The contract of a model provider.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use serde_json::Value;
use wire::{ReasoningEffort, Usage};

use crate::{Message, ToolSpec};

/// One call to a model: the whole prompt, every time.
///
/// The bytes that a provider makes of it must depend on nothing else, so that the request of a step is a prefix of
/// the request of the next one and prompt caches hit.
#[derive(Clone, Debug)]
pub struct Request {
    /// The provider's own name for the model.
    pub model: String,
    /// Instructions that come before the conversation.
    pub system: Option<Arc<str>>,
    /// The conversation, reconciled: every tool call is followed by its result.
    pub messages: Vec<Arc<Message>>,
    /// The tools that the model may call; the same for all steps of a turn.
    pub tools: Arc<[ToolSpec]>,
    /// How much to reason.
    pub effort: ReasoningEffort,
    /// The most tokens to produce; the provider's own limit when absent.
    pub max_tokens: Option<u64>,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It wants tools to be run.
    ToolCalls,
    /// It hit a limit of tokens.
    Length,
    /// The provider's filter ended it.
    ContentFilter,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, in a sentence, without secrets.
    pub message: String,
    /// The HTTP status as a string, or one of [`wire::ErrorCode`].
    pub code: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
}

/// One item of a provider's stream.
///
/// A stream ends with exactly one `Finish` or `Error`; items after that are ignored, and a stream that ends without
/// either has failed.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderEvent {
    /// More text.
    TextDelta(String),
    /// More reasoning.
    ReasoningDelta(String),
    /// Closes the open thinking chunk (or makes an empty one) and attaches what the provider wants back with it.
    ReasoningEnd {
        /// See [`crate::Part::replay`].
        replay: Option<Value>,
    },
    /// A complete call.
    ToolCall {
        /// The provider's id; a provider that has none makes one up, unique in the conversation.
        id: String,
        /// The tool.
        name: String,
        /// The parsed arguments, or the raw string when they could not be parsed.
        input: Value,
    },
    /// The call's tokens so far. Cumulative: a later report replaces an earlier one.
    Usage(Usage),
    /// The model stopped.
    Finish(FinishReason),
    /// The call failed.
    Error(Failure),
}

/// A provider's stream. Dropping it cancels the request.
pub type EventStream = Pin<Box<dyn Stream<Item = ProviderEvent> + Send>>;

/// A model in a provider's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The provider's own name for it; may contain slashes.
    pub id: String,
    /// Tokens that a prompt and its answer may have together, where the provider says.
    pub context_window: Option<u64>,
    /// Whether it takes images, where that is known.
    pub vision: Option<bool>,
}

/// Something that answers.
pub trait Provider: Send + Sync {
    /// Calls the model. Nothing happens until the stream is polled.
    fn stream(&self, request: Request) -> EventStream;

    /// The models there are.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>>;
}
