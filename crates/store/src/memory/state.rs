//! All conversations.

use std::collections::{BTreeMap, HashMap, HashSet};

use kernel::{Entry, LogOp};
use wire::extension::StoredChunkExtras;
use wire::{ConversationId, QueuedMessage, Role, TurnId};

use super::ledger::Books;
use super::stored::{Ending, Open, Stored, Written, not_queued, without};
use crate::open_turn::{OpenTurn, prompt};
use crate::throughput::{Sample, Sums};
use crate::{
    BeginTurn, Begun, Compaction, Conversation, Error, Global, Seal, Sealed, Throughput, compaction, now,
    title,
};

#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order of their creation.
    pub(super) conversations: BTreeMap<u64, Stored>,
    index: HashMap<ConversationId, u64>,
    /// How many conversations were ever created.
    created: u64,
    /// All that were ever begun.
    turns: HashSet<TurnId>,
    /// Of sealed turns of deleted conversations.
    samples: Vec<(u64, Sample)>,
    pub(super) globals: HashMap<Global, String>,
    pub(super) books: Books,
    pub(super) failing_writes: Option<Failing>,
    pub(super) failing_seals: Option<Failing>,
}

/// So many more of them fail like that.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) left: usize,
    pub(super) error: Error,
}

impl Failing {
    pub(super) fn take(failing: &mut Option<Self>) -> Option<Error> {
        let failing = failing.as_mut().filter(|failing| failing.left > 0)?;
        failing.left -= 1;
        Some(failing.error.clone())
    }
}

impl State {
    pub(super) fn find(&mut self, id: &ConversationId) -> Option<&mut Stored> {
        self.conversations.get_mut(self.index.get(id)?)
    }

    pub(super) fn find_or_create(&mut self, id: &ConversationId, at: u64) -> &mut Stored {
        let number = match self.index.get(id) {
            Some(number) => *number,
            None => self.number(id),
        };
        self.conversations.entry(number).or_insert_with(|| Stored::new(id.clone(), at))
    }

    /// A new number, for a conversation that is about to be created.
    fn number(&mut self, id: &ConversationId) -> u64 {
        self.created += 1;
        self.index.insert(id.clone(), self.created);
        self.created
    }

    pub(super) fn begin_turn(&mut self, begin: BeginTurn) -> Result<Begun, Error> {
        let BeginTurn {
            conversation: id,
            turn,
            text,
            images,
            client_message_id,
            carries,
            at,
            model,
            answered_by,
            cwd,
        } = begin;
        if let Some(stored) = self.find(&id) {
            if stored.open.is_some() && !stored.is_left_behind() {
                return Err(Error::TurnOpen);
            }
            stored.admit_client_message(client_message_id.as_ref())?;
            without(&stored.queue, &carries)?;
        } else if let Some(missing) = carries.first() {
            return Err(not_queued(missing));
        }
        if !self.turns.insert(turn.clone()) {
            return Err(Error::Misfit(format!("there was a turn {turn} already")));
        }
        let position = self.turns.len();
        let stored = self.find_or_create(&id, at);
        stored.interrupt(at);
        stored.deliver(&carries, &turn)?;
        stored.client_messages.extend(client_message_id.map(|id| (id, Some(turn.clone()))));
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
        let journal: Vec<Written> = prompt(text, images)
            .zip(seq..)
            .map(|(chunk, seq)| Entry { seq, message, role: Role::User, chunk, replay: None })
            .map(|entry| Written::by(&turn, entry))
            .collect();
        let next_seq = seq + journal.len() as u64;
        stored.open = Some(Open {
            turn: OpenTurn::new(turn, next_seq - 1, message),
            position,
            begun_at: at,
            model: answered_by.or_else(|| kept_model.clone()),
            journal,
            grown: String::new(),
            left_behind: false,
        });
        Ok(Begun { seq, next_seq, message })
    }

