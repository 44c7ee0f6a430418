//! Short ways to use the ledger, and to look at everything that it shows.

use meter::{
    Bill, ConnectionId, Credits, DailyUsage, Day, DepositId, Event, Funds, Grant, Key, KeyId, Next, Rate,
    Receipt, SecretHash, SessionId,
};
use store::{Deposit, Error, NewKey, OpenConnection, Store};

pub fn key_id(key: &str) -> KeyId {
    KeyId::new(key)
}

pub fn session_id(session: &str) -> SessionId {
    SessionId::new(session)
}

pub fn connection_id(connection: &str) -> ConnectionId {
    ConnectionId::new(connection)
}

pub fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

pub fn rate(micros: i64) -> Rate {
    Rate::try_from(Credits::from_micros(micros)).unwrap()
}

pub fn new_key(key: &str, at: u64) -> NewKey {
    NewKey {
        id: key_id(key),
        name: format!("key {key}"),
        hash: SecretHash::of(&format!("secret of {key}")),
        funds: Funds::Prepaid,
        at,
    }
}

pub fn deposit(id: &str, key: &str, amount: i64) -> Deposit {
    Deposit { id: DepositId::new(id), key: key_id(key), amount: micros(amount), note: String::new(), at: 1 }
}

/// A key with so much on it.
pub async fn with_key(store: &dyn Store, key: &str, amount: i64) {
    store.create_key(new_key(key, 1)).await.unwrap();
    store.credit_key(deposit(&format!("of {key}"), key, amount)).await.unwrap();
}

pub fn opening(key: &str, session: &str, connection: &str, per_second: i64) -> OpenConnection {
    OpenConnection {
        session: session_id(session),
        connection: connection_id(connection),
        key: key_id(key),
        model: "model".to_owned(),
        per_second: rate(per_second),
        token: None,
        at: 2,
    }
}

pub fn granted(n: u64, next: Next, left: i64) -> Result<Grant, Error> {
    Ok(Grant { n, is_new: true, next, left: Some(micros(left)) })
}

/// Everything that a ledger shows.
#[derive(Debug, PartialEq)]
pub struct Books {
    pub keys: Vec<Key>,
    pub sessions: Vec<Receipt>,
    pub events: Vec<Event>,
    pub usage: Vec<DailyUsage>,
}

pub async fn books(store: &dyn Store) -> Books {
    let books = Books {
        keys: store.keys().await.unwrap(),
        sessions: store.sessions(None, u64::MAX).await.unwrap(),
        events: store.outbox(0, u64::MAX).await.unwrap(),
        usage: store.usage(Day::from_number(0)..=Day::LAST, None).await.unwrap(),
    };
    books.verify();
    books
}

impl Books {
    /// The rules that hold for all books: rows have no gaps, nothing is in them twice, and every sum is theirs.
    fn verify(&self) {
        let mut bill = Bill::default();
        for (event, position) in self.events.iter().zip(1..) {
            assert_eq!(event.position, position, "rows are 1, 2, 3 …");
            assert_eq!(bill.add(event), Some(true), "{} is there twice", event.id);
        }
        for key in &self.keys {
            assert_eq!(key.balance, bill.balance(&key.id), "{}: the balance is the sum of its rows", key.id);
        }
        for receipt in &self.sessions {
            let total = bill.session(&receipt.session);
            assert_eq!((receipt.seconds, receipt.credits), (total.seconds, total.credits), "{receipt:?}");
            for connection in &receipt.connections {
                let ids: Vec<&str> = self.events.iter().map(|event| event.id.as_str()).collect();
                let of = |n: u64| format!("second:{}:{n}", connection.connection);
                assert!((1..=connection.seconds).all(|n| ids.contains(&of(n).as_str())), "{connection:?}");
            }
        }
        let used =
            |usage: &[DailyUsage]| Credits::checked_sum(usage.iter().map(|usage| usage.credits)).unwrap();
        let rows = self.events.iter().map(|event| match &event.entry {
            meter::Entry::Credit { .. } => Credits::ZERO,
            other => other.change(),
        });
        assert_eq!(
            used(&self.usage).checked_neg(),
            Credits::checked_sum(rows),
            "usage is the sum of the rows"
        );
    }
}
