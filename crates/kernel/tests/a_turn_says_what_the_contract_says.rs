//! Whole turns, event by event, as a client of the contract would see them.

use std::time::Duration;

use kernel::{
    DoneReason, Failure, FinishReason, Input, Options, ProviderEvent, RetryPolicy, ToolOutput, ToolResult,
};
use serde_json::{Value, json};
use wire::{OutputStream, Usage};

use crate::support::world::World;
use crate::support::{options, start};

fn provide(world: &mut World, event: ProviderEvent) {
    let call = world.call.expect("a stream is open");
    world.give(Input::Provider { call, event });
}

fn call(id: &str, name: &str) -> ProviderEvent {
    ProviderEvent::ToolCall { id: id.to_owned(), name: name.to_owned(), input: json!({}) }
}

/// The events as JSON, without the ids that are the same in all of them.
fn said(world: &World) -> Vec<Value> {
    world
        .events
        .iter()
        .map(|event| {
            let mut event = serde_json::to_value(event).unwrap();
            let fields = event.as_object_mut().unwrap();
            assert_eq!(fields.remove("conversationId"), Some(json!("c")));
            assert_eq!(fields.remove("turnId"), Some(json!("t")));
            event
        })
        .collect()
}

fn kinds(world: &World) -> Vec<&'static str> {
    world.events.iter().map(wire::AgentEvent::kind).collect()
}

#[test]
fn a_turn_with_parallel_tools_and_steering() {
    let mut world = World::new(start(), options());
    world.advance(Duration::from_millis(30));
    provide(&mut world, ProviderEvent::ReasoningDelta("hm".to_owned()));
    provide(&mut world, ProviderEvent::TextDelta("I ".to_owned()));
    provide(&mut world, ProviderEvent::TextDelta("look".to_owned()));
    provide(&mut world, call("a", "look"));
    provide(&mut world, call("b", "look"));
    assert_eq!(world.started, ["a", "b"], "tools start while the model still streams");
    let output = ToolOutput { stream: OutputStream::Stderr, data: "early".to_owned() };
    world.give(Input::ToolOutput { run: 0, output });
    let usage =
        Usage { input_tokens: 10, output_tokens: 4, cache_read_tokens: Some(8), cache_write_tokens: None };
    provide(&mut world, ProviderEvent::Usage(Usage { output_tokens: 1, ..usage }));
    provide(&mut world, ProviderEvent::Usage(usage));
    world.advance(Duration::from_millis(70));
    provide(&mut world, ProviderEvent::Finish(FinishReason::ToolCalls));
    world.advance(Duration::from_millis(50));
    world.give(Input::ToolDone { run: 1, result: ToolResult::error("no b") });
    assert_eq!(kinds(&world).last(), Some(&"step-complete"), "results wait for all tools of the step");
    world.advance(Duration::from_millis(10));
    world.give(Input::ToolDone { run: 0, result: ToolResult::ok("a!") });
    assert!(world.draining);
    world.give(Input::Drained(World::queued(2)));
    provide(&mut world, ProviderEvent::TextDelta("done".to_owned()));
    provide(
        &mut world,
        ProviderEvent::Usage(Usage { input_tokens: 20, output_tokens: 1, ..Usage::default() }),
    );
    world.advance(Duration::from_millis(5));
    provide(&mut world, ProviderEvent::Finish(FinishReason::Stop));
    world.give(Input::Sealed);

    assert_eq!(
        said(&world),
        [
            json!({"type": "user-message", "text": "hello"}),
            json!({"type": "turn-start"}),
            json!({"type": "reasoning-delta", "delta": "hm"}),
            json!({"type": "text-delta", "delta": "I "}),
            json!({"type": "text-delta", "delta": "look"}),
            json!({"type": "tool-call", "stepId": "t#0", "toolCallId": "a", "toolName": "look", "input": {}}),
            json!({"type": "tool-call", "stepId": "t#0", "toolCallId": "b", "toolName": "look", "input": {}}),
            json!({"type": "tool-output", "toolCallId": "a", "data": "early", "stream": "stderr"}),
            json!({"type": "usage", "stepId": "t#0",
                "usage": {"inputTokens": 10, "outputTokens": 4, "cacheReadTokens": 8}}),
            json!({"type": "step-complete", "stepId": "t#0", "ttftMs": 30, "decodeMs": 70, "genTotalMs": 100}),
            json!({"type": "tool-result", "stepId": "t#0", "toolCallId": "a", "toolName": "look",
                "content": "a!", "isError": false, "durationMs": 130}),
            json!({"type": "tool-result", "stepId": "t#0", "toolCallId": "b", "toolName": "look",
                "content": "no b", "isError": true, "durationMs": 120}),
            json!({"type": "steering", "text": "steer 0\n\nsteer 1"}),
            json!({"type": "text-delta", "delta": "done"}),
            json!({"type": "usage", "stepId": "t#1", "usage": {"inputTokens": 20, "outputTokens": 1}}),
            json!({"type": "step-complete", "stepId": "t#1", "ttftMs": 0, "decodeMs": 5, "genTotalMs": 5}),
            json!({"type": "done", "reason": "stop", "durationMs": 165, "contextSize": 21,
                "usage": {"inputTokens": 30, "outputTokens": 5, "cacheReadTokens": 8}}),
            json!({"type": "turn-sealed"}),
        ]
    );
    let log: Vec<_> = world
        .log
        .iter()
        .map(|entry| (entry.seq, entry.message, serde_json::to_value(&entry.chunk).unwrap()))
        .collect();
    assert_eq!(
        log,
        [
            (2, 2, json!({"type": "thinking", "text": "hm"})),
            (3, 2, json!({"type": "text", "text": "I look"})),
            (
                4,
                2,
                json!({"type": "tool-call", "toolCallId": "a", "toolName": "look", "input": {}, "stepId": "t#0"})
            ),
            (
                5,
                2,
                json!({"type": "tool-call", "toolCallId": "b", "toolName": "look", "input": {}, "stepId": "t#0"})
            ),
            (
                6,
                3,
                json!({"type": "tool-result", "toolCallId": "a", "toolName": "look", "content": "a!",
                "isError": false, "stepId": "t#0"})
            ),
            (
                7,
                4,
                json!({"type": "tool-result", "toolCallId": "b", "toolName": "look", "content": "no b",
                "isError": true, "stepId": "t#0"})
            ),
            (8, 5, json!({"type": "text", "text": "steer 0\n\nsteer 1"})),
            (9, 6, json!({"type": "text", "text": "done"})),
        ]
    );
    assert_eq!(world.delivered, ["q0", "q1"]);
}

