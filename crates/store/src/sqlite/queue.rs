//! The queue, as SQL.

use rusqlite::{Connection, OptionalExtension, params};
use wire::{ConversationId, QueuedMessage};

use super::fault::Fault;
use super::log::Log;
use super::schema::signed;
use super::{insert, read};
use crate::Error;

impl Log {
    pub(super) fn enqueue(
        &mut self,
        id: &ConversationId,
        message: &QueuedMessage,
    ) -> Result<Vec<QueuedMessage>, Fault> {
        let QueuedMessage { id: message_id, text, queued_at, client_message_id } = message;
        if read::is_known(self.connection(), id, client_message_id.as_ref())? {
            return Err(Fault::Refused(Error::Repeated));
        }
        let conversation = self.create(id, *queued_at)?;
        self.connection()
            .prepare_cached(
                "INSERT INTO queue (conversation, id, text, queued_at, client_message_id) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![conversation, message_id, text, signed(*queued_at), client_message_id])?;
        if let Some(client_message) = client_message_id {
            insert::client_message(self.connection(), conversation, client_message, None)?;
        }
        Ok(read::queue_of(self.connection(), conversation)?)
    }

    pub(super) fn dequeue(
        &mut self,
        id: &ConversationId,
        ids: &[String],
    ) -> Result<Vec<QueuedMessage>, Fault> {
        let Some(conversation) = read::key_of(self.connection(), id)? else { return Ok(Vec::new()) };
        let mut removed = read::queue_of(self.connection(), conversation)?;
        removed.retain(|message| ids.contains(&message.id));
        let mut delete =
            self.connection().prepare_cached("DELETE FROM queue WHERE conversation = ? AND id = ?")?;
        for message in &removed {
            delete.execute(params![conversation, message.id])?;
        }
        Ok(removed)
    }
}

/// Removes messages from a queue, all of which must be there: one that a client has cancelled must not be delivered.
pub(super) fn take(conn: &Connection, conversation: i64, turn: i64, ids: &[String]) -> Result<(), Fault> {
    let mut delete = conn
        .prepare_cached("DELETE FROM queue WHERE conversation = ? AND id = ? RETURNING client_message_id")?;
    for id in ids {
        let taken: Option<Option<String>> =
            delete.query_row(params![conversation, id], |row| row.get(0)).optional()?;
        let Some(client_message) = taken else {
            return Err(Fault::Failed(Error::Misfit(format!("the queued message {id} is not in the queue"))));
        };
        if let Some(client_message) = client_message {
            conn.prepare_cached("UPDATE client_messages SET turn = ? WHERE conversation = ? AND id = ?")?
                .execute(params![turn, conversation, client_message])?;
        }
    }
    Ok(())
}
