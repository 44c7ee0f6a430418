//! The bytes of a request begin like those of the one before it: so prompt caches hit.
//!
//! What is compared is the **head** of a body: its bytes from the first to the end of the last message, without the
//! bracket that closes `messages`, and without cache marks, which move and are no part of a prompt. The head of every
//! request must begin with the whole head of the one before, followed by the comma before the next message. Only where a
//! prompt follows a prompt, because nothing was answered, does Anthropic's protocol want one message of both; then all
//! but the brackets that close the last message must be there. What comes after the head, the **tail**, is no part of the
//! prompt.
//!
//! A warming and the next turn are no continuation of each other: they have the same head up to their last messages.

use std::sync::Arc;

use kernel::{Message, Part, Provider, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use providers::anthropic::{self, Thinking};
use providers::{Kind, Settings, openai};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use weather::{Answer, Flavour, Script, Weather};
use wire::{Chunk, ReasoningEffort, Role};

use crate::support::{
    PNG, build, call, events, image, message, png, provider, request, result, result_chunk, settings, text,
    thinking, tools,
};

const MARK: &str = ",\"cache_control\":{\"type\":\"ephemeral\"}";

/// What a warming says, as in the engine.
const PROBE: &str = "Reply with the single character: .";

/// The head and the tail of a body.
fn split(body: &str) -> (String, String) {
    const FIELD: &str = ",\"messages\":";
    let body = body.replace(MARK, "");
    let start = body.find(FIELD).unwrap() + FIELD.len();
    let mut messages = serde_json::Deserializer::from_str(&body[start..]).into_iter::<IgnoredAny>();
    messages.next().unwrap().unwrap();
    let end = start + messages.byte_offset();
    (body[..end - "]".len()].to_owned(), body[end - "]".len()..].to_owned())
}

/// Whether the head of a request has all of an earlier one, and one more message at least.
fn continues(before: &str, after: &str) -> bool {
    after.strip_prefix(before).is_some_and(|rest| rest.starts_with(','))
}

/// A body without what it says, and without how long its answer may be.
fn manner(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(&body.replace(MARK, "")).unwrap();
    for field in ["messages", "max_tokens", "max_completion_tokens"] {
        body.as_object_mut().unwrap().remove(field);
    }
    body
}

/// Where the marks are: in the tools, in the system prompt, and in which block of which message.
fn marks(body: &str) -> (Vec<usize>, Vec<usize>, Vec<(usize, usize)>) {
    let body: Value = serde_json::from_str(body).unwrap();
    let places = |blocks: &Value| -> Vec<usize> {
        let blocks = blocks.as_array().map_or(&[][..], |blocks| blocks).iter().enumerate();
        blocks.filter(|(_, block)| !block["cache_control"].is_null()).map(|(at, _)| at).collect()
    };
    let messages = body["messages"].as_array().unwrap().iter().enumerate();
    let in_messages = messages
        .flat_map(|(at, message)| places(&message["content"]).into_iter().map(move |block| (at, block)));
    (places(&body["tools"]), places(&body["system"]), in_messages.collect())
}

/// The requests of a conversation of four turns: each has what the one before had, and more.
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
            message(Role::User, vec![text("Hurry, here:"), png()]),
        ],
        vec![message(Role::Assistant, vec![text("Done.")]), message(Role::User, vec![png()])],
        vec![
            message(Role::Assistant, vec![Chunk::Thinking { text: "cut".to_owned() }, text("Welc")]),
            message(Role::User, vec![image("/images/lost.png"), text("Go on.")]),
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
    for flavour in [Flavour::OpenAi, Flavour::Anthropic] {
        let bodies = bodies(flavour, steps()).await;
        for pair in bodies.windows(2) {
            let ((before, tail), (after, next_tail)) = (split(&pair[0]), split(&pair[1]));
            assert!(continues(&before, &after), "{before}\nis not the beginning of\n{after}");
            assert_eq!(tail, next_tail);
        }
    }
}

#[tokio::test]
async fn the_cache_marks_are_at_the_ends_of_what_stays() {
    let bodies = bodies(Flavour::Anthropic, steps()).await;
    let marks: Vec<_> = bodies.iter().map(|body| marks(body)).collect();
    let expected = [
        vec![(0, 0)],
        vec![(0, 0), (2, 1)],
        vec![(2, 1), (4, 2)],
        vec![(4, 2), (6, 0)],
        vec![(6, 0), (8, 1)],
    ];
    let expected: Vec<_> = expected.into_iter().map(|messages| (vec![2], vec![0], messages)).collect();
    assert_eq!(marks, expected);
    assert!(bodies.iter().all(|body| body.matches(MARK).count() <= 4));
}

