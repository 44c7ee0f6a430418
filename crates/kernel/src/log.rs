//! What a turn writes into the conversation log while it runs.

use serde_json::Value;
use wire::{Chunk, Role, StepMetrics};

/// A complete chunk with its final place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The chunk's number in the conversation.
    pub seq: u64,
    /// The number of its message in the conversation: 1, 2, 3 …. Chunks with the same number are one message, and
    /// nothing else decides that.
    pub message: u64,
    /// The role of that message.
    pub role: Role,
    /// The content.
    pub chunk: Chunk,
    /// See [`crate::Part::replay`].
    pub replay: Option<Value>,
}

/// Which kind of chunk is growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// A `text` chunk.
    Text,
    /// A `thinking` chunk.
    Thinking,
}

/// More of an assistant's chunk that is still open.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// The number that the chunk has, and keeps.
    pub seq: u64,
    /// The number of its message.
    pub message: u64,
    /// What it will be.
    pub kind: TextKind,
    /// The text to add at its end.
    pub delta: String,
}

/// One write to the journal of a turn in flight. All of them stay invisible to readers until the turn is sealed.
#[derive(Clone, Debug, PartialEq)]
pub enum LogOp {
    /// An open chunk grows.
    Grow(Growth),
    /// A chunk is complete. Closes the open chunk of the same seq, if there is one.
    Append(Entry),
    /// The result of a tool call is complete, with the milliseconds that the tool ran, if it was started. For people: the
    /// model sees the chunk alone.
    Answer(Entry, Option<u64>),
    /// A chunk is complete and carries these queued messages: they leave the queue in the same transaction.
    Deliver(Entry, Vec<String>),
    /// The provider's stream of a step is over: its usage row, written once.
    Step(StepMetrics),
}