#[test]
fn an_exclusive_tool_runs_alone_and_in_its_place() {
    let mut world = World::new(start(), options());
    for (id, name) in [("a", "look"), ("b", "change"), ("c", "look")] {
        provide(&mut world, call(id, name));
    }
    assert_eq!(world.started, ["a"]);
    world.give(Input::ToolDone { run: 0, result: ToolResult::ok("") });
    assert_eq!(world.started, ["a", "b"]);
    world.give(Input::ToolDone { run: 1, result: ToolResult::ok("") });
    assert_eq!(world.started, ["a", "b", "c"]);
}

#[test]
fn without_eagerness_tools_wait_for_the_end_of_the_stream() {
    let mut world = World::new(start(), Options { eager: false, max_concurrent: 1, ..options() });
    provide(&mut world, call("a", "look"));
    provide(&mut world, call("b", "look"));
    assert!(world.started.is_empty());
    provide(&mut world, ProviderEvent::Finish(FinishReason::ToolCalls));
    assert_eq!(world.started, ["a"], "one at a time");
}

#[test]
fn a_stop_keeps_what_was_said_and_answers_every_call() {
    let mut world = World::new(start(), options());
    provide(&mut world, ProviderEvent::TextDelta("half a sen".to_owned()));
    provide(&mut world, call("a", "change"));
    provide(&mut world, call("b", "change"));
    world.give(Input::Stop);
    assert!(world.call.is_none(), "the request is cancelled");
    world.advance(Duration::from_secs(1));
    world.give(Input::Time);
    world.give(Input::Sealed);
    let results: Vec<Value> =
        said(&world).into_iter().filter(|event| event["type"] == "tool-result").collect();
    assert_eq!(
        results,
        [
            json!({"type": "tool-result", "stepId": "t#0", "toolCallId": "a", "toolName": "change",
                "content": "Aborted", "isError": true, "durationMs": 1000}),
            json!({"type": "tool-result", "stepId": "t#0", "toolCallId": "b", "toolName": "change",
                "content": "Aborted", "isError": true}),
        ]
    );
    assert_eq!(world.sealing.unwrap().reason, DoneReason::Aborted);
    assert_eq!(kinds(&world).last(), Some(&"turn-sealed"));
}

fn failure(retryable: bool) -> ProviderEvent {
    ProviderEvent::Error(Failure {
        message: "HTTP 429: slow down".to_owned(),
        code: Some("429".to_owned()),
        retryable,
        retry_after: Some(Duration::from_secs(5)),
    })
}

