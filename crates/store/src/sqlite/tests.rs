//! What can only be tested with a hand on the disk or on the batch.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use kernel::{Entry, Growth, TextKind};
use serde_json::json;
use wire::{Chunk, ConversationStatus, Role};

use super::writer::Write;
use super::*;

fn id(conversation: &str) -> ConversationId {
    ConversationId::new(conversation)
}

fn beginning(conversation: &str, turn: &str) -> BeginTurn {
    BeginTurn {
        conversation: id(conversation),
        turn: TurnId::new(turn),
        text: "Hello".to_owned(),
        carries: vec![],
        at: 1,
        model: None,
        cwd: None,
    }
}

fn sealing(conversation: &str, turn: &str) -> Seal {
    Seal {
        conversation: id(conversation),
        turn: TurnId::new(turn),
        at: 2,
        reason: "stop".to_owned(),
        duration_ms: 1,
        context_size: None,
    }
}

fn says(seq: u64, message: u64, text: &str) -> LogOp {
    let chunk = Chunk::Text { text: text.to_owned() };
    LogOp::Append(Entry { seq, message, role: Role::Assistant, chunk, replay: None })
}

fn grow(seq: u64, message: u64, delta: &str) -> LogOp {
    LogOp::Grow(Growth { seq, message, kind: TextKind::Text, delta: delta.to_owned() })
}

async fn journal(store: &Sqlite, conversation: &str, turn: &str, ops: Vec<LogOp>) -> Result<(), Error> {
    store.journal(&id(conversation), &TurnId::new(turn), ops).await
}

async fn history(store: &Sqlite, conversation: &str) -> Vec<String> {
    let rows = store.chunks(&id(conversation), Window::default()).await.unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.seq, row.chunk)).collect()
}

/// Beside the store, into its tables.
fn tables(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(Files::of(dir).database).unwrap()
}

#[tokio::test]
async fn streams_do_not_wait_for_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (release, released) = mpsc::channel();
    let (store, _) = Sqlite::open_with(dir.path(), move |_| {
        released.recv().unwrap();
        Ok(())
    })
    .unwrap();
    store.begin_turn(beginning("sealing", "t1")).await.unwrap();
    let mut sealed = store.seal(sealing("sealing", "t1"));
    store.begin_turn(beginning("streaming", "t2")).await.unwrap();
    for seq in 2..100 {
        journal(&store, "streaming", "t2", vec![says(seq, 2, "x")]).await.unwrap();
    }
    assert_eq!(futures_util::poll!(&mut sealed), std::task::Poll::Pending);
    release.send(()).unwrap();
    assert_eq!(sealed.await, Ok(Sealed { last_seq: 1 }));
}

#[tokio::test]
async fn many_seals_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicUsize::new(0));
    let (release, released) = mpsc::channel();
    let counter = Arc::clone(&syncs);
    let (store, _) = Sqlite::open_with(dir.path(), move |_| {
        if counter.fetch_add(1, Ordering::SeqCst) == 0 {
            released.recv().unwrap();
        }
        Ok(())
    })
    .unwrap();
    for number in 0..33 {
        store.begin_turn(beginning(&format!("c{number}"), &format!("t{number}"))).await.unwrap();
    }
    let seals: Vec<_> =
        (0..33).map(|number| store.seal(sealing(&format!("c{number}"), &format!("t{number}")))).collect();
    // Answered after all of them are committed.
    store.begin_turn(beginning("last", "last")).await.unwrap();
    release.send(()).unwrap();
    for seal in seals {
        seal.await.unwrap();
    }
    assert!(syncs.load(Ordering::SeqCst) <= 2, "{syncs:?} syncs");
}

