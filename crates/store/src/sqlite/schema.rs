//! The tables, and how a connection to them is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::translate;
use crate::Error;

/// The steps from an empty file to the present schema. A step that was ever released does not change any more.
pub(super) const STEPS: &[&str] = &[FIRST, SECOND, THIRD, FOURTH];

/// A chunk's id is `conversation << 32 | seq`: that keeps the log of a conversation together and in order, in a tree
/// whose inner nodes hold nothing but ids, so that a page of a log costs the same however long the log is.
///
/// Chunks of the open turn are in `chunks` too, above their conversation's `last_seq`.
///
/// `parts` is what open chunks have grown by. Rows are only added at its end, whichever chunk they belong to, so that
/// a commit of many growing chunks writes few pages; rows of chunks that are complete are removed later, in bulk.
const FIRST: &str = "
CREATE TABLE conversations (
    key              INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    created_at       INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    title            TEXT NOT NULL,
    titled           INTEGER NOT NULL DEFAULT 0,
    closed           INTEGER NOT NULL DEFAULT 0,
    compacted_from   TEXT,
    cwd              TEXT,
    effort           TEXT,
    model            TEXT,
    last_seq         INTEGER NOT NULL DEFAULT 0,
    last_message     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX conversations_by_activity ON conversations (last_activity_at DESC, key);

CREATE TABLE chunks (
    id      INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    role    TEXT NOT NULL,
    turn    INTEGER NOT NULL,
    replay  TEXT,
    body    TEXT NOT NULL
) STRICT;

CREATE TABLE parts (
    id           INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    message      INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    text         TEXT NOT NULL
) STRICT;

CREATE TABLE turns (
    key                INTEGER PRIMARY KEY,
    conversation       INTEGER NOT NULL,
    id                 TEXT NOT NULL UNIQUE,
    begun_at           INTEGER NOT NULL,
    model              TEXT,
    sealed_at          INTEGER,
    reason             TEXT,
    duration_ms        INTEGER,
    context_size       INTEGER,
    input_tokens       INTEGER,
    output_tokens      INTEGER,
    cache_read_tokens  INTEGER,
    cache_write_tokens INTEGER
) STRICT;
CREATE INDEX turns_by_conversation ON turns (conversation);
CREATE UNIQUE INDEX open_turns ON turns (conversation) WHERE sealed_at IS NULL;

CREATE TABLE steps (
    turn               INTEGER NOT NULL,
    idx                INTEGER NOT NULL,
    id                 TEXT NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER,
    cache_write_tokens INTEGER,
    ttft_ms            INTEGER,
    decode_ms          INTEGER,
    gen_total_ms       INTEGER,
    PRIMARY KEY (turn, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue (
    position     INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    id           TEXT NOT NULL,
    text         TEXT NOT NULL,
    queued_at    INTEGER NOT NULL,
    UNIQUE (conversation, id)
) STRICT;
";

/// From here on a conversation has a log with a number of its own, which takes the place of its key in chunks' ids and
/// in `parts.conversation`: a compaction leaves the conversation as it is and gives its log to the archive.
///
/// `numbers` has the next key of a conversation, which is also the number of its first log. None is given out twice,
/// since rows with it may be left: turns stay for good, chunks of a conversation in `deleted` until they are removed.
///
/// `last_text` is the seq of the last text of the last message of the assistant's, if it has any. `gen_ms` is the sum
/// over the steps; with `turns_by_seal` a report of the throughput reads nothing but its period's part of an index.
const SECOND: &str = r#"
ALTER TABLE conversations ADD COLUMN log INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN last_text INTEGER;
UPDATE conversations SET log = key, last_text = (
    SELECT id & 4294967295 FROM chunks
    WHERE id > key << 32 AND id <= key << 32 | last_seq AND body GLOB '{"type":"text",*'
    AND message = (
        SELECT message FROM chunks
        WHERE id > key << 32 AND id <= key << 32 | last_seq AND role = 'assistant' ORDER BY id DESC LIMIT 1
    ) ORDER BY id DESC LIMIT 1
);
CREATE UNIQUE INDEX conversations_by_log ON conversations (log);

CREATE TABLE numbers (next INTEGER NOT NULL) STRICT;
INSERT INTO numbers (next) SELECT coalesce(max(key), 0) + 1 FROM conversations;

CREATE TABLE deleted (
    conversation INTEGER PRIMARY KEY,
    log          INTEGER NOT NULL
) STRICT;

ALTER TABLE queue ADD COLUMN client_message_id TEXT;
CREATE TABLE client_messages (
    conversation INTEGER NOT NULL,
    id           TEXT NOT NULL,
    turn         INTEGER,
    PRIMARY KEY (conversation, id)
) STRICT, WITHOUT ROWID;

ALTER TABLE turns ADD COLUMN gen_ms INTEGER;
UPDATE turns SET gen_ms = (
    SELECT CAST(total(gen_total_ms) AS INTEGER) FROM steps WHERE turn = key
) WHERE sealed_at IS NOT NULL;
CREATE INDEX turns_by_seal ON turns (sealed_at, model, output_tokens, gen_ms) WHERE gen_ms > 0;

CREATE TABLE attributes (
    name         TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    value        TEXT NOT NULL,
    PRIMARY KEY (name, conversation)
) STRICT, WITHOUT ROWID;

CREATE TABLE globals (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"#;

/// The ledger: see [`crate::Ledger`]. Amounts are in millionths of a credit, times in milliseconds since the Unix epoch.
///
/// `ledger` is the list of rows. What a row is about is its `subject`, the key of a row elsewhere, by its `kind`: a
/// second of a connection (1), a step of a turn (2), a deposit (3), the end of a connection (4). `ledger_once` is why
/// nothing is in it twice. Rows are not removed, and so positions have no gaps and are not used again.
///
/// `keys.balance` is the sum of `change` over a key's rows, `connections.seconds` the count over a connection's, and
/// `usage_days` sums of both; they are written with the row. `keys.held` is the sum of `per_second` over the open
/// connections that `holds`.
const THIRD: &str = "
CREATE TABLE keys (
    key        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    hash       BLOB UNIQUE,
    funds      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    balance    INTEGER NOT NULL DEFAULT 0,
    held       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO keys (id, name, funds, created_at) VALUES ('local', 'this machine', 'unlimited', 0);

CREATE TABLE client_tokens (
    hash       BLOB PRIMARY KEY,
    payer      INTEGER NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    limits     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX client_tokens_by_expiry ON client_tokens (expires_at);

CREATE TABLE sessions (
    key      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    payer    INTEGER NOT NULL,
    prompt   TEXT,
    enhance  INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER
) STRICT;
CREATE INDEX sessions_by_payer ON sessions (payer);
CREATE INDEX live_sessions ON sessions (key) WHERE ended_at IS NULL;

CREATE TABLE session_images (
    session INTEGER PRIMARY KEY,
    image   BLOB NOT NULL
) STRICT;

CREATE TABLE connections (
    key        INTEGER PRIMARY KEY,
    session    INTEGER NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    model      TEXT NOT NULL,
    per_second INTEGER NOT NULL,
    token      BLOB,
    opened_at  INTEGER NOT NULL,
    ended_at   INTEGER,
    reason     TEXT,
    seconds    INTEGER NOT NULL DEFAULT 0,
    holds      INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX connections_by_session ON connections (session);
CREATE INDEX open_connections ON connections (key) WHERE ended_at IS NULL;

CREATE TABLE paid_turns (
    turn          INTEGER PRIMARY KEY,
    payer         INTEGER NOT NULL,
    conversation  TEXT NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER
) STRICT;

CREATE TABLE deposits (
    key  INTEGER PRIMARY KEY,
    id   TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL
) STRICT;

CREATE TABLE ledger (
    position INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,
    subject  INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    payer    INTEGER NOT NULL,
    change   INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_once ON ledger (subject, kind, n);

CREATE TABLE usage_days (
    day           INTEGER NOT NULL,
    payer         INTEGER NOT NULL,
    model         TEXT NOT NULL,
    seconds       INTEGER NOT NULL,
    steps         INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    credits       INTEGER NOT NULL,
    PRIMARY KEY (day, payer, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE exporters (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What people are shown of a chunk and the model is not: whether it steered its turn, and how long its tool ran. The
/// steps before did not know; such chunks have neither.
const FOURTH: &str = "
ALTER TABLE chunks ADD COLUMN steers INTEGER;
ALTER TABLE chunks ADD COLUMN duration_ms INTEGER;
";

/// The most chunks that a conversation can have, by the layout of a chunk's id.
const LAST_SEQ: u64 = u32::MAX as u64;

/// The id of a chunk.
pub(super) fn chunk_id(log: i64, seq: u64) -> Result<i64, Error> {
    if seq > LAST_SEQ || log > i64::from(i32::MAX) {
        return Err(Error::Misfit(format!("the log has no place for chunk {seq}")));
    }
    Ok((log << 32) | signed(seq))
}

/// The id that a chunk of that seq has or would have; of the last one there can be if there cannot be one.
pub(super) fn chunk_bound(log: i64, seq: u64) -> i64 {
    (log << 32) | signed(seq.min(LAST_SEQ))
}

/// The seq of a chunk.
pub(super) fn seq_of(chunk_id: i64) -> u64 {
    unsigned(chunk_id) & LAST_SEQ
}

/// As SQLite keeps numbers: what is beyond its range becomes its greatest.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The inverse of [`signed`].
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Where the files of a data directory are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) dir: PathBuf,
    pub(super) database: PathBuf,
    pub(super) wal: PathBuf,
}

impl Files {
    pub(super) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), database: dir.join("dispatch.db"), wal: dir.join("dispatch.db-wal") }
    }
}

/// Opens the connection that writes, and brings the schema up to date.
pub(super) fn open_for_writing(files: &Files) -> Result<Connection, Error> {
    let mut conn = connect(files, 2048, 160).map_err(|error| translate(&error))?;
    let found: u32 =
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| translate(&error))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(Error::Newer { path: files.dir.display().to_string(), found, known });
    }
    prepare(&mut conn, found).map_err(|error| translate(&error))?;
    Ok(conn)
}

fn prepare(conn: &mut Connection, found: u32) -> rusqlite::Result<()> {
    durability(conn)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    for (step, version) in STEPS.iter().zip(1u32..).skip(found as usize) {
        let transaction = conn.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Opens the connection that checkpoints. Its page cache stays empty.
pub(super) fn open_for_checkpoints(files: &Files) -> rusqlite::Result<Connection> {
    let conn = connect(files, 16, 4)?;
    no_checkpoint_on_close(&conn);
    durability(&conn)?;
    Ok(conn)
}

/// Opens a connection that reads.
pub(super) fn open_for_reading(files: &Files) -> rusqlite::Result<Connection> {
    let conn = connect(files, 512, 16)?;
    no_checkpoint_on_close(&conn);
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// What the argument in [`super::sync`] rests on: checkpoints sync, commits do not, and nothing is checkpointed behind
/// the writer's back.
fn durability(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "synchronous", "normal")?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    // After a read that kept the WAL from being restarted for long, give the space back.
    conn.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))
}

fn connect(files: &Files, cache_kib: i32, statements: usize) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let conn = Connection::open_with_flags(&files.database, flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.set_prepared_statement_cache_capacity(statements);
    Ok(conn)
}

/// Keeps a connection from checkpointing when it is closed and is the last one. Only the writer's does that, and not
/// after a failed sync: then the WAL with its checksums is the better witness.
pub(super) fn no_checkpoint_on_close(conn: &Connection) {
    if let Err(error) = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::warn!(%error, "could not keep the log from being checkpointed when it is closed");
    }
}
