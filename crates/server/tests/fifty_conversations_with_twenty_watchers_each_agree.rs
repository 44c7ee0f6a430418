//! Rules 3 and 4 over real sockets, in bad weather: fifty conversations, twenty watchers each who join and leave when
//! they like, messages queued, turns stopped and conversations closed at random. Everybody sees the same, history says
//! the same, and afterwards nothing is left: no task, no socket, no byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unsafe_code)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use engine::{Catalog, Credential, Engine, Options};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use kernel::{RetryPolicy, Tool, ToolContext, ToolResult, ToolSpec};
use serde_json::{Value, json};
use server::Server;
use store::Sqlite;
use support::{Socket, settings};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use weather::{Answer, Flavour, Received, Reply, Script, Weather};

const CONVERSATIONS: u64 = 50;
const WATCHERS: u64 = 20;
const ACTIONS: usize = 10;
const THE_END: &str = "the end";

/// How long one thing may take on a busy machine. A thousand sockets are opened at a time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is passed to the system's allocator as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A tool that takes a moment and says something meanwhile.
struct Busy(ToolSpec);

impl Tool for Busy {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn run(self: Arc<Self>, input: Value, mut context: ToolContext) -> BoxFuture<'static, ToolResult> {
        async move {
            use futures_util::SinkExt;
            for word in ["busy ", "still busy "] {
                let output = kernel::ToolOutput { stream: wire::OutputStream::Stdout, data: word.to_owned() };
                let _ = context.output.send(output).await;
                let pause = tokio::time::sleep(Duration::from_millis(input["ms"].as_u64().unwrap_or(1)));
                tokio::select! {
                    () = pause => {}
                    () = context.cancelled.clone() => return ToolResult::error("cancelled"),
                }
            }
            ToolResult::ok("done")
        }
        .boxed()
    }
}

/// What the provider does this time.
fn forecast(random: &mut fastrand::Rng, request: &Received) -> Reply {
    let words = |random: &mut fastrand::Rng, most: usize| {
        (0..random.usize(1..most)).map(|n| format!("wörd{n} ")).collect::<String>()
    };
    let answer = Answer::new(Flavour::OpenAi);
    let body = request.json();
    let last_user = body["messages"].as_array().and_then(|messages| {
        messages
            .iter()
            .rev()
            .find(|message| message["role"] == "user")
            .map(|message| message["content"].clone())
    });
    if last_user == Some(json!(THE_END)) {
        return answer.text(&words(random, 50)).usage(10, 5).finish();
    }
    let slow = answer.clone().every(Duration::from_millis(random.u64(0..3)));
    match random.u8(0..20) {
        0 => Reply::status(429).header("retry-after", "0"),
        1 => Reply::status(500).send("a storm"),
        2 => slow.text(&words(random, 40)).cut().hang_up(),
        3 => slow.text(&words(random, 40)).cut(),
        4 => slow.text(&words(random, 10)).cut().stall(),
        5 => answer.cut().hang_up(),
        6 => answer.text(&words(random, 60)).usage(10, 5).finish().split(7),
        7 | 8 => slow.reasoning(&words(random, 30)).text(&words(random, 30)).usage(10, 5).finish(),
        9..13 => {
            let mut answer = slow.text(&words(random, 10));
            for _ in 0..random.u8(1..4) {
                let id = format!("call-{}", random.u64(..));
                answer = answer.call(&id, "busy", &json!({ "ms": random.u64(0..15) }));
            }
            answer.usage(10, 5).finish()
        }
        _ => slow.text(&words(random, 120)).usage(10, 5).finish(),
    }
}

struct World {
    engine: Engine,
    http: SocketAddr,
    client: reqwest::Client,
}

