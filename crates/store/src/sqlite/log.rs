//! The writes, as SQL. Used by the writer alone, always within a transaction of its making.

use std::collections::{HashMap, HashSet};

use kernel::{DoneReason, Entry, LogOp};
use rusqlite::{Connection, params};
use wire::{Chunk, ConversationId, QueuedMessage, Role, TurnId};

use super::fault::Fault;
use super::insert::{self, Encoded};
use super::open::{Open, Parts};
use super::schema::signed;
use super::{read, row};
use crate::open_turn::OpenTurn;
use crate::{BeginTurn, Begun, Error, Recovery, Seal, Sealed, Setting, title};

/// So many rows of complete chunks may lie in `parts` before they are removed.
const STALE_PARTS: usize = 1024;

/// The connection that writes, and what it knows about the open turns.
///
/// That knowledge is a copy of what the tables say. Where a transaction fails, the copies that it touched are dropped,
/// and read again when they are needed.
pub(super) struct Log {
    conn: Connection,
    open: HashMap<ConversationId, Open>,
    /// Whose copy was dropped and has not been needed since.
    dropped: HashSet<ConversationId>,
    /// Whose copy the running transaction has changed.
    touched: Vec<ConversationId>,
    /// Whose open chunk has grown in the running transaction.
    grown: Vec<ConversationId>,
    /// The last turn of a conversation that could not be sealed. It may have been since.
    left_behind: HashMap<ConversationId, TurnId>,
    /// The id of the next row of `parts`.
    next_part: i64,
    /// About how many rows of `parts` belong to complete chunks.
    stale_parts: usize,
}

/// How a turn ends.
struct Ending<'a> {
    at: u64,
    reason: &'a str,
    duration_ms: Option<u64>,
    context_size: Option<u64>,
    /// Whether it moves the conversation up in the list.
    is_activity: bool,
}

impl Log {
    pub(super) fn new(conn: Connection) -> Self {
        Self {
            conn,
            open: HashMap::new(),
            dropped: HashSet::new(),
            touched: Vec::new(),
            grown: Vec::new(),
            left_behind: HashMap::new(),
            next_part: 1,
            stale_parts: 0,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.conn
    }

    pub(super) fn begin(&mut self) -> Result<(), Fault> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        self.write_growth()?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        self.touched.clear();
        Ok(())
    }

