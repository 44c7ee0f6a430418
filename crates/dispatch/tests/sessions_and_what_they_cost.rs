use std::path::Path;

use meter::{ConnectionId, Credits, KeyId, Rate, SessionId};
use serde_json::json;
use store::{Ledger, OpenConnection, Sqlite};

use crate::common::Home;

const SESSION: &str = "7d1f0c2e-5a64-4d0b-9e0c-2f6b1f0a9c11";
const AGAIN: &str = "b3a85e90-0f5c-4a5e-8f6e-5d1c2a7e4f22";
const OTHER: &str = "e02c6b7a-91d4-4c3b-a7f5-0c9d8e1b6a33";

/// Rows as two realtime sessions leave them, the first with a client that came back and was cut off.
fn sessions(data: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _) = Sqlite::open(data).unwrap();
        for (session, connection, seconds, reason) in [
            (SESSION, SESSION, 3, Some("disconnect")),
            (OTHER, OTHER, 1, Some("error")),
            (SESSION, AGAIN, 2, None),
        ] {
            let connection = ConnectionId::new(connection);
            let open = OpenConnection {
                session: SessionId::new(session),
                connection: connection.clone(),
                key: KeyId::local(),
                model: "mirage".to_owned(),
                per_second: Rate::try_from(Credits::from_micros(20_000)).unwrap(),
                token: None,
                at: 1_000,
            };
            store.open_connection(open).await.unwrap();
            for n in 1..=seconds {
                store.grant_second(&connection, n, 1_000 + 1000 * n).await.unwrap();
            }
            if let Some(reason) = reason {
                store.end_connection(&connection, 6_000, reason).await.unwrap();
            }
        }
        store.shut_down().await;
    });
}

#[test]
fn are_listed_shown_and_ended() {
    let home = Home::new();
    sessions(&home.data());
    let server = home.start();
    let listed = server.run(&["sessions"]).ok();
    let mut rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    // How long ago it was is not for a test.
    rows.iter_mut().skip(1).for_each(|row| drop(row.drain(1..row.len() - 5)));
    rows[1..].sort();
    assert_eq!(rows[0], ["session", "opened", "key", "model", "seconds", "credits", "ended"], "{listed}");
    assert_eq!(rows[1], ["7d1f0c2e", "local", "mirage", "5", "0.1", "interrupted"], "{listed}");
    assert_eq!(rows[2], ["e02c6b7a", "local", "mirage", "1", "0.02", "error"], "{listed}");
    assert_eq!(rows.len(), 3);
    assert_eq!(server.run(&["sessions", "list", "--limit", "1"]).ok().lines().count(), 2);
    assert_eq!(server.run(&["sessions", "list", "--key", "local"]).ok().lines().count(), 3);
    server.run(&["keys", "create", "--name", "another"]).ok();
    let none = server.run(&["sessions", "list", "--key", "key_"]).ok();
    assert_eq!(none, "there was no session yet\n");

    // By the session, by a connection of it, in full or shortened.
    for id in ["7d1f", "b3a8", SESSION, AGAIN] {
        let shown = server.run(&["sessions", "show", id]).ok();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "7d1f0c2e: 5 seconds, 0.1 credits, paid by local");
        assert!(lines[3].starts_with("7d1f0c2e ") && lines[3].ends_with("  disconnect"), "{shown}");
        assert!(lines[4].starts_with("b3a85e90 ") && lines[4].ends_with("  interrupted"), "{shown}");
    }
    let json = server.run(&["sessions", "show", "e02c", "--json"]).json();
    let connection = json!({"connection": OTHER, "model": "mirage", "openedAt": 1000, "endedAt": 6000,
        "reason": "error", "seconds": 1, "credits": "0.02"});
    assert_eq!(
        json,
        [
            json!({"session": OTHER, "key": "local", "connections": [connection], "seconds": 1, "credits": "0.02",
            "settled": true, "reason": "error"})
        ]
    );
    assert_eq!(server.run(&["sessions", "end", "e02c"]).ok(), "ended e02c6b7a: 1 second, 0.02 credits\n");
    let usage = server.run(&["usage", "--from", "1970-01-01", "--to", "1970-01-01"]).ok();
    assert_eq!(
        usage,
        "day         key    model   seconds  steps  input  cached  output  credits\n\
         1970-01-01  local  mirage        6                                   0.12\n"
    );
}
