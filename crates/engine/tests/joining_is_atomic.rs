//! Rule 3, for every interleaving that a model checker finds: sealed history and the live stream of a watcher are the
//! whole conversation, each thing once, whenever the watcher joins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    unused_imports
)]

/// The model checker's locks, for the stream's own source below.
mod sync {
    pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};
}

#[path = "../src/live/mod.rs"]
mod live;

use live::{Heard, Hub, Recorded, Watcher};
use shuttle::sync::{Arc, Mutex};
use shuttle::{check_random, future, thread};
use wire::{AgentEvent, ConversationId, TurnId};

/// Stands for the log: what is sealed can be read.
type Log = Arc<Mutex<Vec<u64>>>;

fn event(seq: u64) -> Recorded {
    Recorded::from(&AgentEvent::TextDelta {
        conversation_id: ConversationId::new("c"),
        turn_id: TurnId::new("t"),
        delta: format!("<{seq}>"),
    })
}

fn sealed() -> Recorded {
    Recorded::from(&AgentEvent::TurnSealed {
        conversation_id: ConversationId::new("c"),
        turn_id: TurnId::new("t"),
    })
}

/// Does what the actor does: begin, publish, commit the seal, end.
fn run_turns(hub: &Hub, log: &Log, turns: u64, chunks: u64) {
    for turn in 0..turns {
        let first = turn * chunks + 1;
        hub.begin(first);
        for seq in first..first + chunks {
            hub.publish([event(seq)]);
            thread::yield_now();
        }
        log.lock().unwrap().extend(first..first + chunks);
        thread::yield_now();
        hub.end([sealed()]);
    }
}

fn seqs(frame: &live::Frame) -> Vec<u64> {
    let event: serde_json::Value = serde_json::from_slice(&frame.event()).unwrap();
    let text = event["delta"].as_str().unwrap_or_default();
    text.split(['<', '>']).filter_map(|seq| seq.parse().ok()).collect()
}

async fn hear(watcher: &mut Watcher, last: u64, seen: &mut Vec<u64>) {
    while seen.last() != Some(&last) {
        if let Heard::Frame(frame) = watcher.next().await {
            seen.extend(seqs(&frame));
        }
    }
}

/// As `Engine::join`: watch, then read, then cut where the watcher begins.
fn join(hub: &Arc<Hub>, log: &Log) -> (Vec<u64>, Watcher) {
    let watcher = hub.watch(false);
    let mut history = log.lock().unwrap().clone();
    if let Some(from) = watcher.joined_at() {
        history.retain(|seq| *seq < from);
    }
    (history, watcher)
}

#[test]
fn history_and_live_are_everything_once() {
    check_random(
        || {
            let (hub, log) = (Arc::new(Hub::new()), Log::default());
            let (turns, chunks) = (2, 2);
            let last = turns * chunks;
            let writer = {
                let (hub, log) = (hub.clone(), log.clone());
                thread::spawn(move || run_turns(&hub, &log, turns, chunks))
            };
            let joiners: Vec<_> = (0..2)
                .map(|_| {
                    let (hub, log) = (hub.clone(), log.clone());
                    thread::spawn(move || {
                        let (mut seen, mut watcher) = join(&hub, &log);
                        future::block_on(hear(&mut watcher, last, &mut seen));
                        assert_eq!(seen, (1..=last).collect::<Vec<_>>());
                    })
                })
                .collect();
            writer.join().unwrap();
            for joiner in joiners {
                joiner.join().unwrap();
            }
            assert_eq!(hub.weight(), (0, 0), "nothing is kept for watchers who are gone");
        },
        20_000,
    );
}

/// The other order, of a client that reads history by itself and then watches, as long as no turn is sealed between.
#[test]
fn what_history_shows_of_a_turn_is_never_replayed() {
    check_random(
        || {
            let (hub, log) = (Arc::new(Hub::new()), Log::default());
            let writer = {
                let (hub, log) = (hub.clone(), log.clone());
                thread::spawn(move || run_turns(&hub, &log, 1, 2))
            };
            // As `Engine::history`, then `chat.subscribe`.
            let before = hub.in_flight_from();
            let mut history = log.lock().unwrap().clone();
            let cut = before.or_else(|| hub.in_flight_from());
            history.retain(|seq| cut.is_none_or(|cut| *seq < cut));
            let mut watcher = hub.watch(false);
            writer.join().unwrap();
            let mut live = Vec::new();
            while let Some(heard) = watcher.try_next() {
                if let Heard::Frame(frame) = heard {
                    live.extend(seqs(&frame));
                }
            }
            assert!(history.iter().all(|seq| !live.contains(seq)), "{history:?} and {live:?}");
        },
        20_000,
    );
}
