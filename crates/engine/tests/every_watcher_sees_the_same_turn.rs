//! Rule 4 on the stream itself: whenever a watcher joins and however slowly it reads, what it hears, put together, is
//! what was published; and a slow one costs no memory of its own.

use std::sync::Arc;

use engine::live::{Heard, Hub, MERGED_BYTES, Recorded, Spill, Watch, Watcher, Weight};
use serde_json::Value;
use wire::{AgentEvent, ConversationId, OutputStream, TurnId};

fn ids() -> (ConversationId, TurnId) {
    (ConversationId::new("c \"quoted\""), TurnId::new("t"))
}

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(ids().0, Spill::default()))
}

fn watch(hub: &Arc<Hub>) -> Watcher {
    hub.watch(Watch::default())
}

fn text(delta: &str) -> AgentEvent {
    let (conversation_id, turn_id) = ids();
    AgentEvent::TextDelta { conversation_id, turn_id, delta: delta.to_owned() }
}

fn thinking(delta: &str) -> AgentEvent {
    let (conversation_id, turn_id) = ids();
    AgentEvent::ReasoningDelta { conversation_id, turn_id, delta: delta.to_owned() }
}

fn output(call: &str, stream: OutputStream, data: &str) -> AgentEvent {
    let (conversation_id, turn_id) = ids();
    AgentEvent::ToolOutput {
        conversation_id,
        turn_id,
        tool_call_id: call.to_owned(),
        data: data.to_owned(),
        stream,
    }
}

fn sealed() -> AgentEvent {
    let (conversation_id, turn_id) = ids();
    AgentEvent::TurnSealed { conversation_id, turn_id }
}

/// All that is there for a watcher.
fn drain(watcher: &mut Watcher) -> Vec<AgentEvent> {
    std::iter::from_fn(|| watcher.try_next())
        .filter_map(|heard| match heard {
            Heard::Frame(frame) => {
                let delta: Value = serde_json::from_slice(&frame.delta()).unwrap();
                let event: Value = serde_json::from_slice(&frame.event()).unwrap();
                assert_eq!(delta, serde_json::json!({ "type": "chat.delta", "event": event }));
                Some(serde_json::from_value(event).unwrap())
            }
            Heard::TurnOver => None,
        })
        .collect()
}

/// Joins adjacent deltas of one kind, as a client does.
fn merged(events: &[AgentEvent]) -> Vec<AgentEvent> {
    let mut all: Vec<AgentEvent> = Vec::new();
    for event in events {
        match (all.last_mut(), event) {
            (Some(AgentEvent::TextDelta { delta, .. }), AgentEvent::TextDelta { delta: more, .. })
            | (
                Some(AgentEvent::ReasoningDelta { delta, .. }),
                AgentEvent::ReasoningDelta { delta: more, .. },
            ) => {
                delta.push_str(more);
            }
            (
                Some(AgentEvent::ToolOutput { tool_call_id: a, stream: s, data, .. }),
                AgentEvent::ToolOutput { tool_call_id: b, stream: t, data: more, .. },
            ) if a == b && s == t => data.push_str(more),
            _ => all.push(event.clone()),
        }
    }
    all
}

/// A turn with everything that could be merged wrongly.
fn turn(seed: u64, length: usize) -> Vec<AgentEvent> {
    let mut random = fastrand::Rng::with_seed(seed);
    let pieces =
        ["a", "\"", "\\", "\n", "\u{1}", "é", "🦀", "</script>", "\u{2028}", "x\ty", "\\u0041", "}}"];
    let mut events: Vec<AgentEvent> = (0..length)
        .map(|_| {
            let piece: String =
                (0..random.usize(1..4)).map(|_| pieces[random.usize(..pieces.len())]).collect();
            match random.u8(..8) {
                0..3 => text(&piece),
                3..5 => thinking(&piece),
                5 => output("1", OutputStream::Stdout, &piece),
                6 => output("1", OutputStream::Stderr, &piece),
                _ => output("2", OutputStream::Stdout, &piece),
            }
        })
        .collect();
    events.push(sealed());
    events
}

#[test]
fn whenever_it_joins_and_however_slow_it_is() {
    for seed in 0..200 {
        let events = turn(seed, 120);
        let mut random = fastrand::Rng::with_seed(seed);
        let hub = hub();
        // Some wait before the turn begins.
        let mut watchers: Vec<(Watcher, Vec<AgentEvent>)> =
            (0..3).map(|_| (watch(&hub), Vec::new())).collect();
        hub.begin(ids().1, 1);
        for (n, event) in events.iter().enumerate() {
            if random.u8(..10) == 0 {
                watchers.push((watch(&hub), Vec::new()));
            }
            let recorded = Recorded::from(event);
            if n + 1 == events.len() {
                hub.end([recorded])
            } else {
                hub.publish([recorded])
            }
            for (watcher, seen) in &mut watchers {
                if random.bool() {
                    seen.extend(drain(watcher));
                }
            }
        }
        for (mut watcher, mut seen) in watchers {
            seen.extend(drain(&mut watcher));
            assert_eq!(merged(&seen), merged(&events), "seed {seed}");
        }
        assert_eq!(hub.weight(), Weight::default(), "a turn that everybody has read is let go");
    }
}

#[test]
fn a_late_joiner_gets_few_frames_and_none_too_large() {
    let hub = hub();
    hub.begin(ids().1, 1);
    let piece = "0123456789";
    for _ in 0..20_000 {
        hub.publish([Recorded::from(&text(piece))]);
    }
    let mut late = watch(&hub);
    let mut total = 0;
    let mut frames = 0;
    while let Some(Heard::Frame(frame)) = late.try_next() {
        assert!(frame.event().len() < MERGED_BYTES + 200);
        let event: Value = serde_json::from_slice(&frame.event()).unwrap();
        total += event["delta"].as_str().unwrap().len();
        frames += 1;
    }
    assert_eq!((total, frames), (200_000, 4));
}

#[test]
fn watchers_who_read_nothing_cost_the_tape_once() {
    let hub = hub();
    let idle: Vec<Watcher> = (0..500).map(|_| watch(&hub)).collect();
    hub.begin(ids().1, 1);
    for _ in 0..1000 {
        hub.publish([Recorded::from(&text(&"x".repeat(100)))]);
    }
    let Weight { watchers, memory, spilled } = hub.weight();
    assert_eq!((watchers, spilled), (500, 0));
    assert!(memory < 130_000, "{memory} bytes for 100,000 of text");
    drop(idle);
    assert_eq!(hub.weight().watchers, 0);
}

#[test]
fn a_subscription_spans_turns_and_keeps_their_order() {
    let hub = hub();
    let mut slow = watch(&hub);
    let mut expected = Vec::new();
    for turn in 0..5 {
        hub.begin(TurnId::new(format!("turn-{}", turn + 1)), turn + 1);
        for event in [text(&format!("turn {turn}")), sealed()] {
            expected.push(event.clone());
            match event {
                AgentEvent::TurnSealed { .. } => hub.end([Recorded::from(&event)]),
                _ => hub.publish([Recorded::from(&event)]),
            }
        }
    }
    assert_eq!(drain(&mut slow), expected);
    assert_eq!(drain(&mut watch(&hub)), [], "an idle conversation replays nothing");
}
