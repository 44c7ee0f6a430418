//! Whatever a reconciled history has in it, the request keeps the rules of both protocols: a request that is refused
//! once would be refused for ever.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Message, Part, Request, reconcile};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use weather::{Answer, Flavour, Script, Weather};
use wire::{Chunk, Role};

use crate::support::{PNG, events, image, provider, request, tools};

fn words() -> impl Strategy<Value = String> {
    prop_oneof![2 => "[a-zäß€😀 ]{1,8}", 1 => Just(String::new()), 1 => Just(" \n".to_owned())]
}

fn part() -> impl Strategy<Value = Part> {
    let input = prop_oneof![
        Just(json!({"path": "a"})),
        Just(json!({})),
        Just(json!("{\"path")),
        Just(json!(null)),
        Just(json!([1])),
        Just(json!(7)),
    ];
    let replay = prop_oneof![
        Just(None),
        Just(Some(json!({"signature": "c2ln", "model": "model-1"}))),
        Just(Some(json!({"signature": "c2ln", "model": "other"}))),
        Just(Some(json!({"redacted": "ZGF0", "model": "model-1"}))),
        Just(Some(json!(7))),
    ];
    let url = prop_oneof![
        3 => Just(format!("data:image/png;base64,{PNG}")),
        1 => Just(format!("data:image/svg+xml;base64,{PNG}")),
        1 => "data:image/(png|bmp|);base64,[A-Za-z0-9=]{0,12}",
        1 => "https?://(example[.]com|localhost|10[.]0[.]0[.]1|)/[a-z äß]{0,4}",
        1 => "[a-z:/.,;é]{0,12}",
    ];
    let name = prop_oneof!["[a-z_]{1,80}", "[.ä ]{0,3}"];
    let id = prop_oneof!["[ab]", Just("functions.read:0".to_owned()), Just(String::new())];
    prop_oneof![
        3 => words().prop_map(|text| Chunk::Text { text }.into()),
        1 => words().prop_map(|text| Chunk::System { text }.into()),
        2 => url.prop_map(|url| image(url).into()),
        2 => (words(), replay).prop_map(|(text, replay)| Part { chunk: Chunk::Thinking { text }, replay }),
        3 => (id.clone(), name, input).prop_map(|(tool_call_id, tool_name, input)| Chunk::ToolCall {
            tool_call_id, tool_name, input, step_id: None,
        }.into()),
        3 => (id, words(), any::<bool>()).prop_map(|(tool_call_id, content, is_error)| Chunk::ToolResult {
            tool_call_id, tool_name: "read_file".to_owned(), content, is_error, step_id: None,
        }.into()),
        1 => words().prop_map(|message| Chunk::Error { message, code: None }.into()),
    ]
}

