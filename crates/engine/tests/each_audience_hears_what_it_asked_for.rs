//! What reaches whom: clients of the first contract, of the contract, and those who want what goes beyond; and the
//! numbers for those who want to come back.

use std::sync::Arc;

use engine::live::{After, Audience, Frame, Heard, Hub, Position, Recorded, Spill, Watch, Watcher};
use serde_json::{Value, json};
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, ConversationId, TurnId};

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(ConversationId::new("c"), Spill::default()))
}

/// An event of the turn `t`.
fn event(kind: &str, fields: Value) -> Recorded {
    let mut event = json!({ "type": kind, "conversationId": "c", "turnId": "t" });
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Recorded::from(&serde_json::from_value::<AgentEvent>(event).unwrap())
}

fn text(delta: &str) -> Recorded {
    event("text-delta", json!({ "delta": delta }))
}

fn step_complete() -> Recorded {
    event("step-complete", json!({ "stepId": "s" }))
}

fn retry(attempt: u32) -> Recorded {
    let (conversation_id, turn_id) = (ConversationId::new("c"), TurnId::new("t"));
    let message = "HTTP 429".to_owned();
    Recorded::from(&ExtensionEvent::ProviderRetry {
        conversation_id,
        turn_id,
        attempt,
        delay_ms: 5,
        message,
        code: None,
    })
}

fn tool_start() -> Recorded {
    let (conversation_id, turn_id) = (ConversationId::new("c"), TurnId::new("t"));
    let tool_call_id = "1".to_owned();
    Recorded::from(&ExtensionEvent::ToolStart { conversation_id, turn_id, tool_call_id, started_at: 7 })
}

fn one_of_each() -> Vec<Recorded> {
    let usage = json!({ "inputTokens": 1, "outputTokens": 1 });
    let call = json!({ "stepId": "s", "toolCallId": "1", "toolName": "x", "input": {} });
    let result =
        json!({ "stepId": "s", "toolCallId": "1", "toolName": "x", "content": "ok", "isError": false });
    vec![
        event("user-message", json!({ "text": "hi" })),
        event("turn-start", json!({})),
        retry(1),
        event("status", json!({ "status": "active" })),
        event("reasoning-delta", json!({ "delta": "hm" })),
        text("so"),
        event("tool-call", call),
        tool_start(),
        event("tool-output", json!({ "toolCallId": "1", "data": "o", "stream": "stdout" })),
        event("usage", json!({ "usage": usage })),
        step_complete(),
        event("tool-result", result),
        event("steering", json!({ "text": "left" })),
        event("error", json!({ "message": "no" })),
        event("done", json!({ "reason": "error" })),
    ]
}

fn frames(watcher: &mut Watcher) -> Vec<Frame> {
    std::iter::from_fn(|| watcher.try_next())
        .filter_map(|heard| match heard {
            Heard::Frame(frame) => Some(frame),
            Heard::TurnOver => None,
        })
        .collect()
}

fn types(watcher: &mut Watcher) -> Vec<String> {
    let kind = |frame: Frame| {
        let event: Value = serde_json::from_slice(&frame.event()).unwrap();
        event["type"].as_str().unwrap().to_owned()
    };
    frames(watcher).into_iter().map(kind).collect()
}

fn lines(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(|frame| String::from_utf8(frame.event().to_vec()).unwrap()).collect()
}

fn watch(hub: &Arc<Hub>, audience: Audience) -> Watcher {
    hub.watch(Watch { audience, ..Watch::default() })
}

const FIRST_CONTRACT: [&str; 11] = [
    "turn-start",
    "status",
    "reasoning-delta",
    "text-delta",
    "tool-call",
    "tool-output",
    "usage",
    "tool-result",
    "error",
    "done",
    "turn-sealed",
];

const CONTRACT: [&str; 14] = [
    "user-message",
    "turn-start",
    "status",
    "reasoning-delta",
    "text-delta",
    "tool-call",
    "tool-output",
    "usage",
    "step-complete",
    "tool-result",
    "steering",
    "error",
    "done",
    "turn-sealed",
];

