//! The bytes of a step's request, up to what is new, are the bytes of the request before it: so prompt caches hit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;

use kernel::{Message, Part, Request};
use serde_json::{Value, json};
use support::{call, events, message, provider, request, result, result_chunk, text, thinking, tools};
use weather::{Answer, Flavour, Script, Weather};
use wire::{Chunk, ReasoningEffort, Role};

const MARK: &str = ",\"cache_control\":{\"type\":\"ephemeral\"}";

/// The requests of a conversation of three turns: each has what the one before had, and more.
fn steps() -> Vec<Request> {
    let replay = || json!({"signature": "c2ln", "model": "model-1"});
    let thoughtful = |words: &str, chunks: Vec<Chunk>| {
        let mut parts = vec![thinking(words, replay())];
        parts.extend(chunks.into_iter().map(Part::from));
        Message { role: Role::Assistant, parts }
    };
    let added = vec![
        vec![Message::user("Read a \"quoted\" file.\nAnd ünïcode.")],
        vec![
            thoughtful(
                "Two files.",
                vec![
                    text("I read."),
                    call("c1", "read_file", json!({"path": "b", "z": 1, "a": [1, 2]})),
                    call("c2", "read_file", json!("{\"path")),
                ],
            ),
            result("c1", "alpha"),
            message(Role::Tool, vec![result_chunk("c2", "broken", true)]),
        ],
        vec![
            message(Role::Assistant, vec![call("c3", "run_shell", json!({"command": "ls"}))]),
            result("c3", ""),
            Message::user("Hurry."),
        ],
        vec![message(Role::Assistant, vec![text("Done.")]), Message::user("Thanks.")],
        vec![
            message(Role::Assistant, vec![Chunk::Thinking { text: "cut".to_owned() }, text("Welc")]),
            Message::user("Go on."),
        ],
    ];
    let mut messages: Vec<Arc<Message>> = Vec::new();
    added
        .into_iter()
        .map(|added| {
            messages.extend(added.into_iter().map(Arc::new));
            Request {
                system: Some("Be brief.".into()),
                tools: tools(),
                effort: ReasoningEffort::High,
                messages: messages.clone(),
                ..request(Vec::new())
            }
        })
        .collect()
}

async fn bodies(flavour: Flavour, requests: Vec<Request>) -> Vec<String> {
    let weather = Weather::start(Script::always(Answer::new(flavour).finish())).await.unwrap();
    for request in requests {
        // A provider of its own each time: nothing but the request may matter.
        events(&provider(flavour, &weather), request).await;
    }
    weather.requests().iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn the_same_request_is_the_same_bytes() {
    for flavour in [Flavour::OpenAi, Flavour::Anthropic] {
        let bodies = bodies(flavour, [steps(), steps()].concat()).await;
        let (first, second) = bodies.split_at(bodies.len() / 2);
        assert_eq!(first, second);
    }
}

#[tokio::test]
async fn every_request_begins_like_the_one_before() {
    for (flavour, close) in [(Flavour::OpenAi, "]}"), (Flavour::Anthropic, "]}")] {
        let bodies: Vec<String> =
            bodies(flavour, steps()).await.iter().map(|body| body.replace(MARK, "")).collect();
        for pair in bodies.windows(2) {
            let before = pair[0].strip_suffix(close).unwrap();
            assert!(
                pair[1].starts_with(before) && pair[1][before.len()..].starts_with(','),
                "{}\nis not the beginning of\n{}",
                pair[0],
                pair[1]
            );
        }
    }
}

/// Where the marks are: in the tools, in the system prompt, and in which messages.
fn marks(body: &Value) -> (Vec<usize>, Vec<usize>, Vec<(usize, usize)>) {
    let places = |blocks: &Value| -> Vec<usize> {
        let blocks = blocks.as_array().unwrap().iter().enumerate();
        blocks.filter(|(_, block)| !block["cache_control"].is_null()).map(|(at, _)| at).collect()
    };
    let messages = body["messages"].as_array().unwrap().iter().enumerate();
    let in_messages = messages
        .flat_map(|(at, message)| places(&message["content"]).into_iter().map(move |block| (at, block)));
    (places(&body["tools"]), places(&body["system"]), in_messages.collect())
}

#[tokio::test]
async fn the_cache_marks_are_at_the_ends_of_what_stays() {
    let bodies = bodies(Flavour::Anthropic, steps()).await;
    let marks: Vec<_> = bodies.iter().map(|body| marks(&serde_json::from_str(body).unwrap())).collect();
    let expected = [
        vec![(0, 0)],
        vec![(0, 0), (2, 1)],
        vec![(2, 1), (4, 1)],
        vec![(4, 1), (6, 0)],
        vec![(6, 0), (8, 0)],
    ];
    let expected: Vec<_> = expected.into_iter().map(|messages| (vec![2], vec![0], messages)).collect();
    assert_eq!(marks, expected);
    assert!(bodies.iter().all(|body| body.matches(MARK).count() <= 4));
}
