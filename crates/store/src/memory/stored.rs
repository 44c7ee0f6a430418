//! One conversation.

use std::collections::HashMap;

use kernel::{DoneReason, Entry, Message, Part};
use wire::extension::{StoredChunkExtras, TurnMetricsExtras};
use wire::{
    Chunk, ConversationId, ConversationMeta, ConversationStatus, QueuedMessage, Role, TurnId, TurnMetrics,
};

use crate::compaction::archive_title;
use crate::open_turn::OpenTurn;
use crate::throughput::Sample;
use crate::{Attribute, Compaction, Conversation, Error, Numbered, SealedTurn, StoredRow, Window, title};

#[derive(Debug)]
pub(super) struct Stored {
    /// The status in it is not kept up to date: see [`Stored::meta`].
    pub(super) conversation: Conversation,
    pub(super) titled: bool,
    pub(super) closed: bool,
    pub(super) last_message: u64,
    /// Of sealed turns.
    log: Vec<Written>,
    /// Of sealed turns, in order.
    pub(super) metrics: Vec<SealedTurn>,
    /// Of sealed turns.
    pub(super) samples: Vec<(u64, Sample)>,
    pub(super) queue: Vec<QueuedMessage>,
    /// The ids that clients gave their messages, each with the turn that took it in.
    pub(super) client_messages: HashMap<String, Option<TurnId>>,
    pub(super) attributes: HashMap<Attribute, String>,
    pub(super) open: Option<Open>,
}

/// A chunk with what people are shown of it and the model is not.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) entry: Entry,
    pub(super) extras: StoredChunkExtras,
}

impl Written {
    pub(super) fn by(turn: &TurnId, entry: Entry) -> Self {
        let turn_id = Some(turn.clone());
        Self { entry, extras: StoredChunkExtras { turn_id, ..StoredChunkExtras::default() } }
    }
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) turn: OpenTurn,
    /// How many turns were begun before it, in any conversation.
    pub(super) position: usize,
    /// In milliseconds since the Unix epoch.
    pub(super) begun_at: u64,
    /// `credential/model`.
    pub(super) model: Option<String>,
    pub(super) journal: Vec<Written>,
    /// What the open chunk has grown to.
    pub(super) grown: String,
    /// A seal has failed.
    pub(super) left_behind: bool,
}

/// How a turn ends.
pub(super) struct Ending {
    pub(super) at: u64,
    pub(super) reason: String,
    pub(super) duration_ms: Option<u64>,
    pub(super) context_size: Option<u64>,
}

