//! Which writes and queries the methods are.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use kernel::LogOp;
use wire::{ConversationId, ConversationMeta, QueuedMessage, TurnId};

use super::insert::Encoded;
use super::{Durability, Sqlite, kept, read};
use crate::{
    Attribute, BeginTurn, Begun, ClientMessage, Compaction, Conversation, Error, Filter, Global, Numbered,
    Seal, Sealed, SealedTurn, Setting, Store, StoredRow, Throughput, Window, now,
};

impl Store for Sqlite {
    fn begin_turn(&self, begin: BeginTurn) -> BoxFuture<'_, Result<Begun, Error>> {
        self.write(Durability::Process, move |log| log.begin_turn(&begin))
    }

    fn journal(
        &self,
        conversation: &ConversationId,
        turn: &TurnId,
        ops: Vec<LogOp>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let rows: Vec<_> = match ops.iter().map(Encoded::row_of).collect() {
            Ok(rows) => rows,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let (conversation, turn) = (conversation.clone(), turn.clone());
        self.write(Durability::Process, move |log| log.journal(&conversation, &turn, &ops, &rows))
    }

    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Sealed, Error>> {
        let durability = Durability::DiskAndSeals(seal.conversation.clone(), seal.turn.clone());
        self.write(durability, move |log| log.seal(&seal))
    }

    fn enqueue(
        &self,
        conversation: &ConversationId,
        message: QueuedMessage,
    ) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>> {
        let id = conversation.clone();
        self.write(Durability::Disk, move |log| log.enqueue(&id, &message))
    }

    fn queue(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>> {
        let id = conversation.clone();
        self.read(move |conn| read::queue(conn, &id))
    }

    fn dequeue(
        &self,
        conversation: &ConversationId,
        ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<QueuedMessage>, Error>> {
        let id = conversation.clone();
        self.write(Durability::Disk, move |log| log.dequeue(&id, &ids))
    }

    fn close(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>> {
        let id = conversation.clone();
        self.write(Durability::Disk, move |log| log.close(&id))
    }

    fn reopen(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>> {
        let id = conversation.clone();
        self.write(Durability::Disk, move |log| log.reopen(&id))
    }

    fn set(
        &self,
        conversation: &ConversationId,
        at: u64,
        setting: Setting,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let id = conversation.clone();
        self.write(Durability::Disk, move |log| log.set(&id, at, &setting))
    }

    fn conversation(&self, id: &ConversationId) -> BoxFuture<'_, Result<Option<Conversation>, Error>> {
        let id = id.clone();
        self.read(move |conn| read::conversation(conn, &id))
    }

    fn conversations(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<ConversationMeta>, Error>> {
        self.read(move |conn| read::conversations(conn, &filter))
    }

    fn chunks(&self, id: &ConversationId, window: Window) -> BoxFuture<'_, Result<Vec<StoredRow>, Error>> {
        let id = id.clone();
        self.read(move |conn| read::chunks(conn, &id, window))
    }

    fn messages(&self, id: &ConversationId, last_seq: u64) -> BoxFuture<'_, Result<Vec<Numbered>, Error>> {
        let id = id.clone();
        self.read(move |conn| read::messages(conn, &id, last_seq))
    }

    fn metrics(&self, id: &ConversationId) -> BoxFuture<'_, Result<Vec<SealedTurn>, Error>> {
        let id = id.clone();
        self.read(move |conn| read::metrics(conn, &id))
    }

    fn compact(&self, compaction: Compaction) -> BoxFuture<'_, Result<(), Error>> {
        self.write(Durability::Disk, move |log| log.compact(&compaction))
    }

    fn delete(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<bool, Error>> {
        let id = conversation.clone();
        self.write(Durability::Disk, move |log| log.delete(&id, now()))
    }

    fn last_text(&self, id: &ConversationId) -> BoxFuture<'_, Result<Option<String>, Error>> {
        let id = id.clone();
        self.read(move |conn| read::last_text(conn, &id))
    }

    fn client_message(
        &self,
        id: &ConversationId,
        client_message_id: String,
    ) -> BoxFuture<'_, Result<Option<ClientMessage>, Error>> {
        let id = id.clone();
        self.read(move |conn| read::client_message(conn, &id, &client_message_id))
    }

    fn throughput(&self, from: u64, to: u64) -> BoxFuture<'_, Result<Vec<Throughput>, Error>> {
        self.read(move |conn| read::throughput(conn, from, to))
    }

    fn attribute(
        &self,
        id: &ConversationId,
        attribute: Attribute,
    ) -> BoxFuture<'_, Result<Option<String>, Error>> {
        let id = id.clone();
        self.read(move |conn| kept::attribute(conn, &id, attribute))
    }

    fn attributes(
        &self,
        attribute: Attribute,
    ) -> BoxFuture<'_, Result<Vec<(ConversationId, String)>, Error>> {
        self.read(move |conn| kept::attributes(conn, attribute))
    }

    fn set_attribute(
        &self,
        id: &ConversationId,
        at: u64,
        attribute: Attribute,
        value: Option<String>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.clone();
        self.write(Durability::Disk, move |log| log.set_attribute(&id, at, attribute, value.as_deref()))
    }

    fn global(&self, global: Global) -> BoxFuture<'_, Result<Option<String>, Error>> {
        self.read(move |conn| kept::global(conn, global))
    }

    fn set_global(&self, global: Global, value: Option<String>) -> BoxFuture<'_, Result<(), Error>> {
        self.write(Durability::Disk, move |log| log.set_global(global, value.as_deref()))
    }
}
