//! The durable conversation log: one trait, [`Store`], with an embedded SQLite implementation ([`Sqlite`]) and one
//! in memory ([`Memory`]) for tests.
//!
//! What is promised, and by whom it is kept:
//!
//! - A conversation's chunks are numbered 1, 2, 3 … without gap or reuse. The numbers are given out by the turn in
//!   flight (see [`Begun`]); the store refuses any other.
//! - A turn in flight is journalled: when [`Store::journal`] has returned, what it wrote outlives the process
//!   (`kill -9` included), though not yet a power cut. Readers do not see it.
//! - When [`Store::seal`] has returned, the turn is in the history and on the disk (fsync). The same holds for a
//!   queued message when [`Store::enqueue`] has returned.
//! - Opening a store seals every turn that was left open, with reason `interrupted`: open chunks are closed, and each
//!   tool call without a result gets one. Status is derived from what is there: a conversation is active if and
//!   only if it has an open turn.

mod error;
mod memory;
mod open_turn;
mod sqlite;
mod title;

use futures_util::future::BoxFuture;
use kernel::{LogOp, Message};
use serde_json::value::RawValue;
use wire::{
    ConversationId, ConversationMeta, ConversationStatus, QueuedMessage, ReasoningEffort, Role, TurnId,
    TurnMetrics,
};

pub use error::Error;
pub use memory::Memory;
pub use sqlite::Sqlite;

/// What starts a turn.
#[derive(Clone, Debug)]
pub struct BeginTurn {
    /// Created if it does not exist; brought back if it is closed.
    pub conversation: ConversationId,
    /// New and unique.
    pub turn: TurnId,
    /// The prompt: becomes a `text` chunk of role `user`.
    pub text: String,
    /// Queued messages that the prompt consists of; they leave the queue in the same transaction.
    pub carries: Vec<String>,
    /// Now, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Kept as the conversation's model.
    pub model: Option<String>,
    /// Kept as the conversation's working directory.
    pub cwd: Option<String>,
}

/// Where a turn begins in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The seq of the prompt. The turn numbers its own chunks from the next one on.
    pub seq: u64,
    /// The number of the prompt's message. The turn numbers its own messages from the next one on.
    pub message: u64,
}

/// What ends a turn.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its open turn.
    pub turn: TurnId,
    /// Now, in milliseconds since the Unix epoch.
    pub at: u64,
    /// As in `done`.
    pub reason: String,
    /// Milliseconds since the turn's start.
    pub duration_ms: u64,
    /// As in `done`.
    pub context_size: Option<u64>,
}

/// What [`Store::seal`] made visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The conversation's last seq that readers see.
    pub last_seq: u64,
}

/// A part of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Only chunks with a greater seq.
    pub since: u64,
    /// Only chunks with a smaller seq.
    pub before: Option<u64>,
    /// Only the newest so many of those.
    pub limit: Option<u64>,
}

/// A chunk as it is stored: its JSON passes through unparsed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StoredRow {
    /// See [`wire::StoredChunk::seq`].
    pub seq: u64,
    /// See [`wire::StoredChunk::role`].
    pub role: Role,
    /// The JSON of a [`wire::Chunk`].
    pub chunk: Box<RawValue>,
}

/// Which conversations to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those with one of these; empty means all.
    pub statuses: Vec<ConversationStatus>,
    /// Only those whose id begins with this, compared byte by byte.
    pub id_prefix: Option<String>,
}

/// What is kept for a conversation besides its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// As in the list.
    pub meta: ConversationMeta,
    /// The model of its last turn, `credential/model`.
    pub model: Option<String>,
    /// The directory that its tools work in.
    pub cwd: Option<String>,
    /// Its effort, where one was set.
    pub effort: Option<ReasoningEffort>,
    /// The last seq that readers see; 0 when there is none.
    pub last_seq: u64,
}

