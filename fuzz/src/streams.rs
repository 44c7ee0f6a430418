//! What a provider sends: server-sent events, the streams of both protocols, and answers that are no streams.

use std::sync::{Arc, LazyLock};

use futures_util::{StreamExt, stream};
use kernel::{Failure, Message, Part, Provider, ProviderEvent, Request};
use providers::{Kind, Limits, Secret, Settings, fuzzing};
use reqwest::{Body, Response};
use tokio::runtime::{Builder, Runtime};
use wire::{Chunk, ReasoningEffort, Role};

use crate::pieces;

/// The credential's key: it is never shown, whoever says it.
const KEY: &str = "sk-fUzZ-0123456789abcdef";

/// A call that the conversation has already.
const TAKEN: &str = "call_1";

/// The most bytes of what is told of a failure.
const WORDS: usize = 4096;

/// Little enough for an input to go beyond it.
const TIGHT: usize = 200;

/// The parser alone: any cuts give the same events, which are those of a second, simple parser.
pub(crate) fn sse(data: &[u8]) {
    let mut random = pieces::random(data);
    for limit in [1 << 20, TIGHT] {
        let whole = fuzzing::events([data], limit);
        let cut = fuzzing::events(pieces::cut(data, &mut random), limit);
        assert_eq!(whole, cut, "it depends on where the bytes are cut, with a limit of {limit}");
        // A line feed between two lines is not counted.
        assert!(whole.0.iter().all(|(name, data)| name.len() + data.len() <= 3 * (limit + 1)));
        if limit > TIGHT {
            assert_eq!(whole, (plain_events(data), Ok(())), "another parser reads something else");
        }
    }
}

/// The format, written down once more without regard to memory and pieces.
fn plain_events(data: &[u8]) -> Vec<(String, String)> {
    let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let (mut events, mut name, mut lines) = (Vec::new(), Vec::new(), Vec::<Vec<u8>>::new());
    let mut rest = data;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = &rest[..end.unwrap_or(rest.len())];
        if !line.is_empty() {
            let colon = line.iter().position(|byte| *byte == b':');
            let (field, value) = match colon {
                Some(colon) => (&line[..colon], &line[colon + 1..]),
                None => (line, &b""[..]),
            };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match field {
                b"data" => lines.push(value.to_vec()),
                b"event" => name = value.to_vec(),
                _ => {}
            }
        }
        // The end of the stream ends an event, too.
        if line.is_empty() || end.is_none() {
            let (name, lines) = (std::mem::take(&mut name), std::mem::take(&mut lines));
            if !lines.is_empty() {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                events.push((text(&name), text(&lines.join(&b'\n'))));
            }
        }
        let Some(end) = end else { return events };
        let ends = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + ends..];
    }
}

/// A stream of chat completion chunks.
pub(crate) fn openai(data: &[u8]) {
    streamed(&OPENAI, data);
}

/// A stream of the Messages API.
pub(crate) fn anthropic(data: &[u8]) {
    streamed(&ANTHROPIC, data);
}

/// An answer whose first line is its status and its type, to a call and to the question for models.
pub(crate) fn answers(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let head = String::from_utf8_lossy(&data[..end]);
    let body = data.get(end + 1..).unwrap_or_default();
    let mut words = head.split_whitespace();
    let status = words.next().and_then(|status| status.parse().ok()).unwrap_or(200);
    let kind = words.next().unwrap_or("application/json");
    let retry_after = words.next();
    let prepare = |pieces: Vec<&[u8]>| {
        let mut response = http::Response::builder().status(status).header("content-type", kind);
        if let Some(retry_after) = retry_after {
            response = response.header("retry-after", retry_after);
        }
        let pieces: Vec<_> =
            pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        response.body(Body::wrap_stream(stream::iter(pieces))).map(Response::from)
    };
    let mut random = pieces::random(data);
    for [provider, _] in [&*OPENAI, &*ANTHROPIC] {
        let run = |pieces: Vec<&[u8]>| {
            let response = prepare(pieces).ok()?;
            fuzzing::answer_with(response);
            fastrand::seed(1);
            Some(RUNTIME.block_on(provider.stream(request()).collect::<Vec<_>>()))
        };
        let Some(whole) = run(vec![body]) else { return };
        check(&whole);
        assert_eq!(Some(whole), run(pieces::cut(body, &mut random)), "it depends on where the bytes are cut");

        let Ok(response) = prepare(vec![body]) else { return };
        fuzzing::answer_with(response);
        match RUNTIME.block_on(provider.models()) {
            Ok(models) => assert!(models.iter().all(|model| !model.id.is_empty()), "a model without a name"),
            Err(failure) => told(&failure),
        }
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // Time passes only when nothing else can happen, so that no wait is a real one.
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
});

