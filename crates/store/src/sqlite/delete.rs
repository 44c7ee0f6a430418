//! Deletions, as SQL.
//!
//! The conversation goes first, in one transaction that leaves the number of its log behind. The chunks, of which there
//! may be a million, follow in slices, between which other conversations are written; after a crash the next start
//! goes on with them. Nobody can see them any more: numbers are not given out twice.
//!
//! The rows of turns and steps stay, for what they say about the use of models.

use rusqlite::{Connection, OptionalExtension, params};
use wire::ConversationId;

use super::fault::Fault;
use super::log::Log;
use super::read;
use super::schema::chunk_bound;
use crate::{Attribute, Error};

/// The most rows of a slice.
const MOST_ROWS: i64 = 1024;

/// A slice ends with the row that makes it so many bytes.
const MOST_BYTES: i64 = 1 << 20;

impl Log {
    pub(super) fn delete(&mut self, id: &ConversationId, now: u64) -> Result<bool, Fault> {
        if self.has_open_turn(id)? {
            if !self.is_left_behind(id) {
                return Err(Fault::Refused(Error::TurnOpen));
            }
            self.interrupt(id, now)?;
        }
        let conn = self.connection();
        let Some(conversation) = read::key_of(conn, id)? else { return Ok(false) };
        conn.prepare_cached(
            "INSERT INTO deleted (conversation, log) SELECT key, log FROM conversations WHERE key = ?",
        )?
        .execute([conversation])?;
        conn.prepare_cached("DELETE FROM conversations WHERE key = ?")?.execute([conversation])?;
        conn.prepare_cached("DELETE FROM queue WHERE conversation = ?")?.execute([conversation])?;
        for attribute in Attribute::ALL {
            conn.prepare_cached("DELETE FROM attributes WHERE name = ? AND conversation = ?")?
                .execute(params![attribute.as_str(), conversation])?;
        }
        self.has_deleted = true;
        Ok(true)
    }

    /// Removes a slice of what deletions have left, in a transaction of its own.
    pub(super) fn clear_away(&mut self) -> Result<(), Fault> {
        self.begin()?;
        self.has_deleted = slice(self.connection())?;
        self.commit()
    }
}

/// Whether deletions have left something.
pub(super) fn has_left(conn: &Connection) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM deleted)")?.query_row([], |row| row.get(0))?)
}

/// Returns whether there may be more.
fn slice(conn: &Connection) -> Result<bool, Fault> {
    let found = conn
        .prepare_cached("SELECT conversation, log FROM deleted LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((conversation, log)) = found else { return Ok(false) };
    if chunks(conn, log)? || client_messages(conn, conversation)? {
        return Ok(true);
    }
    conn.prepare_cached("DELETE FROM deleted WHERE conversation = ?")?.execute([conversation])?;
    Ok(true)
}

/// Returns whether there were any.
fn chunks(conn: &Connection, log: i64) -> Result<bool, Fault> {
    let (first, last) = (chunk_bound(log, 0), chunk_bound(log, u64::MAX));
    let end = {
        let mut select = conn.prepare_cached(
            "SELECT id, octet_length(body) + coalesce(octet_length(replay), 0) FROM chunks
             WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
        )?;
        let mut rows = select.query([first, last, MOST_ROWS])?;
        let (mut end, mut bytes): (Option<i64>, i64) = (None, 0);
        while let Some(row) = rows.next()? {
            end = Some(row.get(0)?);
            bytes += row.get::<_, i64>(1)?;
            if bytes >= MOST_BYTES {
                break;
            }
        }
        end
    };
    let Some(end) = end else { return Ok(false) };
    conn.prepare_cached("DELETE FROM chunks WHERE id >= ? AND id <= ?")?.execute([first, end])?;
    Ok(true)
}

/// Returns whether there were any.
fn client_messages(conn: &Connection, conversation: i64) -> Result<bool, Fault> {
    let removed = conn
        .prepare_cached(
            "DELETE FROM client_messages WHERE conversation = ?1 AND id IN
             (SELECT id FROM client_messages WHERE conversation = ?1 LIMIT ?2)",
        )?
        .execute([conversation, MOST_ROWS])?;
    Ok(removed > 0)
}