impl Stored {
    pub(super) fn new(id: ConversationId, at: u64) -> Self {
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
            samples: Vec::new(),
            queue: Vec::new(),
            client_messages: HashMap::new(),
            attributes: HashMap::new(),
            open: None,
        }
    }

    pub(super) fn meta(&self) -> ConversationMeta {
        let status = match (&self.open, self.closed) {
            (Some(_), _) => ConversationStatus::Active,
            (None, true) => ConversationStatus::Closed,
            (None, false) => ConversationStatus::Idle,
        };
        ConversationMeta { status, ..self.conversation.meta.clone() }
    }

    /// Whether a turn is open that nobody will seal.
    pub(super) fn is_left_behind(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.left_behind)
    }

    /// Whether the client's id is new in the conversation.
    pub(super) fn admit_client_message(&self, client_message: Option<&String>) -> Result<(), Error> {
        match client_message {
            Some(id) if self.client_messages.contains_key(id) => Err(Error::Repeated),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes messages off the queue, all of which must be in it, on behalf of a turn.
    pub(super) fn deliver(&mut self, ids: &[String], turn: &TurnId) -> Result<(), Error> {
        let rest = without(&self.queue, ids)?;
        for message in std::mem::replace(&mut self.queue, rest) {
            if ids.contains(&message.id)
                && let Some(id) = message.client_message_id
            {
                self.client_messages.insert(id, Some(turn.clone()));
            }
        }
        Ok(())
    }

    /// Seals an open turn in the place of whoever left it open. Returns it, and how many results had to be synthesised.
    pub(super) fn interrupt(&mut self, at: u64) -> Option<(TurnId, usize)> {
        let turn = &self.open.as_ref()?.turn;
        let (id, context_size) = (turn.id().clone(), turn.context_size());
        let reason = DoneReason::Interrupted.as_str().to_owned();
        let synthesised = self.end(&Ending { at, reason, duration_ms: None, context_size });
        Some((id, synthesised))
    }

    pub(super) fn end(&mut self, ending: &Ending) -> usize {
        let Some(Open { mut turn, begun_at, model, journal, grown, .. }) = self.open.take() else { return 0 };
        let closing = turn.close(&grown);
        self.log.extend(journal);
        self.log.extend(closing.entries.into_iter().map(|entry| Written::by(turn.id(), entry)));
        self.conversation.last_seq = turn.last_seq();
        self.last_message = turn.last_message();
        let usage = turn.usage();
        if let Some(model) = model.clone() {
            let sample = Sample { model, output_tokens: usage.output_tokens, gen_ms: turn.gen_ms() };
            self.samples.push((ending.at, sample));
        }
        let metrics = TurnMetrics {
            turn_id: turn.id().clone(),
            usage,
            duration_ms: ending.duration_ms,
            steps: turn.steps().to_vec(),
            context_size: ending.context_size,
        };
        let reason = Some(ending.reason.clone());
        let extras = TurnMetricsExtras { started_at: Some(begun_at), reason, model };
        self.metrics.push(SealedTurn { metrics, extras });
        closing.synthesised
    }

    /// Replaces the older part of the log by a summary, and returns the archive.
    pub(super) fn compact(&mut self, compaction: Compaction) -> Result<Self, Error> {
        compaction.admit(self.conversation.last_seq, self.last_message)?;
        let Compaction { archive, summary, keep_from, .. } = compaction;
        let kept = self.log.iter().filter(|kept| keep_from.is_some_and(|from| kept.entry.message >= from));
        let summary = Entry {
            seq: 1,
            message: 1,
            role: Role::System,
            chunk: Chunk::Text { text: summary },
            replay: None,
        };
        let mut log = vec![Written { entry: summary, extras: StoredChunkExtras::default() }];
        for (Written { entry, extras }, seq) in kept.zip(2..) {
            let message = entry.message + 2 - keep_from.unwrap_or_default();
            let entry = Entry { seq, message, ..entry.clone() };
            log.push(Written { entry, extras: extras.clone() });
        }

        let mut archived = Self::new(archive.clone(), self.conversation.meta.created_at);
        archived.conversation = self.conversation.clone();
        archived.conversation.meta.id = archive.clone();
        archived.conversation.meta.title = archive_title(&self.conversation.meta.title);
        archived.titled = true;
        archived.closed = true;
        archived.last_message = self.last_message;

        self.conversation.meta.compacted_from = Some(archive);
        self.conversation.last_seq = log.len() as u64;
        self.last_message = log.last().map_or(0, |last| last.entry.message);
        archived.log = std::mem::replace(&mut self.log, log);
        Ok(archived)
    }

    pub(super) fn chunks(&self, window: Window) -> Vec<StoredRow> {
        let limit = window.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut rows: Vec<StoredRow> = self
            .log
            .iter()
            .rev()
            .filter(|Written { entry, .. }| {
                entry.seq > window.since && window.before.is_none_or(|before| entry.seq < before)
            })
            .take(limit)
            .filter_map(|Written { entry, extras }| {
                let chunk = serde_json::value::to_raw_value(&entry.chunk).ok()?;
                Some(StoredRow { seq: entry.seq, role: entry.role, chunk, extras: extras.clone() })
            })
            .collect();
        rows.reverse();
        rows
    }

    pub(super) fn messages(&self, last_seq: u64) -> Vec<Numbered> {
        self.entries()
            .take_while(|entry| entry.seq <= last_seq)
            .collect::<Vec<_>>()
            .chunk_by(|a, b| a.message == b.message)
            .filter_map(|entries| {
                let first = entries.first()?;
                let part = |entry: &&Entry| Part { chunk: entry.chunk.clone(), replay: entry.replay.clone() };
                let parts = entries.iter().map(part).collect();
                Some(Numbered { number: first.message, message: Message { role: first.role, parts } })
            })
            .collect()
    }

    pub(super) fn last_text(&self) -> Option<String> {
        let last = self.entries().rev().find(|entry| entry.role == Role::Assistant)?.message;
        self.entries().rev().filter(|entry| entry.message == last).find_map(|entry| match &entry.chunk {
            Chunk::Text { text } => Some(text.clone()),
            _ => None,
        })
    }

    fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.log.iter().map(|written| &written.entry)
    }
}

/// The queue without messages, all of which must be in it.
pub(super) fn without(queue: &[QueuedMessage], ids: &[String]) -> Result<Vec<QueuedMessage>, Error> {
    let mut rest = queue.to_vec();
    for id in ids {
        let position = rest.iter().position(|message| message.id == *id).ok_or_else(|| not_queued(id))?;
        rest.remove(position);
    }
    Ok(rest)
}

pub(super) fn not_queued(id: &str) -> Error {
    Error::Misfit(format!("the queued message {id} is not in the queue"))
}
