//! The contract of a tool.

use std::path::PathBuf;
use std::sync::Arc;

use futures_channel::mpsc;
use futures_core::future::BoxFuture;
use futures_util::future::{Future, FutureExt, Shared};
use serde_json::Value;
use wire::{ConversationId, OutputStream};

/// What a model is told about a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// What the model calls it.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// JSON Schema of its input: an object.
    pub input_schema: Value,
    /// Whether it must run alone: nothing else of the turn runs beside it.
    pub exclusive: bool,
}

/// What a tool gives back, to the model and to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// What the model is told.
    pub content: String,
    /// Whether it failed.
    pub is_error: bool,
}

impl ToolResult {
    /// A result.
    pub fn ok(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: false }
    }

    /// A failure, in words that the model can act on.
    pub fn error(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: true }
    }
}

/// A piece of live output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// Where it was written.
    pub stream: OutputStream,
    /// Whole characters.
    pub data: String,
}

/// Becomes ready when the call is to end. Cheap to clone.
pub type Cancelled = Shared<BoxFuture<'static, ()>>;

/// What a tool knows about the call it serves.
#[derive(Clone)]
pub struct ToolContext {
    /// The conversation that the call belongs to.
    pub conversation_id: ConversationId,
    /// The call.
    pub tool_call_id: String,
    /// The directory to work in, absolute. It may have vanished.
    pub cwd: PathBuf,
    /// Where live output goes. Bounded: sending waits while readers are behind, and fails when nobody reads any more,
    /// which a tool ignores.
    pub output: mpsc::Sender<ToolOutput>,
    /// Ready when the turn was stopped. A tool that sees it ends soon, and says in its result what it had done.
    pub cancelled: Cancelled,
}

impl ToolContext {
    /// Makes the cancellation of a context from any future.
    pub fn cancelled_by(future: impl Future<Output = ()> + Send + 'static) -> Cancelled {
        future.boxed().shared()
    }
}

/// Something that a model can call.
///
/// Bad input, a missing file, a failing command are results with [`ToolResult::is_error`], in words for the model.
/// Dropping the future ends the call at once, with everything that it started.
pub trait Tool: Send + Sync {
    /// What the model is told.
    fn spec(&self) -> &ToolSpec;

    /// Runs one call. The input is what the model wrote, checked by nobody yet.
    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult>;
}

/// Whose tools are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolScope {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The directory that its tools work in, absolute. It may have vanished.
    pub cwd: PathBuf,
}

/// Where tools come from that depend on the conversation or its directory.
///
/// Asked once for each turn, so that the tools of all its steps are the same. Answers in bounded time, with what there
/// is by then: a source that is slow or broken never holds a turn up. For the same scope in the same state of the world
/// it gives the same specs in the same order, byte by byte, so that prompt caches hit.
pub trait ToolSource: Send + Sync {
    /// The tools for that scope.
    fn tools(&self, scope: ToolScope) -> BoxFuture<'_, Vec<Arc<dyn Tool>>>;
}
