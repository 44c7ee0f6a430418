//! Batches made by hand: what goes together, what fails alone, what becomes of growth.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use super::super::writer::Write;
use super::*;

/// A writer whose batches are made by hand.
pub(super) struct ByHand {
    pub(super) writer: Writer,
    committed: mpsc::Receiver<Vec<Box<dyn Write>>>,
    pub(super) dir: tempfile::TempDir,
}

impl ByHand {
    pub(super) fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap()).0
    }

    /// What a start finds, after whatever has happened to the directory.
    pub(super) fn open(dir: tempfile::TempDir) -> (Self, Recovery) {
        let mut conn = schema::open_for_writing(&Files::of(dir.path())).unwrap();
        let wal_pages = writer::count_wal_pages(&mut conn).unwrap();
        let (unsynced, committed) = mpsc::channel();
        let mut log = Log::new(conn);
        let recovery = log.recover(9).unwrap();
        let writer = Writer {
            log,
            commands: mpsc::channel().1,
            unsynced,
            wal_is_long: mpsc::sync_channel(1).0,
            wal_pages,
            health: Arc::default(),
        };
        (Self { writer, committed, dir }, recovery)
    }

    pub(super) fn write(&mut self, batch: Batch) -> Vec<String> {
        let (writes, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        self.writer.write(writes);
        for write in self.committed.try_iter().flatten() {
            write.answer(Ok(()));
        }
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    pub(super) fn count(&self, sql: &str) -> i64 {
        tables(self.dir.path()).query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Leaves no room for more pages than there are, and then again for as many as are wanted.
    pub(super) fn fill_the_disk(&self, full: bool) {
        let conn = self.writer.log.connection();
        let pages: u32 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let most = if full { pages } else { u32::MAX - 1 };
        conn.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).unwrap();
    }
}

pub(super) type Batch = Vec<(Box<dyn Write>, oneshot::Receiver<String>)>;

pub(super) fn write(
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

pub(super) fn begin(
    conversation: &'static str,
    turn: &'static str,
) -> (Box<dyn Write>, oneshot::Receiver<String>) {
    write(None, move |log| {
        log.begin_turn(&beginning(conversation, turn)).map(|begun| format!("begun {}", begun.seq))
    })
}

pub(super) fn journals(
    conversation: &'static str,
    turn: &'static str,
    ops: Vec<LogOp>,
) -> (Box<dyn Write>, oneshot::Receiver<String>) {
    let rows: Vec<_> = ops.iter().map(|op| Encoded::row_of(op).unwrap()).collect();
    write(None, move |log| {
        log.journal(&id(conversation), &TurnId::new(turn), &ops, &rows).map(|()| "journalled".to_owned())
    })
}

pub(super) fn seals(
    conversation: &'static str,
    turn: &'static str,
) -> (Box<dyn Write>, oneshot::Receiver<String>) {
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

#[test]
fn what_was_written_during_a_checkpoint_is_left_to_the_writer() {
    let mut by_hand = ByHand::new();
    by_hand.write(vec![begin("a", "ta"), journals("a", "ta", vec![says(2, 2, &"x".repeat(200_000))])]);
    let files = Files::of(by_hand.dir.path());
    let checkpoints = schema::open_for_checkpoints(&files).unwrap();
    let health = Health::default();
    assert!(checkpoint::settle(&checkpoints, &health), "nobody else is there");
    by_hand.write(vec![journals("a", "ta", vec![says(3, 2, &"x".repeat(200_000))])]);
    let before = by_hand.writer.wal_pages.load(Ordering::SeqCst);
    assert!(before > 40, "{before}");
    // Between the last pass and this, the writer has written: only it can get to the end.
    assert!(checkpoint::settle(by_hand.writer.log.connection(), &health));
    by_hand.write(vec![journals("a", "ta", vec![says(4, 2, "y")])]);
    let after = by_hand.writer.wal_pages.load(Ordering::SeqCst);
    assert!(after < 10, "the WAL has {after} pages, and had {before}");
    // Not after a failed sync.
    health.fail(&"a failed sync");
    assert!(!checkpoint::settle(by_hand.writer.log.connection(), &health));
}
