//! The queries.

use kernel::{Message, Part};
use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::extension::{StoredChunkExtras, TurnMetricsExtras};
use wire::{
    Chunk, ConversationId, ConversationMeta, ConversationStatus, QueuedMessage, ReasoningEffort, Role,
    StepId, StepMetrics, TurnId, TurnMetrics,
};

use super::row;
use super::schema::{chunk_bound, seq_of, signed};
use crate::throughput::{Sample, Sums};
use crate::{ClientMessage, Conversation, Filter, Numbered, SealedTurn, StoredRow, Throughput, Window};

pub(super) fn key_of(conn: &Connection, id: &ConversationId) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT key FROM conversations WHERE id = ?")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

/// What [`meta`] reads, from column 0 on.
macro_rules! select_meta {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.created_at, c.last_activity_at, c.title, c.closed, c.compacted_from,
             EXISTS (SELECT 1 FROM turns t WHERE t.conversation = c.key AND t.sealed_at IS NULL)",
            $rest
        )
    };
}

fn meta(row: &Row<'_>) -> rusqlite::Result<ConversationMeta> {
    let (closed, active): (bool, bool) = (row.get(4)?, row.get(6)?);
    Ok(ConversationMeta {
        id: ConversationId::new(row.get::<_, String>(0)?),
        created_at: row::number(row, 1)?,
        last_activity_at: row::number(row, 2)?,
        title: row.get(3)?,
        status: match (active, closed) {
            (true, _) => ConversationStatus::Active,
            (false, true) => ConversationStatus::Closed,
            (false, false) => ConversationStatus::Idle,
        },
        compacted_from: row.get::<_, Option<String>>(5)?.map(ConversationId::new),
    })
}

pub(super) fn conversation(conn: &Connection, id: &ConversationId) -> rusqlite::Result<Option<Conversation>> {
    conn.prepare_cached(select_meta!(
        ", c.model, c.cwd, c.effort, c.last_seq FROM conversations c WHERE c.id = ?"
    ))?
    .query_row([id.as_str()], |row| {
        Ok(Conversation {
            meta: meta(row)?,
            model: row.get(7)?,
            cwd: row.get(8)?,
            effort: row.get::<_, Option<String>>(9)?.and_then(|name| ReasoningEffort::parse(&name)),
            last_seq: row::number(row, 10)?,
        })
    })
    .optional()
}

pub(super) fn conversations(conn: &Connection, filter: &Filter) -> rusqlite::Result<Vec<ConversationMeta>> {
    let wanted = |meta: &rusqlite::Result<ConversationMeta>| match meta {
        Ok(meta) => filter.statuses.is_empty() || filter.statuses.contains(&meta.status),
        Err(_) => true,
    };
    match filter.id_prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        None => conn
            .prepare_cached(select_meta!(" FROM conversations c ORDER BY c.last_activity_at DESC, c.key"))?
            .query_map([], meta)?
            .filter(wanted)
            .collect(),
        Some(prefix) => conn
            .prepare_cached(select_meta!(
                " FROM conversations c WHERE c.id >= ?1 AND (?2 IS NULL OR c.id < ?2)
                  ORDER BY c.last_activity_at DESC, c.key"
            ))?
            .query_map(params![prefix, after_all_with(prefix)], meta)?
            .filter(wanted)
            .collect(),
    }
}

/// The least string that is greater than all that begin with a prefix, if there is one. UTF-8 sorts by character.
fn after_all_with(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // A range skips the surrogates, which are not characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

pub(super) fn chunks(
    conn: &Connection,
    id: &ConversationId,
    window: Window,
) -> rusqlite::Result<Vec<StoredRow>> {
    let Some((log, last_seq)) = sealed(conn, id)? else { return Ok(Vec::new()) };
    let last = window.before.map_or(last_seq, |before| last_seq.min(before.saturating_sub(1)));
    if window.since >= last {
        return Ok(Vec::new());
    }
    let mut turns = Turns { conn, last: None };
    let mut rows: Vec<StoredRow> = conn
        .prepare_cached(
            "SELECT id, role, body, turn, steers, duration_ms FROM chunks
             WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT ?",
        )?
        .query_map(
            [
                chunk_bound(log, window.since),
                chunk_bound(log, last),
                signed(window.limit.unwrap_or(u64::MAX)),
            ],
            |row| stored(row, id, &mut turns),
        )?
        .collect::<rusqlite::Result<_>>()?;
    rows.reverse();
    Ok(rows)
}

/// A row as it is, or one that says that it cannot be read: a page of the history has no gaps.
fn stored(row: &Row<'_>, id: &ConversationId, turns: &mut Turns<'_>) -> rusqlite::Result<StoredRow> {
    let seq = seq_of(row.get(0)?);
    let read = row::role(row, 1).and_then(|role| Ok((role, row::raw(row, 2)?)));
    let (role, chunk) = match read {
        Ok(read) => read,
        Err(reason) => {
            tracing::warn!(conversation = %id, seq, reason, "a chunk cannot be read; an error is shown in its place");
            let chunk = serde_json::value::to_raw_value(&row::unreadable(&reason))
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            (Role::System, chunk)
        }
    };
    let extras = StoredChunkExtras {
        turn_id: turns.id_of(row.get(3)?)?,
        steering: row.get(4)?,
        duration_ms: row::optional_number(row, 5)?,
    };
    Ok(StoredRow { seq, role, chunk, extras })
}

/// The ids of turns by their keys. Chunks of one turn are read one after the other.
struct Turns<'c> {
    conn: &'c Connection,
    last: Option<(i64, Option<TurnId>)>,
}

