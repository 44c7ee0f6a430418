//! The log in memory, for tests: it behaves like [`crate::Sqlite`] in everything but durability.

mod ledger;
mod state;
mod stored;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use kernel::LogOp;
use wire::{ConversationId, ConversationMeta, QueuedMessage, TurnId};

use self::state::{Failing, State};
use self::stored::Stored;
use crate::{
    Attribute, BeginTurn, Begun, ClientMessage, Compaction, Conversation, Error, Filter, Global, Numbered,
    Recovery, Seal, Sealed, SealedTurn, Setting, Store, StoredRow, Throughput, Window, now,
};

/// A log that lives as long as its last clone, and can be told to fail.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

impl Memory {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next so many writes fail, seals included; 0 ends that. A write that fails changes nothing.
    pub fn fail_next_writes(&self, count: usize, error: Error) {
        self.state().failing_writes = Some(Failing { left: count, error });
    }

    /// Makes the next so many seals fail, and no other write; 0 ends that.
    pub fn fail_next_seals(&self, count: usize, error: Error) {
        self.state().failing_seals = Some(Failing { left: count, error });
    }

    /// Does what opening a store does after a crash: seals the turns and ends the connections that were left open. Ends
    /// all injected failures.
    pub fn reopen(&self) -> Recovery {
        let mut state = self.state();
        state.failing_writes = None;
        state.failing_seals = None;
        let mut left_open: Vec<&mut Stored> =
            state.conversations.values_mut().filter(|stored| stored.open.is_some()).collect();
        left_open.sort_by_key(|stored| stored.open.as_ref().map(|open| open.position));
        let mut recovery = Recovery::default();
        for stored in left_open {
            if let Some((turn, synthesised)) = stored.interrupt(now()) {
                recovery.turns.push((stored.conversation.meta.id.clone(), turn));
                recovery.synthesised_results += synthesised;
            }
        }
        state.books.end_left_open(now());
        recovery
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes now, like [`crate::Sqlite`] orders now.
    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let mut state = self.state();
        let answer = match Failing::take(&mut state.failing_writes) {
            Some(error) => Err(error),
            None => write(&mut state),
        };
        ready(answer).boxed()
    }

    fn read<T: Default + Send + 'static>(
        &self,
        id: &ConversationId,
        read: impl FnOnce(&Stored) -> T,
    ) -> BoxFuture<'static, Result<T, Error>> {
        ready(Ok(self.state().find(id).map_or_else(T::default, |stored| read(stored)))).boxed()
    }
}

