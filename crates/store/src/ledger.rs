//! The ledger: keys, what they have, and what was charged to them, in the same store and transactions as the log.
//!
//! The rules are those of [`meter`]; here is what is kept, and what is atomic:
//!
//! - The ledger is one list of rows, numbered 1, 2, 3 …: a row for each (connection, second), each (turn, step), each
//!   addition to a balance and each end of a connection. Rows are added and never changed. A row is written in the
//!   transaction that changes the balance, the receipt and the day's usage, so that each of these is at any time the
//!   sum of the rows; a second row for the same thing is refused by the table itself.
//! - The same list is the outbox: an exporter reads on from the last row that it has acknowledged.
//! - A charged second and a charged step outlive the process when the method has returned, though not yet a power
//!   cut, which takes back the last moments of a bill with those of the log. Nothing is exported that a power cut
//!   could still take back.

use std::ops::RangeInclusive;

use futures_util::future::BoxFuture;
use meter::{
    ClientToken, ConnectionId, Credits, DailyUsage, Day, DepositId, Event, Funds, Grant, Key, KeyId, Payer,
    Rate, Receipt, Refusal, SecretHash, SessionId,
};

use crate::{BeginTurn, Begun, Error};

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// New and unique.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// Of its secret.
    pub hash: SecretHash,
    /// Whether it can run out.
    pub funds: Funds,
    /// Now, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// An addition to a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// One that was used before adds nothing.
    pub id: DepositId,
    /// Whose balance. The key may be revoked.
    pub key: KeyId,
    /// A negative one corrects the balance.
    pub amount: Credits,
    /// For people.
    pub note: String,
    /// Now, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// A connection that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConnection {
    /// The logical session: a new one, or one of the same key that has not ended.
    pub session: SessionId,
    /// New and unique.
    pub connection: ConnectionId,
    /// Who pays.
    pub key: KeyId,
    /// The model.
    pub model: String,
    /// Its price, which the connection keeps.
    pub per_second: Rate,
    /// The client token that opens it, if it is not the key itself: its holder may read the receipt.
    pub token: Option<SecretHash>,
    /// Now, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// What a session was last asked to show, as words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPrompt {
    /// The text.
    pub text: String,
    /// Whether it may be enhanced.
    pub enhance: bool,
}

/// A session that a client can go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// The logical session.
    pub session: SessionId,
    /// Who pays.
    pub key: KeyId,
    /// The model of its last connection.
    pub model: String,
    /// See [`Ledger::keep_prompt`].
    pub prompt: Option<SessionPrompt>,
    /// See [`Ledger::keep_image`].
    pub image: Option<Vec<u8>>,
}

