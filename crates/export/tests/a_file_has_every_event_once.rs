use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use export::{Error, Exporters};
use meter::Event;
use store::{Ledger, Memory};
use tempfile::TempDir;

use crate::support::{add, deaf, hearing, to_file, until};

struct Place {
    directory: TempDir,
    store: Arc<Memory>,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), store: Arc::new(Memory::new()) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("usage.ndjson")
    }

    async fn start(&self) -> Exporters {
        loop {
            match Exporters::start(to_file(&self.path()), self.store.clone()).await {
                Ok(exporters) => return exporters,
                // A write that was under way when exporters were dropped holds the file to its end.
                Err(Error::Taken { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn refusal(&self) -> String {
        let refused = Exporters::start(to_file(&self.path()), self.store.clone()).await.unwrap_err();
        refused.to_string().replace(&self.path().display().to_string(), "FILE")
    }

    /// Exports what there is, and stops.
    async fn export(&self) {
        self.start().await.shut_down().await;
    }

    async fn acknowledged(&self) -> u64 {
        self.store.exported(&format!("file:{}", self.path().display())).await.unwrap()
    }
}

fn lines(events: &[Event]) -> String {
    events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn in_order_while_the_server_runs_and_at_its_end() {
    let place = Place::new();
    let events = add(&place.store, 2).await;
    let exporters = place.start().await;
    until("the first events are in the file", async || text(&place.path()) == lines(&events)).await;
    let events = add(&place.store, 8).await;
    until("the next ones are, too", async || text(&place.path()) == lines(&events)).await;
    until("and acknowledged", async || place.acknowledged().await == 10).await;
    let events = add(&place.store, 20).await;
    exporters.shut_down().await;
    assert_eq!(text(&place.path()), lines(&events), "what was written before the stop is delivered by it");
    assert_eq!(place.acknowledged().await, 30);
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
    place.export().await;
    assert_eq!(text(&place.path()), lines(&events), "a start without anything new adds nothing");
}

#[tokio::test]
async fn after_a_kill_between_the_write_and_its_acknowledgement() {
    let place = Place::new();
    let events = add(&place.store, 5).await;
    deaf(&place.store);
    let exporters = place.start().await;
    until("a batch is written", async || text(&place.path()) == lines(&events[..3])).await;
    drop(exporters);
    hearing(&place.store);
    assert_eq!(place.acknowledged().await, 0);
    place.export().await;
    assert_eq!(text(&place.path()), lines(&events));
    assert_eq!(place.acknowledged().await, 5);
}

#[tokio::test]
async fn wherever_a_kill_has_cut_a_line() {
    let place = Place::new();
    let events = add(&place.store, 3).await;
    let whole = lines(&events);
    for length in 0..=whole.len() {
        fs::write(place.path(), &whole[..length]).unwrap();
        // Nothing of a file that was cut like that was acknowledged.
        let store = Arc::new(Memory::new());
        add(&store, 3).await;
        Exporters::start(to_file(&place.path()), store).await.unwrap().shut_down().await;
        assert_eq!(text(&place.path()), whole, "cut after {length} bytes");
    }
}

#[tokio::test]
async fn where_a_power_cut_left_zeros_or_took_unacknowledged_lines() {
    let place = Place::new();
    let events = add(&place.store, 4).await;
    fs::write(place.path(), lines(&events[..1]) + "\0\0\0\0").unwrap();
    place.export().await;
    assert_eq!(text(&place.path()), lines(&events));
}

#[tokio::test]
async fn across_files_when_one_is_moved_away() {
    let place = Place::new();
    let exporters = place.start().await;
    let first = add(&place.store, 4).await;
    until("it is exported", async || place.acknowledged().await == 4).await;
    let moved = place.directory.path().join("usage.1.ndjson");
    fs::rename(place.path(), &moved).unwrap();
    let all = add(&place.store, 4).await;
    until("the rest is exported", async || place.acknowledged().await == 8).await;
    assert_eq!((text(&moved), text(&place.path())), (lines(&first), lines(&all[4..])));
    exporters.shut_down().await;
    fs::remove_file(place.path()).unwrap();
    let all = add(&place.store, 1).await;
    place.export().await;
    assert_eq!(text(&place.path()), lines(&all[8..]), "a start goes on after what was acknowledged");
}

#[tokio::test]
async fn when_the_disk_comes_back() {
    let place = Place::new();
    let away = place.directory.path().join("away");
    let there = place.directory.path().join("there");
    fs::create_dir(&there).unwrap();
    let path = there.join("usage.ndjson");
    let exporters = Exporters::start(to_file(&path), place.store.clone()).await.unwrap();
    fs::rename(&there, &away).unwrap();
    let events = add(&place.store, 7).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    fs::rename(&away, &there).unwrap();
    until("all is exported", async || text(&path) == lines(&events)).await;
    exporters.shut_down().await;
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    let place = Place::new();
    let events = add(&place.store, 2).await;
    let other = Arc::new(Memory::new());
    let others = add(&other, 3).await;
    let stranger = lines(&events).replace("credit:d1", "credit:x");
    for (content, reason) in [
        ("a poem".to_owned(), "what follows its last line is not the beginning of an event"),
        ("a poem\n".to_owned(), "its last line is not an event: expected value at line 1 column 1"),
        (lines(&events) + "more", "what follows its last line is not the beginning of an event"),
        (lines(&others), "its last line is row 3, credit:d2, and the ledger has no such row"),
        (stranger, "its last line is row 2, credit:x, and the ledger has no such row"),
    ] {
        fs::write(place.path(), &content).unwrap();
        let expected = format!(
            "FILE was not written from this ledger ({reason}); export to another file, or move this one away"
        );
        assert_eq!(place.refusal().await, expected);
        assert_eq!(text(&place.path()), content);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_at_the_start() {
    let place = Place::new();
    let nowhere = place.directory.path().join("no/such/directory/usage.ndjson");
    let error = Exporters::start(to_file(&nowhere), place.store.clone()).await.unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    let error = Exporters::start(to_file(Path::new("/dev/null")), place.store.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "the export file /dev/null cannot be written: it is not a regular file");
}

#[tokio::test]
async fn two_servers_do_not_write_to_one_file() {
    let place = Place::new();
    let exporters = place.start().await;
    assert_eq!(place.refusal().await, "another process exports to FILE; give this one a file of its own");
    exporters.shut_down().await;
    place.export().await;
}