impl Store for Memory {
    fn begin_turn(&self, begin: BeginTurn) -> BoxFuture<'_, Result<Begun, Error>> {
        self.write(|state| state.begin_turn(begin))
    }

    fn journal(
        &self,
        conversation: &ConversationId,
        turn: &TurnId,
        ops: Vec<LogOp>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| state.journal(conversation, turn, ops))
    }

    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Sealed, Error>> {
        let mut state = self.state();
        let answer = match Failing::take(&mut state.failing_writes) {
            Some(error) => {
                state.leave_behind(&seal);
                Err(error)
            }
            None => state.seal(seal),
        };
        ready(answer).boxed()
    }

    fn enqueue(
        &self,
        conversation: &ConversationId,
        message: QueuedMessage,
    ) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>> {
        self.write(|state| state.enqueue(conversation, message))
    }

    fn queue(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>> {
        self.read(conversation, |stored| stored.queue.clone())
    }

    fn dequeue(
        &self,
        conversation: &ConversationId,
        ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>> {
        self.write(|state| {
            let Some(stored) = state.find(conversation) else { return Ok(Vec::new()) };
            let (removed, rest) = stored.queue.drain(..).partition(|message| ids.contains(&message.id));
            stored.queue = rest;
            Ok(removed)
        })
    }

    fn close(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>> {
        self.write(|state| {
            let Some(stored) = state.find(conversation) else { return Ok(false) };
            stored.closed = true;
            stored.queue.clear();
            Ok(true)
        })
    }

    fn reopen(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>> {
        self.write(|state| {
            let Some(stored) = state.find(conversation) else { return Ok(false) };
            Ok(std::mem::take(&mut stored.closed))
        })
    }

    fn set(
        &self,
        conversation: &ConversationId,
        at: u64,
        setting: Setting,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| {
            let stored = state.find_or_create(conversation, at);
            match setting {
                Setting::Title(title) => {
                    stored.conversation.meta.title = title;
                    stored.titled = true;
                }
                Setting::Cwd(cwd) => stored.conversation.cwd = cwd,
                Setting::Effort(effort) => stored.conversation.effort = Some(effort),
                Setting::Model(model) => stored.conversation.model = model,
            }
            Ok(())
        })
    }

    fn conversation(&self, id: &ConversationId) -> BoxFuture<'_, Result<Option<Conversation>, Error>> {
        self.read(id, |stored| Some(Conversation { meta: stored.meta(), ..stored.conversation.clone() }))
    }

    fn conversations(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<ConversationMeta>, Error>> {
        let mut list: Vec<ConversationMeta> = self
            .state()
            .conversations
            .values()
            .map(Stored::meta)
            .filter(|meta| filter.statuses.is_empty() || filter.statuses.contains(&meta.status))
            .filter(|meta| {
                filter.id_prefix.as_ref().is_none_or(|prefix| meta.id.as_str().starts_with(prefix))
            })
            .collect();
        // Stable: the older conversation stays first.
        list.sort_by_key(|meta| std::cmp::Reverse(meta.last_activity_at));
        ready(Ok(list)).boxed()
    }

    fn chunks(&self, id: &ConversationId, window: Window) -> BoxFuture<'_, Result<Vec<StoredRow>, Error>> {
        self.read(id, |stored| stored.chunks(window))
    }

    fn messages(&self, id: &ConversationId, last_seq: u64) -> BoxFuture<'_, Result<Vec<Numbered>, Error>> {
        self.read(id, |stored| stored.messages(last_seq))
    }

    fn metrics(&self, id: &ConversationId) -> BoxFuture<'_, Result<Vec<SealedTurn>, Error>> {
        self.read(id, |stored| stored.metrics.clone())
    }

    fn compact(&self, compaction: Compaction) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| state.compact(compaction))
    }

    fn delete(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>> {
        self.write(|state| state.delete(conversation))
    }

    fn last_text(&self, id: &ConversationId) -> BoxFuture<'_, Result<Option<String>, Error>> {
        self.read(id, Stored::last_text)
    }

    fn client_message(
        &self,
        id: &ConversationId,
        client_message_id: String,
    ) -> BoxFuture<'_, Result<Option<ClientMessage>, Error>> {
        self.read(id, |stored| {
            let turn = stored.client_messages.get(&client_message_id)?;
            Some(turn.clone().map_or(ClientMessage::Queued, ClientMessage::Delivered))
        })
    }

    fn throughput(&self, from: u64, to: u64) -> BoxFuture<'_, Result<Vec<Throughput>, Error>> {
        ready(Ok(self.state().throughput(from, to))).boxed()
    }

    fn attribute(
        &self,
        id: &ConversationId,
        attribute: Attribute,
    ) -> BoxFuture<'_, Result<Option<String>, Error>> {
        self.read(id, |stored| stored.attributes.get(&attribute).cloned())
    }

    fn attributes(
        &self,
        attribute: Attribute,
    ) -> BoxFuture<'_, Result<Vec<(ConversationId, String)>, Error>> {
        let kept = |stored: &Stored| {
            Some((stored.conversation.meta.id.clone(), stored.attributes.get(&attribute)?.clone()))
        };
        ready(Ok(self.state().conversations.values().filter_map(kept).collect())).boxed()
    }

    fn set_attribute(
        &self,
        id: &ConversationId,
        at: u64,
        attribute: Attribute,
        value: Option<String>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| {
            match value {
                Some(value) => drop(state.find_or_create(id, at).attributes.insert(attribute, value)),
                None => drop(state.find(id).and_then(|stored| stored.attributes.remove(&attribute))),
            }
            Ok(())
        })
    }

    fn global(&self, global: Global) -> BoxFuture<'_, Result<Option<String>, Error>> {
        ready(Ok(self.state().globals.get(&global).cloned())).boxed()
    }

    fn set_global(&self, global: Global, value: Option<String>) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| {
            match value {
                Some(value) => state.globals.insert(global, value),
                None => state.globals.remove(&global),
            };
            Ok(())
        })
    }
}