/// The one case in which the cache is lost: the API takes no request that thinks with a budget about an exchange that
/// began without a thought, and how to think comes before the messages.
#[tokio::test]
async fn an_exchange_that_began_without_a_thought_has_a_head_of_its_own() {
    let said = |messages: Vec<Message>| Request { tools: tools(), ..request(messages) };
    let called = |id: &str| message(Role::Assistant, vec![call(id, "run_shell", json!({"command": "ls"}))]);
    let mut messages = vec![Message::user("List.")];
    let mut requests = vec![said(messages.clone())];
    for added in [[called("c1"), result("c1", "a")], [called("c2"), result("c2", "b")]] {
        messages.extend(added);
        requests.push(said(messages.clone()));
    }
    messages.extend([message(Role::Assistant, vec![text("Two.")]), Message::user("Thanks.")]);
    requests.push(said(messages));
    for (flavour, expected) in
        [(Flavour::OpenAi, [true, true, true]), (Flavour::Anthropic, [false, true, false])]
    {
        let heads: Vec<String> =
            bodies(flavour, requests.clone()).await.iter().map(|body| split(body).0).collect();
        let continued: Vec<bool> = heads.windows(2).map(|pair| continues(&pair[0], &pair[1])).collect();
        assert_eq!(continued, expected);
        let next_turn = heads[3].strip_prefix(heads[0].as_str()).unwrap();
        assert!(next_turn.starts_with(','), "the next turn begins like the last one did");
    }
}

/// However long the answer may be, the request is legal, and how to think stays what it is without a limit.
#[tokio::test]
async fn a_limit_of_tokens_changes_nothing_that_is_cached() {
    let weather = Weather::start(Script::always(Answer::new(Flavour::Anthropic).finish())).await.unwrap();
    for thinking in [Thinking::Off, Thinking::Budget, Thinking::Adaptive] {
        for most in [None, Some(1), Some(1024), Some(2048), Some(2049), Some(8192), Some(64_000)] {
            let options =
                anthropic::Options { thinking, max_output_tokens: most, ..anthropic::Options::default() };
            let provider = build(Settings {
                kind: Kind::Anthropic(options),
                ..settings(Flavour::Anthropic, &weather.base_url())
            });
            for effort in ReasoningEffort::ALL {
                weather.forget();
                for max_tokens in [None, Some(0), Some(1), Some(16), Some(17), Some(4096), Some(u64::MAX)] {
                    let request = Request { effort, max_tokens, ..steps().remove(2) };
                    events(&provider, request).await;
                }
                weather.settled().await;
                let bodies: Vec<String> = sent(&weather);
                for body in &bodies {
                    assert_eq!(split(body).0, split(&bodies[0]).0, "{most:?} {effort:?}");
                    let body: Value = serde_json::from_str(body).unwrap();
                    let limit = body["max_tokens"].as_u64().unwrap();
                    assert!(limit >= 1 && most.is_none_or(|most| limit <= most), "{limit} of {most:?}");
                    if let Some(budget) = body["thinking"]["budget_tokens"].as_u64() {
                        assert!((1024..limit).contains(&budget), "{budget} of {limit}");
                    }
                }
            }
        }
    }
}

fn sent(weather: &Weather) -> Vec<String> {
    weather.requests().iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect()
}

// Conversations at random.

/// An answer of a step, and what follows it before the next.
#[derive(Clone, Debug)]
struct Step {
    thought: bool,
    words: Option<String>,
    calls: Vec<(Value, String, bool)>,
    steering: Option<Vec<Chunk>>,
}

#[derive(Clone, Debug)]
struct Exchange {
    prompt: Vec<Chunk>,
    steps: Vec<Step>,
    /// None: the turn failed before anything was said.
    answer: Option<String>,
}

#[derive(Clone, Debug)]
struct Conversation {
    system: bool,
    tools: bool,
    effort: ReasoningEffort,
    exchanges: Vec<Exchange>,
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z\"\\\\{}\\[\\],:\nß😀]{1,12}", Just(",\"messages\":[]".to_owned())]
        .prop_map(|words| format!("w{words}"))
}

fn prompt() -> impl Strategy<Value = Vec<Chunk>> {
    let url = prop_oneof![
        Just(format!("data:image/png;base64,{PNG}")),
        Just(format!("data:image/jpeg;base64,{PNG}")),
        Just("https://example.com/a b".to_owned()),
        Just("http://localhost/a".to_owned()),
        Just("data:image/png;base64,%".to_owned()),
    ];
    let images = proptest::collection::vec(url.prop_map(image), 0..3);
    (words(), images, any::<bool>()).prop_map(|(words, mut chunks, text_first)| {
        let at = if text_first { 0 } else { chunks.len() };
        chunks.insert(at, Chunk::Text { text: words });
        chunks
    })
}

