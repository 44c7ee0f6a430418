//! A client that comes back with the number of the last event it saw gets the next one: nothing is lost, nothing comes
//! twice, inside a run of merged deltas as well.

use std::sync::Arc;

use engine::live::{After, Audience, Heard, Hub, Recorded, Spill, Watch, Watcher};
use serde_json::{Value, json};
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, ConversationId, StepId, TurnId};

fn conversation() -> ConversationId {
    ConversationId::new("c")
}

fn text(turn: &str, delta: String) -> AgentEvent {
    AgentEvent::TextDelta { conversation_id: conversation(), turn_id: TurnId::new(turn), delta }
}

fn step(turn: &str) -> AgentEvent {
    AgentEvent::StepComplete {
        conversation_id: conversation(),
        turn_id: TurnId::new(turn),
        step_id: StepId::new("s"),
        ttft_ms: None,
        decode_ms: None,
        gen_total_ms: None,
    }
}

fn prompt(turn: &str) -> AgentEvent {
    AgentEvent::UserMessage {
        conversation_id: conversation(),
        turn_id: TurnId::new(turn),
        text: "go".to_owned(),
        client_message_id: None,
        client_message_ids: None,
        images: None,
    }
}

fn sealed(turn: &str) -> AgentEvent {
    AgentEvent::TurnSealed { conversation_id: conversation(), turn_id: TurnId::new(turn) }
}

fn retry(turn: &str, attempt: u32) -> ExtensionEvent {
    ExtensionEvent::ProviderRetry {
        conversation_id: conversation(),
        turn_id: TurnId::new(turn),
        attempt,
        delay_ms: 1,
        message: "busy".to_owned(),
        code: None,
    }
}

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(conversation(), Spill::default()))
}

fn with_cursor() -> Watch {
    Watch { cursor: true, ..Watch::default() }
}

fn after(turn: &str, event_seq: u64) -> Watch {
    Watch { after: Some(After { turn: TurnId::new(turn), event_seq }), ..with_cursor() }
}

/// All that is there for a watcher, as JSON.
fn drain(watcher: &mut Watcher) -> Vec<Value> {
    std::iter::from_fn(|| watcher.try_next())
        .filter_map(|heard| match heard {
            Heard::Frame(frame) => {
                let event: Value = serde_json::from_slice(&frame.event()).unwrap();
                if let Some(seq) = event.get("eventSeq") {
                    assert_eq!(seq.as_u64(), Some(frame.position().event_seq));
                    assert_eq!(event["turnId"], frame.position().turn.as_str());
                }
                let delta: Value = serde_json::from_slice(&frame.delta()).unwrap();
                assert_eq!(delta, json!({ "type": "chat.delta", "event": event }));
                Some(event)
            }
            Heard::TurnOver => None,
        })
        .collect()
}

/// Each delta's text, each other event's type: what there is, whoever merged it.
fn content(events: &[Value]) -> Vec<String> {
    let mut content: Vec<String> = Vec::new();
    let mut open = false;
    for event in events {
        match event["delta"].as_str() {
            Some(delta) if open => content.last_mut().unwrap().push_str(delta),
            Some(delta) => content.push(delta.to_owned()),
            None => content.push(event["type"].to_string()),
        }
        open = event["delta"].is_string();
    }
    content
}

#[test]
fn from_every_number_that_was_handed_out() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let hub = hub();
        hub.begin(TurnId::new("t"), 1);
        let mut events = vec![prompt("t")];
        for n in 0..random.usize(1..60) {
            events.push(match random.u8(..10) {
                0 => step("t"),
                // Longer than a merged frame may be.
                1 if seed % 10 == 0 => text("t", "é\"".repeat(40_000)),
                _ => text("t", format!("<{n}>")),
            });
        }
        events.push(sealed("t"));
        let mut handed_out = Vec::new();
        let mut watcher = hub.watch(with_cursor());
        let mut seen = Vec::new();
        for event in &events {
            hub.publish([Recorded::from(event)]);
            if random.u8(..10) == 0 {
                hub.publish([Recorded::from(&retry("t", 1))]);
            }
            if random.bool() {
                let more = drain(&mut watcher);
                handed_out.extend(more.iter().map(|event| event["eventSeq"].as_u64().unwrap()));
                seen.extend(more);
            }
        }
        let whole = drain(&mut hub.watch(with_cursor()));
        assert_eq!(
            whole.last().unwrap()["eventSeq"],
            events.len(),
            "every event of the contract counts, and no other"
        );
        for seq in handed_out.into_iter().chain([0, events.len() as u64]) {
            let before: Vec<Value> = events[..usize::try_from(seq).unwrap()]
                .iter()
                .map(|event| serde_json::to_value(event).unwrap())
                .collect();
            let rest = drain(&mut hub.watch(after("t", seq)));
            assert!(
                rest.iter().all(|event| event["eventSeq"].as_u64().unwrap() > seq),
                "seed {seed}, after {seq}"
            );
            let together: Vec<Value> = before.into_iter().chain(rest).collect();
            assert_eq!(content(&together), content(&whole), "seed {seed}, after {seq}");
        }
        // A number that this turn never had is not ours.
        assert_eq!(drain(&mut hub.watch(after("t", events.len() as u64 + 1))), whole);
    }
}

