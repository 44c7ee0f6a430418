//! Columns as the types that they hold.

use rusqlite::Row;
use serde_json::Value;
use serde_json::value::RawValue;
use wire::{Chunk, Role, Usage};

use super::schema::unsigned;

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(unsigned)
}

pub(super) fn optional_number(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(unsigned))
}

/// Four columns, from that one on.
pub(super) fn usage(row: &Row<'_>, column: usize) -> rusqlite::Result<Usage> {
    Ok(Usage {
        input_tokens: number(row, column)?,
        output_tokens: number(row, column + 1)?,
        cache_read_tokens: optional_number(row, column + 2)?,
        cache_write_tokens: optional_number(row, column + 3)?,
    })
}

/// Why a column cannot be read, in words for the log.
type Unreadable = String;

pub(super) fn role(row: &Row<'_>, column: usize) -> Result<Role, Unreadable> {
    let name = text(row, column)?;
    [Role::System, Role::User, Role::Assistant, Role::Tool]
        .into_iter()
        .find(|role| role.as_str() == name)
        .ok_or_else(|| format!("there is no role {name:?}"))
}

pub(super) fn chunk(row: &Row<'_>, column: usize) -> Result<Chunk, Unreadable> {
    serde_json::from_str(text(row, column)?).map_err(|error| error.to_string())
}

pub(super) fn raw(row: &Row<'_>, column: usize) -> Result<Box<RawValue>, Unreadable> {
    RawValue::from_string(text(row, column)?.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn optional_json(row: &Row<'_>, column: usize) -> Result<Option<Value>, Unreadable> {
    match row.get_ref(column).map_err(|error| error.to_string())?.as_str_or_null() {
        Ok(Some(text)) => serde_json::from_str(text).map(Some).map_err(|error| error.to_string()),
        Ok(None) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Unreadable> {
    row.get_ref(column).map_err(|error| error.to_string())?.as_str().map_err(|error| error.to_string())
}

/// What stands in the place of a chunk that cannot be read.
pub(super) fn unreadable(reason: &str) -> Chunk {
    Chunk::Error { message: format!("this part of the log cannot be read: {reason}"), code: None }
}