#[tokio::test]
async fn after_a_sync_has_failed_nothing_is_written_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let (store, _) = Sqlite::open_with(dir.path(), move |_| match fails.load(Ordering::SeqCst) {
        true => Err(io::Error::from_raw_os_error(5)),
        false => Ok(()),
    })
    .unwrap();
    store.begin_turn(beginning("c", "t1")).await.unwrap();
    store.seal(sealing("c", "t1")).await.unwrap();
    store.begin_turn(beginning("c", "t2")).await.unwrap();
    failing.store(true, Ordering::SeqCst);
    let error = store.seal(sealing("c", "t2")).await.unwrap_err();
    assert_eq!(
        error,
        Error::Io(
            "data could not be brought to the disk (Input/output error (os error 5)); nothing more is written until \
             the server is restarted and has checked what the disk holds"
                .to_owned()
        )
    );
    failing.store(false, Ordering::SeqCst);
    assert_eq!(store.begin_turn(beginning("d", "t3")).await, Err(error.clone()));
    assert_eq!(store.begin_turn(beginning("c", "t4")).await, Err(error.clone()));
    assert_eq!(store.seal(sealing("c", "t2")).await, Err(error.clone()));
    assert_eq!(store.set(&id("c"), 1, Setting::Cwd(None)).await, Err(error));
    assert_eq!(history(&store, "c").await.len(), 2);
    drop(store);
    assert!(Files::of(dir.path()).wal.exists(), "the WAL is left for the restart to check");

    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t5")).await.unwrap();
    store.seal(sealing("c", "t5")).await.unwrap();
    assert_eq!(history(&store, "c").await.len(), 3);
}

/// A writer whose batches are made by hand.
struct ByHand {
    writer: Writer,
    committed: mpsc::Receiver<Vec<Box<dyn Write>>>,
    dir: tempfile::TempDir,
}

impl ByHand {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = schema::open_for_writing(&Files::of(dir.path())).unwrap();
        let wal_pages = writer::count_wal_pages(&mut conn).unwrap();
        let (unsynced, committed) = mpsc::channel();
        let writer = Writer {
            log: Log::new(conn),
            commands: mpsc::channel().1,
            unsynced,
            wal_is_long: mpsc::sync_channel(1).0,
            wal_pages,
            health: Arc::default(),
        };
        Self { writer, committed, dir }
    }

    fn write(&mut self, batch: Batch) -> Vec<String> {
        let (writes, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        self.writer.write(writes);
        for write in self.committed.try_iter().flatten() {
            write.answer(Ok(()));
        }
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        tables(self.dir.path()).query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Leaves no room for more pages than there are, and then again for as many as are wanted.
    fn fill_the_disk(&self, full: bool) {
        let conn = self.writer.log.connection();
        let pages: u32 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let most = if full { pages } else { u32::MAX - 1 };
        conn.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).unwrap();
    }
}

type Batch = Vec<(Box<dyn Write>, oneshot::Receiver<String>)>;

fn write(
    seals: Option<(&str, &str)>,
    mut run: impl FnMut(&mut Log) -> Result<String, Fault> + Send + 'static,
) -> (Box<dyn Write>, oneshot::Receiver<String>) {
    struct Said<W>(W, oneshot::Sender<String>, oneshot::Receiver<Result<String, Error>>);
    impl<W: Write> Write for Said<W> {
        fn run(&mut self, log: &mut Log) -> Result<(), Fault> {
            self.0.run(log)
        }
        fn is_durable(&self) -> bool {
            self.0.is_durable()
        }
        fn seals(&self) -> Option<(&ConversationId, &TurnId)> {
            self.0.seals()
        }
        fn answer(self: Box<Self>, verdict: Result<(), Error>) {
            let Self(inner, said, mut answer) = *self;
            Box::new(inner).answer(verdict);
            let kind = match answer.try_recv().unwrap() {
                Ok(said) => said,
                Err(Error::Misfit(_)) => "misfit".to_owned(),
                Err(Error::Full(_)) => "full".to_owned(),
                Err(error) => error.to_string(),
            };
            said.send(kind).unwrap();
        }
    }
    let (reply, answer) = oneshot::channel();
    let (said, heard) = oneshot::channel();
    let seals = seals.map(|(conversation, turn)| (id(conversation), TurnId::new(turn)));
    let is_durable = seals.is_some();
    let task = Task { run: move |log: &mut Log| run(log), is_durable, seals, value: None, reply };
    (Box::new(Said(task, said, answer)), heard)
}

fn begin(conversation: &'static str, turn: &'static str) -> (Box<dyn Write>, oneshot::Receiver<String>) {
    write(None, move |log| {
        log.begin_turn(&beginning(conversation, turn)).map(|begun| format!("begun {}", begun.seq))
    })
}

fn journals(
    conversation: &'static str,
    turn: &'static str,
    ops: Vec<LogOp>,
) -> (Box<dyn Write>, oneshot::Receiver<String>) {
    let rows: Vec<_> = ops.iter().map(|op| Encoded::row_of(op).unwrap()).collect();
    write(None, move |log| {
        log.journal(&id(conversation), &TurnId::new(turn), &ops, &rows).map(|()| "journalled".to_owned())
    })
}