#[test]
fn each_gets_the_types_of_its_contract_live_and_replayed() {
    let hub = hub();
    let audiences = [Audience::FirstContract, Audience::Contract, Audience::Extensions];
    let mut live = audiences.map(|audience| watch(&hub, audience));
    hub.begin(TurnId::new("t"), 1);
    hub.publish(one_of_each());
    let mut late = audiences.map(|audience| watch(&hub, audience));
    // One who lags so far that nothing is at hand any more as it came, and one who reads before that.
    let mut prompt = audiences.map(|audience| watch(&hub, audience));
    let prompt: Vec<Vec<String>> = prompt.iter_mut().map(types).collect();
    hub.publish((0..200).map(|_| event("error", json!({ "message": "again" }))));
    hub.end([event("turn-sealed", json!({}))]);

    let with_errors = |types: &[&str]| -> Vec<String> {
        let done = types.iter().position(|kind| *kind == "done").unwrap() + 1;
        let errors = std::iter::repeat_n("error", 200);
        let all = types[..done].iter().copied().chain(errors).chain(types[done..].iter().copied());
        all.map(str::to_owned).collect()
    };
    let mut replayed = CONTRACT.to_vec();
    replayed.insert(6, "tool-start");
    let mut extended = replayed.clone();
    extended.insert(2, "provider-retry");
    let live: Vec<Vec<String>> = live.iter_mut().map(types).collect();
    assert_eq!(live, [with_errors(&FIRST_CONTRACT), with_errors(&CONTRACT), with_errors(&extended)]);
    // A retry is for those who were there; that a tool runs is for all who ask.
    let late: Vec<Vec<String>> = late.iter_mut().map(types).collect();
    assert_eq!(late, [with_errors(&FIRST_CONTRACT), with_errors(&CONTRACT), with_errors(&replayed)]);
    assert_eq!(prompt, [&FIRST_CONTRACT[..10], &CONTRACT[..13], &replayed[..14]]);
}

#[test]
fn an_audience_can_change_and_who_knows_only_the_first_contract_is_counted() {
    let hub = hub();
    assert!(!hub.watched_by_first_contract());
    let mut one = watch(&hub, Audience::FirstContract);
    let other = watch(&hub, Audience::FirstContract);
    assert!(hub.watched_by_first_contract());
    drop(other);
    assert!(hub.watched_by_first_contract());
    hub.begin(TurnId::new("t"), 1);
    hub.publish([event("user-message", json!({ "text": "hi" })), event("turn-start", json!({}))]);
    assert_eq!(types(&mut one), ["turn-start"]);
    one.set_audience(Audience::Extensions);
    assert!(!hub.watched_by_first_contract());
    hub.publish([step_complete(), retry(1)]);
    assert_eq!(types(&mut one), ["step-complete", "provider-retry"]);
    one.set_audience(Audience::FirstContract);
    assert!(hub.watched_by_first_contract());
    drop(one);
    assert!(!hub.watched_by_first_contract());
}

