//! The built-in model: whole turns, as the engine would run them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kernel::{Failure, FinishReason, INTERRUPTED, Message, Provider, ProviderEvent, Request};
use providers::{Kind, Limits, Settings, demo};
use serde_json::{Value, json};
use wire::extension::ImageChunk;
use wire::{Chunk, Role};

use crate::support;
use crate::support::{call, events, merged, message, request, result, result_chunk, text, tools};

fn demo() -> Arc<dyn Provider> {
    let options = demo::Options { token_delay: Duration::ZERO };
    support::build(Settings::new("demo", Kind::Demo(options)))
}

fn asked(messages: Vec<Message>) -> Request {
    Request { tools: tools(), ..request(messages) }
}

/// The events of an answer without its usage.
async fn answer(demo: &Arc<dyn Provider>, request: Request) -> Vec<ProviderEvent> {
    let mut events = merged(events(demo, request).await);
    let usage = events.iter().filter(|event| matches!(event, ProviderEvent::Usage(_))).count();
    assert_eq!(usage, 1);
    events.retain(|event| !matches!(event, ProviderEvent::Usage(_)));
    events
}

/// What the demo says and calls when it is asked this.
async fn says(prompt: &str) -> Vec<ProviderEvent> {
    answer(&demo(), asked(vec![Message::user(prompt)])).await
}

fn said(text: &str) -> ProviderEvent {
    ProviderEvent::TextDelta(text.to_owned())
}

fn called(id: &str, name: &str, input: Value) -> ProviderEvent {
    ProviderEvent::ToolCall { id: id.to_owned(), name: name.to_owned(), input }
}

const STOP: ProviderEvent = ProviderEvent::Finish(FinishReason::Stop);
const TOOLS: ProviderEvent = ProviderEvent::Finish(FinishReason::ToolCalls);

/// The events as the message that the log would have.
fn as_message(events: &[ProviderEvent]) -> Message {
    let chunks = events.iter().filter_map(|event| match event {
        ProviderEvent::TextDelta(said) => Some(text(said)),
        ProviderEvent::ToolCall { id, name, input } => Some(call(id, name, input.clone())),
        _ => None,
    });
    message(Role::Assistant, chunks.collect())
}

#[tokio::test]
async fn it_reads_and_says_what_it_read() {
    let demo = demo();
    let mut messages = vec![Message::user("Please read notes.txt.")];
    let first = answer(&demo, asked(messages.clone())).await;
    assert_eq!(
        first,
        [said("I read notes.txt."), called("demo-1", "read_file", json!({"path": "notes.txt"})), TOOLS]
    );
    messages.push(as_message(&first));
    messages.push(result("demo-1", "milk\neggs\nbread\n"));
    assert_eq!(
        answer(&demo, asked(messages)).await,
        [said("Reading notes.txt gave 3 lines, 15 characters; the first is “milk”."), STOP]
    );
}

#[tokio::test]
async fn it_calls_two_tools_in_one_step_and_goes_on_in_further_steps() {
    let demo = demo();
    let prompt = "say Hello then read a and run `ls | wc -l` then write b.txt: all is well then count to 3";
    let mut messages = vec![Message::user(prompt)];
    let first = answer(&demo, asked(messages.clone())).await;
    assert_eq!(
        first,
        [
            said("Hello\n\nI read a and run `ls | wc -l`."),
            called("demo-1", "read_file", json!({"path": "a"})),
            called("demo-2", "run_shell", json!({"command": "ls | wc -l"})),
            TOOLS
        ]
    );
    messages.push(as_message(&first));
    messages.push(message(Role::Tool, vec![result_chunk("demo-1", "No such file: a\n", true)]));
    messages.push(result("demo-2", "7"));
    let second = answer(&demo, asked(messages.clone())).await;
    assert_eq!(
        second,
        [
            said(
                "Reading a failed: No such file: a. Running `ls | wc -l` gave one line: “7”.\n\nI write b.txt."
            ),
            called("demo-3", "write_file", json!({"path": "b.txt", "content": "all is well"})),
            TOOLS
        ]
    );
    messages.push(as_message(&second));
    messages.push(result("demo-3", ""));
    assert_eq!(
        answer(&demo, asked(messages.clone())).await,
        [said("Writing b.txt worked and gave nothing back.\n\n1 2 3"), STOP]
    );
}