fn seals(conversation: &'static str, turn: &'static str) -> (Box<dyn Write>, oneshot::Receiver<String>) {
    write(Some((conversation, turn)), move |log| {
        log.seal(&sealing(conversation, turn)).map(|sealed| format!("sealed {}", sealed.last_seq))
    })
}

/// Fits the log, but not the queue: it fails when something has been written already.
fn not_queued() -> LogOp {
    let chunk = Chunk::Text { text: "?".to_owned() };
    let entry = Entry { seq: 4, message: 3, role: Role::User, chunk, replay: None };
    LogOp::Deliver(entry, vec!["m".to_owned()])
}

#[test]
fn only_the_culprit_of_a_batch_fails() {
    let mut by_hand = ByHand::new();
    let answers = by_hand.write(vec![
        begin("a", "ta"),
        journals("a", "ta", vec![says(2, 2, "one")]),
        begin("b", "tb"),
        // Fails after it has written.
        journals("a", "ta", vec![says(3, 2, "lost"), not_queued()]),
        journals("a", "ta", vec![says(3, 2, "two")]),
        // Refused before it has.
        journals("b", "tb", vec![says(3, 2, "gap")]),
        begin("b", "tb2"),
        seals("a", "ta"),
        seals("b", "tb"),
        begin("b", "tb2"),
    ]);
    assert_eq!(
        answers,
        [
            "begun 1",
            "journalled",
            "begun 1",
            "misfit",
            "journalled",
            "misfit",
            "a turn is open in this conversation",
            "sealed 3",
            "sealed 1",
            "begun 2",
        ]
    );
}

