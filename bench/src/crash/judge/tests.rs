//! The judge finds what it is there to find.

use serde_json::{Value, json};

use super::*;

/// A turn of two steps with two tools and steering, as it is heard.
fn events() -> Vec<AgentEvent> {
    let event = |mut event: Value| -> AgentEvent {
        event["conversationId"] = json!("c");
        event["turnId"] = json!("t");
        serde_json::from_value(event).unwrap()
    };
    let usage = json!({"inputTokens": 5, "outputTokens": 2});
    let call = |id: &str| json!({"type": "tool-call", "stepId": "t#0", "toolCallId": id, "toolName": "run", "input": {}});
    let result = |id: &str| json!({"type": "tool-result", "stepId": "t#0", "toolCallId": id, "toolName": "run", "content": id, "isError": false});
    [
        json!({"type": "user-message", "text": "hello <1>"}),
        json!({"type": "turn-start"}),
        json!({"type": "reasoning-delta", "delta": "well"}),
        json!({"type": "text-delta", "delta": "one"}),
        json!({"type": "text-delta", "delta": " two"}),
        call("a"),
        call("b"),
        json!({"type": "tool-output", "toolCallId": "a", "data": "…", "stream": "stdout"}),
        json!({"type": "usage", "stepId": "t#0", "usage": usage}),
        json!({"type": "step-complete", "stepId": "t#0", "ttftMs": 1, "decodeMs": 2, "genTotalMs": 3}),
        result("a"),
        result("b"),
        json!({"type": "steering", "text": "more <2>\n\nand <3>"}),
        json!({"type": "text-delta", "delta": "done"}),
        json!({"type": "usage", "stepId": "t#1", "usage": usage}),
        json!({"type": "step-complete", "stepId": "t#1", "genTotalMs": 3}),
        json!({"type": "done", "reason": "stop", "durationMs": 9, "contextSize": 7,
               "usage": {"inputTokens": 10, "outputTokens": 4}}),
        json!({"type": "turn-sealed"}),
    ]
    .map(event)
    .to_vec()
}

/// The same turn as it is stored.
fn log() -> Vec<StoredChunk> {
    let call = |id: &str| json!({"type": "tool-call", "stepId": "t#0", "toolCallId": id, "toolName": "run", "input": {}});
    let result = |id: &str| json!({"type": "tool-result", "stepId": "t#0", "toolCallId": id, "toolName": "run", "content": id, "isError": false});
    let chunks = [
        ("user", json!({"type": "text", "text": "hello <1>"})),
        ("assistant", json!({"type": "thinking", "text": "well"})),
        ("assistant", json!({"type": "text", "text": "one two"})),
        ("assistant", call("a")),
        ("assistant", call("b")),
        ("tool", result("a")),
        ("tool", result("b")),
        ("user", json!({"type": "text", "text": "more <2>\n\nand <3>"})),
        ("assistant", json!({"type": "text", "text": "done"})),
    ];
    let numbered = (1..).zip(chunks);
    numbered
        .map(|(seq, (role, chunk))| {
            serde_json::from_value(json!({"seq": seq, "role": role, "chunk": chunk})).unwrap()
        })
        .collect()
}

fn metrics() -> Vec<TurnMetrics> {
    let usage = json!({"inputTokens": 5, "outputTokens": 2});
    let turn = json!({
        "turnId": "t", "usage": {"inputTokens": 10, "outputTokens": 4}, "durationMs": 9, "contextSize": 7,
        "steps": [
            {"stepId": "t#0", "usage": usage, "ttftMs": 1, "decodeMs": 2, "genTotalMs": 3},
            {"stepId": "t#1", "usage": usage, "genTotalMs": 3},
        ],
    });
    vec![serde_json::from_value(turn).unwrap()]
}

fn heard(events: &[AgentEvent]) -> Vec<Heard> {
    vec![Heard { who: "w".to_owned(), events: events.to_vec() }]
}

fn given(text: &str, fate: Fate) -> Given {
    Given { text: text.to_owned(), fate }
}

/// What a fresh judge finds.
fn wrong(log: Vec<StoredChunk>, metrics: Vec<TurnMetrics>, events: &[AgentEvent]) -> Vec<String> {
    Known::default().judge(log, metrics, &heard(events))
}

