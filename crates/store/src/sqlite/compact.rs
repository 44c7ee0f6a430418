//! Compactions, as SQL.
//!
//! The archive takes over the log with all its chunks, and the conversation gets a new one. So what is copied is only
//! what stays, however long the log is, and everything else that is kept for the conversation stays where it is.

use rusqlite::{Connection, OptionalExtension, params};
use wire::{Chunk, ConversationId, Role};

use super::fault::Fault;
use super::insert::{self, Encoded};
use super::log::Log;
use super::schema::{chunk_bound, chunk_id, seq_of, signed};
use super::{read, row};
use crate::compaction::{archive_title, taken, unknown};
use crate::{Compaction, Error};

/// No turn wrote the summary.
const NO_TURN: i64 = 0;

/// A conversation and where its log ends.
struct Whole {
    conversation: i64,
    log: i64,
    last_seq: u64,
    last_message: u64,
    last_text: Option<u64>,
    title: String,
}

/// What stays of a log.
#[derive(Clone, Copy)]
struct Kept {
    /// The seq of its first chunk.
    seq: u64,
    /// The number of its first message.
    message: u64,
}

impl Log {
    pub(super) fn compact(&mut self, compaction: &Compaction) -> Result<(), Fault> {
        let Compaction { conversation: id, archive, summary, keep_from, .. } = compaction;
        let conn = self.connection();
        let whole = Whole::of(conn, id)?.ok_or_else(|| Fault::Refused(unknown(id)))?;
        if self.has_open_turn(id)? {
            return Err(Fault::Refused(Error::TurnOpen));
        }
        let conn = self.connection();
        if read::key_of(conn, archive)?.is_some() {
            return Err(Fault::Refused(taken(archive)));
        }
        compaction.admit(whole.last_seq, whole.last_message).map_err(Fault::Refused)?;
        let kept = keep_from.map(|message| whole.kept_from(conn, message)).transpose()?;

        let number = self.next_number()?;
        let conn = self.connection();
        whole.move_to_archive(conn, archive, number)?;
        let chunk = Encoded::chunk(&Chunk::Text { text: summary.clone() }, None).map_err(Fault::Failed)?;
        insert::chunk(conn, number, NO_TURN, (1, 1, Role::System), &chunk)?;
        if let Some(kept) = kept {
            whole.copy(conn, kept, number)?;
        }
        // Seqs and numbers of what stays begin with 2: the summary is the first.
        let moved = |seq: u64| kept.and_then(|kept| seq.checked_sub(kept.seq)).map(|place| place + 2);
        let last_message = kept.map_or(1, |kept| whole.last_message - kept.message + 2);
        conn.prepare_cached(
            "UPDATE conversations SET last_seq = ?2, last_message = ?3, last_text = ?4, compacted_from = ?5
             WHERE key = ?1",
        )?
        .execute(params![
            whole.conversation,
            signed(moved(whole.last_seq).unwrap_or(1)),
            signed(last_message),
            whole.last_text.and_then(moved).map(signed),
            archive.as_str(),
        ])?;
        Ok(())
    }
}

impl Whole {
    fn of(conn: &Connection, id: &ConversationId) -> Result<Option<Self>, Fault> {
        let found = conn
            .prepare_cached(
                "SELECT key, log, last_seq, last_message, last_text, title FROM conversations WHERE id = ?",
            )?
            .query_row([id.as_str()], |row| {
                Ok(Self {
                    conversation: row.get(0)?,
                    log: row.get(1)?,
                    last_seq: row::number(row, 2)?,
                    last_message: row::number(row, 3)?,
                    last_text: row::optional_number(row, 4)?,
                    title: row.get(5)?,
                })
            })
            .optional()?;
        Ok(found)
    }

    /// What stays when that message is the first that does. Read from the end: the rest may be long.
    fn kept_from(&self, conn: &Connection, message: u64) -> Result<Kept, Fault> {
        let mut select =
            conn.prepare_cached("SELECT id, message FROM chunks WHERE id > ? AND id <= ? ORDER BY id DESC")?;
        let mut rows = select.query([chunk_bound(self.log, 0), chunk_bound(self.log, self.last_seq)])?;
        let mut first = None;
        while let Some(row) = rows.next()? {
            if row::number(row, 1)? < message {
                break;
            }
            first = Some(seq_of(row.get(0)?));
        }
        match first {
            Some(seq) => Ok(Kept { seq, message }),
            None => Err(Fault::Refused(Error::Corrupt(format!("message {message} is not in the log")))),
        }
    }

    /// Gives the log to the archive, and the number of a new log to the conversation.
    fn move_to_archive(&self, conn: &Connection, archive: &ConversationId, number: i64) -> Result<(), Fault> {
        // First, since a log belongs to one conversation at a time.
        conn.prepare_cached("UPDATE conversations SET log = ?2 WHERE key = ?1")?
            .execute([self.conversation, number])?;
        conn.prepare_cached(
            "INSERT INTO conversations (key, id, log, title, titled, closed, created_at, last_activity_at,
             compacted_from, cwd, effort, model, last_seq, last_message, last_text)
             SELECT ?2, ?3, ?4, ?5, 1, 1, created_at, last_activity_at,
             compacted_from, cwd, effort, model, last_seq, last_message, last_text
             FROM conversations WHERE key = ?1",
        )?
        .execute(params![
            self.conversation,
            number,
            archive.as_str(),
            self.log,
            archive_title(&self.title)
        ])?;
        Ok(())
    }

    /// Copies what stays, behind the first chunk and the first message of a new log.
    fn copy(&self, conn: &Connection, kept: Kept, log: i64) -> Result<(), Fault> {
        let second = chunk_id(log, 2).map_err(Fault::Failed)?;
        let first = chunk_id(self.log, kept.seq).map_err(Fault::Failed)?;
        conn.prepare_cached(
            "INSERT INTO chunks (id, message, role, turn, replay, body, steers, duration_ms)
             SELECT id - ?1 + ?2, message - ?3 + 2, role, turn, replay, body, steers, duration_ms FROM chunks
             WHERE id >= ?1 AND id <= ?4 ORDER BY id",
        )?
        .execute(params![
            first,
            second,
            signed(kept.message),
            chunk_bound(self.log, self.last_seq)
        ])?;
        Ok(())
    }
}