/// A setting of a conversation. Setting one creates the conversation if it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The title; no longer derived from the first message.
    Title(String),
    /// The working directory, or none.
    Cwd(Option<String>),
    /// The effort.
    Effort(ReasoningEffort),
    /// The model, or the server's default.
    Model(Option<String>),
}

/// What opening a store found and mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The turns that had been left open, and are now sealed with reason `interrupted`.
    pub turns: Vec<(ConversationId, TurnId)>,
    /// How many tool results had to be synthesised.
    pub synthesised_results: usize,
}

/// The durable conversation log.
///
/// Every method may be called from any task at any time. Writes of one conversation take effect in the order in
/// which the methods were called. A write that fails changes nothing.
pub trait Store: Send + Sync + 'static {
    /// Opens a turn and writes its prompt. Refused with [`Error::TurnOpen`] while another one is open, unless that
    /// one was left behind by a seal that failed: then it is sealed first, as at a start-up.
    ///
    /// A carried message that is not in the queue is an [`Error::Misfit`], and so is a turn id that was used before.
    fn begin_turn(&self, begin: BeginTurn) -> BoxFuture<'_, Result<Begun, Error>>;

    /// Writes to the journal of an open turn, in order, all or nothing.
    ///
    /// What does not fit is an [`Error::Misfit`]: a seq that is not the next one (or that of the open chunk, as long as
    /// there is one), a message that is neither the last one nor the next, a second call or result of an id, a second
    /// row of a step, the delivery of a message that is not in the queue.
    fn journal(
        &self,
        conversation: &ConversationId,
        turn: &TurnId,
        ops: Vec<LogOp>,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Ends a turn: closes what is open, makes it visible with its metrics, and waits for the disk. Readers may see
    /// the turn a little before that.
    ///
    /// The metrics are the journalled steps plus what the seal says. If it fails, the turn stays open in the log and
    /// is sealed by the next [`Store::begin_turn`] of the conversation, or at the next start-up.
    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Sealed, Error>>;

    /// Appends to a conversation's queue and returns the whole of it. Durable (fsync) when it returns. Creates the
    /// conversation if it does not exist. An id that is in the queue already is an [`Error::Misfit`].
    fn enqueue(
        &self,
        conversation: &ConversationId,
        message: QueuedMessage,
    ) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>>;

    /// A conversation's queue, oldest first.
    fn queue(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>>;

    /// Removes messages from a queue and returns those that were there. Durable (fsync) when it returns.
    fn dequeue(
        &self,
        conversation: &ConversationId,
        ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>>;

    /// Marks a conversation as closed and empties its queue; an open turn stays open. Says whether the conversation
    /// exists; one that does not is not created. Durable (fsync) when it returns.
    fn close(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>>;

    /// Changes a setting. Does not count as activity. Durable (fsync) when it returns.
    fn set(
        &self,
        conversation: &ConversationId,
        at: u64,
        setting: Setting,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// One conversation, if it exists.
    fn conversation(&self, id: &ConversationId) -> BoxFuture<'_, Result<Option<Conversation>, Error>>;

    /// The list, the last active first; of two active at the same time, the older conversation first.
    fn conversations(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<ConversationMeta>, Error>>;

    /// A part of the history, ascending; of sealed turns only. Empty for a conversation that does not exist. In the
    /// place of a chunk that cannot be read stands an `error` chunk that says so.
    fn chunks(&self, id: &ConversationId, window: Window) -> BoxFuture<'_, Result<Vec<StoredRow>, Error>>;

    /// The whole history as messages, grouped by message number, with what providers want back; of sealed turns only,
    /// up to and including `last_seq`. A row that cannot be read is left out and logged, never an error.
    fn messages(&self, id: &ConversationId, last_seq: u64) -> BoxFuture<'_, Result<Vec<Message>, Error>>;

    /// The metrics of sealed turns, oldest first.
    fn metrics(&self, id: &ConversationId) -> BoxFuture<'_, Result<Vec<TurnMetrics>, Error>>;
}