fn assert_finds(wrong: &[String], what: &str) {
    assert!(wrong.iter().any(|wrong| wrong.contains(what)), "{what:?} is not in {wrong:#?}");
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn every_beginning_of_a_turn_is_in_its_log() {
    let events = events();
    for end in 0..=events.len() {
        assert_eq!(wrong(log(), metrics(), &events[..end]), nothing(), "{end} events");
    }
}

#[test]
fn a_watcher_that_came_late_may_hear_merged_deltas() {
    let mut events = events();
    events.remove(4);
    events[3] = serde_json::from_value(
        json!({"type": "text-delta", "conversationId": "c", "turnId": "t", "delta": "one two"}),
    )
    .unwrap();
    assert_eq!(wrong(log(), metrics(), &events), nothing());
}

#[test]
fn an_interrupted_turn_may_have_more_than_was_heard() {
    let mut log = log();
    log.truncate(5);
    log.extend(["a", "b"].into_iter().zip(6..).map(|(id, seq)| StoredChunk {
        seq,
        role: Role::Tool,
        chunk: Chunk::ToolResult {
            tool_call_id: id.to_owned(),
            tool_name: "run".to_owned(),
            content: "interrupted".to_owned(),
            is_error: true,
            step_id: None,
        },
    }));
    let mut metrics = metrics();
    metrics[0].steps.clear();
    metrics[0].usage = Usage::default();
    assert_eq!(wrong(log.clone(), metrics.clone(), &events()[..4]), nothing());
    assert_finds(&wrong(log, metrics, &events()[..11]), "heard as piece 5");
}

#[test]
fn lost_text_is_found() {
    let mut short = log();
    short[8].chunk = Chunk::Text { text: "don".to_owned() };
    assert_finds(&wrong(short.clone(), metrics(), &events()), "heard as piece 8");
    assert_finds(&wrong(short, metrics(), &events()[..14]), "heard as piece 8");
    let mut gone = log();
    gone.pop();
    assert_finds(&wrong(gone, metrics(), &events()[..14]), "there is nothing more");
}

#[test]
fn text_that_was_heard_twice_is_found() {
    let mut events = events();
    events.insert(4, events[3].clone());
    assert_finds(&wrong(log(), metrics(), &events), "heard as piece 2");
}

#[test]
fn a_sealed_turn_with_more_in_the_log_is_found() {
    let mut log = log();
    log.push(StoredChunk { seq: 10, role: Role::Assistant, chunk: Chunk::System { text: "!".to_owned() } });
    assert_finds(&wrong(log, metrics(), &events()), "the log goes on with seq 10");
}

#[test]
fn gaps_and_repeated_seqs_are_found() {
    let mut gap = log();
    gap[8].seq = 10;
    assert_finds(&wrong(gap, metrics(), &[]), "seq 10 where 9 should be");
    let mut twice = log();
    twice[3].seq = 3;
    assert_finds(&wrong(twice, metrics(), &[]), "seq 3 where 4 should be");
}

#[test]
fn calls_without_one_result_are_found() {
    let mut none = log();
    none.remove(6);
    assert_finds(&wrong(none, metrics(), &[]), "the call b has 0 results");
    let mut two = log();
    two.push(two[5].clone());
    assert_finds(&wrong(two, metrics(), &[]), "the call a has 2 results");
    let mut orphan = log();
    orphan.remove(4);
    assert_finds(&wrong(orphan, metrics(), &[]), "a result before its call b");
}

#[test]
fn a_changed_past_is_found() {
    let mut known = Known::default();
    assert_eq!(known.judge(log(), metrics(), &heard(&events())), nothing());
    assert_eq!(known.judge(log(), metrics(), &[]), nothing());
    let mut changed = log();
    changed[2].chunk = Chunk::Text { text: "one three".to_owned() };
    assert_finds(&known.judge(changed, metrics(), &[]), "the log has changed: entry 2");
    let mut known = Known::default();
    known.judge(log(), metrics(), &[]);
    assert_finds(&known.judge(Vec::new(), Vec::new(), &[]), "the list of metrics has changed: entry 0");
}

#[test]
fn metrics_that_are_missing_doubled_or_different_are_found() {
    assert_finds(&wrong(log(), Vec::new(), &events()), "t: it has no metrics");
    assert_finds(&wrong(log(), [metrics(), metrics()].concat(), &events()), "t has metrics twice");
    let mut other = metrics();
    other[0].steps[0].usage.output_tokens = 1;
    assert_finds(&wrong(log(), other, &events()), "its steps were");
    let mut other = metrics();
    other[0].usage.input_tokens = 11;
    assert_finds(&wrong(log(), other, &events()), "but its steps add up to");
    let mut other = metrics();
    other[0].duration_ms = Some(10);
    assert_finds(&wrong(log(), other, &events()), "`done` said");
}

#[test]
fn messages_are_counted() {
    let known = |texts: &[(&str, Fate)]| {
        let mut known = Known::default();
        known.give(texts.iter().map(|(text, fate)| given(text, *fate)));
        known.judge(log(), metrics(), &[])
    };
    let fine =
        [("<1>", Fate::Accepted), ("<2>", Fate::Accepted), ("<3>", Fate::Unknown), ("<4>", Fate::Refused)];
    assert_eq!(known(&fine), nothing());
    assert_eq!(known(&[("<4>", Fate::Accepted), ("<5>", Fate::Unknown)]), nothing());
    assert_finds(&known(&[("<1>", Fate::Refused)]), "refused, and yet in the log");
    let mut twice = Known::default();
    twice.give([given("<2>", Fate::Accepted)]);
    let mut log = log();
    log.push(StoredChunk { seq: 10, ..log[7].clone() });
    assert_finds(&twice.judge(log, metrics(), &[]), "2 times in the log");
}

#[test]
fn what_waits_is_counted() {
    let queued = |fate, text: &str, queue: &[&str]| {
        let mut known = Known::default();
        known.give([given(text, fate)]);
        known.judge(log(), metrics(), &[]);
        known.judge_queue(&queue.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    };
    for (fate, text, queue) in [
        (Fate::Accepted, "<1>", &[][..]),
        (Fate::Accepted, "<4>", &["say <5>", "say <4>"]),
        (Fate::Unknown, "<4>", &["say <4>"]),
        (Fate::Unknown, "<4>", &[]),
        (Fate::Refused, "<4>", &["say <5>"]),
    ] {
        assert_eq!(queued(fate, text, queue), nothing());
    }
    assert_finds(&queued(Fate::Accepted, "<4>", &["say <5>"]), "acknowledged and lost: \"<4>\"");
    assert_finds(&queued(Fate::Accepted, "<1>", &["say <1>"]), "in the log and in the queue");
    assert_finds(&queued(Fate::Unknown, "<4>", &["say <4>", "say <4>"]), "2 times in the queue");
    assert_finds(&queued(Fate::Refused, "<4>", &["say <4>"]), "refused, and yet queued");
}

#[test]
fn streams_that_no_turn_can_say_are_found() {
    let whole = events();
    let without = |at: usize| {
        let mut events = whole.clone();
        events.remove(at);
        events
    };
    assert_finds(&wrong(log(), metrics(), &without(0)), "event 0 is `turn-start`");
    assert_finds(&wrong(log(), metrics(), &without(1)), "event 1 is `reasoning-delta`");
    assert_finds(&wrong(log(), metrics(), &without(5)), "a result before its call a");
    assert_finds(&wrong(log(), metrics(), &without(11)), "the call b has no result");
    assert_finds(&wrong(log(), metrics(), &without(16)), "`turn-sealed` came before `done`");
    let mut after = whole.clone();
    after.push(whole[3].clone());
    assert_finds(&wrong(log(), metrics(), &after), "`text-delta` came after `turn-sealed`");
    let mut other_turn = serde_json::to_value(&whole[0]).unwrap();
    other_turn["turnId"] = json!("u");
    let mut unsealed = whole[..16].to_vec();
    unsealed.push(serde_json::from_value(other_turn).unwrap());
    assert_finds(&wrong(log(), metrics(), &unsealed), "heard another turn before t was sealed");
}