impl World {
    async fn post(&self, path: &str, body: Value) -> String {
        let request = self.client.post(format!("http://{}{path}", self.http)).body(body.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.unwrap()
    }

    /// Waits until a conversation is idle. For how long the others go on is not its concern.
    async fn idle(&self, id: &str) {
        let id = wire::ConversationId::new(id);
        let until = Instant::now() + PATIENCE;
        while self.engine.is_active(&id) {
            assert!(Instant::now() < until, "{id} stays busy");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Deltas that follow each other become one.
fn merged(events: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for event in events {
        let field = match event["type"].as_str().unwrap() {
            "text-delta" | "reasoning-delta" => "delta",
            "tool-output" => "data",
            _ => "",
        };
        match merged.last_mut() {
            Some(last) if !field.is_empty() && same_run(last, event, field) => {
                let text = format!("{}{}", last[field].as_str().unwrap(), event[field].as_str().unwrap());
                last[field] = text.into();
            }
            _ => merged.push(event.clone()),
        }
    }
    merged
}

fn same_run(a: &Value, b: &Value, field: &str) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        value[field] = Value::Null;
        value
    };
    without(a) == without(b)
}

/// The events of each turn, in order.
fn turns(events: &[Value]) -> Vec<Vec<Value>> {
    events.chunk_by(|a, b| a["turnId"] == b["turnId"]).map(<[Value]>::to_vec).collect()
}

/// Whether one who left early saw the beginning of a turn.
fn begins(seen: &[Value], whole: &[Value]) -> bool {
    let Some((last, before)) = seen.split_last() else { return true };
    if seen.len() > whole.len() || before != &whole[..before.len()] {
        return false;
    }
    let expected = &whole[before.len()];
    ["delta", "data"].iter().any(|field| match (last[*field].as_str(), expected[*field].as_str()) {
        (Some(seen), Some(whole)) => same_run(last, expected, field) && whole.starts_with(seen),
        _ => false,
    }) || last == expected
}

/// Watches from now on, for that time, or until the last turn is over. Events as they came.
async fn watch_for(
    http: SocketAddr,
    id: &str,
    time: Option<Duration>,
    ready: mpsc::Sender<()>,
) -> Vec<Value> {
    let mut socket = Socket::open(&format!("ws://{http}/")).await;
    socket.send(json!({ "type": "chat.subscribe", "conversationId": id })).await;
    // Answered in order: when this is, the conversation is watched.
    socket.send(json!({ "type": "subscribe", "surfaceId": "loaded-extensions" })).await;
    let mut events = Vec::new();
    let mut last_turn = None;
    let until = time.map(|time| Instant::now() + time);
    loop {
        let patience = until.map_or(PATIENCE, |until| until.saturating_duration_since(Instant::now()));
        let frame = match socket.try_next(patience).await {
            Some(frame) => frame,
            None if until.is_some() => break,
            None => panic!("nothing comes"),
        };
        if frame["type"] == "surface" {
            let _ = ready.send(()).await;
        }
        if frame["type"] != "chat.delta" {
            continue;
        }
        let event = frame["event"].clone();
        if event["type"] == "user-message" && event["text"] == THE_END {
            last_turn = Some(event["turnId"].clone());
        }
        let over = event["type"] == "turn-sealed" && Some(&event["turnId"]) == last_turn.as_ref();
        events.push(event);
        if over {
            break;
        }
    }
    events
}

/// One conversation with all who watch it. Says how many watchings were compared.
async fn converse(world: Arc<World>, id: String, seed: u64, start: watch::Receiver<bool>) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let (ready, mut are_ready) = mpsc::channel(64);
    let reference = tokio::spawn({
        let (id, http, ready) = (id.clone(), world.http, ready.clone());
        async move { watch_for(http, &id, None, ready).await }
    });
    are_ready.recv().await.unwrap();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|watcher| {
            let (id, http, ready, mut start) = (id.clone(), world.http, ready.clone(), start.clone());
            let mut random = fastrand::Rng::with_seed(seed * 1000 + watcher);
            tokio::spawn(async move {
                start.wait_for(|started| *started).await.unwrap();
                let mut seen = Vec::new();
                for _ in 0..2 {
                    tokio::time::sleep(Duration::from_millis(random.u64(0..150))).await;
                    // Anything from a glimpse to several turns.
                    let time = Duration::from_millis(random.u64(1..400));
                    seen.push(watch_for(http, &id, Some(time), mpsc::channel(1).0).await);
                }
                seen.push(watch_for(http, &id, None, ready).await);
                seen
            })
        })
        .collect();
    let mut start = start;
    start.wait_for(|started| *started).await.unwrap();
    for action in 0..ACTIONS {
        let path = format!("/conversations/{id}");
        match random.u8(0..10) {
            0 => drop(world.post(&format!("{path}/stop"), json!({})).await),
            1 => drop(world.post(&format!("{path}/close"), json!({})).await),
            2..5 => {
                drop(world.post(&format!("{path}/queue"), json!({ "text": format!("also {action}") })).await)
            }
            _ => {
                let body = json!({ "conversationId": id, "message": format!("message {action}"), "whenActive": "queue" });
                let sending = tokio::spawn({
                    let world = world.clone();
                    async move { world.post("/chat", body).await }
                });
                // Some clients hang up in the middle of their turn.
                if random.bool() {
                    sending.await.unwrap();
                } else {
                    tokio::time::sleep(Duration::from_millis(random.u64(0..40))).await;
                    sending.abort();
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..30))).await;
    }
    // Nothing more is queued; when what there is has run, one last turn says that it was the last.
    while world.engine.is_active(&wire::ConversationId::new(id.as_str())) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..WATCHERS {
        are_ready.recv().await.unwrap();
    }
    let body = json!({ "conversationId": id, "message": THE_END, "whenActive": "interrupt" });
    world.post("/chat", body).await;