fn input() -> impl Strategy<Value = Value> {
    prop_oneof![
        (words(), any::<i64>()).prop_map(|(words, number)| json!({"path": words, "at": number, "b": [{}]})),
        // Written and read again, a number has to be the same.
        proptest::num::f64::NORMAL.prop_map(|number| json!({"number": number})),
        words().prop_map(Value::String),
        Just(Value::Null),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let calls =
        proptest::collection::vec((input(), prop_oneof![words(), Just(String::new())], any::<bool>()), 1..3);
    (any::<bool>(), proptest::option::of(words()), calls, proptest::option::weighted(0.2, prompt()))
        .prop_map(|(thought, words, calls, steering)| Step { thought, words, calls, steering })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let exchange =
        (prompt(), proptest::collection::vec(step(), 0..3), proptest::option::weighted(0.8, words()))
            .prop_map(|(prompt, mut steps, answer)| {
                // The one that does not is the test above.
                if let Some(first) = steps.first_mut() {
                    first.thought = true;
                }
                Exchange { prompt, steps, answer }
            });
    let effort = proptest::sample::select(ReasoningEffort::ALL.to_vec());
    (any::<bool>(), any::<bool>(), effort, proptest::collection::vec(exchange, 1..4))
        .prop_map(|(system, tools, effort, exchanges)| Conversation { system, tools, effort, exchanges })
}

/// A request of a conversation, in the order in which they are sent.
enum Sent {
    /// The first of a turn, or the one after a step.
    Step(Request),
    /// Sent between two turns.
    Warming(Request),
}

impl Conversation {
    fn requests(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut said: Vec<Arc<Message>> = Vec::new();
        let mut calls = 0..;
        for (at, exchange) in self.exchanges.iter().enumerate() {
            if at > 0 {
                let mut warming = said.clone();
                warming.push(Arc::new(Message::user(PROBE)));
                all.push(Sent::Warming(Request { max_tokens: Some(1), ..self.request(warming) }));
            }
            said.push(Arc::new(message(Role::User, exchange.prompt.clone())));
            all.push(Sent::Step(self.request(said.clone())));
            for step in &exchange.steps {
                let ids: Vec<String> =
                    calls.by_ref().take(step.calls.len()).map(|id: u32| format!("c{id}")).collect();
                said.push(Arc::new(step.answer(&ids)));
                let results = ids.iter().zip(&step.calls);
                said.extend(results.map(|(id, (_, content, is_error))| {
                    Arc::new(message(Role::Tool, vec![result_chunk(id, content, *is_error)]))
                }));
                said.extend(step.steering.iter().map(|chunks| Arc::new(message(Role::User, chunks.clone()))));
                all.push(Sent::Step(self.request(said.clone())));
            }
            said.extend(
                exchange.answer.iter().map(|words| Arc::new(message(Role::Assistant, vec![text(words)]))),
            );
        }
        all
    }

    fn request(&self, messages: Vec<Arc<Message>>) -> Request {
        Request {
            system: self.system.then(|| "Be brief.".into()),
            tools: if self.tools { tools() } else { Arc::new([]) },
            effort: self.effort,
            messages,
            ..request(Vec::new())
        }
    }
}

impl Step {
    fn answer(&self, ids: &[String]) -> Message {
        let mut parts = Vec::new();
        if self.thought {
            parts.push(thinking("I think.", json!({"signature": "c2ln", "model": "model-1"})));
        }
        parts.extend(self.words.iter().map(|words| Part::from(text(words))));
        let calls = ids.iter().zip(&self.calls);
        parts.extend(calls.map(|(id, (input, ..))| Part::from(call(id, "run_shell", input.clone()))));
        Message { role: Role::Assistant, parts }
    }
}

/// The request as it would be after its messages were in the log and came back.
fn replayed(request: &Request) -> Request {
    let written_and_read = |part: &Part| {
        let chunk = serde_json::to_string(&part.chunk).unwrap();
        let replay = part.replay.as_ref().map(|replay| replay.to_string());
        Part {
            chunk: serde_json::from_str(&chunk).unwrap(),
            replay: replay.map(|replay| serde_json::from_str(&replay).unwrap()),
        }
    };
    let messages = request.messages.iter().map(|message| {
        Arc::new(Message { role: message.role, parts: message.parts.iter().map(written_and_read).collect() })
    });
    Request { messages: messages.collect(), ..request.clone() }
}

/// A provider whose requests are seen.
struct Watched {
    flavour: Flavour,
    provider: Arc<dyn Provider>,
    weather: Weather,
}

impl Watched {
    async fn new(kind: Kind) -> Self {
        let flavour = match kind {
            Kind::OpenAi(_) => Flavour::OpenAi,
            Kind::Anthropic(_) | Kind::Demo(_) => Flavour::Anthropic,
        };
        let weather = Weather::start(Script::always(Answer::new(flavour).finish())).await.unwrap();
        let provider = build(Settings { kind, ..settings(flavour, &weather.base_url()) });
        Self { flavour, provider, weather }
    }

    async fn body(&self, request: Request) -> String {
        self.weather.settled().await;
        self.weather.forget();
        events(&self.provider, request).await;
        sent(&self.weather).remove(0)
    }

    async fn check(&self, conversation: &Conversation) {
        let mut before: Option<(Request, String)> = None;
        let mut warming = None;
        for sent in conversation.requests() {
            match sent {
                Sent::Warming(request) => warming = Some(self.body(request).await),
                Sent::Step(request) => {
                    let body = self.body(request.clone()).await;
                    assert_eq!(self.body(replayed(&request)).await, body, "after a replay");
                    if let Some((earlier, earlier_body)) = before {
                        let new = &request.messages[earlier.messages.len()];
                        let is_joined = self.flavour == Flavour::Anthropic && new.role == Role::User;
                        self.check_next(&earlier_body, &body, is_joined);
                        if let Some(warming) = warming.take() {
                            self.check_warming(&earlier_body, &warming, &body, is_joined);
                        }
                    }
                    before = Some((request, body));
                }
            }
        }
    }

    fn check_next(&self, before: &str, after: &str, is_joined: bool) {
        let ((head, tail), (next_head, next_tail)) = (split(before), split(after));
        let stays = if is_joined { head.strip_suffix("]}").unwrap() } else { &head };
        assert!(continues(stays, &next_head), "{stays}\nis not the beginning of\n{next_head}");
        assert_eq!(tail, next_tail);
        if self.flavour == Flavour::Anthropic && !is_joined {
            assert_cached(before, after);
        }
    }

    fn check_warming(&self, before: &str, warming: &str, next: &str, is_joined: bool) {
        self.check_head_of_warming(warming, next, is_joined);
        assert_eq!(manner(warming), manner(next), "all but what is said, and how long the answer may be");
        if self.flavour == Flavour::Anthropic && !is_joined {
            assert_cached(before, warming);
        }
        let body: Value = serde_json::from_str(warming).unwrap();
        let limit = body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64()).unwrap();
        match body["thinking"]["budget_tokens"].as_u64() {
            Some(budget) => assert_eq!(limit, budget + 1),
            None => assert_eq!(limit, 1),
        }
    }

    /// What comes before the probe is what comes before the prompt of the next turn, to the byte.
    fn check_head_of_warming(&self, warming: &str, next: &str, is_joined: bool) {
        let probe = match (self.flavour, is_joined) {
            (Flavour::OpenAi, _) => format!("{{\"role\":\"user\",\"content\":\"{PROBE}\"}}"),
            (Flavour::Anthropic, false) => {
                format!("{{\"role\":\"user\",\"content\":[{{\"type\":\"text\",\"text\":\"{PROBE}\"}}]}}")
            }
            (Flavour::Anthropic, true) => format!("{{\"type\":\"text\",\"text\":\"{PROBE}\"}}]}}"),
        };
        let (head, _) = split(warming);
        let shared =
            head.strip_suffix(&probe).and_then(|head| head.strip_suffix(',')).expect("ends in the probe");
        let (next, _) = split(next);
        assert!(continues(shared, &next), "{shared}\nis not the beginning of\n{next}");
    }
}

/// The provider kept the prompt up to the last mark of the earlier request, and looks for it at the marks of the later.
fn assert_cached(before: &str, after: &str) {
    let ((tools, system, written), (next_tools, next_system, read)) = (marks(before), marks(after));
    assert_eq!((tools, system), (next_tools, next_system));
    assert!(read.contains(written.last().unwrap()), "{written:?} {read:?}");
}

#[test]
fn any_conversation_keeps_what_is_cached() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kinds = [
        Kind::OpenAi(openai::Options::default()),
        Kind::OpenAi(openai::Options {
            reasoning_effort: true,
            reasoning_content: true,
            max_completion_tokens: true,
        }),
        Kind::Anthropic(anthropic::Options::default()),
        Kind::Anthropic(anthropic::Options { thinking: Thinking::Adaptive, ..anthropic::Options::default() }),
        Kind::Anthropic(anthropic::Options { thinking: Thinking::Off, ..anthropic::Options::default() }),
    ];
    let watched = kinds.map(|kind| runtime.block_on(Watched::new(kind)));
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&conversation(), |conversation| {
        for watched in &watched {
            runtime.block_on(watched.check(&conversation));
        }
        Ok(())
    });
    checked.unwrap();
}