#[tokio::test]
async fn it_takes_steering_into_account() {
    let demo = demo();
    let mut messages = vec![Message::user("read a then run ls")];
    messages.push(as_message(&answer(&demo, asked(messages.clone())).await));
    messages.push(result("demo-1", "alpha"));
    messages.push(Message::user("hurry up"));
    let second = answer(&demo, asked(messages.clone())).await;
    assert_eq!(
        second,
        [
            said(
                "Reading a gave one line: “alpha”.\n\nYou added: “hurry up”. I take that into account.\n\nI run `ls`."
            ),
            called("demo-2", "run_shell", json!({"command": "ls"})),
            TOOLS
        ]
    );
    messages.push(as_message(&second));
    messages.push(result("demo-2", "a"));
    messages.push(Message::user("then count to 2"));
    assert_eq!(
        answer(&demo, asked(messages)).await,
        [
            said(
                "Running `ls` gave one line: “a”.\n\nYou added: “then count to 2”. I take that into account.\n\n1 2"
            ),
            STOP
        ]
    );
}

#[tokio::test]
async fn a_prompt_after_an_interrupted_call_is_a_new_start() {
    let messages = vec![
        Message::user("read a then run ls"),
        message(Role::Assistant, vec![call("demo-1", "read_file", json!({"path": "a"}))]),
        message(Role::Tool, vec![result_chunk("demo-1", INTERRUPTED, true)]),
        Message::user("say Hi"),
    ];
    assert_eq!(answer(&demo(), asked(messages)).await, [said("Hi"), STOP]);
}

#[tokio::test]
async fn a_later_turn_is_about_its_own_prompt() {
    let messages = vec![
        Message::user("read a"),
        message(Role::Assistant, vec![call("demo-1", "read_file", json!({"path": "a"}))]),
        result("demo-1", "alpha"),
        message(Role::Assistant, vec![text("Reading a gave one line.")]),
        Message::user("read b"),
    ];
    assert_eq!(
        answer(&demo(), asked(messages)).await,
        [said("I read b."), called("demo-2", "read_file", json!({"path": "b"})), TOOLS]
    );
}

#[tokio::test]
async fn it_says_what_it_is() {
    let events = says("What is the meaning of life?").await;
    let [ProviderEvent::TextDelta(text), STOP] = events.as_slice() else { panic!("{events:?}") };
    assert!(text.starts_with("I am the demo model that is built into Dispatch: a small program, not an AI."));
    for command in
        ["read <path>", "run <command>", "write <path>: <text>", "fail after <number> words", "stall"]
    {
        assert!(text.contains(command), "{text}");
    }
    assert_eq!(says("help").await, events);
}

#[tokio::test]
async fn it_thinks_counts_speaks_and_sums_up() {
    let thought = says("think about the sea").await;
    let [
        ProviderEvent::ReasoningDelta(reasoning),
        ProviderEvent::ReasoningEnd { replay: None },
        ProviderEvent::TextDelta(aloud),
        STOP,
    ] = thought.as_slice()
    else {
        panic!("{thought:?}")
    };
    assert!(reasoning.contains("the sea"));
    assert_eq!(aloud, "I have thought about the sea, as well as a script can.");
    assert_eq!(
        says("say it\nfrobnicate").await,
        [said("I do not know what to do about “frobnicate”.\n\nit"), STOP]
    );
    assert_eq!(says("summarise").await, [said("Nothing was said before this."), STOP]);
    let messages = vec![
        Message::user("say hello"),
        message(Role::Assistant, vec![text("hello")]),
        Message::user("Write a short summary of our conversation so far."),
    ];
    assert_eq!(
        answer(&demo(), asked(messages)).await,
        [said("So far, messages of the user: 1; calls of tools: 0. The user wrote:\n1. say hello"), STOP]
    );
}

