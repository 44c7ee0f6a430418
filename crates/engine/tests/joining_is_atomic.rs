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

use live::{After, Heard, Hub, Recorded, Spill, Watch, Watcher, Weight};
use shuttle::sync::{Arc, Mutex};
use shuttle::{check_random, future, thread};
use wire::{AgentEvent, ConversationId, TurnId};

/// Stands for the log: what is sealed can be read.
type Log = Arc<Mutex<Vec<u64>>>;

/// Of a stream that keeps next to nothing in memory, so that what one reads may be going to a file at that moment.
fn hub() -> Arc<Hub> {
    let spill = Spill { limit: 0, ..Spill::default() };
    Arc::new(Hub::new(ConversationId::new("c"), spill))
}

fn turn_id(turn: u64) -> TurnId {
    TurnId::new(format!("t{turn}"))
}

/// Some are so long that they leave memory at once, some so short that several of them go together.
fn event(turn: u64, seq: u64) -> Recorded {
    let padding = " ".repeat(if seq.is_multiple_of(2) { 300 } else { 0 });
    Recorded::from(&AgentEvent::TextDelta {
        conversation_id: ConversationId::new("c"),
        turn_id: turn_id(turn),
        delta: format!("<{seq}>{padding}"),
    })
}

fn sealed(turn: u64) -> Recorded {
    Recorded::from(&AgentEvent::TurnSealed {
        conversation_id: ConversationId::new("c"),
        turn_id: turn_id(turn),
    })
}

/// Does what the actor does: begin, publish, commit the seal, end.
fn run_turns(hub: &Hub, log: &Log, turns: u64, chunks: u64) {
    for turn in 0..turns {
        let first = turn * chunks + 1;
        hub.begin(turn_id(turn), first);
        for seq in first..first + chunks {
            hub.publish([event(turn, seq)]);
            thread::yield_now();
        }
        log.lock().unwrap().extend(first..first + chunks);
        thread::yield_now();
        hub.end([sealed(turn)]);
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
fn join(hub: &Arc<Hub>, log: &Log, watch: Watch) -> (Vec<u64>, Watcher) {
    let watcher = hub.watch(watch);
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
            let (hub, log) = (hub(), Log::default());
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
                        let (mut seen, mut watcher) = join(&hub, &log, Watch::default());
                        future::block_on(hear(&mut watcher, last, &mut seen));
                        assert_eq!(seen, (1..=last).collect::<Vec<_>>());
                    })
                })
                .collect();
            writer.join().unwrap();
            for joiner in joiners {
                joiner.join().unwrap();
            }
            assert_eq!(hub.weight(), Weight::default(), "nothing is kept for watchers who are gone");
        },
        20_000,
    );
}

/// The other order, of a client that reads history by itself and then watches, as long as no turn is sealed between.
#[test]
fn what_history_shows_of_a_turn_is_never_replayed() {
    check_random(
        || {
            let (hub, log) = (hub(), Log::default());
            let writer = {
                let (hub, log) = (hub.clone(), log.clone());
                thread::spawn(move || run_turns(&hub, &log, 1, 2))
            };
            // As `Engine::history`, then `chat.subscribe`.
            let before = hub.in_flight_from();
            let mut history = log.lock().unwrap().clone();
            let cut = before.or_else(|| hub.in_flight_from());
            history.retain(|seq| cut.is_none_or(|cut| *seq < cut));
            let mut watcher = hub.watch(Watch::default());
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

/// A client that loses its connection after any event and goes on there, as the stream's documentation tells it to.
fn come_back(hub: &Arc<Hub>, log: &Log, lose_after: usize, last: u64) {
    let (mut seen, mut watcher) = join(hub, log, Watch::default());
    let mut position = None;
    while seen.len() < lose_after && seen.last() != Some(&last) {
        if let Heard::Frame(frame) = future::block_on(watcher.next()) {
            seen.extend(seqs(&frame));
            position = Some(frame.position());
        }
    }
    drop(watcher);
    thread::yield_now();
    let Some(position) = position else { return };
    let after = After { turn: position.turn.clone(), event_seq: position.event_seq };
    let (history, mut watcher) = join(hub, log, Watch { after: Some(after), ..Watch::default() });
    let mut first = true;
    while seen.last() != Some(&last) {
        if let Heard::Frame(frame) = future::block_on(watcher.next()) {
            let is_sealed = frame.event().starts_with(br#"{"type":"turn-sealed""#);
            if first && is_sealed && frame.position() == position_of_client(&position) {
                seen = history.clone();
            }
            seen.extend(seqs(&frame));
            first = false;
        }
    }
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
}

/// What a turn's end is told with when the turn is not on a tape: the client's own position.
fn position_of_client(position: &live::Position) -> live::Position {
    live::Position { attempt: 1, ..position.clone() }
}

#[test]
fn a_client_that_comes_back_has_everything_once() {
    check_random(
        || {
            let (hub, log) = (hub(), Log::default());
            let (turns, chunks) = (2, 3);
            let last = turns * chunks;
            let writer = {
                let (hub, log) = (hub.clone(), log.clone());
                thread::spawn(move || run_turns(&hub, &log, turns, chunks))
            };
            let clients: Vec<_> = [1, 2]
                .map(|lose_after| {
                    let (hub, log) = (hub.clone(), log.clone());
                    thread::spawn(move || come_back(&hub, &log, lose_after, last))
                })
                .into();
            writer.join().unwrap();
            for client in clients {
                client.join().unwrap();
            }
            assert_eq!(hub.weight(), Weight::default(), "nothing is kept for clients who are gone");
        },
        10_000,
    );
}
