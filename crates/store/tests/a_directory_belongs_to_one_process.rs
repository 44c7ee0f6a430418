//! What keeps a log from being opened wrongly.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use store::{Error, Recovery, Sqlite, Store};

use crate::support;
use crate::support::{begin, history, journal, queued, says, seal, text};

const DIRECTORY: &str = "DISPATCH_STORE_TEST_DIRECTORY";

#[test]
fn a_second_open_in_the_same_process_is_refused_until_the_first_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/on/the/way");
    let (first, _) = Sqlite::open(&path).unwrap();
    let locked = Error::Locked { path: path.display().to_string() };
    assert_eq!(Sqlite::open(&path).err(), Some(locked.clone()));
    assert_eq!(
        locked.to_string(),
        format!(
            "another process is using the data directory {}; stop it, or give this one a directory of its own",
            path.display()
        )
    );
    drop(first);
    assert!(Sqlite::open(&path).is_ok());
}

#[test]
fn a_second_process_is_refused_until_the_first_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_directory_belongs_to_one_process::holds_the_directory", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    assert!(matches!(Sqlite::open(dir.path()), Err(Error::Locked { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Sqlite::open(dir.path()).is_ok());
}

/// Not a test by itself: the first process.
#[test]
fn holds_the_directory() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let _held = Sqlite::open(directory.as_ref()).unwrap();
    println!("holding");
    loop {
        std::thread::park();
    }
}

#[test]
fn what_a_newer_version_wrote_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sqlite::open(dir.path()).unwrap());
    let database = dir.path().join("dispatch.db");
    let conn = rusqlite::Connection::open(&database).unwrap();
    let known: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    conn.pragma_update(None, "user_version", 4000).unwrap();
    drop(conn);
    let before = std::fs::read(&database).unwrap();
    let path = dir.path().display().to_string();
    assert_eq!(Sqlite::open(dir.path()).err(), Some(Error::Newer { path, found: 4000, known }));
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[test]
fn a_file_that_is_no_log_is_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("dispatch.db");
    std::fs::write(&database, "This is a letter to my grandmother, and not a database. ".repeat(100))
        .unwrap();
    assert!(matches!(Sqlite::open(dir.path()), Err(Error::Corrupt(_))));
    assert!(std::fs::read_to_string(&database).unwrap().starts_with("This is a letter"));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_io_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Sqlite::open(&file.join("sub")), Err(Error::Io(_))));
}

#[tokio::test]
async fn shutting_down_finishes_what_was_asked_for_and_refuses_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    begin(&store, "c", "t").await;
    let pending: Vec<_> = (2..500)
        .map(|seq| store.journal(&support::id("c"), &support::turn_id("t"), vec![says(seq, 2, text("x"))]))
        .collect();
    let sealed = store.seal(support::sealing("c", "t", 2));
    store.shut_down().await;
    for pending in pending {
        pending.await.unwrap();
    }
    assert_eq!(sealed.await.unwrap().last_seq, 499);

    assert_eq!(seal(&store, "c", "t").await, Err(Error::Closed));
    assert_eq!(journal(&store, "c", "t", []).await, Err(Error::Closed));
    assert_eq!(store.enqueue(&support::id("c"), queued("m", 1)).await, Err(Error::Closed));
    assert_eq!(store.queue(&support::id("c")).await, Err(Error::Closed));
    store.shut_down().await;

    // All is in the database, and the directory is free, although the store has not been dropped.
    assert!(!dir.path().join("dispatch.db-wal").exists());
    let (again, recovery) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(recovery, Recovery::default());
    assert_eq!(history(&again, "c").await.len(), 499);
}