#[test]
fn a_cursor_puts_two_numbers_at_the_end_of_each_event() {
    let hub = hub();
    hub.begin(TurnId::new("t"), 1);
    let everything = |cursor| Watch { audience: Audience::Extensions, cursor, after: None };
    let (mut watcher, mut without) = (hub.watch(everything(true)), hub.watch(everything(false)));
    hub.publish([event("turn-start", json!({})), retry(1), retry(2), text("a")]);
    hub.publish([text("b\n"), text("c"), step_complete(), text("d"), retry(1), text("e")]);
    let (heard, plain) = (frames(&mut watcher), frames(&mut without));
    let of_turn = r#""conversationId":"c","turnId":"t""#;
    let retried = |attempt: u32| {
        format!(r#"{{"type":"provider-retry",{of_turn},"attempt":{attempt},"delayMs":5,"message":"HTTP 429""#)
    };
    let said = [
        (format!(r#"{{"type":"turn-start",{of_turn}"#), (1, 1)),
        (retried(1), (1, 1)),
        (retried(2), (1, 2)),
        (format!(r#"{{"type":"text-delta",{of_turn},"delta":"ab\nc""#), (4, 3)),
        (format!(r#"{{"type":"step-complete",{of_turn},"stepId":"s""#), (5, 3)),
        (format!(r#"{{"type":"text-delta",{of_turn},"delta":"d""#), (6, 1)),
        (retried(1), (6, 1)),
        (format!(r#"{{"type":"text-delta",{of_turn},"delta":"e""#), (7, 2)),
    ];
    let with_numbers = said.iter().map(|(event, (seq, attempt))| {
        if event.contains("provider-retry") {
            format!(r#"{event},"eventSeq":{seq}}}"#)
        } else {
            format!(r#"{event},"eventSeq":{seq},"attempt":{attempt}}}"#)
        }
    });
    assert_eq!(lines(&heard), with_numbers.collect::<Vec<_>>());
    assert_eq!(lines(&plain), said.iter().map(|(event, _)| format!("{event}}}")).collect::<Vec<_>>());
    let positions =
        said.map(|(_, (event_seq, attempt))| Position { turn: TurnId::new("t"), event_seq, attempt });
    assert_eq!(heard.iter().map(Frame::position).collect::<Vec<_>>(), positions);
    assert_eq!(plain.iter().map(Frame::position).collect::<Vec<_>>(), positions);
    let delta: Value = serde_json::from_slice(&heard[0].delta()).unwrap();
    let event: Value = serde_json::from_slice(&heard[0].event()).unwrap();
    assert_eq!(delta, json!({ "type": "chat.delta", "event": event }));
}

#[test]
fn a_tool_that_has_started_is_told_once_to_each_who_asked() {
    let hub = hub();
    hub.begin(TurnId::new("t"), 1);
    let call = |id: &str| {
        let fields = json!({ "stepId": "s", "toolCallId": id, "toolName": "x", "input": {} });
        event("tool-call", fields)
    };
    hub.publish([event("user-message", json!({ "text": "hi" })), call("1"), tool_start(), call("2")]);
    let come_back = |event_seq| {
        let after = Some(After { turn: TurnId::new("t"), event_seq });
        hub.watch(Watch { audience: Audience::Extensions, cursor: true, after })
    };
    let started = r#"{"type":"tool-start","conversationId":"c","turnId":"t","toolCallId":"1","startedAt":7,"eventSeq":2,"attempt":1}"#;
    let heard = |watcher: &mut Watcher| types(watcher);
    assert_eq!(heard(&mut come_back(0)), ["user-message", "tool-call", "tool-start", "tool-call"]);
    assert_eq!(lines(&frames(&mut come_back(1)))[1], started);
    // Who has the event before it has it, too.
    assert_eq!(heard(&mut come_back(2)), ["tool-call"]);
    // One that starts when nothing else has been said since is news all the same.
    let mut caught_up = come_back(3);
    hub.publish([tool_start()]);
    assert_eq!(heard(&mut caught_up), ["tool-start"]);
    assert_eq!(heard(&mut come_back(3)), [""; 0]);
}

#[test]
fn who_comes_back_to_a_turn_that_is_over_is_told_so_and_hears_the_one_in_flight() {
    let hub = hub();
    hub.begin(TurnId::new("over"), 1);
    hub.end([text("gone")]);
    let come_back = |turn: &str, event_seq| {
        let after = After { turn: TurnId::new(turn), event_seq };
        hub.watch(Watch { after: Some(after), cursor: true, ..Watch::default() })
    };
    let sealed = |turn: &str| format!(r#"{{"type":"turn-sealed","conversationId":"c","turnId":"{turn}"}}"#);
    // Nothing is in flight.
    let mut waiting = come_back("over", 1);
    assert_eq!(waiting.joined_at(), None);
    let heard = frames(&mut waiting);
    assert_eq!(lines(&heard), [sealed("over")]);
    assert_eq!(heard[0].position(), Position { turn: TurnId::new("over"), event_seq: 1, attempt: 1 });

    hub.begin(TurnId::new("t"), 7);
    assert_eq!(hub.in_flight(), Some(TurnId::new("t")));
    hub.publish([text("a"), text("b")]);
    let ab =
        r#"{"type":"text-delta","conversationId":"c","turnId":"t","delta":"ab","eventSeq":2,"attempt":1}"#;
    let b = r#"{"type":"text-delta","conversationId":"c","turnId":"t","delta":"b","eventSeq":2,"attempt":1}"#;
    assert_eq!(lines(&frames(&mut waiting)), [ab]);
    let mut late = come_back("over", 1);
    assert_eq!(late.joined_at(), Some(7));
    assert_eq!(lines(&frames(&mut late)), [sealed("over").as_str(), ab]);
    assert_eq!(lines(&frames(&mut come_back("never was", 5))), [sealed("never was").as_str(), ab]);
    // The one in flight: after any of its events, and one that is not its own.
    assert_eq!(lines(&frames(&mut come_back("t", 0))), [ab]);
    assert_eq!(lines(&frames(&mut come_back("t", 1))), [b]);
    assert_eq!(lines(&frames(&mut come_back("t", 2))), [""; 0]);
    assert_eq!(lines(&frames(&mut come_back("t", 3))), [ab]);

    drop(late);
    // Over, but somebody still reads it.
    let slow = watch(&hub, Audience::Contract);
    hub.end([event("turn-sealed", json!({}))]);
    assert_eq!(hub.in_flight(), None);
    let mut late = come_back("t", 1);
    assert_eq!(late.joined_at(), Some(7));
    let last = r#"{"type":"turn-sealed","conversationId":"c","turnId":"t","eventSeq":3,"attempt":1}"#;
    assert_eq!(lines(&frames(&mut late)), [b, last]);
    assert_eq!(lines(&frames(&mut come_back("t", 3))), [""; 0]);
    drop((slow, late, waiting));
    assert_eq!(lines(&frames(&mut come_back("t", 1))), [sealed("t")]);
}