impl Turns<'_> {
    /// None for what no turn wrote.
    fn id_of(&mut self, key: i64) -> rusqlite::Result<Option<TurnId>> {
        if let Some((last, id)) = &self.last
            && *last == key
        {
            return Ok(id.clone());
        }
        let id: Option<String> = self
            .conn
            .prepare_cached("SELECT id FROM turns WHERE key = ?")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        let id = id.map(TurnId::new);
        self.last = Some((key, id.clone()));
        Ok(id)
    }
}

pub(super) fn messages(
    conn: &Connection,
    id: &ConversationId,
    last_seq: u64,
) -> rusqlite::Result<Vec<Numbered>> {
    let Some((log, sealed)) = sealed(conn, id)? else { return Ok(Vec::new()) };
    let mut select = conn.prepare_cached(
        "SELECT id, message, role, body, replay FROM chunks WHERE id > ? AND id <= ? ORDER BY id",
    )?;
    let mut rows = select.query([chunk_bound(log, 0), chunk_bound(log, last_seq.min(sealed))])?;
    let mut messages: Vec<Numbered> = Vec::new();
    while let Some(row) = rows.next()? {
        let number = row::number(row, 1)?;
        let read = row::role(row, 2).and_then(|role| {
            Ok((role, Part { chunk: row::chunk(row, 3)?, replay: row::optional_json(row, 4)? }))
        });
        match (read, messages.last_mut()) {
            (Err(reason), _) => {
                let seq = seq_of(row.get(0)?);
                tracing::warn!(conversation = %id, seq, reason, "a chunk cannot be read; the model will not see it");
            }
            (Ok((_, part)), Some(last)) if last.number == number => last.message.parts.push(part),
            (Ok((role, part)), _) => {
                messages.push(Numbered { number, message: Message { role, parts: vec![part] } });
            }
        }
    }
    Ok(messages)
}

pub(super) fn last_text(conn: &Connection, id: &ConversationId) -> rusqlite::Result<Option<String>> {
    let found = conn
        .prepare_cached("SELECT log, last_text FROM conversations WHERE id = ?")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row::optional_number(row, 1)?)))
        .optional()?;
    let Some((log, Some(seq))) = found else { return Ok(None) };
    let chunk = conn
        .prepare_cached("SELECT body FROM chunks WHERE id = ?")?
        .query_row([chunk_bound(log, seq)], |row| Ok(row::chunk(row, 0)))
        .optional()?;
    Ok(match chunk {
        Some(Ok(Chunk::Text { text })) => Some(text),
        other => {
            tracing::warn!(conversation = %id, seq, ?other, "the last text cannot be read; none is shown");
            None
        }
    })
}

/// The number of a conversation's log and the last seq that readers see.
fn sealed(conn: &Connection, id: &ConversationId) -> rusqlite::Result<Option<(i64, u64)>> {
    conn.prepare_cached("SELECT log, last_seq FROM conversations WHERE id = ?")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row::number(row, 1)?)))
        .optional()
}

pub(super) fn queue(conn: &Connection, id: &ConversationId) -> rusqlite::Result<Vec<QueuedMessage>> {
    match key_of(conn, id)? {
        Some(conversation) => queue_of(conn, conversation),
        None => Ok(Vec::new()),
    }
}