/// Two providers of one protocol, with usual limits and with tight ones.
type Pair = [Arc<dyn Provider>; 2];

static OPENAI: LazyLock<Pair> = LazyLock::new(|| pair(Kind::OpenAi(Default::default())));
static ANTHROPIC: LazyLock<Pair> = LazyLock::new(|| pair(Kind::Anthropic(Default::default())));

fn pair(kind: Kind) -> Pair {
    let provider = |limits: Limits| {
        let settings = Settings {
            base_url: Some("http://127.0.0.1:9/v1".to_owned()),
            api_key: Some(Secret::new(KEY)),
            limits,
            ..Settings::new("work", kind.clone())
        };
        providers::build(settings).expect("a provider")
    };
    [provider(Limits::default()), provider(Limits { event_bytes: TIGHT, ..Limits::default() })]
}

fn request() -> Request {
    let chunk = Chunk::ToolCall {
        tool_call_id: TAKEN.to_owned(),
        tool_name: "read_file".to_owned(),
        input: serde_json::Value::Null,
        step_id: None,
    };
    let called = Message { role: Role::Assistant, parts: vec![Part::from(chunk)] };
    Request {
        model: "model-1".to_owned(),
        system: None,
        messages: vec![Arc::new(Message::user("Hello")), Arc::new(called)],
        tools: Arc::new([]),
        effort: ReasoningEffort::Low,
        max_tokens: None,
    }
}

/// Reads the bytes as the answer to a call: whole and cut, to their end and to where the connection breaks.
fn streamed(pair: &Pair, data: &[u8]) {
    let mut random = pieces::random(data);
    let breaks = random.bool();
    for provider in pair {
        let run = |pieces: Vec<&[u8]>| {
            let pieces = pieces.into_iter().map(|piece| Ok(piece.to_vec()));
            let end = breaks.then(|| Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
            let pieces: Vec<std::io::Result<Vec<u8>>> = pieces.chain(end).collect();
            let mut response = http::Response::new(Body::wrap_stream(stream::iter(pieces)));
            let kind = http::HeaderValue::from_static("text/event-stream");
            response.headers_mut().insert("content-type", kind);
            fuzzing::answer_with(response.into());
            // Ids that have to be made up are the same each time.
            fastrand::seed(1);
            RUNTIME.block_on(provider.stream(request()).collect::<Vec<_>>())
        };
        let whole = run(vec![data]);
        check(&whole);
        assert_eq!(whole, run(pieces::cut(data, &mut random)), "it depends on where the bytes are cut");
    }
}

/// What holds for every stream.
fn check(events: &[ProviderEvent]) {
    let ends = |event: &ProviderEvent| matches!(event, ProviderEvent::Finish(_) | ProviderEvent::Error(_));
    let at = events.iter().position(ends);
    assert_eq!(at, events.len().checked_sub(1), "one end, and nothing after it: {events:?}");
    let mut taken = vec![TAKEN];
    for event in events {
        match event {
            ProviderEvent::ToolCall { id, .. } => {
                assert!(!id.is_empty() && !taken.contains(&id.as_str()), "the id {id:?} is not a new one");
                taken.push(id);
            }
            ProviderEvent::Error(failure) => told(failure),
            ProviderEvent::TextDelta(text) | ProviderEvent::ReasoningDelta(text) => {
                assert!(!text.is_empty(), "a delta without anything in it");
            }
            ProviderEvent::ReasoningEnd { .. } | ProviderEvent::Usage(_) | ProviderEvent::Finish(_) => {}
        }
    }
}

/// What holds for every failure that is told.
fn told(failure: &Failure) {
    let Failure { message, code, .. } = failure;
    assert!(!message.is_empty(), "a failure without words");
    assert!(!message.contains(KEY), "the key is shown: {message}");
    assert!(message.len() <= WORDS, "{} bytes are no sentence: {message}", message.len());
    let code = code.as_deref().expect("a failure has a code");
    let is_status = code.parse::<u16>().is_ok_and(|status| (100..1000).contains(&status));
    assert!(is_status || wire::ErrorCode::parse(code).is_some(), "{code} is no code");
}
