//! The whole body of a request, field by field.

use std::sync::Arc;

use kernel::{Message, Part, Request};
use providers::anthropic::{self, Thinking};
use providers::{Kind, Settings, openai};
use serde_json::{Value, json};
use weather::{Answer, Flavour, Script, Weather};
use wire::{Chunk, ReasoningEffort, Role};

use crate::support;
use crate::support::{
    build, call, events, message, request, result, result_chunk, settings, text, thinking, tools,
};

/// The body that a request becomes.
async fn body(kind: Kind, request: Request) -> Value {
    let flavour = match kind {
        Kind::OpenAi(_) => Flavour::OpenAi,
        Kind::Anthropic(_) | Kind::Demo(_) => Flavour::Anthropic,
    };
    let weather = Weather::start(Script::always(Answer::new(flavour).finish())).await.unwrap();
    let provider = build(Settings { kind, ..settings(flavour, &weather.base_url()) });
    events(&provider, request).await;
    weather.requests()[0].json()
}

async fn openai(options: openai::Options, request: Request) -> Value {
    body(Kind::OpenAi(options), request).await
}

async fn anthropic(request: Request) -> Value {
    body(Kind::Anthropic(anthropic::Options::default()), request).await
}

/// A turn of two steps with everything in it, and the next prompt.
fn conversation() -> Request {
    let replay = json!({"signature": "c2ln", "model": "model-1"});
    let first = Message {
        role: Role::Assistant,
        parts: vec![
            thinking("I look.", replay),
            Part {
                chunk: Chunk::Thinking { text: String::new() },
                replay: Some(json!({"redacted": "ZGF0YQ", "model": "model-1"})),
            },
            text("I read two files.").into(),
            call("c1", "read_file", json!({"path": "a", "line": 3})).into(),
            call("c2", "read_file", json!("{\"path\": ")).into(),
        ],
    };
    Request {
        system: Some("Be brief.".into()),
        tools: tools(),
        ..request(vec![
            message(Role::System, vec![Chunk::System { text: "Earlier, a lot happened.".to_owned() }]),
            Message::user("Read a and b."),
            first,
            result("c1", "alpha"),
            message(Role::Tool, vec![result_chunk("c2", "no such file", true)]),
            Message::user("Hurry."),
            message(Role::Assistant, vec![text("Done.")]),
            Message::user("Thanks."),
        ])
    }
}

fn function(name: &str, fields: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|field| ((*field).to_owned(), json!({"type": "string"}))).collect();
    json!({"type": "object", "properties": properties, "required": fields, "name": name})
}

#[tokio::test]
async fn openai_chat_completions() {
    let tool = |name: &str, fields: &[&str]| {
        let mut parameters = function(name, fields);
        parameters.as_object_mut().unwrap().remove("name");
        json!({"type": "function", "function": {
            "name": name, "description": format!("The tool {name}."), "parameters": parameters,
        }})
    };
    let expected = json!({
        "model": "model-1",
        "stream": true,
        "stream_options": {"include_usage": true},
        "tools": [
            tool("read_file", &["path"]), tool("run_shell", &["command"]),
            tool("write_file", &["path", "content"]),
        ],
        "messages": [
            {"role": "system", "content": "Be brief.\n\nEarlier, a lot happened."},
            {"role": "user", "content": "Read a and b."},
            {"role": "assistant", "content": "I read two files.", "tool_calls": [
                {"id": "c1", "type": "function",
                 "function": {"name": "read_file", "arguments": "{\"line\":3,\"path\":\"a\"}"}},
                {"id": "c2", "type": "function",
                 "function": {"name": "read_file", "arguments": "{\"_raw\":\"{\\\"path\\\": \"}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "alpha"},
            {"role": "tool", "tool_call_id": "c2", "content": "no such file"},
            {"role": "user", "content": "Hurry."},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks."},
        ],
    });
    assert_eq!(openai(openai::Options::default(), conversation()).await, expected);
}

#[tokio::test]
async fn openai_options() {
    let options =
        openai::Options { reasoning_effort: true, reasoning_content: true, max_completion_tokens: true };
    let sent = openai(options, Request { max_tokens: Some(7), ..conversation() }).await;
    assert_eq!(sent["messages"][2]["reasoning_content"], "I look.");
    assert_eq!((&sent["max_completion_tokens"], &sent["max_tokens"]), (&json!(7), &Value::Null));
    let sent = openai(openai::Options::default(), Request { max_tokens: Some(7), ..conversation() }).await;
    assert_eq!((&sent["max_completion_tokens"], &sent["max_tokens"]), (&Value::Null, &json!(7)));
    let mut levels = Vec::new();
    for effort in ReasoningEffort::ALL {
        let sent = openai(options, Request { effort, ..conversation() }).await;
        levels.push(sent["reasoning_effort"].as_str().unwrap().to_owned());
    }
    assert_eq!(levels, ["low", "medium", "high", "high", "high"]);
}

#[tokio::test]
async fn an_assistant_message_of_calls_alone_has_no_content() {
    let messages = vec![
        Message::user("Read."),
        message(Role::Assistant, vec![call("c1", "read_file", json!({}))]),
        result("c1", ""),
    ];
    let sent = openai(openai::Options::default(), request(messages.clone())).await;
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": "Read."},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ])
    );
    let sent = anthropic(request(messages)).await;
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "Read.", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "c1", "name": "read_file", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "cache_control": {"type": "ephemeral"}},
            ]},
        ])
    );
}