#[tokio::test]
async fn it_uses_no_tool_that_it_does_not_have() {
    let request = request(vec![Message::user("read a then list")]);
    assert_eq!(
        answer(&demo(), request).await,
        [
            said(
                "I would need the tool read_file for that, and this conversation does not have it.\n\n\
                 I would need the tool run_shell for that, and this conversation does not have it."
            ),
            STOP
        ]
    );
    assert_eq!(
        says("list it's").await,
        [
            said("I run `ls -la -- 'it'\\''s'`."),
            called("demo-1", "run_shell", json!({"command": "ls -la -- 'it'\\''s'"})),
            TOOLS
        ]
    );
}

#[tokio::test]
async fn it_fails_as_it_is_told() {
    let failed = |message: &str, retryable| {
        ProviderEvent::Error(Failure {
            message: message.to_owned(),
            code: Some("provider-failed".to_owned()),
            retryable,
            retry_after: None,
        })
    };
    assert_eq!(says("fail").await, [failed("the demo model was asked to fail", false)]);
    assert_eq!(
        says("fail after 3 words").await,
        [said("word1 word2 word3"), failed("the demo model was asked to fail after 3 words", false)]
    );
    let demo = demo();
    let once = || answer(&demo, asked(vec![Message::user("fail once then say done")]));
    let first = [failed("the demo model was asked to fail once; the next attempt will succeed", true)];
    assert_eq!(once().await, first);
    assert_eq!(
        once().await,
        [said("The first attempt failed, as you asked; this is the second.\n\ndone"), STOP]
    );
    assert_eq!(once().await, first, "the next time it is asked, it fails again");
}

#[tokio::test]
async fn it_stalls_no_longer_than_a_provider_may() {
    let limits = Limits { stall: Duration::from_millis(200), ..Limits::default() };
    let kind = Kind::Demo(demo::Options { token_delay: Duration::ZERO });
    let demo = support::build(Settings { limits, ..Settings::new("demo", kind) });
    let started = Instant::now();
    let events = answer(&demo, asked(vec![Message::user("say well then stall")])).await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], said("well"));
    assert_eq!(support::failure(&events).code.as_deref(), Some("provider-stalled"));
}

#[tokio::test]
async fn it_streams_token_by_token_and_stops_at_the_limit() {
    let demo = demo();
    let all = events(&demo, asked(vec![Message::user("count to 1000")])).await;
    assert!(all.len() > 1000, "{} events", all.len());
    assert!(all.iter().all(|event| !matches!(event, ProviderEvent::TextDelta(text) if text.len() > 6)));
    let limited = Request { max_tokens: Some(10), ..asked(vec![Message::user("count to 1000")]) };
    assert_eq!(
        merged(events(&demo, limited).await),
        [
            said("1 2 3 4 5 6 7 8 9 10"),
            ProviderEvent::Usage(wire::Usage {
                input_tokens: 25,
                output_tokens: 10,
                cache_read_tokens: Some(0),
                cache_write_tokens: None
            }),
            ProviderEvent::Finish(FinishReason::Length)
        ]
    );
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let ask = || asked(vec![Message::user("think then read a and run ls")]);
    let first = events(&demo(), ask()).await;
    assert_eq!(events(&demo(), ask()).await, first);
}