    let reference = reference.await.unwrap();
    let whole: Vec<Vec<Value>> = turns(&reference).iter().map(|turn| merged(turn)).collect();
    let place = |turn: &[Value]| {
        whole
            .iter()
            .position(|known| known[0]["turnId"] == turn[0]["turnId"])
            .expect("a turn that the reference missed")
    };
    let mut compared = 0;
    for watcher in watchers {
        for seen in watcher.await.unwrap() {
            let seen = turns(&seen);
            let first = seen.first().map_or(0, |turn| place(turn));
            for (n, turn) in seen.iter().enumerate() {
                assert_eq!(place(turn), first + n, "{id}: turns in another order");
                let turn = merged(turn);
                let expected = &whole[first + n];
                let complete = n + 1 < seen.len();
                assert!(
                    if complete { turn == *expected } else { begins(&turn, expected) },
                    "{id}:\n{turn:#?}\n---- instead of\n{expected:#?}"
                );
            }
            compared += 1;
        }
    }
    compare_with_history(&world, &id, &whole).await;
    compared
}

/// What was said on the stream is what the history says.
async fn compare_with_history(world: &World, id: &str, whole: &[Vec<Value>]) {
    world.idle(id).await;
    let url = format!("http://{}/conversations/{id}", world.http);
    let history: Value = world.client.get(url).send().await.unwrap().json().await.unwrap();
    let mut said = Vec::new();
    for event in whole.iter().flatten() {
        match event["type"].as_str().unwrap() {
            "user-message" | "steering" => said.push(event["text"].clone()),
            "text-delta" | "reasoning-delta" => said.push(event["delta"].clone()),
            "tool-result" => said.push(event["content"].clone()),
            _ => {}
        }
    }
    let logged: Vec<Value> = history["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| match row["chunk"]["type"].as_str().unwrap() {
            "text" | "thinking" => Some(row["chunk"]["text"].clone()),
            "tool-result" => Some(row["chunk"]["content"].clone()),
            _ => None,
        })
        .collect();
    // What was queued when the last turn ended carries on after it.
    assert_eq!(logged[..said.len().min(logged.len())], said, "{id}");
}

#[derive(Debug)]
struct Left {
    tasks: usize,
    files: usize,
    bytes: isize,
    engine: (usize, usize),
}