    /// Undoes the running transaction, if there is one, here and in the tables.
    pub(super) fn roll_back(&mut self) {
        // After some errors SQLite has rolled back by itself.
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed write could not be rolled back");
        }
        self.grown.clear();
        for conversation in self.touched.drain(..) {
            self.open.remove(&conversation);
            self.dropped.insert(conversation);
        }
    }

    /// Notes that a turn could not be sealed: if it is still open, the next turn of the conversation seals it.
    pub(super) fn seal_failed(&mut self, conversation: &ConversationId, turn: &TurnId) {
        self.left_behind.insert(conversation.clone(), turn.clone());
    }

    /// Notes that the turn of a conversation was sealed.
    pub(super) fn seal_succeeded(&mut self, conversation: &ConversationId) {
        self.left_behind.remove(conversation);
    }

    /// Seals every turn that is open, as the first thing after opening.
    pub(super) fn recover(&mut self, now: u64) -> Result<Recovery, Fault> {
        let found: Vec<String> = self
            .conn
            .prepare(
                "SELECT c.id FROM turns t JOIN conversations c ON c.key = t.conversation
                 WHERE t.sealed_at IS NULL ORDER BY t.key",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut recovery = Recovery::default();
        if !found.is_empty() {
            self.begin()?;
            for id in found {
                let id = ConversationId::new(id);
                let (turn, synthesised) = self.interrupt(&id, now)?;
                recovery.turns.extend(turn.map(|turn| (id, turn)));
                recovery.synthesised_results += synthesised;
            }
            self.commit()?;
        }
        self.next_part =
            self.conn.query_row("SELECT coalesce(max(id), 0) + 1 FROM parts", [], |row| row.get(0))?;
        // No chunk is open, so none is needed. But a log that nothing can be added to can still be read.
        self.stale_parts = usize::try_from(self.next_part - 1).unwrap_or(STALE_PARTS);
        if self.stale_parts > 0 {
            self.try_to_remove_stale_parts();
        }
        Ok(recovery)
    }

    pub(super) fn begin_turn(&mut self, begin: &BeginTurn) -> Result<Begun, Fault> {
        let BeginTurn { conversation: id, turn, text, carries, at, model, cwd } = begin;
        self.know(id)?;
        if let Some(open) = self.open.get(id) {
            if self.left_behind.get(id) != Some(open.turn.id()) {
                return Err(Fault::Refused(Error::TurnOpen));
            }
            self.interrupt(id, *at)?;
        }
        let conversation = self.create(id, *at)?;
        let (last_seq, last_message, old_title, titled) = self
            .conn
            .prepare_cached("SELECT last_seq, last_message, title, titled FROM conversations WHERE key = ?")?
            .query_row([conversation], |row| {
                Ok((
                    row::number(row, 0)?,
                    row::number(row, 1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, bool>(3)?,
                ))
            })?;
        let derived = if !titled && title::is_missing(&old_title) { title::derived(text) } else { None };
        self.conn
            .prepare_cached(
                "UPDATE conversations SET closed = 0, last_activity_at = ?2, title = coalesce(?3, title),
                 model = coalesce(?4, model), cwd = coalesce(?5, cwd) WHERE key = ?1",
            )?
            .execute(params![conversation, signed(*at), derived, model, cwd])?;
        self.conn
            .prepare_cached(
                "INSERT INTO turns (conversation, id, begun_at, model)
                 SELECT key, ?2, ?3, model FROM conversations WHERE key = ?1",
            )?
            .execute(params![conversation, turn.as_str(), signed(*at)])?;
        let key = self.conn.last_insert_rowid();
        let (seq, message) = (last_seq + 1, last_message + 1);
        let prompt = Encoded::chunk(&Chunk::Text { text: text.clone() }, None).map_err(Fault::Failed)?;
        insert::chunk(&self.conn, conversation, key, (seq, message, Role::User), &prompt)?;
        take_from_queue(&self.conn, conversation, carries)?;
        let turn = OpenTurn::new(turn.clone(), seq, message);
        self.touched.push(id.clone());
        self.open.insert(id.clone(), Open { conversation, key, turn, parts: None, unwritten: None });
        Ok(Begun { seq, message })
    }

    pub(super) fn journal(
        &mut self,
        id: &ConversationId,
        turn: &TurnId,
        ops: &[LogOp],
        rows: &[Option<Encoded>],
    ) -> Result<(), Fault> {
        self.know(id)?;
        let open = opened(&mut self.open, id, turn)?;
        let first_step = open.turn.steps().len();
        open.turn.admit(ops).map_err(Fault::Refused)?;
        self.touched.push(id.clone());
        let mut step = first_step;
        for (op, row) in ops.iter().zip(rows) {
            match (op, row) {
                (LogOp::Grow(growth), _) => {
                    open.unwritten.get_or_insert_default().push_str(&growth.delta);
                    self.grown.push(id.clone());
                }
                (LogOp::Append(entry), Some(row)) => {
                    self.stale_parts += open.complete_growth();
                    insert::chunk(&self.conn, open.conversation, open.key, place(entry), row)?;
                }
                (LogOp::Deliver(entry, carried), Some(row)) => {
                    take_from_queue(&self.conn, open.conversation, carried)?;
                    insert::chunk(&self.conn, open.conversation, open.key, place(entry), row)?;
                }
                (LogOp::Step(metrics), _) => {
                    insert::step(&self.conn, open.key, step, metrics)?;
                    step += 1;
                }
                (LogOp::Append(_) | LogOp::Deliver(..), None) => {
                    return Err(Fault::Failed(Error::Misfit("a chunk came without its row".to_owned())));
                }
            }
        }
        Ok(())
    }

    pub(super) fn seal(&mut self, seal: &Seal) -> Result<Sealed, Fault> {
        let Seal { conversation: id, turn, at, reason, duration_ms, context_size } = seal;
        self.know(id)?;
        opened(&mut self.open, id, turn)?;
        let ending = Ending {
            at: *at,
            reason,
            duration_ms: Some(*duration_ms),
            context_size: *context_size,
            is_activity: true,
        };
        let (last_seq, _) = self.end(id, &ending)?;
        Ok(Sealed { last_seq })
    }

    pub(super) fn enqueue(
        &mut self,
        id: &ConversationId,
        message: &QueuedMessage,
    ) -> Result<Vec<QueuedMessage>, Fault> {
        let conversation = self.create(id, message.queued_at)?;
        self.conn
            .prepare_cached("INSERT INTO queue (conversation, id, text, queued_at) VALUES (?, ?, ?, ?)")?
            .execute(params![conversation, message.id, message.text, signed(message.queued_at)])?;
        Ok(read::queue_of(&self.conn, conversation)?)
    }

    pub(super) fn dequeue(
        &mut self,
        id: &ConversationId,
        ids: &[String],
    ) -> Result<Vec<QueuedMessage>, Fault> {
        let Some(conversation) = read::key_of(&self.conn, id)? else { return Ok(Vec::new()) };
        let mut removed = read::queue_of(&self.conn, conversation)?;
        removed.retain(|message| ids.contains(&message.id));
        let mut delete = self.conn.prepare_cached("DELETE FROM queue WHERE conversation = ? AND id = ?")?;
        for message in &removed {
            delete.execute(params![conversation, message.id])?;
        }
        Ok(removed)
    }

    pub(super) fn close(&mut self, id: &ConversationId) -> Result<bool, Fault> {
        let Some(conversation) = read::key_of(&self.conn, id)? else { return Ok(false) };
        self.conn
            .prepare_cached("UPDATE conversations SET closed = 1 WHERE key = ?")?
            .execute([conversation])?;
        self.conn.prepare_cached("DELETE FROM queue WHERE conversation = ?")?.execute([conversation])?;
        Ok(true)
    }

    pub(super) fn set(&mut self, id: &ConversationId, at: u64, setting: &Setting) -> Result<(), Fault> {
        let conversation = self.create(id, at)?;
        let (sql, value) = match setting {
            Setting::Title(title) => {
                ("UPDATE conversations SET title = ?2, titled = 1 WHERE key = ?1", Some(title.as_str()))
            }
            Setting::Cwd(cwd) => ("UPDATE conversations SET cwd = ?2 WHERE key = ?1", cwd.as_deref()),
            Setting::Effort(effort) => {
                ("UPDATE conversations SET effort = ?2 WHERE key = ?1", Some(effort.as_str()))
            }
            Setting::Model(model) => ("UPDATE conversations SET model = ?2 WHERE key = ?1", model.as_deref()),
        };
        self.conn.prepare_cached(sql)?.execute(params![conversation, value])?;
        Ok(())
    }

    /// Removes rows of `parts` that nobody needs any more, if there are enough of them to be worth it.
    ///
    /// Only whole ranges at the beginning of the table go: their pages are freed, not rewritten.
    pub(super) fn sweep(&mut self) {
        if self.stale_parts >= STALE_PARTS {
            self.try_to_remove_stale_parts();
        }
    }

    fn try_to_remove_stale_parts(&mut self) {
        if let Err(fault) = self.remove_stale_parts() {
            tracing::warn!(
                ?fault,
                "what is left of growing chunks could not be removed; will be tried again"
            );
        }
        self.stale_parts = 0;
    }

    fn remove_stale_parts(&mut self) -> Result<(), Fault> {
        let dropped: Vec<_> = self.dropped.iter().cloned().collect();
        for id in dropped {
            self.know(&id)?;
        }
        let first = self.open.values().filter_map(|open| open.parts.map(|parts| parts.first)).min();
        self.conn
            .prepare_cached("DELETE FROM parts WHERE id < ?")?
            .execute([first.unwrap_or(self.next_part)])?;
        Ok(())
    }

    /// Seals a conversation's open turn in the place of whoever left it open.
    fn interrupt(&mut self, id: &ConversationId, at: u64) -> Result<(Option<TurnId>, usize), Fault> {
        self.know(id)?;
        let Some(open) = self.open.get(id) else { return Ok((None, 0)) };
        let turn = open.turn.id().clone();
        let ending = Ending {
            at,
            reason: DoneReason::Interrupted.as_str(),
            duration_ms: None,
            context_size: open.turn.context_size(),
            is_activity: false,
        };
        let (_, synthesised) = self.end(id, &ending)?;
        Ok((Some(turn), synthesised))
    }

    /// Ends a conversation's open turn. Returns the last seq and how many results had to be synthesised.
    fn end(&mut self, id: &ConversationId, ending: &Ending<'_>) -> Result<(u64, usize), Fault> {
        self.touched.push(id.clone());
        let Some(mut open) = self.open.remove(id) else {
            return Err(Fault::Failed(Error::Corrupt("an open turn is gone".to_owned())));
        };
        let grown = if open.turn.growing().is_some() { open.grown_text(&self.conn)? } else { String::new() };
        self.stale_parts += open.complete_growth();
        let closing = open.turn.close(&grown);
        for entry in &closing.entries {
            let row = Encoded::of(entry).map_err(Fault::Failed)?;
            insert::chunk(&self.conn, open.conversation, open.key, place(entry), &row)?;
        }
        let last_seq = open.turn.last_seq();
        self.conn
            .prepare_cached(
                "UPDATE conversations SET last_seq = ?2, last_message = ?3,
                 last_activity_at = coalesce(?4, last_activity_at) WHERE key = ?1",
            )?
            .execute(params![
                open.conversation,
                signed(last_seq),
                signed(open.turn.last_message()),
                ending.is_activity.then_some(signed(ending.at)),
            ])?;
        let usage = open.turn.usage();
        self.conn
            .prepare_cached(
                "UPDATE turns SET sealed_at = ?2, reason = ?3, duration_ms = ?4, context_size = ?5,
                 input_tokens = ?6, output_tokens = ?7, cache_read_tokens = ?8, cache_write_tokens = ?9
                 WHERE key = ?1",
            )?
            .execute(params![
                open.key,
                signed(ending.at),
                ending.reason,
                ending.duration_ms.map(signed),
                ending.context_size.map(signed),
                signed(usage.input_tokens),
                signed(usage.output_tokens),
                usage.cache_read_tokens.map(signed),
                usage.cache_write_tokens.map(signed),
            ])?;
        Ok((last_seq, closing.synthesised))
    }

    /// Writes what open chunks have grown by in this transaction: one row each, however often they grew.
    fn write_growth(&mut self) -> Result<(), Fault> {
        if self.grown.is_empty() {
            return Ok(());
        }
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO parts (id, conversation, seq, message, kind, text) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        for id in self.grown.drain(..) {
            let Some(open) = self.open.get_mut(&id) else { continue };
            let (Some(text), Some(kind)) = (open.unwritten.take(), open.turn.growing()) else { continue };
            let part = self.next_part;
            insert.execute(params![
                part,
                open.conversation,
                signed(open.turn.last_seq()),
                signed(open.turn.last_message()),
                insert::kind_name(kind),
                text,
            ])?;
            self.next_part += 1;
            open.parts.get_or_insert(Parts { first: part, rows: 0 }).rows += 1;
        }
        Ok(())
    }

    /// The key of a conversation, which is created if it does not exist.
    fn create(&mut self, id: &ConversationId, at: u64) -> Result<i64, Fault> {
        if let Some(key) = read::key_of(&self.conn, id)? {
            return Ok(key);
        }
        self.conn
            .prepare_cached(
                "INSERT INTO conversations (id, created_at, last_activity_at, title) VALUES (?1, ?2, ?2, ?3)",
            )?
            .execute(params![id.as_str(), signed(at), title::UNTITLED])?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Makes sure that the open turn of a conversation, if it has one, is in `open`.
    fn know(&mut self, id: &ConversationId) -> Result<(), Fault> {
        if self.open.contains_key(id) {
            return Ok(());
        }
        if let Some(open) = Open::load(&self.conn, id)? {
            self.open.insert(id.clone(), open);
        }
        self.dropped.remove(id);
        Ok(())
    }
}

fn opened<'a>(
    open: &'a mut HashMap<ConversationId, Open>,
    id: &ConversationId,
    turn: &TurnId,
) -> Result<&'a mut Open, Fault> {
    open.get_mut(id)
        .filter(|open| open.turn.id() == turn)
        .ok_or_else(|| Fault::Refused(Error::NotOpen(turn.to_string())))
}

fn place(entry: &Entry) -> (u64, u64, Role) {
    (entry.seq, entry.message, entry.role)
}

/// Removes messages from a queue, all of which must be there: one that a client has cancelled must not be delivered.
fn take_from_queue(conn: &Connection, conversation: i64, ids: &[String]) -> Result<(), Fault> {
    let mut delete = conn.prepare_cached("DELETE FROM queue WHERE conversation = ? AND id = ?")?;
    for id in ids {
        if delete.execute(params![conversation, id])? == 0 {
            return Err(Fault::Failed(Error::Misfit(format!("the queued message {id} is not in the queue"))));
        }
    }
    Ok(())
}
