//! An open turn as the writer knows it, and how it learns of one from the tables.

use kernel::{Entry, Growth, LogOp, TextKind};
use rusqlite::{Connection, OptionalExtension, params};
use wire::{ConversationId, Role, TurnId};

use super::fault::Fault;
use super::schema::{chunk_bound, seq_of, signed};
use super::{read, row};
use crate::open_turn::OpenTurn;

/// A turn that is not sealed.
pub(super) struct Open {
    /// The key of the conversation.
    pub(super) conversation: i64,
    /// The number of its log.
    pub(super) log: i64,
    /// The key of the turn.
    pub(super) key: i64,
    pub(super) turn: OpenTurn,
    /// Where in `parts` the open chunk begins, and how many rows it has.
    pub(super) parts: Option<Parts>,
    /// What the open chunk has grown by in the running transaction.
    pub(super) unwritten: Option<String>,
}

/// What an open chunk has grown by, in rows.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub(super) first: i64,
    pub(super) rows: usize,
}

impl Open {
    /// Reads what the tables say of a conversation's open turn, if it has one.
    pub(super) fn load(conn: &Connection, id: &ConversationId) -> Result<Option<Self>, Fault> {
        let found = conn
            .prepare_cached(
                "SELECT c.key, c.log, c.last_seq, c.last_message, t.key, t.id
                 FROM conversations c JOIN turns t ON t.conversation = c.key AND t.sealed_at IS NULL
                 WHERE c.id = ?",
            )?
            .query_row([id.as_str()], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row::number(row, 2)?,
                    row::number(row, 3)?,
                    row.get(4)?,
                    row.get::<_, String>(5)?,
                ))
            })
            .optional()?;
        let Some((conversation, log, sealed, last_message, key, turn)) = found else { return Ok(None) };
        let prompt = sealed + 1;
        let mut turn = OpenTurn::new(TurnId::new(turn), prompt, last_message + 1);
        load_chunks(conn, log, prompt, &mut turn)?;
        let parts = load_parts(conn, log, &mut turn)?;
        for step in read::steps_of(conn, key)? {
            turn.replay(LogOp::Step(step));
        }
        Ok(Some(Self { conversation, log, key, turn, parts, unwritten: None }))
    }

    /// The open chunk is complete, if there was one. Returns how many rows of `parts` nobody needs any more.
    pub(super) fn complete_growth(&mut self) -> usize {
        self.unwritten = None;
        self.parts.take().map_or(0, |parts| parts.rows)
    }

    /// All that the open chunk has grown by.
    pub(super) fn grown_text(&self, conn: &Connection) -> Result<String, Fault> {
        let mut text = String::new();
        if let Some(parts) = self.parts {
            let mut select = conn.prepare_cached(
                "SELECT text FROM parts WHERE id >= ? AND conversation = ? AND seq = ? ORDER BY id",
            )?;
            let mut rows = select.query(params![parts.first, self.log, signed(self.turn.last_seq())])?;
            while let Some(row) = rows.next()? {
                text.push_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
            }
        }
        text.push_str(self.unwritten.as_deref().unwrap_or_default());
        Ok(text)
    }
}

fn load_chunks(conn: &Connection, log: i64, after: u64, turn: &mut OpenTurn) -> Result<(), Fault> {
    let mut select = conn
        .prepare_cached("SELECT id, message, role, body FROM chunks WHERE id > ? AND id <= ? ORDER BY id")?;
    let mut rows = select.query([chunk_bound(log, after), chunk_bound(log, u64::MAX)])?;
    while let Some(row) = rows.next()? {
        turn.replay(LogOp::Append(Entry {
            seq: seq_of(row.get(0)?),
            message: row::number(row, 1)?,
            role: row::role(row, 2).unwrap_or(Role::Assistant),
            chunk: row::chunk(row, 3).unwrap_or_else(|reason| row::unreadable(&reason)),
            replay: None,
        }));
    }
    Ok(())
}

fn load_parts(conn: &Connection, log: i64, turn: &mut OpenTurn) -> Result<Option<Parts>, Fault> {
    let mut parts: Option<Parts> = None;
    let mut select = conn.prepare_cached(
        "SELECT id, seq, message, kind FROM parts WHERE conversation = ? AND seq > ? ORDER BY id",
    )?;
    let mut rows = select.query([log, signed(turn.last_seq())])?;
    while let Some(row) = rows.next()? {
        let kind = match row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)? {
            "thinking" => TextKind::Thinking,
            _ => TextKind::Text,
        };
        let (seq, message) = (row::number(row, 1)?, row::number(row, 2)?);
        turn.replay(LogOp::Grow(Growth { seq, message, kind, delta: String::new() }));
        parts.get_or_insert(Parts { first: row.get(0)?, rows: 0 }).rows += 1;
    }
    Ok(parts)
}
