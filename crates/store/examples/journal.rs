//! Measures what the log costs: acknowledgements of the journal, seals, reads, and the same writes through plain
//! SQLite with one commit each.
//!
//! ```text
//! cargo run -p dispatch-store --release --example journal [directory]
//! ```
//!
//! The directory should be on the disk in question; it is used for scratch directories that are removed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kernel::{Entry, Growth, LogOp, TextKind};
use store::{BeginTurn, Filter, Seal, Sqlite, Store, Window};
use tokio::task::JoinSet;
use wire::{Chunk, ConversationId, Role, StepId, StepMetrics, TurnId, Usage};

const DELTA: &str = " and so the next few words of the answer,";

fn main() {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    println!("scratch directories in {}, {} processors\n", base.display(), processors());
    start(&base);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        journal(&base).await;
        seals(&base).await;
        streams_beside_seals(&base).await;
        reads(&base).await;
    });
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn start(base: &Path) {
    let dir = tempfile::tempdir_in(base).unwrap();
    let opened = |what: &str, dir: &Path| {
        let before = resident_kib();
        let began = Instant::now();
        let (store, _) = Sqlite::open(dir).unwrap();
        let took = show(began.elapsed());
        let now = resident_kib();
        println!("{what:<52} {took:>9}   {now} KiB resident, {} of them by that", now.saturating_sub(before));
        store
    };
    drop(opened("open, nothing there", dir.path()));
    let store = opened("open, closed before", dir.path());
    // What a kill leaves behind is what the files are while the store is open.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(fill(&store, "c", 20_000));
    runtime.block_on(turn(&store, "c", 1));
    let killed = tempfile::tempdir_in(base).unwrap();
    let mut wal = 0;
    for file in ["dispatch.db", "dispatch.db-wal"] {
        wal = std::fs::copy(dir.path().join(file), killed.path().join(file)).unwrap();
    }
    drop(opened(&format!("open, killed with a WAL of {} KiB and an open turn", wal >> 10), killed.path()));
    println!();
}

async fn journal(base: &Path) {
    println!("journal: one acknowledged growth of {} bytes at a time, per turn", DELTA.len());
    for turns in [1, 32, 256] {
        let dir = tempfile::tempdir_in(base).unwrap();
        let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        let each = 20_000 / turns;
        for turn in 0..turns {
            let store = Arc::clone(&store);
            tasks.spawn(async move { stream(&*store, turn, each, None).await });
        }
        let latencies: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        report(&format!("{turns} turns, group commit"), latencies, began.elapsed());
    }
    for (turns, synchronous) in [(1, "normal"), (32, "normal"), (256, "normal"), (1, "full"), (32, "full")] {
        let each = if synchronous == "full" { 2_000 } else { 20_000 } / turns;
        let (latencies, took) = plain(base, turns, each, synchronous);
        report(&format!("{turns} turns, a commit each, synchronous={synchronous}"), latencies, took);
    }
    println!();
}

async fn seals(base: &Path) {
    println!("seal: a turn of a prompt, an answer and a step, up to the answer of its seal");
    let dir = tempfile::tempdir_in(base).unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
    let mut latencies = Vec::new();
    let began = Instant::now();
    for number in 0..500 {
        turn(&*store, "one", number).await;
        latencies.push(seal(&*store, "one", number).await);
    }
    report("one after another (turns included in the rate)", latencies, began.elapsed());
    let mut latencies = Vec::new();
    let began = Instant::now();
    for number in 0..20 {
        for conversation in 0..32 {
            turn(&*store, &format!("c{conversation}"), number).await;
        }
        let mut tasks = JoinSet::new();
        for conversation in 0..32 {
            let store = Arc::clone(&store);
            tasks.spawn(async move { seal(&*store, &format!("c{conversation}"), number).await });
        }
        latencies.extend(tasks.join_all().await);
    }
    report("32 at once", latencies, began.elapsed());
    let (latencies, took) = plain(base, 1, 500, "full");
    report("1 commit after another, synchronous=full", latencies, took);
    let (latencies, took) = plain(base, 32, 20, "full");
    report("32 commits at once, synchronous=full", latencies, took);
    println!();
}

