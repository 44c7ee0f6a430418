//! The log in memory, for tests: it behaves like [`crate::Sqlite`] in everything but durability.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use kernel::{Entry, LogOp, Message, Part};
use wire::{
    Chunk, ConversationId, ConversationMeta, ConversationStatus, QueuedMessage, Role, TurnId, TurnMetrics,
};

use crate::open_turn::OpenTurn;
use crate::{
    BeginTurn, Begun, Conversation, Error, Filter, Recovery, Seal, Sealed, Setting, Store, StoredRow, Window,
    title,
};

/// A log that lives as long as its last clone, and can be told to fail.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of their creation.
    conversations: Vec<Stored>,
    index: HashMap<ConversationId, usize>,
    /// All that were ever begun.
    turns: HashSet<TurnId>,
    failing_writes: Option<Failing>,
    failing_seals: Option<Failing>,
}

/// So many more of them fail like that.
#[derive(Debug)]
struct Failing {
    left: usize,
    error: Error,
}

#[derive(Debug)]
struct Stored {
    /// The status in it is not kept up to date: see [`Stored::meta`].
    conversation: Conversation,
    titled: bool,
    closed: bool,
    last_message: u64,
    /// Of sealed turns.
    log: Vec<Entry>,
    /// Of sealed turns, in order.
    metrics: Vec<TurnMetrics>,
    queue: Vec<QueuedMessage>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    turn: OpenTurn,
    /// How many turns were begun before it, in any conversation.
    position: usize,
    journal: Vec<Entry>,
    /// What the open chunk has grown to.
    grown: String,
    /// A seal has failed.
    left_behind: bool,
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

