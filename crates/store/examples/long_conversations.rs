//! Measures that a conversation of a million chunks costs what one of a hundred costs: a page of it, its last text, a
//! compaction, a deletion, and what others feel while the rest of a deleted one is removed. And a report of the
//! throughput of one day among a million turns.
//!
//! ```text
//! cargo run -p dispatch-store --release --example long_conversations [directory]
//! ```
//!
//! The directory should be on the disk in question; it is used for scratch directories that are removed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use kernel::{Entry, Growth, LogOp, TextKind};
use store::{BeginTurn, Begun, Compaction, Seal, Sqlite, Store, Window};
use wire::{Chunk, ConversationId, Role, TurnId};

const TEXT: &str = " and so the next few words of the answer, which is not the shortest of them all";
const SIZES: [u64; 3] = [100, 10_000, 1_000_000];

#[tokio::main]
async fn main() {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(&base).unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    for size in SIZES {
        fill(&store, &name(size), size).await;
    }
    pages(&store).await;
    compactions(&store).await;
    deletions(&store, dir.path()).await;
    compactions_that_keep_all(&store).await;
    drop(store);
    reports(dir.path()).await;
}

fn name(size: u64) -> String {
    format!("of {size}")
}

async fn pages(store: &Sqlite) {
    for size in SIZES {
        let id = ConversationId::new(name(size));
        let newest = Window { limit: Some(50), ..Window::default() };
        let middle = Window { before: Some(size / 2 + 30), limit: Some(50), ..Window::default() };
        let mut of = [vec![], vec![], vec![]];
        for _ in 0..500 {
            of[0].push(timed(store.chunks(&id, newest)).await.0);
            of[1].push(timed(store.chunks(&id, middle)).await.0);
            of[2].push(timed(store.last_text(&id)).await.0);
        }
        for (what, latencies) in ["newest 50 chunks", "50 in the middle", "last text"].into_iter().zip(of) {
            report(&format!("{what}, of {size}"), latencies);
        }
    }
    println!();
}

async fn compactions(store: &Sqlite) {
    for size in SIZES {
        let mut latencies = vec![];
        // Each takes the archive of the one before, which has all of it.
        let mut conversation = name(size);
        for number in 0..20 {
            let archive = format!("archive {number} of {size}");
            let compaction = Compaction {
                conversation: ConversationId::new(conversation),
                archive: ConversationId::new(archive.clone()),
                summary: TEXT.repeat(100),
                keep_from: Some(size - 10),
                last_seq: size,
            };
            latencies.push(timed(store.compact(compaction)).await.0);
            conversation = archive;
        }
        report(&format!("compaction that keeps 11 chunks, of {size}"), latencies);
    }
    println!();
}

/// What is copied is what stays.
async fn compactions_that_keep_all(store: &Sqlite) {
    for size in [1_000, 10_000, 100_000] {
        let conversation = format!("all of {size}");
        fill(store, &conversation, size).await;
        let compaction = Compaction {
            conversation: ConversationId::new(conversation),
            archive: ConversationId::new(format!("archive of all of {size}")),
            summary: TEXT.to_owned(),
            keep_from: Some(1),
            last_seq: size,
        };
        report(
            &format!("compaction that keeps all {size} chunks"),
            vec![timed(store.compact(compaction)).await.0],
        );
    }
    println!();
}

