//! The writes, as SQL. Used by the writer alone, always within a transaction of its making.

use std::collections::{HashMap, HashSet};

use kernel::{DoneReason, Entry, LogOp};
use rusqlite::{Connection, params};
use wire::{ConversationId, Role, TurnId};

use super::fault::Fault;
use super::insert::{self, Encoded};
use super::open::{Open, Parts};
use super::schema::signed;
use super::{delete, ledger, queue, read, row};
use crate::open_turn::{OpenTurn, prompt};
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
    /// Whether deletions may have left something that is to be removed.
    pub(super) has_deleted: bool,
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
            has_deleted: false,
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

    /// Seals every turn and ends every connection that is open, as the first thing after opening.
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
        self.has_deleted = delete::has_left(&self.conn)?;
        self.end_left_open(now)?;
        Ok(recovery)
    }

    pub(super) fn begin_turn(&mut self, begin: &BeginTurn) -> Result<Begun, Fault> {
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
        let is_open = self.has_open_turn(id)?;
        if is_open && !self.is_left_behind(id) {
            return Err(Fault::Refused(Error::TurnOpen));
        }
        if !is_open {
            // A seal of a turn that was not open says nothing of one that gets its id later.
            self.left_behind.remove(id);
        }
        if read::is_known(&self.conn, id, client_message_id.as_ref())? {
            return Err(Fault::Refused(Error::Repeated));
        }
        if is_open {
            self.interrupt(id, *at)?;
        }
        let conversation = self.create(id, *at)?;
        let (log, last_seq, last_message, old_title, titled) = self
            .conn
            .prepare_cached(
                "SELECT log, last_seq, last_message, title, titled FROM conversations WHERE key = ?",
            )?
            .query_row([conversation], |row| {
                Ok((
                    row.get(0)?,
                    row::number(row, 1)?,
                    row::number(row, 2)?,
                    row.get::<_, String>(3)?,
                    row.get::<_, bool>(4)?,
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
                 SELECT key, ?2, ?3, coalesce(?4, model) FROM conversations WHERE key = ?1",
            )?
            .execute(params![conversation, turn.as_str(), signed(*at), answered_by])?;
        let key = self.conn.last_insert_rowid();
        let (seq, message) = (last_seq + 1, last_message + 1);
        let mut next_seq = seq;
        for chunk in prompt(text.clone(), images.clone()) {
            let row = Encoded::chunk(&chunk, None).map_err(Fault::Failed)?;
            insert::chunk(&self.conn, log, key, (next_seq, message, Role::User), &row)?;
            next_seq += 1;
        }
        if let Some(client_message) = client_message_id {
            insert::client_message(&self.conn, conversation, client_message, Some(key))?;
        }
        queue::take(&self.conn, conversation, key, carries)?;
        let turn = OpenTurn::new(turn.clone(), next_seq - 1, message);
        self.touched.push(id.clone());
        self.open.insert(id.clone(), Open { conversation, log, key, turn, parts: None, unwritten: None });
        Ok(Begun { seq, next_seq, message })
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
                (LogOp::Append(entry) | LogOp::Answer(entry, _), Some(row)) => {
                    self.stale_parts += open.complete_growth();
                    insert::chunk(&self.conn, open.log, open.key, place(entry), row)?;
                }
                (LogOp::Deliver(entry, carried), Some(row)) => {
                    queue::take(&self.conn, open.conversation, open.key, carried)?;
                    insert::chunk(&self.conn, open.log, open.key, place(entry), row)?;
                }
                (LogOp::Step(metrics), _) => {
                    insert::step(&self.conn, open.key, step, metrics)?;
                    ledger::rows::charge_step(&self.conn, open.key, step, metrics)?;
                    step += 1;
                }
                (LogOp::Append(_) | LogOp::Answer(..) | LogOp::Deliver(..), None) => {
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

    pub(super) fn close(&mut self, id: &ConversationId) -> Result<bool, Fault> {
        let Some(conversation) = read::key_of(&self.conn, id)? else { return Ok(false) };
        self.conn
            .prepare_cached("UPDATE conversations SET closed = 1 WHERE key = ?")?
            .execute([conversation])?;
        self.conn.prepare_cached("DELETE FROM queue WHERE conversation = ?")?.execute([conversation])?;
        Ok(true)
    }

    pub(super) fn reopen(&mut self, id: &ConversationId) -> Result<bool, Fault> {
        let reopened = self
            .conn
            .prepare_cached("UPDATE conversations SET closed = 0 WHERE id = ? AND closed = 1")?
            .execute([id.as_str()])?;
        Ok(reopened > 0)
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
    pub(super) fn interrupt(
        &mut self,
        id: &ConversationId,
        at: u64,
    ) -> Result<(Option<TurnId>, usize), Fault> {
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
            insert::chunk(&self.conn, open.log, open.key, place(entry), &row)?;
        }
        let last_seq = open.turn.last_seq();
        self.conn
            .prepare_cached(
                "UPDATE conversations SET last_seq = ?2, last_message = ?3,
                 last_activity_at = coalesce(?4, last_activity_at),
                 last_text = iif(?5, ?6, last_text) WHERE key = ?1",
            )?
            .execute(params![
                open.conversation,
                signed(last_seq),
                signed(open.turn.last_message()),
                ending.is_activity.then_some(signed(ending.at)),
                open.turn.answer().is_some(),
                open.turn.answer().and_then(|answer| answer.text).map(signed),
            ])?;
        let usage = open.turn.usage();
        self.conn
            .prepare_cached(
                "UPDATE turns SET sealed_at = ?2, reason = ?3, duration_ms = ?4, context_size = ?5,
                 input_tokens = ?6, output_tokens = ?7, cache_read_tokens = ?8, cache_write_tokens = ?9,
                 gen_ms = ?10 WHERE key = ?1",
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
                signed(open.turn.gen_ms()),
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
                open.log,
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
    pub(super) fn create(&mut self, id: &ConversationId, at: u64) -> Result<i64, Fault> {
        if let Some(key) = read::key_of(&self.conn, id)? {
            return Ok(key);
        }
        let number = self.next_number()?;
        self.conn
            .prepare_cached(
                "INSERT INTO conversations (key, log, id, created_at, last_activity_at, title)
                 VALUES (?1, ?1, ?2, ?3, ?3, ?4)",
            )?
            .execute(params![number, id.as_str(), signed(at), title::UNTITLED])?;
        Ok(number)
    }

    /// A number that no conversation and no log has or had.
    pub(super) fn next_number(&self) -> Result<i64, Fault> {
        Ok(self
            .conn
            .prepare_cached("UPDATE numbers SET next = next + 1 RETURNING next - 1")?
            .query_row([], |row| row.get(0))?)
    }

    /// Whether a conversation has an open turn, which is in `open` then.
    pub(super) fn has_open_turn(&mut self, id: &ConversationId) -> Result<bool, Fault> {
        self.know(id)?;
        Ok(self.open.contains_key(id))
    }

    /// Whether a conversation's open turn could not be sealed, so that nobody else will.
    pub(super) fn is_left_behind(&self, id: &ConversationId) -> bool {
        self.open.get(id).is_some_and(|open| self.left_behind.get(id) == Some(open.turn.id()))
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
