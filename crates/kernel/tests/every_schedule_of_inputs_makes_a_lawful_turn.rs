//! Rules 1, 2, 6, 7 and 9, and the order of events, over a hundred thousand random schedules of inputs a run.
//!
//! A failing schedule is shrunk and printed with its seed; `PROPTEST_CASES` sets another number.

use std::time::Duration;

use kernel::{Failure, FinishReason, Input, Options, ProviderEvent, RetryPolicy, ToolOutput, ToolResult};
use proptest::prelude::*;
use wire::{AgentEvent, Chunk, OutputStream, Usage};

use crate::support::world::World;
use crate::support::{grammar, start};

#[derive(Clone, Debug)]
enum Action {
    Provider(ProviderEvent),
    /// An item of a stream that is gone.
    Stale(ProviderEvent),
    ProviderEnded,
    ToolOutput(usize, usize),
    ToolDone(usize, bool),
    /// A result for a tool that does not run.
    StrayResult(u32),
    AnswerDrain(usize),
    StrayDrain,
    Stop,
    Time(u64),
    FailNextWrite,
    Sealed,
    SealFailed,
}

fn provider_event() -> impl Strategy<Value = ProviderEvent> {
    let text = prop_oneof![Just(String::new()), "[a-z é]{1,6}"];
    prop_oneof![
        6 => text.clone().prop_map(ProviderEvent::TextDelta),
        3 => text.prop_map(ProviderEvent::ReasoningDelta),
        1 => any::<bool>().prop_map(|signed| ProviderEvent::ReasoningEnd { replay: signed.then(|| "sig".into()) }),
        5 => (0..4u8, 0..3u8).prop_map(|(id, name)| ProviderEvent::ToolCall {
            // Few ids, so that they collide.
            id: if id == 0 { String::new() } else { format!("call-{id}") },
            name: ["look", "change", "unheard-of"][usize::from(name)].to_owned(),
            input: serde_json::json!({ "n": id }),
        }),
        2 => (0..100u64, 0..100u64, proptest::option::of(0..50u64)).prop_map(|(i, o, c)| {
            ProviderEvent::Usage(Usage {
                input_tokens: i,
                output_tokens: o,
                cache_read_tokens: c,
                cache_write_tokens: None,
            })
        }),
        3 => prop_oneof![
            Just(FinishReason::Stop),
            Just(FinishReason::ToolCalls),
            Just(FinishReason::Length),
            Just(FinishReason::ContentFilter)
        ]
        .prop_map(ProviderEvent::Finish),
        1 => (any::<bool>(), proptest::option::of(0..9u64)).prop_map(|(retryable, after)| {
            ProviderEvent::Error(Failure {
                message: "HTTP 500: broken".to_owned(),
                code: Some("500".to_owned()),
                retryable,
                retry_after: after.map(Duration::from_secs),
            })
        }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        20 => provider_event().prop_map(Action::Provider),
        1 => provider_event().prop_map(Action::Stale),
        1 => Just(Action::ProviderEnded),
        4 => (0..8usize, 0..40usize).prop_map(|(n, len)| Action::ToolOutput(n, len)),
        8 => (0..8usize, any::<bool>()).prop_map(|(n, is_error)| Action::ToolDone(n, is_error)),
        1 => (0..20u32).prop_map(Action::StrayResult),
        6 => (0..4usize).prop_map(Action::AnswerDrain),
        1 => Just(Action::StrayDrain),
        1 => Just(Action::Stop),
        3 => (0..3000u64).prop_map(Action::Time),
        1 => Just(Action::FailNextWrite),
        1 => Just(Action::Sealed),
        1 => Just(Action::SealFailed),
    ]
}

fn turn_options() -> impl Strategy<Value = Options> {
    (0..5u32, 0..4usize, any::<bool>(), any::<bool>()).prop_map(
        |(max_steps, max_concurrent, eager, retries)| Options {
            max_steps,
            max_concurrent,
            eager,
            retry: RetryPolicy {
                budget: if retries { Duration::from_secs(20) } else { Duration::ZERO },
                ..RetryPolicy::default()
            },
            stop_grace: Duration::from_millis(500),
            live_output_limit: 64,
        },
    )
}

fn nth_run(world: &World, n: usize) -> Option<u32> {
    let runs: Vec<u32> = world.running.keys().copied().collect();
    (!runs.is_empty()).then(|| runs[n % runs.len()])
}

fn act(world: &mut World, queued: &mut usize, given: &mut Vec<String>, action: Action) {
    match action {
        Action::Provider(event) => {
            if let Some(call) = world.call {
                world.give(Input::Provider { call, event });
            }
        }
        Action::Stale(event) => {
            let call = world.last_call.wrapping_sub(1);
            world.give(Input::Provider { call, event });
        }
        Action::ProviderEnded => {
            if let Some(call) = world.call.take() {
                world.give(Input::ProviderEnded { call });
            }
        }
        Action::ToolOutput(n, len) => {
            if let Some(run) = nth_run(world, n) {
                let output = ToolOutput { stream: OutputStream::Stdout, data: "x".repeat(len) };
                world.give(Input::ToolOutput { run, output });
            }
        }
        Action::ToolDone(n, is_error) => {
            if let Some(run) = nth_run(world, n) {
                world.give(Input::ToolDone { run, result: ToolResult { content: "r".to_owned(), is_error } });
            }
        }
        Action::StrayResult(run) => {
            if !world.running.contains_key(&run) {
                world.give(Input::ToolDone { run, result: ToolResult::ok("stray") });
            }
        }
        Action::AnswerDrain(n) => {
            if world.draining {
                let mut messages = World::queued(n);
                for message in &mut messages {
                    message.id = format!("q{queued}");
                    *queued += 1;
                    given.push(message.id.clone());
                }
                world.give(Input::Drained(messages));
            }
        }
        Action::StrayDrain => {
            if !world.draining {
                world.give(Input::Drained(World::queued(1)));
            }
        }
        Action::Stop => {
            world.give(Input::Stop);
        }
        Action::Time(ms) => {
            world.advance(Duration::from_millis(ms));
            world.give(Input::Time);
        }
        Action::FailNextWrite => world.fail_next_write = !world.log_failed,
        Action::Sealed => {
            if world.sealing.is_some() {
                world.give(Input::Sealed);
            }
        }
        Action::SealFailed => {
            if world.sealing.is_some() {
                let message = "no space".to_owned();
                world.give(Input::SealFailed { message, code: wire::ErrorCode::StoreFailed });
            }
        }
    }
}

fn run(options: Options, actions: Vec<Action>) {
    let mut world = World::new(start(), options);
    let (mut queued, mut given) = (0, Vec::new());
    for action in actions {
        act(&mut world, &mut queued, &mut given, action);
    }

    // Rule 6: whatever happened, the turn ends once its questions are answered, and says so once.
    world.finish();
    assert!(world.call.is_none() && world.sealing.is_some());
    grammar::check(&world.events, world.log_failed);

    // Rule 7: only what was handed out is delivered, in that order; all of it unless the turn was ended meanwhile.
    assert!(world.delivered.iter().all(|id| given.contains(id)));
    if !world.stopped && !world.log_failed {
        assert_eq!(world.delivered, given);
    }

    if !world.log_failed {
        // Rule 2, and nothing is left open. Rule 1 was checked at every write.
        assert!(world.open.is_none());
        grammar::check_results(&world.log);
        assert_eq!(said_live(&world), said_in_log(&world));
    }
    // What was seen is in the log, also when the log failed later.
    let (live, mut logged) = (said_live(&world), said_in_log(&world));
    if let Some((_, _, text)) = &world.open {
        logged.push_str(text);
    }
    assert!(logged.starts_with(&live), "seen but not logged: {live:?} / {logged:?}");

    // Rule 9: each request is a prefix of the next.
    for pair in world.requests.windows(2) {
        assert!(pair[1].starts_with(&pair[0]));
    }
}

fn said_live(world: &World) -> String {
    world
        .events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::TextDelta { delta, .. } | AgentEvent::ReasoningDelta { delta, .. } => {
                Some(delta.as_str())
            }
            AgentEvent::Steering { text, .. } => Some(text),
            AgentEvent::ToolResult { content, .. } => Some(content),
            _ => None,
        })
        .collect()
}

fn said_in_log(world: &World) -> String {
    world
        .log
        .iter()
        .filter_map(|entry| match &entry.chunk {
            Chunk::Text { text } | Chunk::Thinking { text } => Some(text.as_str()),
            Chunk::ToolResult { content, .. } => Some(content),
            _ => None,
        })
        .collect()
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 100_000;
    }
    config.max_shrink_iters = 20_000;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_schedule_of_inputs_makes_a_lawful_turn(
        options in turn_options(),
        actions in proptest::collection::vec(action(), 0..80),
    ) {
        run(options, actions);
    }
}