    pub(super) fn journal(
        &mut self,
        id: &ConversationId,
        turn: &TurnId,
        ops: Vec<LogOp>,
    ) -> Result<(), Error> {
        let not_open = || Error::NotOpen(turn.to_string());
        let stored = self.find(id).ok_or_else(not_open)?;
        let open = stored.open.as_mut().filter(|open| open.turn.id() == turn).ok_or_else(not_open)?;
        let delivered: Vec<String> = ops
            .iter()
            .filter_map(|op| match op {
                LogOp::Deliver(_, ids) => Some(ids),
                LogOp::Grow(_) | LogOp::Append(_) | LogOp::Answer(..) | LogOp::Step(_) => None,
            })
            .flatten()
            .cloned()
            .collect();
        without(&stored.queue, &delivered)?;
        let first_step = open.turn.steps().len();
        let mut admitted = open.turn.clone();
        admitted.admit(&ops)?;
        self.books.charge_steps(turn, first_step, &admitted.steps()[first_step..], now())?;
        let stored = self.find(id).ok_or_else(not_open)?;
        let open = stored.open.as_mut().ok_or_else(not_open)?;
        open.turn = admitted;
        for op in ops {
            let (entry, steering, duration_ms) = match op {
                LogOp::Grow(growth) => {
                    open.grown.push_str(&growth.delta);
                    continue;
                }
                LogOp::Append(entry) => (entry, None, None),
                LogOp::Answer(entry, duration_ms) => (entry, None, duration_ms),
                LogOp::Deliver(entry, _) => (entry, Some(true), None),
                LogOp::Step(_) => continue,
            };
            open.grown.clear();
            let extras = StoredChunkExtras { turn_id: Some(turn.clone()), steering, duration_ms };
            open.journal.push(Written { entry, extras });
        }
        stored.deliver(&delivered, turn)
    }

    pub(super) fn seal(&mut self, seal: Seal) -> Result<Sealed, Error> {
        let failure = Failing::take(&mut self.failing_seals);
        let not_open = || Error::NotOpen(seal.turn.to_string());
        let stored = self.find(&seal.conversation).ok_or_else(not_open)?;
        let open = stored.open.as_mut().filter(|open| *open.turn.id() == seal.turn).ok_or_else(not_open)?;
        if let Some(error) = failure {
            open.left_behind = true;
            return Err(error);
        }
        stored.conversation.meta.last_activity_at = seal.at;
        stored.end(&Ending {
            at: seal.at,
            reason: seal.reason,
            duration_ms: Some(seal.duration_ms),
            context_size: seal.context_size,
        });
        Ok(Sealed { last_seq: stored.conversation.last_seq })
    }

    /// Notes that a turn could not be sealed.
    pub(super) fn leave_behind(&mut self, seal: &Seal) {
        let open = self.find(&seal.conversation).and_then(|stored| stored.open.as_mut());
        if let Some(open) = open.filter(|open| *open.turn.id() == seal.turn) {
            open.left_behind = true;
        }
    }

    pub(super) fn enqueue(
        &mut self,
        id: &ConversationId,
        message: QueuedMessage,
    ) -> Result<Vec<QueuedMessage>, Error> {
        if let Some(stored) = self.find(id) {
            stored.admit_client_message(message.client_message_id.as_ref())?;
            if stored.queue.iter().any(|known| known.id == message.id) {
                return Err(Error::Misfit(format!("a message {} is in the queue already", message.id)));
            }
        }
        let stored = self.find_or_create(id, message.queued_at);
        stored.client_messages.extend(message.client_message_id.clone().map(|id| (id, None)));
        stored.queue.push(message);
        Ok(stored.queue.clone())
    }

    pub(super) fn compact(&mut self, compaction: Compaction) -> Result<(), Error> {
        let archive = compaction.archive.clone();
        let is_taken = self.index.contains_key(&archive);
        let stored = self
            .find(&compaction.conversation)
            .ok_or_else(|| compaction::unknown(&compaction.conversation))?;
        if stored.open.is_some() {
            return Err(Error::TurnOpen);
        }
        if is_taken {
            return Err(compaction::taken(&archive));
        }
        let archived = stored.compact(compaction)?;
        let number = self.number(&archive);
        self.conversations.insert(number, archived);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &ConversationId) -> Result<bool, Error> {
        let Some(stored) = self.find(id) else { return Ok(false) };
        if stored.open.is_some() && !stored.is_left_behind() {
            return Err(Error::TurnOpen);
        }
        stored.interrupt(now());
        let deleted = self.index.remove(id).and_then(|number| self.conversations.remove(&number));
        self.samples.extend(deleted.into_iter().flat_map(|deleted| deleted.samples));
        Ok(true)
    }

    pub(super) fn throughput(&self, from: u64, to: u64) -> Vec<Throughput> {
        let mut sums = Sums::default();
        let kept = self.conversations.values().flat_map(|stored| &stored.samples);
        for (_, sample) in kept.chain(&self.samples).filter(|(at, _)| (from..to).contains(at)) {
            sums.add(sample.clone());
        }
        sums.finish()
    }
}
