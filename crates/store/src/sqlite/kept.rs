//! What is kept under a name, for a conversation or once.

use rusqlite::{Connection, OptionalExtension, params};
use wire::ConversationId;

use super::fault::Fault;
use super::log::Log;
use super::read;
use crate::{Attribute, Global};

pub(super) fn attribute(
    conn: &Connection,
    id: &ConversationId,
    attribute: Attribute,
) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached(
        "SELECT a.value FROM conversations c JOIN attributes a ON a.name = ?2 AND a.conversation = c.key
         WHERE c.id = ?1",
    )?
    .query_row([id.as_str(), attribute.as_str()], |row| row.get(0))
    .optional()
}

pub(super) fn attributes(
    conn: &Connection,
    attribute: Attribute,
) -> rusqlite::Result<Vec<(ConversationId, String)>> {
    conn.prepare_cached(
        "SELECT c.id, a.value FROM attributes a JOIN conversations c ON c.key = a.conversation
         WHERE a.name = ? ORDER BY a.conversation",
    )?
    .query_map([attribute.as_str()], |row| Ok((ConversationId::new(row.get::<_, String>(0)?), row.get(1)?)))?
    .collect()
}

pub(super) fn global(conn: &Connection, global: Global) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT value FROM globals WHERE name = ?")?
        .query_row([global.as_str()], |row| row.get(0))
        .optional()
}

impl Log {
    pub(super) fn set_attribute(
        &mut self,
        id: &ConversationId,
        at: u64,
        attribute: Attribute,
        value: Option<&str>,
    ) -> Result<(), Fault> {
        match value {
            Some(value) => {
                let conversation = self.create(id, at)?;
                self.connection()
                    .prepare_cached(
                        "INSERT INTO attributes (name, conversation, value) VALUES (?, ?, ?)
                         ON CONFLICT DO UPDATE SET value = excluded.value",
                    )?
                    .execute(params![attribute.as_str(), conversation, value])?;
            }
            None => {
                let Some(conversation) = read::key_of(self.connection(), id)? else { return Ok(()) };
                self.connection()
                    .prepare_cached("DELETE FROM attributes WHERE name = ? AND conversation = ?")?
                    .execute(params![attribute.as_str(), conversation])?;
            }
        }
        Ok(())
    }

    pub(super) fn set_global(&mut self, global: Global, value: Option<&str>) -> Result<(), Fault> {
        let conn = self.connection();
        match value {
            Some(value) => conn
                .prepare_cached(
                    "INSERT INTO globals (name, value) VALUES (?, ?)
                     ON CONFLICT DO UPDATE SET value = excluded.value",
                )?
                .execute([global.as_str(), value])?,
            None => conn.prepare_cached("DELETE FROM globals WHERE name = ?")?.execute([global.as_str()])?,
        };
        Ok(())
    }
}