#[tokio::test]
async fn it_takes_its_time() {
    let options = demo::Options { token_delay: Duration::from_millis(20) };
    let demo = support::build(Settings::new("demo", Kind::Demo(options)));
    let started = Instant::now();
    let mut stream = demo.stream(asked(vec![Message::user("count to 10")]));
    let mut tokens = 0;
    while let Some(event) = stream.next().await {
        tokens += u32::from(matches!(event, ProviderEvent::TextDelta(_)));
    }
    assert_eq!(tokens, 10);
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn it_calls_whatever_it_is_told_to() {
    assert_eq!(
        says("call docs__find {\"of\": \"a then run b\", \"most\": 3}\ncall read_file {}").await,
        [
            said("I call docs__find."),
            called("demo-1", "docs__find", json!({"of": "a then run b", "most": 3})),
            TOOLS
        ]
    );
    for input in ["[1]", "{\"path\": ", "5"] {
        assert_eq!(
            says(&format!("call read_file {input}")).await,
            [said("I cannot call read_file with that: what it gets must be one JSON object."), STOP]
        );
    }
}

#[tokio::test]
async fn it_says_what_it_was_given() {
    assert_eq!(
        says("tools then prompt?").await,
        [
            said(
                "I was given these tools: read_file, run_shell, write_file.\n\nI was given no system prompt."
            ),
            STOP
        ]
    );
    let bare =
        Request { system: Some("Be kind.".into()), ..request(vec![Message::user("tools then prompt")]) };
    assert_eq!(
        answer(&demo(), bare).await,
        [said("I was given no tools.\n\nI was given this system prompt:\n\nBe kind."), STOP]
    );
}

#[tokio::test]
async fn it_ends_as_it_is_told_to() {
    for (words, finish) in [
        ("length", Some(FinishReason::Length)),
        ("content_filter", Some(FinishReason::ContentFilter)),
        ("nothing", None),
    ] {
        let mut expected = vec![said("so far")];
        expected.extend(finish.map(ProviderEvent::Finish));
        assert_eq!(says(&format!("say so far\nend with {words}\nsay no more")).await, expected);
    }
}

#[tokio::test]
async fn it_summarises_what_a_summariser_is_given() {
    let given = "user: read notes.txt, and then tell me about all that you have found in it\nassistant: [calls \
                 read_file]\ntool: [result of read_file] user: milk\nassistant: Reading notes.txt gave one line.\n\
                 user: end with nothing\n";
    let summariser = Request {
        system: Some("You summarise the older part of a conversation.".into()),
        ..request(vec![Message::user(given)])
    };
    assert_eq!(
        answer(&demo(), summariser).await,
        [
            said(
                "Messages of the user: 2; calls of tools: 1.\n1. read notes.txt, and then tell me about a…\n…"
            ),
            STOP
        ]
    );
}

#[tokio::test]
async fn it_tells_what_images_it_was_sent() {
    let image = |url: &str, mime_type: Option<&str>| {
        Chunk::Image(ImageChunk { url: url.to_owned(), mime_type: mime_type.map(str::to_owned) })
    };
    let one = message(
        Role::User,
        vec![text("say hello"), image("data:image/png;base64,iVBORw0KGgo=", Some("image/png"))],
    );
    let first = answer(&demo(), asked(vec![one.clone()])).await;
    assert_eq!(first, [said("I was sent an image: image/png, 8 bytes.\n\nhello"), STOP]);
    let two = message(
        Role::User,
        vec![image("https://example.com/a.webp", None), image("data:image/gif;base64,R0lGODlh", None)],
    );
    let both = "I was sent 2 images: of an unknown type at https://example.com/a.webp; image/gif, 6 bytes.";
    assert_eq!(answer(&demo(), asked(vec![one, as_message(&first), two])).await, [said(both), STOP]);
}

#[tokio::test]
async fn it_tells_what_images_were_added_while_tools_ran() {
    let demo = demo();
    let mut messages = vec![Message::user("read a then run ls")];
    messages.push(as_message(&answer(&demo, asked(messages.clone())).await));
    messages.push(result("demo-1", "alpha"));
    let image =
        Chunk::Image(ImageChunk { url: "data:image/gif;base64,R0lGODlh".to_owned(), mime_type: None });
    messages.push(message(Role::User, vec![image]));
    let second = answer(&demo, asked(messages.clone())).await;
    assert_eq!(
        second,
        [
            said(
                "Reading a gave one line: “alpha”.\n\nI was sent an image: image/gif, 6 bytes.\n\nI run `ls`."
            ),
            called("demo-2", "run_shell", json!({"command": "ls"})),
            TOOLS
        ]
    );
    messages.push(as_message(&second));
    messages.push(result("demo-2", "a"));
    assert_eq!(
        answer(&demo, asked(messages)).await,
        [said("Running `ls` gave one line: “a”."), STOP],
        "an image is told of once"
    );
}
