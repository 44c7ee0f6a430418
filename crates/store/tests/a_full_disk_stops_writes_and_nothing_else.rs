//! The disk is really full, and a file really cannot grow: writes fail with an error that says so, reads go on, nothing
//! is damaged, and when there is room again the conversation goes on.

use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::{Begun, Error, Recovery, Sqlite, Store};

use crate::support;
use crate::support::{
    assert_lawful, begin, call, grow, history, id, journal, list, says, seal, shown, text, turn_id,
};

const DIRECTORY: &str = "DISPATCH_STORE_TEST_DIRECTORY";
const HOW: &str = "DISPATCH_STORE_TEST_HOW";

/// Keeps some of the disk from being used, until it is removed.
const BALLAST: &str = "ballast";

#[test]
fn on_a_small_disk() {
    in_a_process(
        "a full disk",
        "mount -t tmpfs -o size=12m tmpfs \"$DISPATCH_STORE_TEST_DIRECTORY\"",
        "unshare -rm",
    );
}

#[test]
fn with_a_limit_on_the_size_of_files() {
    // Without the trap, the process would be killed.
    in_a_process("a full file", "trap '' XFSZ && ulimit -S -f 8192", "");
}

/// Runs [`fills_the_disk`] in a process of its own, after a command that may not be possible everywhere.
fn in_a_process(how: &str, first: &str, within: &str) {
    let dir = tempfile::tempdir().unwrap();
    let run = |then: &str| {
        Command::new("sh")
            .args([
                "-c",
                &format!("exec {within} sh -c '{}'", format!("{first} && {then}").replace('\'', r"'\''")),
            ])
            .env(DIRECTORY, dir.path())
            .env(HOW, how)
            .env("EXE", std::env::current_exe().unwrap())
            .output()
            .unwrap()
    };
    let possible = run("true");
    if !possible.status.success() {
        eprintln!("SKIPPED: {how} cannot be made here: {}", String::from_utf8_lossy(&possible.stderr));
        return;
    }
    let output =
        run("exec \"$EXE\" --exact a_full_disk_stops_writes_and_nothing_else::fills_the_disk --nocapture");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("went through all of it"), "{said}");
}

/// Not a test by itself: the process that is given little room.
#[tokio::test]
async fn fills_the_disk() {
    let (Ok(directory), Ok(how)) = (std::env::var(DIRECTORY), std::env::var(HOW)) else { return };
    let dir = Path::new(&directory);
    let is_full = |error: &Error| match how.as_str() {
        "a full disk" => matches!(error, Error::Full(_)),
        _ => matches!(error, Error::Io(_)),
    };
    if how == "a full disk" {
        std::fs::write(dir.join(BALLAST), vec![0; 10_000_000]).unwrap();
    }
    let (store, _) = Sqlite::open(dir).unwrap();
    begin(&store, "before", "t0").await;
    seal(&store, "before", "t0").await.unwrap();
    begin(&store, "c", "t1").await;
    journal(&store, "c", "t1", [says(2, 2, call("a"))]).await.unwrap();

    // Until not even a little fits any more.
    let mut grown = String::new();
    let mut refused = 0;
    for length in [20_000, 2_000, 20] {
        loop {
            let delta = "x".repeat(length);
            match journal(&store, "c", "t1", [grow(3, 2, &delta)]).await {
                Ok(()) => grown.push_str(&delta),
                Err(error) => {
                    assert!(is_full(&error), "{error:?}");
                    refused += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 3);
    let sealed = seal(&store, "c", "t1").await;
    assert!(is_full(sealed.as_ref().unwrap_err()), "{sealed:?}");
    let begun = store.begin_turn(support::beginning("c", "t2", "Again", 3)).await;
    assert!(is_full(begun.as_ref().unwrap_err()), "{begun:?}");
    assert_eq!(history(&store, "before").await, ["1 user \"Hello\""]);
    assert_eq!(list(&store, store::Filter::default()).await.len(), 2);

    match how.as_str() {
        "a full disk" => std::fs::remove_file(dir.join(BALLAST)).unwrap(),
        _ => {
            let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
            setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
        }
    }
    let begun = store.begin_turn(support::beginning("c", "t2", "Again", 3)).await;
    assert_eq!(begun, Ok(Begun { seq: 5, next_seq: 6, message: 4 }));
    journal(&store, "c", "t2", [says(6, 5, text("There is room."))]).await.unwrap();
    seal(&store, "c", "t2").await.unwrap();
    let before = shown(&store).await;
    drop(store);

    let (store, recovery) = Sqlite::open(dir).unwrap();
    assert_eq!(recovery, Recovery::default());
    assert_eq!(shown(&store).await, before);
    for conversation in &before.conversations {
        assert_lawful(&conversation.chunks);
    }
    let lines = history(&store, "c").await;
    assert_eq!(lines[2], format!("3 assistant {grown:?}"));
    assert_eq!(lines[5], "6 assistant \"There is room.\"");
    let metrics = store.metrics(&id("c")).await.unwrap();
    assert_eq!(
        metrics.iter().map(|turn| &turn.metrics.turn_id).collect::<Vec<_>>(),
        [&turn_id("t1"), &turn_id("t2")]
    );
    drop(store);
    if how == "a full disk" {
        // Not even the files that SQLite makes to open a log have room.
        let _ = std::fs::write(dir.join(BALLAST), vec![0; 12_000_000]);
        let refused = Sqlite::open(dir).err();
        assert!(is_full(refused.as_ref().unwrap()), "{refused:?}");
        std::fs::remove_file(dir.join(BALLAST)).unwrap();
    }
    let conn = rusqlite::Connection::open(dir.join("dispatch.db")).unwrap();
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    println!("went through all of it");
}