/// Keys, balances, charges and their export.
///
/// As for [`crate::Store`]: every method may be called from any task at any time, and a write that fails changes nothing.
/// The key [`KeyId::LOCAL`] is always there; it is unlimited, and no secret opens it.
pub trait Ledger: Send + Sync + 'static {
    /// Makes a key, with an empty balance. An id or a secret that is in use is an [`Error::Misfit`]. Durable (fsync)
    /// when it returns.
    fn create_key(&self, key: NewKey) -> BoxFuture<'_, Result<Key, Error>>;

    /// All keys, revoked ones too, in the order in which they were made.
    fn keys(&self) -> BoxFuture<'_, Result<Vec<Key>, Error>>;

    /// The key of that id, revoked or not.
    fn key(&self, id: &KeyId) -> BoxFuture<'_, Result<Option<Key>, Error>>;

    /// The key that a secret opens; none if it was revoked.
    fn find_key(&self, hash: SecretHash) -> BoxFuture<'_, Result<Option<Key>, Error>>;

    /// Revokes a key and with it its client tokens: from then on it begins nothing, and what is in flight ends with its
    /// second or step. Says whether there is such a key with a secret. Durable (fsync) when it returns.
    fn revoke_key(&self, id: &KeyId, at: u64) -> BoxFuture<'_, Result<bool, Error>>;

    /// Adds to a balance. A deposit whose id was used before changes nothing; if it was another one, that is an
    /// [`Error::Misfit`]. [`Error::NoSuchKey`] if there is no such key. Durable (fsync) when it returns.
    fn credit_key(&self, deposit: Deposit) -> BoxFuture<'_, Result<Key, Error>>;

    /// Keeps a client token, and forgets those that expired more than an hour before it was issued.
    /// [`Error::NoSuchKey`] if its key is not there or was revoked. Durable (fsync) when it returns.
    fn create_token(&self, token: ClientToken) -> BoxFuture<'_, Result<(), Error>>;

    /// The client token that has that secret, expired or not; none if its key was revoked.
    fn find_token(&self, hash: SecretHash) -> BoxFuture<'_, Result<Option<ClientToken>, Error>>;

    /// Does what [`crate::Store::begin_turn`] does, at somebody's expense: each step is charged in the transaction that
    /// writes its row. [`Error::InsufficientCredits`] if the key has nothing left, [`Error::NoSuchKey`] if it is not
    /// there or was revoked; then no turn is begun.
    fn begin_paid_turn(&self, begin: BeginTurn, payer: Payer) -> BoxFuture<'_, Result<Begun, Error>>;

    /// Opens a connection, and with it the session if it is new, and holds the price of its first second.
    ///
    /// [`Error::InsufficientCredits`] if the key has less than that, [`Error::NoSuchKey`] if it is not there or was
    /// revoked, [`Error::SessionEnded`] if the session has, [`Error::Misfit`] for one of another key. Durable (fsync) when
    /// it returns.
    fn open_connection(&self, open: OpenConnection) -> BoxFuture<'_, Result<(), Error>>;

    /// Second `n` of a connection has ended: charges it, and holds the price of the next one: see
    /// [`meter::Running::grant`]. The tick may go out when it has returned.
    ///
    /// A second that is charged already stays so and is not charged again. [`Error::InsufficientCredits`] or
    /// [`Error::NoSuchKey`] for one whose price was not held and cannot be had, [`Error::SessionEnded`] for a new one of
    /// a connection that has ended, [`Error::Misfit`] for one that is not the next.
    fn grant_second(&self, connection: &ConnectionId, n: u64, at: u64)
    -> BoxFuture<'_, Result<Grant, Error>>;

    /// Ends a connection and releases what is held for it. The first reason stays. An unknown connection is an
    /// [`Error::Misfit`]. Durable (fsync) when it returns. A start after a crash ends all that were open, with reason
    /// `interrupted`.
    fn end_connection(
        &self,
        connection: &ConnectionId,
        at: u64,
        reason: &str,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Keeps the prompt of a session, for whoever goes on with it. Of one that has ended nothing is kept.
    fn keep_prompt(
        &self,
        session: &SessionId,
        prompt: Option<SessionPrompt>,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Keeps the reference image of a session, as it came. Of one that has ended nothing is kept.
    fn keep_image(&self, session: &SessionId, image: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Error>>;

    /// The session that a client can go on with, by any of its connections; none if it has ended or its key was revoked.
    fn resumable(&self, connection: &ConnectionId) -> BoxFuture<'_, Result<Option<Resumable>, Error>>;

    /// Ends a session for good: nobody goes on with it, and its prompt and image are forgotten. Its receipt stays, and
    /// connections that are open go on until they are ended. Says whether there is such a session. Durable (fsync) when
    /// it returns.
    fn end_session(&self, session: &SessionId, at: u64) -> BoxFuture<'_, Result<bool, Error>>;

    /// Does that to every session that has no open connection and whose last one ended before that time. Returns how
    /// many.
    fn end_sessions_idle_since(&self, before: u64, at: u64) -> BoxFuture<'_, Result<u64, Error>>;

    /// The newest sessions, of one key or of all, the newest first.
    fn sessions(&self, key: Option<KeyId>, limit: u64) -> BoxFuture<'_, Result<Vec<Receipt>, Error>>;

    /// What a session cost, by its id or that of any of its connections.
    fn receipt(&self, id: &str) -> BoxFuture<'_, Result<Option<Receipt>, Error>>;

    /// Whether a connection of that session was opened with that client token, which may have expired since.
    fn is_opened_by(&self, session: &SessionId, token: SecretHash) -> BoxFuture<'_, Result<bool, Error>>;

    /// What was used on those days, by one key or by all: by day, key (in the order in which they were made) and model.
    fn usage(
        &self,
        days: RangeInclusive<Day>,
        key: Option<KeyId>,
    ) -> BoxFuture<'_, Result<Vec<DailyUsage>, Error>>;

    /// Rows of the ledger after that position, in order, at most so many. All of them are on the disk.
    fn outbox(&self, after: u64, limit: u64) -> BoxFuture<'_, Result<Vec<Event>, Error>>;

    /// The position up to which an exporter has acknowledged; 0 if it never did.
    fn exported(&self, exporter: &str) -> BoxFuture<'_, Result<u64, Error>>;

    /// An exporter has delivered everything up to that position. It never goes back; one that is beyond the last row is an
    /// [`Error::Misfit`]. Durable (fsync) when it returns.
    fn acknowledge(&self, exporter: &str, position: u64) -> BoxFuture<'_, Result<(), Error>>;
}

/// The reason of a connection that a crash has ended.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// How long an expired token is kept, in milliseconds, so that whoever presents it is told that it has expired.
pub(crate) const TOKEN_GRACE_MS: u64 = 3_600_000;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InsufficientCredits => Self::InsufficientCredits,
            Refusal::Revoked => Self::NoSuchKey,
            Refusal::Ended => Self::SessionEnded,
            Refusal::OutOfOrder { .. } | Refusal::Overflow => Self::Misfit(refusal.to_string()),
        }
    }
}

pub(crate) fn taken(what: &str) -> Error {
    Error::Misfit(format!("there is {what} already"))
}

pub(crate) fn unknown_connection(id: &ConnectionId) -> Error {
    Error::Misfit(format!("there is no connection {id}"))
}

pub(crate) fn other_deposit(id: &DepositId) -> Error {
    Error::Misfit(format!("the deposit {id} was another one"))
}

pub(crate) fn other_payer(session: &SessionId) -> Error {
    Error::Misfit(format!("the session {session} is of another key"))
}

pub(crate) fn overflow() -> Error {
    Refusal::Overflow.into()
}

pub(crate) fn beyond(position: u64, last: u64) -> Error {
    Error::Misfit(format!("row {position} cannot be acknowledged: the last one is {last}"))
}