#[tokio::test]
async fn anthropic_messages() {
    let mark = json!({"type": "ephemeral"});
    let tool = |name: &str, fields: &[&str]| {
        let mut schema = function(name, fields);
        schema.as_object_mut().unwrap().remove("name");
        json!({"name": name, "description": format!("The tool {name}."), "input_schema": schema})
    };
    let mut last_tool = tool("write_file", &["path", "content"]);
    last_tool["cache_control"] = mark.clone();
    let expected = json!({
        "model": "model-1",
        "max_tokens": 4096 + 15_000,
        "stream": true,
        "thinking": {"type": "enabled", "budget_tokens": 4096},
        "tools": [tool("read_file", &["path"]), tool("run_shell", &["command"]), last_tool],
        "system": [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Earlier, a lot happened.", "cache_control": mark},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Read a and b."}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "I look.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZGF0YQ"},
                {"type": "text", "text": "I read two files."},
                {"type": "tool_use", "id": "c1", "name": "read_file", "input": {"path": "a", "line": 3}},
                {"type": "tool_use", "id": "c2", "name": "read_file", "input": {"_raw": "{\"path\": "}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "alpha"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "no such file", "is_error": true},
                {"type": "text", "text": "Hurry.", "cache_control": mark},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
            {"role": "user", "content": [{"type": "text", "text": "Thanks.", "cache_control": mark}]},
        ],
    });
    assert_eq!(anthropic(conversation()).await, expected);
}

#[tokio::test]
async fn anthropic_thinks_as_much_as_was_asked() {
    let mut sizes = Vec::new();
    for effort in ReasoningEffort::ALL {
        let sent = anthropic(Request { effort, max_tokens: Some(1000), ..conversation() }).await;
        sizes.push((
            sent["thinking"]["budget_tokens"].as_u64().unwrap(),
            sent["max_tokens"].as_u64().unwrap(),
        ));
    }
    assert_eq!(sizes, [(4096, 5096), (10_240, 11_240), (16_384, 17_384), (32_768, 33_768), (65_536, 66_536)]);
}

#[tokio::test]
async fn anthropic_thinking_fits_into_what_a_model_can_produce() {
    let sized = |most, effort| async move {
        let options = anthropic::Options { max_output_tokens: Some(most), ..anthropic::Options::default() };
        let sent = body(Kind::Anthropic(options), Request { effort, ..conversation() }).await;
        (sent["thinking"]["budget_tokens"].as_u64(), sent["max_tokens"].as_u64().unwrap())
    };
    assert_eq!(sized(64_000, ReasoningEffort::Max).await, (Some(49_000), 64_000));
    assert_eq!(sized(32_000, ReasoningEffort::High).await, (Some(16_384), 31_384));
    assert_eq!(sized(8192, ReasoningEffort::High).await, (Some(4096), 8192));
    assert_eq!(sized(1024, ReasoningEffort::High).await, (None, 1024));
}

