//! The durable conversation log: one trait, [`Store`], with an embedded SQLite implementation ([`Sqlite`]) and one
//! in memory ([`Memory`]) for tests. The [`Ledger`] of what was used is in the same store.
//!
//! What is promised, and by whom it is kept:
//!
//! - A conversation's chunks are numbered 1, 2, 3 … without gap or reuse. The numbers are given out by the turn in
//!   flight (see [`Begun`]); the store refuses any other.
//! - A turn in flight is journalled: when [`Store::journal`] has returned, what it wrote outlives the process
//!   (`kill -9` included), though not yet a power cut. Readers do not see it.
//! - When [`Store::seal`] has returned, the turn is in the history and on the disk (fsync). The same holds for a
//!   queued message when [`Store::enqueue`] has returned.
//! - A compaction and a deletion happen as a whole or not at all, whatever happens to the process. Neither takes
//!   longer because a conversation is long.
//! - Opening a store seals every turn that was left open, with reason `interrupted`: open chunks are closed, and each
//!   tool call without a result gets one. Status is derived from what is there: a conversation is active if and
//!   only if it has an open turn.

mod compaction;
mod error;
mod ledger;
mod memory;
mod open_turn;
mod sqlite;
mod throughput;
mod title;

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use kernel::{LogOp, Message};
use serde_json::value::RawValue;
use wire::extension::{ImageChunk, StoredChunkExtras, TurnMetricsExtras};
use wire::{
    ConversationId, ConversationMeta, ConversationStatus, QueuedMessage, ReasoningEffort, Role, TurnId,
    TurnMetrics,
};

pub use error::Error;
pub use ledger::{Deposit, Ledger, NewKey, OpenConnection, Resumable, SessionPrompt};
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
    /// They follow the text, each a chunk of the same message.
    pub images: Vec<ImageChunk>,
    /// The client's own id of the message. One that was used before in the conversation, by a turn or by a queued
    /// message, is an [`Error::Repeated`].
    pub client_message_id: Option<String>,
    /// Queued messages that the prompt consists of; they leave the queue in the same transaction.
    pub carries: Vec<String>,
    /// Now, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Kept as the conversation's model.
    pub model: Option<String>,
    /// The model that answers, `credential/model`, whoever chose it: what the turn's figures are counted under. None:
    /// the conversation's.
    pub answered_by: Option<String>,
    /// Kept as the conversation's working directory.
    pub cwd: Option<String>,
}

/// Where a turn begins in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The seq of the prompt's first chunk.
    pub seq: u64,
    /// The seq after its last one: the turn numbers its own chunks from there on.
    pub next_seq: u64,
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
    /// What goes beyond the contract.
    #[serde(flatten)]
    pub extras: StoredChunkExtras,
}

/// The figures of a sealed turn.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SealedTurn {
    /// Its tokens and times.
    #[serde(flatten)]
    pub metrics: TurnMetrics,
    /// What goes beyond the contract.
    #[serde(flatten)]
    pub extras: TurnMetricsExtras,
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

/// What is kept for a conversation under a name, as text that the store does not read.
///
/// A compaction leaves it with the conversation; the archive has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// When it is compacted by itself.
    CompactPercent,
    /// Whether and how its prompt cache is kept warm.
    CacheWarming,
    /// Its system prompt, as it was resolved.
    SystemPrompt,
    /// Its list of tasks.
    Todos,
    /// Who pays for what is queued.
    QueuePayers,
}

impl Attribute {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::CompactPercent, Self::CacheWarming, Self::SystemPrompt, Self::Todos, Self::QueuePayers];

    /// The name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CompactPercent => "compact-percent",
            Self::CacheWarming => "cache-warming",
            Self::SystemPrompt => "system-prompt",
            Self::Todos => "todos",
            Self::QueuePayers => "queue-payers",
        }
    }
}

/// What is kept once, as text that the store does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Global {
    /// The template of the system prompt.
    SystemPrompt,
}

impl Global {
    /// The name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemPrompt => "system-prompt",
        }
    }
}

/// The replacement of a conversation's older messages by a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The conversation; it keeps its id, settings, attributes, queue and metrics.
    pub conversation: ConversationId,
    /// A new id: the conversation as it is now, closed, under a title that says that it is an archive.
    pub archive: ConversationId,
    /// Becomes the first message: a `text` chunk of role `system`.
    pub summary: String,
    /// The number of the first message that stays; none if none does.
    pub keep_from: Option<u64>,
    /// The last seq that the summary takes into account; refused as an [`Error::Misfit`] if it is not the last one.
    pub last_seq: u64,
}