impl Left {
    fn now(world: &World) -> Self {
        Self {
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            bytes: ALLOCATED.load(Ordering::Relaxed),
            engine: world.engine.live(),
        }
    }

    /// Whether it is no more than what was left before, but for what comes and goes.
    fn is_no_more_than(&self, before: &Self) -> bool {
        self.engine == (0, 0)
            && self.tasks <= before.tasks + 8
            && self.files <= before.files + 8
            && self.bytes <= before.bytes + (1 << 20)
    }

    /// What stays after a round: connections take a while to be closed, and how long depends on what else the machine
    /// does. So it is looked at until it is so, and at the end of all patience it is what it is.
    async fn when(world: &World, is: impl Fn(&Self) -> bool) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = Self::now(world);
            if is(&now) || Instant::now() > until {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn round(world: &Arc<World>, round: u64) -> usize {
    let (start, started) = watch::channel(false);
    let conversations: Vec<_> = (0..CONVERSATIONS)
        .map(|n| {
            let id = format!("round{round}-{n}");
            tokio::spawn(converse(world.clone(), id, round * 100 + n, started.clone()))
        })
        .collect();
    // All references are there before anything happens.
    while world.engine.live().1 < usize::try_from(CONVERSATIONS).unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.send(true).unwrap();
    join_all(conversations).await.into_iter().map(Result::unwrap).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_agrees_and_nothing_is_left_over() {
    let mut random = fastrand::Rng::with_seed(7);
    let weather =
        Weather::start(Script::chosen_by(move |request| forecast(&mut random, request))).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kind = providers::Kind::OpenAi(providers::openai::Options::default());
    let provider = providers::build(providers::Settings {
        base_url: Some(weather.base_url()),
        models: Some(vec![kernel::ModelInfo { id: "m".to_owned(), context_window: None, vision: None }]),
        limits: providers::Limits { stall: Duration::from_millis(200), ..providers::Limits::default() },
        ..providers::Settings::new("weather", kind)
    })
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(directory.path()).unwrap();
    let turn = kernel::Options {
        retry: RetryPolicy { base: Duration::from_millis(5), ..RetryPolicy::default() },
        ..kernel::Options::default()
    };
    let spill = engine::live::Spill { directory: Some(PathBuf::from(directory.path())), limit: 16 * 1024 };
    let options = Options { turn, spill, ..Options::default() };
    let spec = ToolSpec {
        name: "busy".to_owned(),
        description: String::new(),
        input_schema: json!({ "type": "object" }),
        exclusive: false,
    };
    let tools: Vec<Arc<dyn Tool>> = vec![Arc::new(Busy(spec))];
    let catalog = Catalog::new(vec![Credential { name: "weather".to_owned(), provider }], None);
    let engine = Engine::new(options, Arc::new(store), catalog, tools);
    let server = Server::bind(settings(), engine.clone()).await.unwrap();
    let http = server.http_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone().cancelled_owned()));
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let world = Arc::new(World { engine, http, client });

    // The first round fills what is meant to stay: caches, pools, the weather's memory of what it was asked.
    let mut compared = round(&world, 0).await;
    weather.forget();
    // Its sockets are closed when a second goes by in which nothing changes.
    let (last, quiet) = (Cell::new((0, 0)), Cell::new(0));
    let before = Left::when(&world, |now| {
        let is_same = last.replace((now.tasks, now.files)) == (now.tasks, now.files);
        quiet.set(if is_same && now.engine == (0, 0) { quiet.get() + 1 } else { 0 });
        quiet.get() == 10
    })
    .await;
    compared += round(&world, 1).await;
    weather.forget();
    let after = Left::when(&world, |now| now.is_no_more_than(&before)).await;
    println!("{compared} watchings compared; after one round {before:?}, after two {after:?}");
    assert!(compared >= 6000 - 100, "only {compared} watchings");
    assert!(after.is_no_more_than(&before), "something is left over: {before:?}, {after:?}");
}