async fn streams_beside_seals(base: &Path) {
    println!("journal of 32 turns, each with 1 growth every 20 ms, for 8 s");
    for (sealing, pause) in [(0, 0), (8, 50), (8, 0)] {
        let dir = tempfile::tempdir_in(base).unwrap();
        let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
        let mut streams = JoinSet::new();
        let began = Instant::now();
        for turn in 0..32 {
            let store = Arc::clone(&store);
            streams.spawn(async move { stream(&*store, turn, 400, Some(Duration::from_millis(20))).await });
        }
        let mut others = JoinSet::new();
        for other in 0..sealing {
            let store = Arc::clone(&store);
            others.spawn(async move {
                let conversation = format!("other-{other}");
                for number in 0.. {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    turn(&*store, &conversation, number).await;
                    seal(&*store, &conversation, number).await;
                }
            });
        }
        let latencies: Vec<_> = streams.join_all().await.into_iter().flatten().collect();
        let took = began.elapsed();
        others.shutdown().await;
        let sealed = store.conversations(Filter::default()).await.unwrap();
        let mut turns = 0;
        for conversation in sealed {
            turns += store.metrics(&conversation.id).await.unwrap().len();
        }
        report(&format!("beside {sealing} conversations, {turns} seals, {pause} ms apart"), latencies, took);
    }
    println!();
}

async fn reads(base: &Path) {
    println!("reads");
    let dir = tempfile::tempdir_in(base).unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
    for (conversation, chunks) in [("short", 100), ("long", 1_000_000)] {
        fill(&*store, conversation, chunks).await;
        let id = ConversationId::new(conversation);
        let middle = Window { before: Some(chunks / 2), limit: Some(50), ..Window::default() };
        let newest = Window { limit: Some(50), ..Window::default() };
        let tail = Window { since: chunks - 20, ..Window::default() };
        for (what, window) in [("newest 50", newest), ("50 in the middle", middle), ("last 20", tail)] {
            let mut latencies = Vec::new();
            let began = Instant::now();
            for _ in 0..500 {
                let began = Instant::now();
                store.chunks(&id, window).await.unwrap();
                latencies.push(began.elapsed());
            }
            report(&format!("{what} of {chunks} chunks"), latencies, began.elapsed());
        }
    }
    let mut latencies = Vec::new();
    let began = Instant::now();
    let id = ConversationId::new("short");
    for _ in 0..2000 {
        let began = Instant::now();
        store.conversation(&id).await.unwrap();
        latencies.push(began.elapsed());
    }
    report("one conversation's row", latencies, began.elapsed());
}

async fn begin(store: &dyn Store, conversation: &str, number: usize) -> store::Begun {
    let begin = BeginTurn {
        conversation: ConversationId::new(conversation),
        turn: turn_id(conversation, number),
        text: "What do you think of it?".to_owned(),
        images: Vec::new(),
        client_message_id: None,
        carries: Vec::new(),
        at: 1,
        model: None,
        answered_by: None,
        cwd: None,
    };
    store.begin_turn(begin).await.unwrap()
}

fn turn_id(conversation: &str, number: usize) -> TurnId {
    TurnId::new(format!("{conversation}-{number}"))
}

/// Journals growth after growth and returns how long each acknowledgement took.
async fn stream(store: &dyn Store, turn: usize, growths: usize, pace: Option<Duration>) -> Vec<Duration> {
    let conversation = ConversationId::new(format!("stream-{turn}"));
    let begun = begin(store, conversation.as_str(), 0).await;
    let turn = turn_id(conversation.as_str(), 0);
    let mut latencies = Vec::with_capacity(growths);
    let (mut seq, message) = (begun.next_seq, begun.message + 1);
    let mut text = String::new();
    for growth in 0..growths {
        if let Some(pace) = pace {
            tokio::time::sleep(pace).await;
        }
        text.push_str(DELTA);
        let kind = TextKind::Text;
        let mut ops = vec![LogOp::Grow(Growth { seq, message, kind, delta: DELTA.to_owned() })];
        if growth % 200 == 199 {
            let chunk = Chunk::Text { text: std::mem::take(&mut text) };
            ops.push(LogOp::Append(Entry { seq, message, role: Role::Assistant, chunk, replay: None }));
            seq += 1;
        }
        let began = Instant::now();
        store.journal(&conversation, &turn, ops).await.unwrap();
        latencies.push(began.elapsed());
    }
    latencies
}

