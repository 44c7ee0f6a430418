//! The rows of a ledger whose server was killed, from a copy of its database: neither the server nor its recovery has
//! touched them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use meter::Credits;
use rusqlite::{Connection, OpenFlags};

use super::judge::Row;

/// The database and what was committed to it last.
const FILES: [&str; 2] = ["dispatch.db", "dispatch.db-wal"];

/// What a row can be about here, as the table has it.
const SECOND: i64 = 1;
const CREDIT: i64 = 3;
const ENDED: i64 = 4;

/// Copies the database of a data directory elsewhere, and reads the copy.
pub(super) fn left_in(data: &Path, copy: &Path) -> Result<Vec<Row>> {
    if copy.exists() {
        fs::remove_dir_all(copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    fs::create_dir_all(copy).with_context(|| format!("cannot create {}", copy.display()))?;
    for name in FILES {
        let from = data.join(name);
        fs::copy(&from, copy.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    rows(&copy.join(FILES[0])).context("cannot read the ledger")
}

fn rows(database: &Path) -> Result<Vec<Row>> {
    // Not read-only: what is in the WAL has to be found again, and it is a copy.
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut select = conn.prepare(
        "SELECT l.position, l.at, k.id, l.change, l.kind, l.n, c.id, d.id
         FROM ledger l JOIN keys k ON k.key = l.payer
         LEFT JOIN connections c ON c.key = l.subject AND l.kind IN (?1, ?2)
         LEFT JOIN deposits d ON d.key = l.subject AND l.kind = ?3 ORDER BY l.position",
    )?;
    let mut found = select.query([SECOND, ENDED, CREDIT])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let (kind, n): (i64, i64) = (row.get(4)?, row.get(5)?);
        let (connection, deposit): (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
        let id = match (kind, connection, deposit) {
            (SECOND, Some(connection), None) => format!("second:{connection}:{n}"),
            (ENDED, Some(connection), None) => format!("ended:{connection}"),
            (CREDIT, None, Some(deposit)) => format!("credit:{deposit}"),
            (kind, connection, deposit) => {
                bail!("a row of kind {kind} about {connection:?} and {deposit:?}")
            }
        };
        rows.push(Row {
            position: row.get::<_, i64>(0)?.try_into()?,
            at: row.get::<_, i64>(1)?.try_into()?,
            key: row.get(2)?,
            id,
            change: Credits::from_micros(row.get(3)?),
        });
    }
    Ok(rows)
}