#[test]
fn a_failure_before_the_first_content_is_tried_again_and_no_sooner_than_asked() {
    let mut world = World::new(start(), options());
    provide(&mut world, failure(true));
    assert_eq!(world.announced, 1);
    assert!(world.call.is_none());
    let wait = world.turn.deadline().unwrap() - world.now;
    assert_eq!(wait, Duration::from_secs(5));
    world.advance(wait - Duration::from_millis(1));
    world.give(Input::Time);
    assert_eq!(world.last_call, 1, "not before its time");
    world.advance(Duration::from_millis(1));
    world.give(Input::Time);
    assert_eq!(world.last_call, 2);
    assert_eq!(kinds(&world), ["user-message", "turn-start"], "nobody who did not ask sees a retry");
}

#[test]
fn a_failure_after_the_first_content_ends_the_turn_with_what_was_said() {
    let mut world = World::new(start(), options());
    provide(&mut world, ProviderEvent::TextDelta("half".to_owned()));
    provide(&mut world, failure(true));
    world.give(Input::Sealed);
    assert_eq!(
        kinds(&world),
        ["user-message", "turn-start", "text-delta", "error", "step-complete", "done", "turn-sealed"]
    );
    assert_eq!(world.sealing.unwrap().reason, DoneReason::Error);
    let chunks: Vec<Value> =
        world.log.iter().map(|entry| serde_json::to_value(&entry.chunk).unwrap()).collect();
    assert_eq!(
        chunks,
        [
            json!({"type": "text", "text": "half"}),
            json!({"type": "error", "message": "HTTP 429: slow down", "code": "429"}),
        ]
    );
}

#[test]
fn retries_end_when_their_budget_is_used_up() {
    let retry = RetryPolicy { budget: Duration::from_secs(12), ..RetryPolicy::default() };
    let mut world = World::new(start(), Options { retry, ..options() });
    for retry in 1..=2 {
        provide(&mut world, failure(true));
        assert_eq!(world.announced, retry);
        world.now = world.turn.deadline().unwrap();
        world.give(Input::Time);
    }
    provide(&mut world, failure(true));
    assert_eq!(world.sealing.unwrap().reason, DoneReason::Error);
}

#[test]
fn a_stream_that_just_ends_is_an_error_and_never_a_stop() {
    let mut world = World::new(start(), options());
    provide(&mut world, ProviderEvent::TextDelta("and then".to_owned()));
    let call = world.call.unwrap();
    world.give(Input::ProviderEnded { call });
    let error = &said(&world)[3];
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("provider-stream-ended")));
    assert_eq!(world.sealing.unwrap().reason, DoneReason::Error);
}

#[test]
fn the_last_allowed_step_ends_the_turn_without_asking_for_steering() {
    let mut world = World::new(start(), Options { max_steps: 1, ..options() });
    provide(&mut world, call("a", "nothing-of-that-name"));
    provide(&mut world, ProviderEvent::Finish(FinishReason::ToolCalls));
    assert!(!world.draining);
    assert_eq!(world.sealing.unwrap().reason, DoneReason::MaxSteps);
    assert!(said(&world).iter().any(|event| event["content"] == "Unknown tool: nothing-of-that-name"));
}

#[test]
fn a_call_id_that_a_provider_repeats_is_made_unique() {
    let mut world = World::new(start(), options());
    provide(&mut world, call("call_0", "look"));
    provide(&mut world, call("call_0", "look"));
    provide(&mut world, call("", "look"));
    assert_eq!(world.started, ["call_0", "call_0-2", "call-2"]);
}

#[test]
fn live_output_of_a_call_is_bounded_and_says_so() {
    let mut world = World::new(start(), Options { live_output_limit: 4, ..options() });
    provide(&mut world, call("a", "look"));
    for data in ["1234", "5", "6"] {
        let output = ToolOutput { stream: OutputStream::Stdout, data: data.to_owned() };
        world.give(Input::ToolOutput { run: 0, output });
    }
    let outputs: Vec<Value> = said(&world)[3..].iter().map(|event| event["data"].clone()).collect();
    assert_eq!(
        outputs,
        [
            json!("1234"),
            json!("\n[live output ends here: it has reached its limit; the result will say more]\n")
        ]
    );
}

#[test]
fn a_log_that_fails_ends_the_turn_and_what_was_not_logged_is_not_seen() {
    let mut world = World::new(start(), options());
    provide(&mut world, ProviderEvent::TextDelta("logged".to_owned()));
    world.fail_next_write = true;
    provide(&mut world, ProviderEvent::TextDelta("lost".to_owned()));
    world.give(Input::SealFailed { message: "no space".to_owned(), code: wire::ErrorCode::StoreFailed });
    assert_eq!(kinds(&world), ["user-message", "turn-start", "text-delta", "error", "done", "error"]);
    assert!(world.turn.is_over());
}