#[test]
fn a_turn_that_is_over_is_said_to_be_sealed_and_then_comes_what_runs() {
    let hub = hub();
    hub.begin(TurnId::new("one"), 1);
    hub.publish([prompt("one"), text("one", "a".to_owned())].iter().map(Recorded::from));
    let mut stays = hub.watch(with_cursor());
    hub.end([Recorded::from(&sealed("one"))]);
    // Somebody still reads it: it is on the stream, and goes on there.
    let mut back = hub.watch(after("one", 1));
    hub.begin(TurnId::new("two"), 3);
    hub.publish([Recorded::from(&prompt("two"))]);
    let seqs = |events: &[Value]| -> Vec<(String, Value)> {
        events
            .iter()
            .map(|event| (event["turnId"].as_str().unwrap().to_owned(), event["eventSeq"].clone()))
            .collect()
    };
    let one = |seq: u64| ("one".to_owned(), json!(seq));
    let two = |seq: u64| ("two".to_owned(), json!(seq));
    assert_eq!(seqs(&drain(&mut stays)), [one(1), one(2), one(3), two(1)]);
    assert_eq!(seqs(&drain(&mut back)), [one(2), one(3), two(1)]);
    // Nobody reads it any more: its events are history.
    let mut late = hub.watch(after("one", 1));
    let heard = drain(&mut late);
    assert_eq!(heard[0], json!({ "type": "turn-sealed", "conversationId": "c", "turnId": "one" }));
    assert_eq!(seqs(&heard[1..]), [two(1)]);
    hub.end([]);
    drop((stays, back, late));
    let mut idle = hub.watch(after("two", 1));
    assert_eq!(drain(&mut idle), [json!({ "type": "turn-sealed", "conversationId": "c", "turnId": "two" })]);
}

#[test]
fn an_attempt_is_counted_within_its_step() {
    let hub = hub();
    hub.begin(TurnId::new("t"), 1);
    let mut watcher = hub.watch(Watch { audience: Audience::Extensions, ..with_cursor() });
    hub.publish([
        Recorded::from(&prompt("t")),
        Recorded::from(&retry("t", 1)),
        Recorded::from(&retry("t", 2)),
    ]);
    hub.publish([text("t", "a".to_owned()), step("t"), text("t", "b".to_owned())].iter().map(Recorded::from));
    let heard: Vec<(Value, Value, Value)> = drain(&mut watcher)
        .iter()
        .map(|event| (event["type"].clone(), event["eventSeq"].clone(), event["attempt"].clone()))
        .collect();
    assert_eq!(
        json!(heard),
        json!([
            ["user-message", 1, 1],
            ["provider-retry", 1, 1],
            ["provider-retry", 1, 2],
            ["text-delta", 2, 3],
            ["step-complete", 3, 3],
            ["text-delta", 4, 1],
        ])
    );
}

#[test]
fn everybody_hears_what_is_for_them() {
    let hub = hub();
    hub.begin(TurnId::new("t"), 1);
    let watch = |audience| hub.watch(Watch { audience, ..Watch::default() });
    let mut first = watch(Audience::FirstContract);
    let mut contract = watch(Audience::Contract);
    let mut extended = watch(Audience::Extensions);
    assert!(hub.watched_by_first_contract());
    hub.publish([Recorded::from(&prompt("t")), Recorded::from(&retry("t", 1))]);
    hub.publish([text("t", "a".to_owned()), step("t")].iter().map(Recorded::from));
    let kinds = |watcher: &mut Watcher| -> Vec<String> {
        drain(watcher).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&mut first), ["text-delta"]);
    assert_eq!(kinds(&mut contract), ["user-message", "text-delta", "step-complete"]);
    assert_eq!(kinds(&mut extended), ["user-message", "provider-retry", "text-delta", "step-complete"]);
    first.set_audience(Audience::Contract);
    assert!(!hub.watched_by_first_contract());
    hub.publish([Recorded::from(&step("t"))]);
    assert_eq!(kinds(&mut first), ["step-complete"]);
    let gone = watch(Audience::FirstContract);
    assert!(hub.watched_by_first_contract());
    drop(gone);
    assert!(!hub.watched_by_first_contract());
}
