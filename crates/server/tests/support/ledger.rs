//! Keys and sessions in the ledger of a server.
#![allow(dead_code, unreachable_pub)]

use meter::{ConnectionId, Credits, DepositId, Funds, KeyId, Kind, Rate, Secret, SecretHash, SessionId};
use store::{Deposit, Ledger, NewKey, OpenConnection};

/// What the operator presents.
pub const OPERATOR: &str = "the-operators-key";

pub fn credits(amount: &str) -> Credits {
    amount.parse().unwrap()
}

/// A key of that id with that much; its secret.
pub async fn key(ledger: &dyn Ledger, id: &str, amount: &str) -> String {
    let secret = Secret::new(Kind::Key, *SecretHash::of(id).as_bytes());
    let key = KeyId::new(id);
    let (hash, name) = (secret.hash(), format!("the key {id}"));
    ledger.create_key(NewKey { id: key.clone(), name, hash, funds: Funds::Prepaid, at: 1 }).await.unwrap();
    let deposit = DepositId::new(format!("{id}-first"));
    let deposit = Deposit { id: deposit, key, amount: credits(amount), note: String::new(), at: 1 };
    ledger.credit_key(deposit).await.unwrap();
    secret.expose().to_owned()
}

/// Opens a connection at that time, at half a credit a second, and charges so many seconds.
pub async fn connect(ledger: &dyn Ledger, key: &str, session: &str, connection: &str, at: u64, seconds: u64) {
    connect_by(ledger, key, None, session, connection, at, seconds).await;
}

/// The same with a client token of the key.
pub async fn connect_by(
    ledger: &dyn Ledger,
    key: &str,
    token: Option<&str>,
    session: &str,
    connection: &str,
    at: u64,
    seconds: u64,
) {
    let open = OpenConnection {
        session: SessionId::new(session),
        connection: ConnectionId::new(connection),
        key: KeyId::new(key),
        model: "restyle".to_owned(),
        per_second: Rate::try_from(credits("0.5")).unwrap(),
        token: token.map(SecretHash::of),
        at,
    };
    ledger.open_connection(open).await.unwrap();
    for n in 1..=seconds {
        ledger.grant_second(&ConnectionId::new(connection), n, at + n * 1000).await.unwrap();
    }
}

pub async fn hang_up(ledger: &dyn Ledger, connection: &str, at: u64) {
    ledger.end_connection(&ConnectionId::new(connection), at, "disconnect").await.unwrap();
}