#[tokio::test]
async fn anthropic_thinks_as_the_credential_says() {
    let options = anthropic::Options {
        thinking: Thinking::Off,
        thinking_of: vec![("model-2".to_owned(), Thinking::Adaptive)],
        max_output_tokens: None,
    };
    let of = |model: &str| {
        let request = Request { model: model.to_owned(), effort: ReasoningEffort::Xhigh, ..conversation() };
        body(Kind::Anthropic(options.clone()), request)
    };
    let off = of("model-1").await;
    assert_eq!(
        (&off["thinking"], &off["output_config"], &off["max_tokens"]),
        (&Value::Null, &Value::Null, &json!(15_000))
    );
    assert_eq!(off["messages"][1]["content"][0]["type"], "text", "thoughts stay out where nothing thinks");
    let adaptive = of("model-2-large").await;
    assert_eq!(adaptive["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!(adaptive["output_config"], json!({"effort": "xhigh"}));
    assert_eq!(adaptive["max_tokens"], 32_768 + 15_000);
}

#[tokio::test]
async fn a_thought_goes_back_only_to_the_model_that_had_it() {
    let sent = anthropic(Request { model: "model-9".to_owned(), ..conversation() }).await;
    let kinds: Vec<&str> = sent["messages"][1]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["text", "tool_use", "tool_use"]);
}

#[tokio::test]
async fn an_exchange_that_began_without_a_thought_goes_on_without_one() {
    // The last message is a result, and what called for it did not think: another model, or an interruption.
    let mut request = conversation();
    request.messages.truncate(6);
    assert_eq!(anthropic(request.clone()).await["thinking"]["type"], "enabled");
    let other = Request { model: "model-9".to_owned(), ..request.clone() };
    let sent = anthropic(other.clone()).await;
    assert_eq!((&sent["thinking"], &sent["max_tokens"]), (&Value::Null, &json!(15_000)));
    // The next prompt is a new start.
    let mut next = other;
    next.messages.push(Arc::new(message(Role::Assistant, vec![text("Done.")])));
    next.messages.push(Arc::new(Message::user("And now?")));
    assert_eq!(anthropic(next).await["thinking"]["type"], "enabled");
    // Adaptive thinking has no such rule.
    let adaptive = anthropic::Options { thinking: Thinking::Adaptive, ..anthropic::Options::default() };
    request.model = "model-9".to_owned();
    assert_eq!(body(Kind::Anthropic(adaptive), request).await["thinking"]["type"], "adaptive");
}

#[tokio::test]
async fn ids_of_other_providers_are_made_fit_for_anthropic() {
    let ids = ["functions.read:0", "functions_read:0", "call_1"];
    let calls = ids.map(|id| call(id, "read_file", json!({}))).to_vec();
    let mut messages = vec![Message::user("Read."), message(Role::Assistant, calls)];
    messages.extend(ids.map(|id| result(id, "x")));
    let sent = anthropic(request(messages)).await;
    let of = |message: usize, field: &str| -> Vec<String> {
        let blocks = sent["messages"][message]["content"].as_array().unwrap();
        blocks.iter().map(|block| block[field].as_str().unwrap().to_owned()).collect()
    };
    let calls = of(1, "id");
    assert_eq!(calls, of(2, "tool_use_id"));
    assert_eq!(calls[2], "call_1");
    assert_ne!(calls[0], calls[1]);
    for id in calls {
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{id}");
    }
}

#[tokio::test]
async fn the_base_url_of_anthropic_may_bring_its_version() {
    for (base, path) in [
        ("", "/v1/messages"),
        ("/", "/v1/messages"),
        ("/v1", "/v1/messages"),
        ("/v1/", "/v1/messages"),
        ("/proxy", "/proxy/v1/messages"),
    ] {
        let weather = Weather::start(Script::always(Answer::new(Flavour::Anthropic).finish())).await.unwrap();
        let base = format!("{}{base}", weather.base_url());
        events(&build(settings(Flavour::Anthropic, &base)), support::hello()).await;
        assert_eq!(weather.requests()[0].path, path, "{base}");
    }
}
