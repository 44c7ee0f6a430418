//! The ledger, as SQL: [`keys`] and [`sessions`] say what is done, [`rows`] writes it down, [`outbox`] reads it out.

mod keys;
mod outbox;
pub(super) mod rows;
mod sessions;

use std::ops::RangeInclusive;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meter::{
    ClientToken, ConnectionId, DailyUsage, Day, Event, Grant, Key, KeyId, Payer, Receipt, SecretHash,
    SessionId,
};

use super::fault::Fault;
use super::{Durability, Sqlite};
use crate::{BeginTurn, Begun, Deposit, Error, Ledger, NewKey, OpenConnection, Resumable, SessionPrompt};

impl Ledger for Sqlite {
    fn create_key(&self, key: NewKey) -> BoxFuture<'_, Result<Key, Error>> {
        self.write(Durability::Disk, move |log| log.create_key(&key))
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<Key>, Error>> {
        self.read(keys::all)
    }

    fn key(&self, id: &KeyId) -> BoxFuture<'_, Result<Option<Key>, Error>> {
        let id = id.clone();
        self.read(move |conn| keys::by_id(conn, &id))
    }

    fn find_key(&self, hash: SecretHash) -> BoxFuture<'_, Result<Option<Key>, Error>> {
        self.read(move |conn| keys::by_hash(conn, &hash))
    }

    fn revoke_key(&self, id: &KeyId, at: u64) -> BoxFuture<'_, Result<bool, Error>> {
        let id = id.clone();
        self.write(Durability::Disk, move |log| log.revoke_key(&id, at))
    }

    fn credit_key(&self, deposit: Deposit) -> BoxFuture<'_, Result<Key, Error>> {
        self.write(Durability::Disk, move |log| log.credit_key(&deposit))
    }

    fn create_token(&self, token: ClientToken) -> BoxFuture<'_, Result<(), Error>> {
        self.write(Durability::Disk, move |log| log.create_token(&token))
    }

    fn find_token(&self, hash: SecretHash) -> BoxFuture<'_, Result<Option<ClientToken>, Error>> {
        self.read(move |conn| keys::token(conn, hash))
    }

    fn begin_paid_turn(&self, begin: BeginTurn, payer: Payer) -> BoxFuture<'_, Result<Begun, Error>> {
        self.write(Durability::Process, move |log| log.begin_paid_turn(&begin, &payer))
    }

    fn open_connection(&self, open: OpenConnection) -> BoxFuture<'_, Result<(), Error>> {
        self.write(Durability::Disk, move |log| log.open_connection(&open))
    }

    fn grant_second(
        &self,
        connection: &ConnectionId,
        n: u64,
        at: u64,
    ) -> BoxFuture<'_, Result<Grant, Error>> {
        let id = connection.clone();
        self.write(Durability::Process, move |log| log.grant_second(&id, n, at))
    }

    fn end_connection(
        &self,
        connection: &ConnectionId,
        at: u64,
        reason: &str,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (id, reason) = (connection.clone(), reason.to_owned());
        self.write(Durability::Disk, move |log| log.end_connection(&id, at, &reason))
    }

    fn keep_prompt(
        &self,
        session: &SessionId,
        prompt: Option<SessionPrompt>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let id = session.clone();
        self.write(Durability::Process, move |log| log.keep_prompt(&id, prompt.as_ref()))
    }

    fn keep_image(&self, session: &SessionId, image: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Error>> {
        let id = session.clone();
        self.write(Durability::Process, move |log| log.keep_image(&id, image.as_deref()))
    }

    fn resumable(&self, connection: &ConnectionId) -> BoxFuture<'_, Result<Option<Resumable>, Error>> {
        let connection = connection.clone();
        self.read(move |conn| sessions::resumable(conn, &connection))
    }

    fn end_session(&self, session: &SessionId, at: u64) -> BoxFuture<'_, Result<bool, Error>> {
        let id = session.clone();
        self.write(Durability::Disk, move |log| log.end_session(&id, at))
    }

    fn end_sessions_idle_since(&self, before: u64, at: u64) -> BoxFuture<'_, Result<u64, Error>> {
        self.write(Durability::Disk, move |log| log.end_sessions_idle_since(before, at))
    }

    fn sessions(&self, key: Option<KeyId>, limit: u64) -> BoxFuture<'_, Result<Vec<Receipt>, Error>> {
        self.read(move |conn| sessions::newest(conn, key.as_ref(), limit))
    }

    fn receipt(&self, id: &str) -> BoxFuture<'_, Result<Option<Receipt>, Error>> {
        let id = id.to_owned();
        self.read(move |conn| sessions::receipt(conn, &id))
    }

    fn is_opened_by(&self, session: &SessionId, token: SecretHash) -> BoxFuture<'_, Result<bool, Error>> {
        let session = session.clone();
        self.read(move |conn| sessions::is_opened_by(conn, &session, token))
    }

    fn usage(
        &self,
        days: RangeInclusive<Day>,
        key: Option<KeyId>,
    ) -> BoxFuture<'_, Result<Vec<DailyUsage>, Error>> {
        self.read(move |conn| rows::usage(conn, &days, key.as_ref()))
    }

    fn outbox(&self, after: u64, limit: u64) -> BoxFuture<'_, Result<Vec<Event>, Error>> {
        async move {
            if self.read(rows::last).await? <= after {
                return Ok(Vec::new());
            }
            // Changes nothing, but is answered when all that was committed before is on the disk.
            let last = self.write(Durability::Disk, |log| Ok(rows::last(log.connection())?)).await?;
            self.read(move |conn| outbox::events(conn, after, last, limit)).await
        }
        .boxed()
    }

    fn exported(&self, exporter: &str) -> BoxFuture<'_, Result<u64, Error>> {
        let name = exporter.to_owned();
        self.read(move |conn| outbox::exported(conn, &name))
    }

    fn acknowledge(&self, exporter: &str, position: u64) -> BoxFuture<'_, Result<(), Error>> {
        let name = exporter.to_owned();
        self.write(Durability::Disk, move |log| log.acknowledge(&name, position))
    }
}

/// What the rules of [`meter`] refuse is refused before anything was changed.
fn refused(error: impl Into<Error>) -> Fault {
    Fault::Refused(error.into())
}