    /// Does what opening a store does after a crash: seals the turns that were left open. Ends all injected failures.
    pub fn reopen(&self) -> Recovery {
        let mut state = self.state();
        state.failing_writes = None;
        state.failing_seals = None;
        let mut left_open: Vec<&mut Stored> =
            state.conversations.iter_mut().filter(|stored| stored.open.is_some()).collect();
        left_open.sort_by_key(|stored| stored.open.as_ref().map(|open| open.position));
        let mut recovery = Recovery::default();
        for stored in left_open {
            if let Some((turn, synthesised)) = stored.interrupt() {
                recovery.turns.push((stored.conversation.meta.id.clone(), turn));
                recovery.synthesised_results += synthesised;
            }
        }
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

impl Failing {
    fn take(failing: &mut Option<Self>) -> Option<Error> {
        let failing = failing.as_mut().filter(|failing| failing.left > 0)?;
        failing.left -= 1;
        Some(failing.error.clone())
    }
}

impl State {
    fn find(&mut self, id: &ConversationId) -> Option<&mut Stored> {
        self.index.get(id).and_then(|index| self.conversations.get_mut(*index))
    }

    fn find_or_create(&mut self, id: &ConversationId, at: u64) -> &mut Stored {
        let index = match self.index.get(id) {
            Some(index) => *index,
            None => {
                self.conversations.push(Stored::new(id.clone(), at));
                self.index.insert(id.clone(), self.conversations.len() - 1);
                self.conversations.len() - 1
            }
        };
        &mut self.conversations[index]
    }

    fn begin_turn(&mut self, begin: BeginTurn) -> Result<Begun, Error> {
        let BeginTurn { conversation: id, turn, text, carries, at, model, cwd } = begin;
        if let Some(stored) = self.find(&id) {
            if stored.open.as_ref().is_some_and(|open| !open.left_behind) {
                return Err(Error::TurnOpen);
            }
            without(&stored.queue, &carries)?;
        } else if let Some(missing) = carries.first() {
            return Err(not_queued(missing));
        }
        if !self.turns.insert(turn.clone()) {
            return Err(Error::Misfit(format!("there was a turn {turn} already")));
        }
        let position = self.turns.len();
        let stored = self.find_or_create(&id, at);
        stored.interrupt();
        stored.queue = without(&stored.queue, &carries)?;
        stored.closed = false;
        let (seq, message) = (stored.conversation.last_seq + 1, stored.last_message + 1);
        let Conversation { meta, model: kept_model, cwd: kept_cwd, .. } = &mut stored.conversation;
        meta.last_activity_at = at;
        if !stored.titled
            && title::is_missing(&meta.title)
            && let Some(derived) = title::derived(&text)
        {
            meta.title = derived;
        }
        *kept_model = model.or(kept_model.take());
        *kept_cwd = cwd.or(kept_cwd.take());
        let prompt = Entry { seq, message, role: Role::User, chunk: Chunk::Text { text }, replay: None };
        stored.open = Some(Open {
            turn: OpenTurn::new(turn, seq, message),
            position,
            journal: vec![prompt],
            grown: String::new(),
            left_behind: false,
        });
        Ok(Begun { seq, message })
    }

    fn journal(&mut self, id: &ConversationId, turn: &TurnId, ops: Vec<LogOp>) -> Result<(), Error> {
        let not_open = || Error::NotOpen(turn.to_string());
        let stored = self.find(id).ok_or_else(not_open)?;
        let open = stored.open.as_mut().filter(|open| open.turn.id() == turn).ok_or_else(not_open)?;
        let delivered: Vec<String> = ops
            .iter()
            .filter_map(|op| match op {
                LogOp::Deliver(_, ids) => Some(ids),
                LogOp::Grow(_) | LogOp::Append(_) | LogOp::Step(_) => None,
            })
            .flatten()
            .cloned()
            .collect();
        let queue = without(&stored.queue, &delivered)?;
        open.turn.admit(&ops)?;
        stored.queue = queue;
        for op in ops {
            match op {
                LogOp::Grow(growth) => open.grown.push_str(&growth.delta),
                LogOp::Append(entry) | LogOp::Deliver(entry, _) => {
                    open.grown.clear();
                    open.journal.push(entry);
                }
                LogOp::Step(_) => {}
            }
        }
        Ok(())
    }

    fn seal(&mut self, seal: Seal) -> Result<Sealed, Error> {
        let failure = Failing::take(&mut self.failing_seals);
        let not_open = || Error::NotOpen(seal.turn.to_string());
        let stored = self.find(&seal.conversation).ok_or_else(not_open)?;
        let open = stored.open.as_mut().filter(|open| *open.turn.id() == seal.turn).ok_or_else(not_open)?;
        if let Some(error) = failure {
            open.left_behind = true;
            return Err(error);
        }
        stored.conversation.meta.last_activity_at = seal.at;
        stored.end(Some(seal.duration_ms), seal.context_size);
        Ok(Sealed { last_seq: stored.conversation.last_seq })
    }

    /// Notes that a turn could not be sealed.
    fn leave_behind(&mut self, seal: &Seal) {
        let open = self.find(&seal.conversation).and_then(|stored| stored.open.as_mut());
        if let Some(open) = open.filter(|open| *open.turn.id() == seal.turn) {
            open.left_behind = true;
        }
    }
}

impl Stored {
    fn new(id: ConversationId, at: u64) -> Self {
        let meta = ConversationMeta {
            id,
            created_at: at,
            last_activity_at: at,
            title: title::UNTITLED.to_owned(),
            status: ConversationStatus::Idle,
            compacted_from: None,
        };
        Self {
            conversation: Conversation { meta, model: None, cwd: None, effort: None, last_seq: 0 },
            titled: false,
            closed: false,
            last_message: 0,
            log: Vec::new(),
            metrics: Vec::new(),
            queue: Vec::new(),
            open: None,
        }
    }

    fn meta(&self) -> ConversationMeta {
        let status = match (&self.open, self.closed) {
            (Some(_), _) => ConversationStatus::Active,
            (None, true) => ConversationStatus::Closed,
            (None, false) => ConversationStatus::Idle,
        };
        ConversationMeta { status, ..self.conversation.meta.clone() }
    }

    /// Seals an open turn in the place of whoever left it open. Returns it, and how many results had to be synthesised.
    fn interrupt(&mut self) -> Option<(TurnId, usize)> {
        let turn = &self.open.as_ref()?.turn;
        let (id, context_size) = (turn.id().clone(), turn.context_size());
        let synthesised = self.end(None, context_size);
        Some((id, synthesised))
    }

    fn end(&mut self, duration_ms: Option<u64>, context_size: Option<u64>) -> usize {
        let Some(Open { mut turn, journal, grown, .. }) = self.open.take() else { return 0 };
        let closing = turn.close(&grown);
        self.log.extend(journal);
        self.log.extend(closing.entries);
        self.conversation.last_seq = turn.last_seq();
        self.last_message = turn.last_message();
        self.metrics.push(TurnMetrics {
            turn_id: turn.id().clone(),
            usage: turn.usage(),
            duration_ms,
            steps: turn.steps().to_vec(),
            context_size,
        });
        closing.synthesised
    }

    fn chunks(&self, window: Window) -> Vec<StoredRow> {
        let limit = window.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut rows: Vec<StoredRow> = self
            .log
            .iter()
            .rev()
            .filter(|entry| entry.seq > window.since && window.before.is_none_or(|before| entry.seq < before))
            .take(limit)
            .filter_map(|entry| {
                let chunk = serde_json::value::to_raw_value(&entry.chunk).ok()?;
                Some(StoredRow { seq: entry.seq, role: entry.role, chunk })
            })
            .collect();
        rows.reverse();
        rows
    }

    fn messages(&self, last_seq: u64) -> Vec<Message> {
        self.log
            .iter()
            .take_while(|entry| entry.seq <= last_seq)
            .collect::<Vec<_>>()
            .chunk_by(|a, b| a.message == b.message)
            .filter_map(|entries| {
                let role = entries.first()?.role;
                let part = |entry: &&Entry| Part { chunk: entry.chunk.clone(), replay: entry.replay.clone() };
                Some(Message { role, parts: entries.iter().map(part).collect() })
            })
            .collect()
    }
}

/// The queue without messages, all of which must be in it.
fn without(queue: &[QueuedMessage], ids: &[String]) -> Result<Vec<QueuedMessage>, Error> {
    let mut rest = queue.to_vec();
    for id in ids {
        let position = rest.iter().position(|message| message.id == *id).ok_or_else(|| not_queued(id))?;
        rest.remove(position);
    }
    Ok(rest)
}

fn not_queued(id: &str) -> Error {
    Error::Misfit(format!("the queued message {id} is not in the queue"))
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
        self.write(|state| {
            let known = state.find(conversation).map(|stored| stored.queue.as_slice()).unwrap_or_default();
            if known.iter().any(|known| known.id == message.id) {
                return Err(Error::Misfit(format!("a message {} is in the queue already", message.id)));
            }
            let stored = state.find_or_create(conversation, message.queued_at);
            stored.queue.push(message);
            Ok(stored.queue.clone())
        })
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
            .iter()
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

    fn messages(&self, id: &ConversationId, last_seq: u64) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        self.read(id, |stored| stored.messages(last_seq))
    }

    fn metrics(&self, id: &ConversationId) -> BoxFuture<'_, Result<Vec<TurnMetrics>, Error>> {
        self.read(id, |stored| stored.metrics.clone())
    }
}