/// A turn that is ready to be sealed.
async fn turn(store: &dyn Store, conversation: &str, number: usize) {
    let begun = begin(store, conversation, number).await;
    let turn = turn_id(conversation, number);
    let (seq, message) = (begun.next_seq, begun.message + 1);
    let chunk = Chunk::Text { text: DELTA.repeat(20) };
    let step = StepMetrics {
        step_id: StepId::of(&turn, 0),
        usage: Usage::default(),
        ttft_ms: Some(1),
        decode_ms: Some(1),
        gen_total_ms: Some(2),
    };
    let ops = vec![
        LogOp::Append(Entry { seq, message, role: Role::Assistant, chunk, replay: None }),
        LogOp::Step(step),
    ];
    store.journal(&ConversationId::new(conversation), &turn, ops).await.unwrap();
}

async fn seal(store: &dyn Store, conversation: &str, number: usize) -> Duration {
    let began = Instant::now();
    let seal = Seal {
        conversation: ConversationId::new(conversation),
        turn: turn_id(conversation, number),
        at: 2,
        reason: "stop".to_owned(),
        duration_ms: 1,
        context_size: None,
    };
    store.seal(seal).await.unwrap();
    began.elapsed()
}

async fn fill(store: &dyn Store, conversation: &str, chunks: u64) {
    let begun = begin(store, conversation, 0).await;
    let id = ConversationId::new(conversation);
    let message = begun.message + 1;
    let mut next = begun.next_seq;
    while next <= chunks {
        let end = (next + 2000).min(chunks + 1);
        let ops = (next..end)
            .map(|seq| {
                let chunk = Chunk::Text { text: DELTA.repeat(5) };
                LogOp::Append(Entry { seq, message, role: Role::Assistant, chunk, replay: None })
            })
            .collect();
        store.journal(&id, &turn_id(conversation, 0), ops).await.unwrap();
        next = end;
    }
    seal(store, conversation, 0).await;
}

/// The same rows through one connection, with a commit each.
fn plain(base: &Path, writers: usize, each: usize, synchronous: &str) -> (Vec<Duration>, Duration) {
    let dir = tempfile::tempdir_in(base).unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("plain.db")).unwrap();
    conn.execute_batch(&format!(
        "PRAGMA journal_mode=wal; PRAGMA synchronous={synchronous};
         CREATE TABLE parts (id INTEGER PRIMARY KEY, conversation INTEGER, seq INTEGER, text TEXT);"
    ))
    .unwrap();
    let conn = Mutex::new(conn);
    let began = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                let conn = &conn;
                scope.spawn(move || {
                    let mut latencies = Vec::with_capacity(each);
                    for _ in 0..each {
                        let began = Instant::now();
                        conn.lock()
                            .unwrap()
                            .prepare_cached("INSERT INTO parts (conversation, seq, text) VALUES (?, 1, ?)")
                            .unwrap()
                            .execute(rusqlite::params![writer as i64, DELTA])
                            .unwrap();
                        latencies.push(began.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    (latencies, began.elapsed())
}

fn report(what: &str, mut latencies: Vec<Duration>, took: Duration) {
    latencies.sort();
    let at = |share: f64| show(latencies[((latencies.len() - 1) as f64 * share) as usize]);
    println!(
        "{what:<52} p50 {:>9}  p99 {:>9}  max {:>9}  {:>7.0}/s",
        at(0.5),
        at(0.99),
        at(1.0),
        latencies.len() as f64 / took.as_secs_f64()
    );
}

fn show(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..10_000 => format!("{micros} µs"),
        micros => format!("{} ms", micros / 1000),
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}
