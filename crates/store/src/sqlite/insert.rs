//! The rows that a turn adds.

use kernel::{Entry, LogOp, TextKind};
use rusqlite::{Connection, params};
use wire::{Chunk, Role, StepMetrics, Usage};

use super::fault::Fault;
use super::schema::{chunk_id, signed};
use crate::Error;

/// A chunk as its row holds it. Made by the caller, so that the writer does not spend its time on JSON.
pub(super) struct Encoded {
    body: String,
    replay: Option<String>,
    /// Whether a running turn took it in.
    steers: bool,
    /// How long the tool ran that it is the result of.
    duration_ms: Option<u64>,
}

impl Encoded {
    /// The row of a write to the journal, if it is a chunk.
    pub(super) fn row_of(op: &LogOp) -> Result<Option<Self>, Error> {
        match op {
            LogOp::Append(entry) => Self::of(entry).map(Some),
            LogOp::Answer(entry, duration_ms) => {
                Ok(Some(Self { duration_ms: *duration_ms, ..Self::of(entry)? }))
            }
            LogOp::Deliver(entry, _) => Ok(Some(Self { steers: true, ..Self::of(entry)? })),
            LogOp::Grow(_) | LogOp::Step(_) => Ok(None),
        }
    }

    pub(super) fn of(entry: &Entry) -> Result<Self, Error> {
        Self::chunk(&entry.chunk, entry.replay.as_ref())
    }

    pub(super) fn chunk(chunk: &Chunk, replay: Option<&serde_json::Value>) -> Result<Self, Error> {
        let misfit = |error| Error::Misfit(format!("a chunk cannot be written as JSON: {error}"));
        Ok(Self {
            body: serde_json::to_string(chunk).map_err(misfit)?,
            replay: replay.map(serde_json::to_string).transpose().map_err(misfit)?,
            steers: false,
            duration_ms: None,
        })
    }
}

/// A complete chunk.
pub(super) fn chunk(
    conn: &Connection,
    log: i64,
    turn: i64,
    (seq, message, role): (u64, u64, Role),
    row: &Encoded,
) -> Result<(), Fault> {
    let id = chunk_id(log, seq).map_err(Fault::Failed)?;
    conn.prepare_cached(
        "INSERT INTO chunks (id, message, role, turn, replay, body, steers, duration_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        id,
        signed(message),
        role.as_str(),
        turn,
        row.replay,
        row.body,
        row.steers.then_some(true),
        row.duration_ms.map(signed),
    ])?;
    Ok(())
}

/// The id that a client gave a message, with the turn that takes it in, if one does already.
pub(super) fn client_message(
    conn: &Connection,
    conversation: i64,
    id: &str,
    turn: Option<i64>,
) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO client_messages (conversation, id, turn) VALUES (?, ?, ?)")?
        .execute(params![conversation, id, turn])?;
    Ok(())
}

/// What a step has used. Its index counts the steps of the turn from 0.
pub(super) fn step(conn: &Connection, turn: i64, index: usize, step: &StepMetrics) -> Result<(), Fault> {
    let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = step.usage;
    conn.prepare_cached(
        "INSERT INTO steps (turn, idx, id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
         ttft_ms, decode_ms, gen_total_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        turn,
        index as i64,
        step.step_id.as_str(),
        signed(input_tokens),
        signed(output_tokens),
        cache_read_tokens.map(signed),
        cache_write_tokens.map(signed),
        step.ttft_ms.map(signed),
        step.decode_ms.map(signed),
        step.gen_total_ms.map(signed),
    ])?;
    Ok(())
}

/// How `parts` names what a chunk will be.
pub(super) fn kind_name(kind: TextKind) -> &'static str {
    match kind {
        TextKind::Text => "text",
        TextKind::Thinking => "thinking",
    }
}
