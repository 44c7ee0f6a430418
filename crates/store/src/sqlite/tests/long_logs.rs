//! What does not depend on how much there is. Counted in steps of SQLite's machine, not in time.

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Connection, params};

use super::*;
use crate::Compaction;

const LONG: u64 = 1_000_000;
const SHORT: u64 = 100;

/// A log of which every step is counted.
struct Counted {
    log: Log,
    steps: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Counted {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = schema::open_for_writing(&Files::of(dir.path())).unwrap();
        let steps = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&steps);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        conn.progress_handler(1, Some(count)).unwrap();
        Self { log: Log::new(conn), steps, _dir: dir }
    }

    /// A conversation of so many chunks, each a message: a question, an answer, a question …
    fn fill(&mut self, conversation: &str, chunks: u64) {
        self.log.begin().unwrap();
        let key = self.log.create(&id(conversation), 1).unwrap();
        let conn = self.log.connection();
        conn.execute(
            "INSERT INTO chunks (id, message, role, turn, body)
             WITH RECURSIVE seqs (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM seqs WHERE seq < ?2)
             SELECT ?1 << 32 | seq, seq, iif(seq % 2, 'user', 'assistant'), 1, '{\"type\":\"text\",\"text\":\"x\"}'
             FROM seqs",
            params![key, chunks as i64],
        )
        .unwrap();
        conn.execute(
            "UPDATE conversations SET last_seq = ?2, last_message = ?2, last_text = ?2 WHERE key = ?1",
            params![key, chunks as i64],
        )
        .unwrap();
        self.log.commit().unwrap();
    }

    fn steps<T>(&mut self, run: impl FnOnce(&mut Log) -> T) -> (usize, T) {
        let before = self.steps.load(Ordering::Relaxed);
        let answer = run(&mut self.log);
        (self.steps.load(Ordering::Relaxed) - before, answer)
    }

    fn steps_of_read<T>(&mut self, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> (usize, T) {
        // Once to prepare the statements, once to count.
        read(self.log.connection()).unwrap();
        self.steps(|log| read(log.connection()).unwrap())
    }

    fn steps_of_write<T>(&mut self, write: impl FnOnce(&mut Log) -> Result<T, Fault>) -> (usize, T) {
        self.steps(|log| {
            log.begin().unwrap();
            let answer = write(log).unwrap();
            log.commit().unwrap();
            answer
        })
    }
}

#[test]
fn a_conversation_of_a_million_chunks_takes_no_more_steps_than_one_of_a_hundred() {
    let mut counted = Counted::new();
    // What is written before the measurement has prepared the statements.
    for (conversation, chunks) in [("first", SHORT), ("short", SHORT), ("long", LONG)] {
        counted.fill(conversation, chunks);
    }
    let newest = |_| Window { limit: Some(50), ..Window::default() };
    let middle = |chunks| Window { before: Some(chunks / 2 + 30), limit: Some(50), ..Window::default() };
    let tail = |chunks| Window { since: chunks - 50, ..Window::default() };
    let mut page = |window: fn(u64) -> Window| {
        let mut of = |conversation, chunks| {
            let (steps, rows) =
                counted.steps_of_read(|conn| read::chunks(conn, &id(conversation), window(chunks)));
            assert_eq!(rows.len(), 50);
            steps
        };
        assert_eq!(of("long", LONG), of("short", SHORT));
    };
    page(newest);
    page(middle);
    page(tail);
    let mut last_text = |conversation| counted.steps_of_read(|conn| read::last_text(conn, &id(conversation)));
    assert_eq!(last_text("long"), last_text("short"));
    let mut row = |conversation| counted.steps_of_read(|conn| read::conversation(conn, &id(conversation))).0;
    assert_eq!(row("long"), row("short"));

    let mut compact = |conversation, chunks| {
        let compaction = Compaction {
            conversation: id(conversation),
            archive: ConversationId::new(format!("archive of {conversation}")),
            summary: "summary".to_owned(),
            keep_from: Some(chunks - 10),
            last_seq: chunks,
        };
        counted.steps_of_write(|log| log.compact(&compaction)).0
    };
    compact("first", SHORT);
    assert_eq!(compact("short", SHORT), compact("long", LONG));

    // The archives have all of it.
    let mut delete = |conversation| counted.steps_of_write(|log| log.delete(&id(conversation), 1));
    delete("archive of first");
    assert_eq!(delete("archive of short"), delete("archive of long"));
    for conversation in ["short", "long"] {
        let kept = read::chunks(counted.log.connection(), &id(conversation), Window::default()).unwrap();
        assert_eq!(kept.len(), 12);
    }

    // What is left goes in slices of a size that the rest does not matter to.
    let mut slices = Vec::new();
    while counted.log.has_deleted {
        slices.push(counted.steps(|log| log.clear_away().unwrap()).0);
    }
    assert!(slices.len() as u64 > LONG / 2000, "{} slices", slices.len());
    let most = slices.iter().max().unwrap();
    assert!(*most < 40_000, "a slice took {most} steps");
    let left: u64 = counted
        .log
        .connection()
        .query_row("SELECT count(*) FROM chunks", [], |row| row::number(row, 0))
        .unwrap();
    assert_eq!(left, 3 * 12);
}

#[test]
fn a_report_of_the_throughput_reads_its_period_only() {
    const PERIOD: u64 = 1000;
    let mut counted = Counted::new();
    let mut add = |turns: u64, from: u64| {
        counted.log.begin().unwrap();
        counted
            .log
            .connection()
            .execute(
                "INSERT INTO turns (conversation, id, begun_at, model, sealed_at, output_tokens, gen_ms)
                 WITH RECURSIVE at (at) AS (SELECT ?2 UNION ALL SELECT at + 1 FROM at WHERE at + 1 < ?1 + ?2)
                 SELECT 1, 'turn ' || at, at, 'a/b', at, 10, 20 FROM at",
                params![turns as i64, from as i64],
            )
            .unwrap();
        counted.log.commit().unwrap();
        counted.steps_of_read(|conn| read::throughput(conn, 500_000, 500_000 + PERIOD))
    };
    // With a neighbour on either side.
    let among_few = add(PERIOD + 2, 499_999);
    assert_eq!(
        among_few.1,
        [crate::Throughput {
            model: "a/b".to_owned(),
            output_tokens: 10 * PERIOD,
            gen_ms: 20 * PERIOD,
            turns: PERIOD
        }]
    );
    add(499_999, 0);
    let among_a_million = add(LONG - 500_001 - PERIOD, 500_001 + PERIOD);
    assert_eq!(among_a_million, among_few);
    let plan: String = counted
        .log
        .connection()
        .query_row(&format!("EXPLAIN QUERY PLAN {}", read::THROUGHPUT), [0, 1], |row| row.get(3))
        .unwrap();
    assert_eq!(plan, "SEARCH turns USING COVERING INDEX turns_by_seal (sealed_at>? AND sealed_at<?)");
}
