//! A ledger with rows in it, and exporters that are quick.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use export::{Pace, Settings};
use meter::{Credits, DepositId, Event, KeyId};
use store::{Deposit, Error, Ledger, Memory};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn quick() -> Pace {
    Pace {
        poll: Duration::from_millis(5),
        retry: Duration::from_millis(5),
        longest_retry: Duration::from_millis(20),
        answer: Duration::from_secs(10),
        batch: 3,
    }
}

pub fn to_file(path: &std::path::Path) -> Settings {
    Settings { file: Some(path.to_owned()), webhook: None, pace: quick() }
}

/// Adds rows to the ledger, and gives all that it has.
pub async fn add(store: &Arc<Memory>, count: usize) -> Vec<Event> {
    for _ in 0..count {
        let n = store.outbox(0, u64::MAX).await.unwrap().len();
        let deposit = Deposit {
            id: DepositId::new(format!("d{n}")),
            key: KeyId::local(),
            amount: Credits::from_micros(n as i64 + 1),
            note: "a note\nof \"two\" lines".to_owned(),
            at: 1,
        };
        store.credit_key(deposit).await.unwrap();
    }
    store.outbox(0, u64::MAX).await.unwrap()
}

/// As the ledger is when acknowledgements do not get through: the process is about to be killed.
pub fn deaf(store: &Memory) {
    store.fail_next_writes(usize::MAX, Error::Full("no space left".to_owned()));
}

pub fn hearing(store: &Memory) {
    store.fail_next_writes(0, Error::Closed);
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