#[test]
fn growth_within_a_batch_is_one_row() {
    let mut by_hand = ByHand::new();
    by_hand.write(vec![begin("a", "ta"), begin("b", "tb")]);
    by_hand.write(vec![
        journals("a", "ta", vec![grow(2, 2, "o"), grow(2, 2, "n")]),
        journals("b", "tb", vec![grow(2, 2, "x")]),
        journals("a", "ta", vec![grow(2, 2, "e")]),
    ]);
    assert_eq!(by_hand.count("SELECT count(*) FROM parts"), 2);
    by_hand.write(vec![journals("a", "ta", vec![grow(2, 2, " two")])]);
    assert_eq!(by_hand.count("SELECT count(*) FROM parts"), 3);
    // Complete within the batch: never written as growth.
    by_hand.write(vec![
        journals("b", "tb", vec![says(2, 2, "x"), grow(3, 2, "y")]),
        journals("b", "tb", vec![says(3, 2, "y")]),
    ]);
    assert_eq!(by_hand.count("SELECT count(*) FROM parts"), 3);
    assert_eq!(by_hand.write(vec![seals("a", "ta")]), ["sealed 2"]);
    let text: String = tables(by_hand.dir.path())
        .query_row("SELECT body FROM chunks WHERE id = 1 << 32 | 2", [], |row| row.get(0))
        .unwrap();
    assert_eq!(text, r#"{"type":"text","text":"one two"}"#);
}

#[test]
fn what_chunks_grew_by_is_removed_when_they_are_complete() {
    let mut by_hand = ByHand::new();
    by_hand.write(vec![begin("a", "ta"), begin("b", "tb")]);
    by_hand.write(vec![journals("b", "tb", vec![grow(2, 2, "still growing")])]);
    let complete = |by_hand: &mut ByHand, seq| {
        for _ in 0..600 {
            by_hand.write(vec![journals("a", "ta", vec![grow(seq, 2, "x")])]);
        }
        by_hand.write(vec![journals("a", "ta", vec![says(seq, 2, "x")])]);
    };
    for seq in 2..6 {
        complete(&mut by_hand, seq);
    }
    // All of it lies behind the beginning of a chunk that is still open.
    assert_eq!(by_hand.count("SELECT count(*) FROM parts"), 2401);
    by_hand.write(vec![journals("b", "tb", vec![says(2, 2, "still growing"), grow(3, 2, "again ")])]);
    // The writer loses sight of a turn when a write to it fails. What it has grown by is still needed.
    assert_eq!(
        by_hand.write(vec![journals("b", "tb", vec![says(3, 2, "not so"), not_queued()])]),
        ["misfit"]
    );
    for seq in 6..8 {
        complete(&mut by_hand, seq);
    }
    assert_eq!(by_hand.count("SELECT count(*) FROM parts"), 1201);
    by_hand.write(vec![journals("b", "tb", vec![grow(3, 2, "and again")])]);
    assert_eq!(by_hand.write(vec![seals("b", "tb")]), ["sealed 3"]);
    assert_eq!(by_hand.count("SELECT count(*) FROM chunks WHERE body LIKE '%\"again and again\"%'"), 1);
}

#[test]
fn a_full_disk_spoils_nothing() {
    let mut by_hand = ByHand::new();
    let big = "x".repeat(100_000);
    assert_eq!(
        by_hand.write(vec![begin("a", "t1"), journals("a", "t1", vec![grow(2, 2, "so far")])]),
        ["begun 1", "journalled"]
    );
    by_hand.fill_the_disk(true);
    let answers = by_hand.write(vec![
        journals("a", "t1", vec![grow(2, 2, ", so good")]),
        journals("a", "t1", vec![grow(2, 2, &big)]),
        journals("a", "t1", vec![grow(2, 2, "!")]),
        begin("a", "t2"),
    ]);
    assert_eq!(answers, ["journalled", "full", "journalled", "a turn is open in this conversation"]);
    by_hand.fill_the_disk(false);
    let answers = by_hand.write(vec![
        journals("a", "t1", vec![says(2, 2, "so far, so good!"), grow(3, 2, "and")]),
        journals("a", "t1", vec![grow(3, 2, &big)]),
    ]);
    assert_eq!(answers, ["journalled", "journalled"]);

    // Now the seal does not fit: it has to write the open chunk once more.
    by_hand.fill_the_disk(true);
    assert_eq!(by_hand.write(vec![seals("a", "t1")]), ["full"]);
    assert_eq!(by_hand.write(vec![begin("a", "t2"), seals("a", "t1")]), ["full", "full"]);
    by_hand.fill_the_disk(false);
    // The next turn seals the one that was left behind.
    assert_eq!(
        by_hand.write(vec![begin("a", "t2"), begin("a", "t3")]),
        ["begun 4", "a turn is open in this conversation"]
    );
    assert_eq!(
        by_hand.write(vec![seals("a", "t1"), seals("a", "t2")]),
        ["the turn t1 is not open", "sealed 4"]
    );

    let conn = tables(by_hand.dir.path());
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let third = format!(r#"{{"type":"text","text":"and{big}"}}"#);
    assert_eq!(by_hand.count(&format!("SELECT count(*) FROM chunks WHERE body = '{third}'")), 1);
    let reasons: Vec<(String, String)> = conn
        .prepare("SELECT id, reason FROM turns ORDER BY key")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let expected =
        [("t1", "interrupted"), ("t2", "stop")].map(|(turn, reason)| (turn.to_owned(), reason.to_owned()));
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t")).await.unwrap();
    let ops = (2..=6).map(|seq| says(seq, 2, &format!("chunk {seq}"))).collect();
    journal(&store, "c", "t", ops).await.unwrap();
    store.seal(sealing("c", "t")).await.unwrap();
    let conn = tables(dir.path());
    let seq = |seq: i64| format!("WHERE id = 1 << 32 | {seq}");
    conn.execute(&format!("UPDATE chunks SET body = '{{\"type\":' {}", seq(3)), []).unwrap();
    conn.execute(&format!("UPDATE chunks SET role = 'narrator' {}", seq(4)), []).unwrap();
    conn.execute(&format!("UPDATE chunks SET replay = 'not json' {}", seq(5)), []).unwrap();

    let rows = store.chunks(&id("c"), Window { since: 1, ..Window::default() }).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.seq, row.role, serde_json::from_str::<serde_json::Value>(row.chunk.get()).unwrap()))
        .collect();
    let unreadable = |reason: &str| json!({ "type": "error", "message": format!("this part of the log cannot be read: {reason}") });
    assert_eq!(
        rows,
        [
            (2, Role::Assistant, json!({ "type": "text", "text": "chunk 2" })),
            (3, Role::System, unreadable("EOF while parsing a value at line 1 column 8")),
            (4, Role::System, unreadable("there is no role \"narrator\"")),
            (5, Role::Assistant, json!({ "type": "text", "text": "chunk 5" })),
            (6, Role::Assistant, json!({ "type": "text", "text": "chunk 6" })),
        ]
    );
    let messages = store.messages(&id("c"), u64::MAX).await.unwrap();
    let text = |text: &str| Chunk::Text { text: text.to_owned() }.into();
    assert_eq!(
        messages,
        [
            Message::user("Hello"),
            Message { role: Role::Assistant, parts: vec![text("chunk 2"), text("chunk 6")] }
        ]
    );
}