async fn deletions(store: &Sqlite, dir: &Path) {
    let neighbour = ConversationId::new("neighbour");
    let Begun { next_seq: seq, message, .. } = begin(store, "neighbour").await;
    let grow = || {
        let (message, kind, delta) = (message + 1, TextKind::Text, TEXT.to_owned());
        vec![LogOp::Grow(Growth { seq, message, kind, delta })]
    };
    let turn = TurnId::new("neighbour");
    let mut alone = vec![];
    for _ in 0..2000 {
        alone.push(timed(store.journal(&neighbour, &turn, grow())).await.0);
    }
    report("journal of a neighbour, undisturbed", alone);
    for size in SIZES {
        let conversation = ConversationId::new(format!("archive 19 of {size}"));
        let (took, _) = timed(store.delete(&conversation)).await;
        let (began, mut beside) = (Instant::now(), vec![]);
        while has_leftovers(dir) {
            for _ in 0..20 {
                beside.push(timed(store.journal(&neighbour, &turn, grow())).await.0);
            }
        }
        report(&format!("deletion of {size} chunks"), vec![took]);
        if !beside.is_empty() {
            let what = format!("journal of a neighbour for the {} of its removal", show(began.elapsed()));
            report(&what, beside);
        }
    }
    println!();
}

/// Looks into the tables: the store does not show it.
fn has_leftovers(dir: &Path) -> bool {
    let conn = rusqlite::Connection::open(dir.join("dispatch.db")).unwrap();
    conn.query_row("SELECT EXISTS (SELECT 1 FROM deleted)", [], |row| row.get(0)).unwrap()
}

async fn reports(dir: &Path) {
    const DAY: u64 = 24 * 3600 * 1000;
    let conn = rusqlite::Connection::open(dir.join("dispatch.db")).unwrap();
    // A thousand a day, by four models.
    conn.execute(
        "INSERT INTO turns (conversation, id, begun_at, model, sealed_at, output_tokens, gen_ms)
         WITH RECURSIVE turns (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM turns WHERE number < 999999)
         SELECT 1, 'turn ' || number, 0, 'a/' || (number % 4), number * (?1 / 1000), 1000, 20000 FROM turns",
        [DAY as i64],
    )
    .unwrap();
    drop(conn);
    let (store, _) = Sqlite::open(dir).unwrap();
    for days in [1, 7, 30] {
        let mut latencies = vec![];
        for _ in 0..50 {
            let (took, report) = timed(store.throughput(500 * DAY, (500 + days) * DAY)).await;
            assert_eq!(report.iter().map(|of| of.turns).sum::<u64>(), days * 1000);
            latencies.push(took);
        }
        report(&format!("throughput of {days} days among 1000"), latencies);
    }
}

async fn begin(store: &Sqlite, conversation: &str) -> Begun {
    let begin = BeginTurn {
        conversation: ConversationId::new(conversation),
        turn: TurnId::new(conversation),
        text: TEXT.to_owned(),
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

/// A conversation whose chunks are messages of their own.
async fn fill(store: &Sqlite, conversation: &str, chunks: u64) {
    let Begun { next_seq, .. } = begin(store, conversation).await;
    let (id, turn) = (ConversationId::new(conversation), TurnId::new(conversation));
    for start in (next_seq..=chunks).step_by(2000) {
        let ops = (start..(start + 2000).min(chunks + 1)).map(|seq| {
            let chunk = Chunk::Text { text: TEXT.repeat(3) };
            LogOp::Append(Entry { seq, message: seq, role: Role::Assistant, chunk, replay: None })
        });
        store.journal(&id, &turn, ops.collect()).await.unwrap();
    }
    let seal =
        Seal { conversation: id, turn, at: 2, reason: "stop".to_owned(), duration_ms: 1, context_size: None };
    store.seal(seal).await.unwrap();
}

async fn timed<T>(work: impl Future<Output = Result<T, store::Error>>) -> (Duration, T) {
    let began = Instant::now();
    let answer = work.await.unwrap();
    (began.elapsed(), answer)
}

fn report(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |share: f64| show(latencies[((latencies.len() - 1) as f64 * share) as usize]);
    let (p50, p99, most) = (at(0.5), at(0.99), at(1.0));
    println!("{what:<56} p50 {p50:>9}  p99 {p99:>9}  max {most:>9}  of {:>5}", latencies.len());
}

fn show(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..10_000 => format!("{micros} µs"),
        micros => format!("{} ms", micros / 1000),
    }
}
