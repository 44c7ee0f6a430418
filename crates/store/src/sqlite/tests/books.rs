//! The ledger's tables, and what of it waits for the disk.

use std::sync::mpsc;

use meter::{ConnectionId, Credits, DepositId, Funds, KeyId, Next, Rate, SecretHash, SessionId};

use super::*;
use crate::{Deposit, Ledger, NewKey, OpenConnection};

fn new_key() -> NewKey {
    NewKey {
        id: KeyId::new("k"),
        name: "k".to_owned(),
        hash: SecretHash::of("secret"),
        funds: Funds::Prepaid,
        at: 1,
    }
}

fn deposit() -> Deposit {
    Deposit {
        id: DepositId::new("d"),
        key: KeyId::new("k"),
        amount: Credits::from_micros(100),
        note: String::new(),
        at: 1,
    }
}

fn opening() -> OpenConnection {
    OpenConnection {
        session: SessionId::new("s"),
        connection: ConnectionId::new("x"),
        key: KeyId::new("k"),
        model: "m".to_owned(),
        per_second: Rate::try_from(Credits::from_micros(10)).unwrap(),
        token: None,
        at: 1,
    }
}

#[tokio::test]
async fn the_table_itself_refuses_a_second_row_for_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.create_key(new_key()).await.unwrap();
    store.credit_key(deposit()).await.unwrap();
    store.open_connection(opening()).await.unwrap();
    let x = ConnectionId::new("x");
    store.grant_second(&x, 1, 1).await.unwrap();
    let before = (store.keys().await, store.outbox(0, 9).await);
    // As a defect would.
    tables(dir.path()).execute("UPDATE connections SET seconds = 0", []).unwrap();
    assert!(matches!(store.grant_second(&x, 1, 1).await, Err(Error::Misfit(_))));
    assert_eq!((store.keys().await, store.outbox(0, 9).await), before);
    tables(dir.path()).execute("UPDATE connections SET seconds = 1", []).unwrap();
    assert_eq!(store.grant_second(&x, 2, 1).await.unwrap().next, Next::Held);
}

#[tokio::test]
async fn no_secret_is_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    let secret = meter::Secret::new(meter::Kind::Key, [7; 32]);
    store.create_key(NewKey { hash: secret.hash(), ..new_key() }).await.unwrap();
    assert!(store.find_key(SecretHash::of(secret.expose())).await.unwrap().is_some());
    store.shut_down().await;
    let part = &secret.expose().as_bytes()[4..20];
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(part.len()).any(|window| window == part));
    }
}

#[tokio::test]
async fn nothing_is_exported_that_a_power_cut_could_take_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.create_key(new_key()).await.unwrap();
    store.credit_key(deposit()).await.unwrap();
    store.open_connection(opening()).await.unwrap();
    drop(store);
    let (release, released) = mpsc::channel::<()>();
    let (store, _) = Sqlite::open_with(dir.path(), move |_| {
        released.recv().map_err(|_| io::Error::other("the disk is gone"))
    })
    .unwrap();
    let open = OpenConnection { connection: ConnectionId::new("y"), ..opening() };
    let mut opened = store.open_connection(open);
    // A second does not wait for the disk, and its row does before it is exported.
    store.grant_second(&ConnectionId::new("y"), 1, 1).await.unwrap();
    assert!(futures_util::poll!(&mut opened).is_pending());
    assert_eq!(store.outbox(3, 9).await.map(|events| events.len()), Ok(0)); // Nothing after that.
    let mut outbox = store.outbox(0, 9);
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut outbox).is_pending());
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    release.send(()).unwrap();
    release.send(()).unwrap();
    assert_eq!(opened.await, Ok(()));
    let ids: Vec<String> = outbox.await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["credit:d", "ended:x", "second:y:1"]);
    // When it cannot be brought to the disk, it is not exported.
    store.grant_second(&ConnectionId::new("y"), 2, 1).await.unwrap();
    drop(release);
    assert!(matches!(store.outbox(3, 9).await, Err(Error::Io(_))));
}

#[tokio::test]
async fn an_older_file_gets_an_empty_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let conn = tables(dir.path());
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    for step in &schema::STEPS[..2] {
        conn.execute_batch(step).unwrap();
    }
    conn.pragma_update(None, "user_version", 2).unwrap();
    drop(conn);
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    let ids: Vec<KeyId> = store.keys().await.unwrap().into_iter().map(|key| key.id).collect();
    assert_eq!(ids, [KeyId::local()]);
    assert_eq!(store.outbox(0, 9).await, Ok(vec![]));
}