/// Messages whose chunks fit their role, in any order of roles.
fn history() -> impl Strategy<Value = Vec<Arc<Message>>> {
    let role = prop_oneof![Just(Role::User), Just(Role::Assistant), Just(Role::Tool), Just(Role::System)];
    let message = (role, proptest::collection::vec(part(), 0..5)).prop_map(|(role, mut parts)| {
        parts.retain(|part| match &part.chunk {
            Chunk::Text { .. } => role != Role::Tool,
            Chunk::System { .. } => matches!(role, Role::User | Role::System),
            Chunk::Image(_) => role == Role::User,
            Chunk::Thinking { .. } | Chunk::ToolCall { .. } | Chunk::Error { .. } => role == Role::Assistant,
            Chunk::ToolResult { .. } => role == Role::Tool,
        });
        Arc::new(Message { role, parts })
    });
    proptest::collection::vec(message, 0..10).prop_map(|history| {
        // Ids are unique in a conversation.
        let mut seen = HashSet::new();
        let fresh = history.iter().all(|message: &Arc<Message>| {
            message.parts.iter().all(|part| match &part.chunk {
                Chunk::ToolCall { tool_call_id, .. } => seen.insert(tool_call_id.clone()),
                _ => true,
            })
        });
        let mut history = if fresh { history } else { Vec::new() };
        history.push(Arc::new(Message::user("Go on.")));
        reconcile(history)
    })
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// What both protocols take as the data of an image.
fn check_data(media_type: &str, data: &str) {
    assert!(["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&media_type), "{media_type}");
    assert!(!STANDARD.decode(data).unwrap().is_empty());
}

/// What both protocols can fetch.
fn check_address(url: &str) {
    assert!(url.split_once("://").unwrap().1.starts_with("example.com/"), "{url}");
    assert!(url.chars().all(|c| c.is_ascii_graphic()), "{url}");
}

fn check_openai_content(content: &Value) {
    let Value::Array(parts) = content else {
        assert!(!content.as_str().unwrap().is_empty());
        return;
    };
    assert!(!parts.is_empty());
    for part in parts {
        match part["type"].as_str().unwrap() {
            "text" => assert!(!part["text"].as_str().unwrap().is_empty()),
            "image_url" => match part["image_url"]["url"].as_str().unwrap() {
                url if url.starts_with("data:") => {
                    let (head, data) = url.split_once(";base64,").unwrap();
                    check_data(&head["data:".len()..], data);
                }
                url => check_address(url),
            },
            other => panic!("{other}"),
        }
    }
}

fn check_openai(body: &Value) {
    let messages = body["messages"].as_array().unwrap();
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap();
        if role != "tool" {
            assert!(open.is_empty(), "calls without a result: {open:?}");
        }
        match role {
            "system" => assert!(at == 0, "a system message in the middle"),
            "user" => check_openai_content(&message["content"]),
            "assistant" => {
                let calls = message["tool_calls"].as_array().map_or(&[][..], |calls| calls);
                assert!(message["content"].is_string() || !calls.is_empty(), "an empty message");
                for call in calls {
                    let name = call["function"]["name"].as_str().unwrap();
                    assert!(is_plain(name) && name.len() <= 64, "{name}");
                    let arguments = call["function"]["arguments"].as_str().unwrap();
                    assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object(), "{arguments}");
                    open.push(call["id"].as_str().unwrap());
                }
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap();
                let place = open.iter().position(|open| *open == id).expect("a result without a call");
                open.remove(place);
            }
            other => panic!("{other}"),
        }
    }
    assert!(open.is_empty());
}

fn check_anthropic(body: &Value) {
    let messages = body["messages"].as_array().unwrap();
    assert!(body.to_string().matches("cache_control").count() <= 4);
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap();
        assert_eq!(role, if at % 2 == 0 { "user" } else { "assistant" }, "roles take turns, the user first");
        let content = message["content"].as_array().unwrap();
        assert!(!content.is_empty());
        let kinds: Vec<&str> = content.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert!(!kinds.last().unwrap().contains("thinking"), "a message that ends in thinking");
        let mut results_are_over = false;
        for block in content {
            match block["type"].as_str().unwrap() {
                "text" => {
                    assert!(!block["text"].as_str().unwrap().trim().is_empty(), "an empty text");
                    results_are_over = true;
                }
                "image" => {
                    assert_eq!(role, "user");
                    let source = |field: &str| block["source"][field].as_str().unwrap();
                    match source("type") {
                        "base64" => check_data(source("media_type"), source("data")),
                        "url" => {
                            assert!(source("url").starts_with("https://"));
                            check_address(source("url"));
                        }
                        other => panic!("{other}"),
                    }
                    results_are_over = true;
                }
                "tool_use" => {
                    assert!(block["input"].is_object());
                    let id = block["id"].as_str().unwrap();
                    let name = block["name"].as_str().unwrap();
                    assert!(is_plain(id) && is_plain(name) && name.len() <= 64, "{id} {name}");
                    open.push(id.to_owned());
                }
                "tool_result" => {
                    assert!(!results_are_over, "a result after a text");
                    let id = block["tool_use_id"].as_str().unwrap();
                    let place = open.iter().position(|open| open == id).expect("a result without a call");
                    open.remove(place);
                    assert!(block["is_error"] != true || block["content"].is_string());
                }
                "thinking" => assert!(!block["signature"].as_str().unwrap().is_empty()),
                "redacted_thinking" => assert!(!block["data"].as_str().unwrap().is_empty()),
                other => panic!("{other}"),
            }
        }
        if role == "user" {
            assert!(open.is_empty(), "calls without a result: {open:?}");
        }
    }
    assert_eq!(messages.last().unwrap()["role"], "user");
}

#[test]
fn any_history_is_legal_for_every_provider() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let weather = |flavour: Flavour| {
        runtime.block_on(Weather::start(Script::always(Answer::new(flavour).finish()))).unwrap()
    };
    let servers = [Flavour::OpenAi, Flavour::Anthropic].map(|flavour| (flavour, weather(flavour)));
    let providers = servers.each_ref().map(|(flavour, weather)| provider(*flavour, weather));
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&history(), |messages| {
        for ((flavour, weather), provider) in servers.iter().zip(&providers) {
            let request = Request { messages: messages.clone(), tools: tools(), ..request(Vec::new()) };
            runtime.block_on(events(provider, request));
            let sent = weather.requests().last().unwrap().json();
            match flavour {
                Flavour::OpenAi => check_openai(&sent),
                Flavour::Anthropic => check_anthropic(&sent),
            }
        }
        Ok(())
    });
    checked.unwrap();
}
