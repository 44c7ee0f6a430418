//! The rows of the ledger as events, and who has got how far with them.

use meter::{ConnectionId, Credits, DepositId, Entry, Event, KeyId, SessionId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::{ConversationId, TurnId};

use super::super::fault::Fault;
use super::super::log::Log;
use super::super::row;
use super::super::schema::signed;
use super::refused;
use super::rows::{self, Kind};
use crate::ledger::beyond;

pub(super) fn events(conn: &Connection, after: u64, last: u64, limit: u64) -> rusqlite::Result<Vec<Event>> {
    let mut select = conn.prepare_cached(
        "SELECT l.position, l.kind, l.subject, l.n, l.change, l.at, k.id
         FROM ledger l JOIN keys k ON k.key = l.payer
         WHERE l.position > ? AND l.position <= ? ORDER BY l.position LIMIT ?",
    )?;
    let mut rows = select.query([signed(after), signed(last), signed(limit)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let key = KeyId::new(row.get::<_, String>(6)?);
        events.push(Event::new(row::number(row, 0)?, row::number(row, 5)?, key, entry(conn, row)?));
    }
    Ok(events)
}

fn entry(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<Entry> {
    let kind = Kind::of(row.get(1)?)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(1, "kind".to_owned(), Type::Integer))?;
    let (subject, n): (i64, u64) = (row.get(2)?, row::number(row, 3)?);
    let change = rows::credits(row, 4)?;
    match kind {
        Kind::Second => second(conn, subject, n, cost(change)),
        Kind::Step => step(conn, subject, n, cost(change)),
        Kind::Credit => {
            conn.prepare_cached("SELECT id, note FROM deposits WHERE key = ?")?.query_row([subject], |row| {
                let deposit = DepositId::new(row.get::<_, String>(0)?);
                Ok(Entry::Credit { deposit, note: row.get(1)?, credits: change })
            })
        }
        Kind::Ended => ended(conn, subject),
    }
}

fn cost(change: Credits) -> Credits {
    Credits::from_micros(change.micros().saturating_neg())
}

fn second(conn: &Connection, connection: i64, n: u64, credits: Credits) -> rusqlite::Result<Entry> {
    conn.prepare_cached(
        "SELECT s.id, c.id, c.model FROM connections c JOIN sessions s ON s.key = c.session WHERE c.key = ?",
    )?
    .query_row([connection], |row| {
        Ok(Entry::Second {
            session: SessionId::new(row.get::<_, String>(0)?),
            connection: ConnectionId::new(row.get::<_, String>(1)?),
            n,
            model: row.get(2)?,
            credits,
        })
    })
}

fn step(conn: &Connection, turn: i64, n: u64, credits: Credits) -> rusqlite::Result<Entry> {
    conn.prepare_cached(
        "SELECT p.conversation, t.id, t.model, s.input_tokens, s.output_tokens, s.cache_read_tokens,
         s.cache_write_tokens FROM paid_turns p JOIN turns t ON t.key = p.turn
         JOIN steps s ON s.turn = p.turn AND s.idx = ?2 WHERE p.turn = ?1",
    )?
    .query_row(params![turn, signed(n)], |row| {
        Ok(Entry::Step {
            conversation: ConversationId::new(row.get::<_, String>(0)?),
            turn: TurnId::new(row.get::<_, String>(1)?),
            n,
            model: row.get(2)?,
            usage: row::usage(row, 3)?,
            credits,
        })
    })
}

fn ended(conn: &Connection, connection: i64) -> rusqlite::Result<Entry> {
    conn.prepare_cached(
        "SELECT s.id, c.id, c.model, c.reason, c.seconds, c.per_second
         FROM connections c JOIN sessions s ON s.key = c.session WHERE c.key = ?",
    )?
    .query_row([connection], |row| {
        let seconds = row::number(row, 4)?;
        let credits = rows::credits(row, 5)?.checked_mul(seconds);
        Ok(Entry::Ended {
            session: SessionId::new(row.get::<_, String>(0)?),
            connection: ConnectionId::new(row.get::<_, String>(1)?),
            model: row.get(2)?,
            reason: row.get(3)?,
            seconds,
            credits: credits.ok_or(rusqlite::Error::IntegralValueOutOfRange(4, row.get(4)?))?,
        })
    })
}

pub(super) fn exported(conn: &Connection, exporter: &str) -> rusqlite::Result<u64> {
    Ok(conn
        .prepare_cached("SELECT position FROM exporters WHERE name = ?")?
        .query_row([exporter], |row| row::number(row, 0))
        .optional()?
        .unwrap_or(0))
}

impl Log {
    pub(super) fn acknowledge(&mut self, exporter: &str, position: u64) -> Result<(), Fault> {
        let conn = self.connection();
        let last = rows::last(conn)?;
        if position > last {
            return Err(refused(beyond(position, last)));
        }
        conn.prepare_cached(
            "INSERT INTO exporters (name, position) VALUES (?, ?)
             ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )?
        .execute(params![exporter, signed(position)])?;
        Ok(())
    }
}