pub(super) fn queue_of(conn: &Connection, conversation: i64) -> rusqlite::Result<Vec<QueuedMessage>> {
    conn.prepare_cached(
        "SELECT id, text, queued_at, client_message_id FROM queue WHERE conversation = ? ORDER BY position",
    )?
    .query_map([conversation], |row| {
        Ok(QueuedMessage {
            id: row.get(0)?,
            text: row.get(1)?,
            queued_at: row::number(row, 2)?,
            client_message_id: row.get(3)?,
        })
    })?
    .collect()
}

pub(super) fn client_message(
    conn: &Connection,
    id: &ConversationId,
    client_message_id: &str,
) -> rusqlite::Result<Option<ClientMessage>> {
    conn.prepare_cached(
        "SELECT t.id FROM conversations c JOIN client_messages m ON m.conversation = c.key AND m.id = ?2
         LEFT JOIN turns t ON t.key = m.turn WHERE c.id = ?1",
    )?
    .query_row([id.as_str(), client_message_id], |row| {
        let turn: Option<String> = row.get(0)?;
        Ok(turn.map_or(ClientMessage::Queued, |turn| ClientMessage::Delivered(TurnId::new(turn))))
    })
    .optional()
}

/// Whether a client's id was used before in a conversation.
pub(super) fn is_known(
    conn: &Connection,
    id: &ConversationId,
    client_message_id: Option<&String>,
) -> rusqlite::Result<bool> {
    match client_message_id {
        Some(client_message_id) => Ok(client_message(conn, id, client_message_id)?.is_some()),
        None => Ok(false),
    }
}

pub(super) fn metrics(conn: &Connection, id: &ConversationId) -> rusqlite::Result<Vec<SealedTurn>> {
    let mut select = conn.prepare_cached(
        "SELECT t.key, t.id, t.duration_ms, t.context_size,
         t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_write_tokens,
         t.begun_at, t.reason, t.model
         FROM conversations c JOIN turns t ON t.conversation = c.key
         WHERE c.id = ? AND t.sealed_at IS NOT NULL ORDER BY t.key",
    )?;
    let mut rows = select.query([id.as_str()])?;
    let mut turns = Vec::new();
    while let Some(row) = rows.next()? {
        let metrics = TurnMetrics {
            turn_id: TurnId::new(row.get::<_, String>(1)?),
            usage: row::usage(row, 4)?,
            duration_ms: row::optional_number(row, 2)?,
            steps: steps_of(conn, row.get(0)?)?,
            context_size: row::optional_number(row, 3)?,
        };
        let extras = TurnMetricsExtras {
            started_at: Some(row::number(row, 8)?),
            reason: row.get(9)?,
            model: row.get(10)?,
        };
        turns.push(SealedTurn { metrics, extras });
    }
    Ok(turns)
}

pub(super) fn steps_of(conn: &Connection, turn: i64) -> rusqlite::Result<Vec<StepMetrics>> {
    conn.prepare_cached(
        "SELECT id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, ttft_ms, decode_ms,
         gen_total_ms FROM steps WHERE turn = ? ORDER BY idx",
    )?
    .query_map([turn], |row| {
        Ok(StepMetrics {
            step_id: StepId::new(row.get::<_, String>(0)?),
            usage: row::usage(row, 1)?,
            ttft_ms: row::optional_number(row, 5)?,
            decode_ms: row::optional_number(row, 6)?,
            gen_total_ms: row::optional_number(row, 7)?,
        })
    })?
    .collect()
}

/// Answered by an index alone.
pub(super) const THROUGHPUT: &str = "SELECT model, output_tokens, gen_ms FROM turns
     WHERE sealed_at >= ? AND sealed_at < ? AND gen_ms > 0 AND model IS NOT NULL";

pub(super) fn throughput(conn: &Connection, from: u64, to: u64) -> rusqlite::Result<Vec<Throughput>> {
    let mut select = conn.prepare_cached(THROUGHPUT)?;
    let mut rows = select.query([signed(from), signed(to)])?;
    let mut sums = Sums::default();
    while let Some(row) = rows.next()? {
        sums.add(Sample {
            model: row.get(0)?,
            output_tokens: row::number(row, 1)?,
            gen_ms: row::number(row, 2)?,
        });
    }
    Ok(sums.finish())
}

#[cfg(test)]
mod tests {
    use super::after_all_with;

    #[test]
    fn the_end_of_a_prefix_is_the_next_character() {
        assert_eq!(after_all_with("ab"), Some("ac".to_owned()));
        assert_eq!(after_all_with("a\u{D7FF}"), Some("a\u{E000}".to_owned()));
        assert_eq!(after_all_with("a\u{10FFFF}"), Some("b".to_owned()));
        assert_eq!(after_all_with("\u{10FFFF}"), None);
    }
}