#[tokio::test]
async fn an_open_turn_with_a_damaged_row_is_sealed_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t")).await.unwrap();
    let result = Chunk::ToolResult {
        tool_call_id: "call".to_owned(),
        tool_name: "shell".to_owned(),
        content: "done".to_owned(),
        is_error: false,
        step_id: None,
    };
    let call = Chunk::ToolCall {
        tool_call_id: "call".to_owned(),
        tool_name: "shell".to_owned(),
        input: json!({}),
        step_id: None,
    };
    let append = |seq, message, role, chunk| LogOp::Append(Entry { seq, message, role, chunk, replay: None });
    let ops = vec![append(2, 2, Role::Assistant, call), append(3, 3, Role::Tool, result)];
    journal(&store, "c", "t", ops).await.unwrap();
    drop(store);
    tables(dir.path()).execute("UPDATE chunks SET body = '?' WHERE id = 1 << 32 | 2", []).unwrap();
    let (store, recovery) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(recovery, Recovery { turns: vec![(id("c"), TurnId::new("t"))], synthesised_results: 0 });
    assert_eq!(history(&store, "c").await.len(), 3);
    assert_eq!(store.begin_turn(beginning("c", "t2")).await, Ok(Begun { seq: 4, message: 4 }));
}

#[tokio::test]
async fn the_wal_stays_short_however_much_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t")).await.unwrap();
    let text = "x".repeat(50_000);
    let (mut seq, mut written) = (2, 0);
    let mut longest = 0;
    while written < 100 << 20 {
        let ops = (seq..seq + 10).map(|seq| says(seq, 2, &text)).collect();
        journal(&store, "c", "t", ops).await.unwrap();
        seq += 10;
        written += 10 * text.len();
        longest = longest.max(std::fs::metadata(Files::of(dir.path()).wal).unwrap().len());
    }
    assert!(longest < 60 << 20, "{written} bytes were written, and the WAL had {longest}");
    store.seal(sealing("c", "t")).await.unwrap();
    drop(store);
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    let last = store.conversation(&id("c")).await.unwrap().unwrap();
    assert_eq!((last.last_seq, last.meta.status), (seq - 1, ConversationStatus::Idle));
}

#[tokio::test]
async fn a_page_of_a_long_log_takes_no_more_steps_than_one_of_a_short_log() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    for (conversation, chunks) in [("short", 200), ("long", 50_000)] {
        store.begin_turn(beginning(conversation, conversation)).await.unwrap();
        for start in (2..=chunks).step_by(1000) {
            let ops = (start..(start + 1000).min(chunks + 1)).map(|seq| says(seq, 2, "x")).collect();
            journal(&store, conversation, conversation, ops).await.unwrap();
        }
        store.seal(sealing(conversation, conversation)).await.unwrap();
    }
    let mut conn = tables(dir.path());
    let mut steps = |conversation: &str, window| {
        let steps = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&steps);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        // Once to prepare the statements, once to count.
        read::chunks(&conn, &id(conversation), window).unwrap();
        conn.progress_handler(1, Some(count)).unwrap();
        assert_eq!(read::chunks(&conn, &id(conversation), window).unwrap().len(), 50);
        conn.progress_handler(0, None::<fn() -> bool>).unwrap();
        steps.load(Ordering::Relaxed)
    };
    let newest = Window { limit: Some(50), ..Window::default() };
    let middle = |before| Window { before: Some(before), limit: Some(50), ..Window::default() };
    assert_eq!(steps("long", newest), steps("short", newest));
    assert_eq!(steps("long", middle(25_000)), steps("short", middle(100)));
    let tail = |since| Window { since, ..Window::default() };
    assert_eq!(steps("long", tail(49_950)), steps("short", tail(150)));
}

#[tokio::test]
async fn reads_go_on_beside_each_other_and_keep_few_connections() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
    store.begin_turn(beginning("c", "t")).await.unwrap();
    store.seal(sealing("c", "t")).await.unwrap();
    let reads: Vec<_> = (0..200)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { history(&store, "c").await.len() })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), 1);
    }
    assert!(store.readers.connections() <= 4);
}
