//! Measures the ledger: how long a second takes to be granted, and how large its row is.
//!
//! `cargo run --release --example ledger [SESSIONS] [SECONDS]`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meter::{ConnectionId, Credits, KeyId, Rate, SessionId};
use store::{Ledger, OpenConnection, Sqlite};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let sessions: u64 = args.next().map_or(Ok(100), |arg| arg.parse())?;
    let seconds: u64 = args.next().map_or(Ok(1000), |arg| arg.parse())?;
    let dir = tempfile::tempdir()?;
    let store = Arc::new(Sqlite::open(dir.path())?.0);
    let per_second = Rate::try_from(Credits::from_micros(20_000))?;
    let open = |number: u64| OpenConnection {
        session: SessionId::new(format!("3f0c2d1e-0000-4000-8000-{number:012}")),
        connection: ConnectionId::new(format!("3f0c2d1e-0000-4000-8001-{number:012}")),
        key: KeyId::local(),
        model: "a/model".to_owned(),
        per_second,
        token: None,
        at: 1_767_225_600_000,
    };
    for number in 0..sessions {
        store.open_connection(open(number)).await?;
    }
    let start = Instant::now();
    let granting: Vec<_> = (0..sessions)
        .map(|number| {
            let (store, connection) = (Arc::clone(&store), open(number).connection);
            tokio::spawn(async move {
                let mut took = Vec::new();
                for n in 1..=seconds {
                    let asked = Instant::now();
                    store.grant_second(&connection, n, 1_767_225_600_000 + n * 1000).await?;
                    took.push(asked.elapsed());
                }
                Ok::<_, store::Error>(took)
            })
        })
        .collect();
    let mut took: Vec<Duration> = Vec::new();
    for granting in granting {
        took.extend(granting.await??);
    }
    let elapsed = start.elapsed();
    took.sort();
    let at = |permille: usize| took[(took.len() - 1) * permille / 1000];
    println!(
        "{} seconds of {sessions} sessions at once: {:.0} a second, median {:?}, 99th percentile {:?}, slowest {:?}",
        took.len(),
        took.len() as f64 / elapsed.as_secs_f64(),
        at(500),
        at(990),
        at(1000)
    );
    store.shut_down().await;
    let conn = rusqlite::Connection::open(dir.path().join("dispatch.db"))?;
    for table in ["ledger", "ledger_once"] {
        let bytes: i64 =
            conn.query_row("SELECT sum(pgsize) FROM dbstat WHERE name = ?", [table], |row| row.get(0))?;
        println!("{table}: {:.1} bytes a row", bytes as f64 / took.len() as f64);
    }
    Ok(())
}
