#![allow(dead_code, unreachable_pub)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kernel::{Message, Part, Provider, ProviderEvent, Request, ToolSpec};
use providers::{Kind, Limits, Secret, Settings, anthropic, openai};
use serde_json::{Value, json};
use weather::{Flavour, Weather};
use wire::extension::ImageChunk;
use wire::{Chunk, ReasoningEffort, Role};

/// A test that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub const KEY: &str = "sk-0123456789abcdef";

pub fn settings(flavour: Flavour, base_url: &str) -> Settings {
    let (kind, base_url) = match flavour {
        Flavour::OpenAi => (Kind::OpenAi(openai::Options::default()), format!("{base_url}/v1")),
        Flavour::Anthropic => (Kind::Anthropic(anthropic::Options::default()), base_url.to_owned()),
    };
    Settings {
        base_url: Some(base_url),
        api_key: Some(Secret::new(KEY)),
        limits: Limits { stall: Duration::from_secs(20), ..Limits::default() },
        ..Settings::new("work", kind)
    }
}

pub fn build(settings: Settings) -> Arc<dyn Provider> {
    providers::build(settings).unwrap()
}

pub fn provider(flavour: Flavour, weather: &Weather) -> Arc<dyn Provider> {
    build(settings(flavour, &weather.base_url()))
}

pub fn request(messages: Vec<Message>) -> Request {
    Request {
        model: "model-1".to_owned(),
        system: None,
        messages: messages.into_iter().map(Arc::new).collect(),
        tools: Arc::new([]),
        effort: ReasoningEffort::Low,
        max_tokens: None,
    }
}

pub fn hello() -> Request {
    request(vec![Message::user("Hello")])
}

pub fn tools() -> Arc<[ToolSpec]> {
    let tool = |name: &str, fields: &[&str]| ToolSpec {
        name: name.to_owned(),
        description: format!("The tool {name}."),
        input_schema: json!({
            "type": "object",
            "properties": fields.iter().map(|f| ((*f).to_owned(), json!({"type": "string"}))).collect::<serde_json::Map<_, _>>(),
            "required": fields,
        }),
        exclusive: false,
    };
    Arc::new([
        tool("read_file", &["path"]),
        tool("run_shell", &["command"]),
        tool("write_file", &["path", "content"]),
    ])
}

pub fn message(role: Role, chunks: Vec<Chunk>) -> Message {
    Message { role, parts: chunks.into_iter().map(Part::from).collect() }
}

pub fn text(text: &str) -> Chunk {
    Chunk::Text { text: text.to_owned() }
}

/// A PNG of one pixel, in base64.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// An image of which nothing is said but where it is.
pub fn image(url: impl Into<String>) -> Chunk {
    Chunk::Image(ImageChunk { url: url.into(), mime_type: None })
}

pub fn png() -> Chunk {
    image(format!("data:image/png;base64,{PNG}"))
}

pub fn thinking(text: &str, replay: Value) -> Part {
    Part { chunk: Chunk::Thinking { text: text.to_owned() }, replay: Some(replay) }
}

pub fn call(id: &str, name: &str, input: Value) -> Chunk {
    Chunk::ToolCall { tool_call_id: id.to_owned(), tool_name: name.to_owned(), input, step_id: None }
}

pub fn result(id: &str, content: &str) -> Message {
    message(Role::Tool, vec![result_chunk(id, content, false)])
}

pub fn result_chunk(id: &str, content: &str, is_error: bool) -> Chunk {
    Chunk::ToolResult {
        tool_call_id: id.to_owned(),
        tool_name: "read_file".to_owned(),
        content: content.to_owned(),
        is_error,
        step_id: None,
    }
}

/// All events of a call. A call that hangs fails the test.
pub async fn events(provider: &Arc<dyn Provider>, request: Request) -> Vec<ProviderEvent> {
    let all = provider.stream(request).collect::<Vec<_>>();
    tokio::time::timeout(PATIENCE, all).await.expect("the stream hangs")
}

/// The events with adjacent deltas of a kind made one, and only the last usage.
pub fn merged(events: Vec<ProviderEvent>) -> Vec<ProviderEvent> {
    let last_usage = events.iter().rposition(|event| matches!(event, ProviderEvent::Usage(_)));
    let mut merged: Vec<ProviderEvent> = Vec::new();
    for (at, event) in events.into_iter().enumerate() {
        match (merged.last_mut(), event) {
            (Some(ProviderEvent::TextDelta(all)), ProviderEvent::TextDelta(delta))
            | (Some(ProviderEvent::ReasoningDelta(all)), ProviderEvent::ReasoningDelta(delta)) => {
                all.push_str(&delta);
            }
            (_, ProviderEvent::Usage(_)) if Some(at) != last_usage => {}
            (_, event) => merged.push(event),
        }
    }
    merged
}

pub fn recording(flavour: Flavour, name: &str) -> Vec<u8> {
    let folder = match flavour {
        Flavour::OpenAi => "openai",
        Flavour::Anthropic => "anthropic",
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(folder).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The failure that the events end in.
pub fn failure(events: &[ProviderEvent]) -> kernel::Failure {
    match events.last() {
        Some(ProviderEvent::Error(failure)) => failure.clone(),
        other => panic!("no failure but {other:?}"),
    }
}