/// A message with its number in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// See [`kernel::Entry::message`].
    pub number: u64,
    /// The message.
    pub message: Message,
}

/// What became of a message that a client gave an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// It is queued, or was taken out of the queue again.
    Queued,
    /// That turn took it in, as its prompt or as steering.
    Delivered(TurnId),
}

/// What a model produced in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throughput {
    /// `credential/model`.
    pub model: String,
    /// Tokens of all steps.
    pub output_tokens: u64,
    /// Milliseconds that the steps' streams took; tools not counted.
    pub gen_ms: u64,
    /// How many turns.
    pub turns: u64,
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
pub trait Store: Ledger + Send + Sync + 'static {
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
    /// conversation if it does not exist. An id that is in the queue already is an [`Error::Misfit`]; a client's id that
    /// was used before in the conversation is an [`Error::Repeated`].
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

    /// Takes the mark away again, and does nothing else. Says whether the conversation was closed. Durable (fsync) when it
    /// returns.
    fn reopen(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>>;

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
    fn messages(&self, id: &ConversationId, last_seq: u64) -> BoxFuture<'_, Result<Vec<Numbered>, Error>>;

    /// The figures of sealed turns, oldest first.
    fn metrics(&self, id: &ConversationId) -> BoxFuture<'_, Result<Vec<SealedTurn>, Error>>;

    /// Replaces the older part of the history by a summary, in one transaction; what was is in the archive, seq by seq.
    /// The conversation's chunks are numbered from 1 anew, its messages as well. Refused with [`Error::TurnOpen`] while a
    /// turn is open. Durable (fsync) when it returns.
    ///
    /// What does not fit is an [`Error::Misfit`]: a conversation that does not exist, an archive that does, a first
    /// message to keep that is not there. The cost is that of what stays.
    ///
    /// The archive's `compactedFrom` is what the conversation's was, and the conversation's is the archive: a chain.
    fn compact(&self, compaction: Compaction) -> BoxFuture<'_, Result<(), Error>>;

    /// Removes a conversation and everything kept for it, and says whether there was one. What its turns used stays
    /// in [`Store::throughput`], and the ids of its turns stay taken. Refused with [`Error::TurnOpen`] while a turn is
    /// open, unless that one was left behind by a seal that failed. Durable (fsync) when it returns.
    fn delete(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>>;

    /// The text of the last `text` chunk of the last assistant message of sealed turns; none if that message has no
    /// text, or there is none. Does not depend on the length of the log.
    fn last_text(&self, id: &ConversationId) -> BoxFuture<'_, Result<Option<String>, Error>>;

    /// The turn that took the message with that client's id in, if one did; or that it is known and waits, or did.
    fn client_message(
        &self,
        id: &ConversationId,
        client_message_id: String,
    ) -> BoxFuture<'_, Result<Option<ClientMessage>, Error>>;

    /// What models produced in turns that were sealed at or after `from` and before `to`, in milliseconds since the
    /// Unix epoch, by model, in the order of their names. Turns without time of generation are not counted.
    fn throughput(&self, from: u64, to: u64) -> BoxFuture<'_, Result<Vec<Throughput>, Error>>;

    /// What is kept for a conversation under that name.
    fn attribute(
        &self,
        id: &ConversationId,
        attribute: Attribute,
    ) -> BoxFuture<'_, Result<Option<String>, Error>>;

    /// Every conversation for which something is kept under that name, in the order of their creation.
    fn attributes(&self, attribute: Attribute)
    -> BoxFuture<'_, Result<Vec<(ConversationId, String)>, Error>>;

    /// Keeps something for a conversation, or no longer. Creates the conversation if there is something to keep; does
    /// not count as activity. Durable (fsync) when it returns.
    fn set_attribute(
        &self,
        id: &ConversationId,
        at: u64,
        attribute: Attribute,
        value: Option<String>,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// What is kept once under that name.
    fn global(&self, global: Global) -> BoxFuture<'_, Result<Option<String>, Error>>;

    /// Keeps something once, or no longer. Durable (fsync) when it returns.
    fn set_global(&self, global: Global, value: Option<String>) -> BoxFuture<'_, Result<(), Error>>;
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
