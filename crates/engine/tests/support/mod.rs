//! An engine over a log in memory, with a provider that plays a script and tools that do as they are told.
#![allow(dead_code, unreachable_pub)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::live::{Heard, Watcher};
use engine::{Catalog, Credential, Engine, Notice, Options, Prompt, Sent, Started, Steer, Toolbox};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use kernel::provider::EventStream;
use kernel::{
    Failure, FinishReason, ModelInfo, Provider, ProviderEvent, Request, Tool, ToolContext, ToolOutput,
    ToolResult, ToolSpec,
};
use serde_json::{Value, json};
use store::{Memory, Store, Window};
use tokio::sync::Notify;
use wire::{AgentEvent, ConversationId, OutputStream};

/// What the provider does next.
#[derive(Clone)]
pub enum Play {
    Say(ProviderEvent),
    /// Waits until the test opens the gate.
    Gate(Arc<Notify>),
    Panic,
}

pub fn text(delta: &str) -> Play {
    Play::Say(ProviderEvent::TextDelta(delta.to_owned()))
}

pub fn call(id: &str, name: &str, input: Value) -> Play {
    Play::Say(ProviderEvent::ToolCall { id: id.to_owned(), name: name.to_owned(), input })
}

pub fn stop() -> Play {
    Play::Say(ProviderEvent::Finish(FinishReason::Stop))
}

pub fn tools() -> Play {
    Play::Say(ProviderEvent::Finish(FinishReason::ToolCalls))
}

/// Plays one script after another, one for each call, and says the last user message when there is none left.
#[derive(Default)]
pub struct Script {
    pub plays: Mutex<std::collections::VecDeque<Vec<Play>>>,
    pub requests: Mutex<Vec<Request>>,
    /// The model's context window; 0 is not known.
    pub window: AtomicU64,
    /// Whether the model takes images.
    pub vision: Mutex<Option<bool>>,
}

impl Provider for Script {
    fn stream(&self, request: Request) -> EventStream {
        let echo = last_user_text(&request);
        self.requests.lock().unwrap().push(request);
        let plays = self.plays.lock().unwrap().pop_front();
        let plays = plays.unwrap_or_else(|| vec![text(&format!("you said: {echo}")), stop()]);
        futures_util::stream::iter(plays)
            .then(|play| async move {
                match play {
                    Play::Say(event) => Some(event),
                    Play::Gate(gate) => {
                        gate.notified().await;
                        None
                    }
                    Play::Panic => panic!("the provider has a defect"),
                }
            })
            .filter_map(std::future::ready)
            .boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        let window = self.window.load(Ordering::Relaxed);
        let context_window = (window > 0).then_some(window);
        let vision = *self.vision.lock().unwrap();
        std::future::ready(Ok(vec![ModelInfo { id: "m".to_owned(), context_window, vision }])).boxed()
    }
}

fn last_user_text(request: &Request) -> String {
    let last = request.messages.iter().rev().find(|message| message.role == wire::Role::User).unwrap();
    last.parts
        .iter()
        .filter_map(|part| match &part.chunk {
            wire::Chunk::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// A tool whose input says what it does.
pub struct Obedient(ToolSpec);

impl Tool for Obedient {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn run(self: Arc<Self>, input: Value, mut context: ToolContext) -> BoxFuture<'static, ToolResult> {
        async move {
            if let Some(data) = input["output"].as_str() {
                use futures_util::SinkExt;
                let output = ToolOutput { stream: OutputStream::Stdout, data: data.to_owned() };
                let _ = context.output.send(output).await;
            }
            if input["panic"] == json!(true) {
                panic!("the tool has a defect");
            }
            if input["hang"] == json!(true) {
                context.cancelled.await;
                return ToolResult::error("cancelled after half of it");
            }
            if let Some(ms) = input["sleep"].as_u64() {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            let size = input["size"].as_u64().unwrap_or(0);
            ToolResult::ok(format!("{}{}", input["say"].as_str().unwrap_or("ok"), "x".repeat(size as usize)))
        }
        .boxed()
    }
}

pub struct World {
    pub engine: Engine,
    pub store: Arc<Memory>,
    pub script: Arc<Script>,
}

pub fn world() -> World {
    world_with(Options::default())
}

pub fn world_with(options: Options) -> World {
    let store = Arc::new(Memory::new());
    let script = Arc::new(Script::default());
    World { engine: engine_over(options, store.clone(), script.clone()), store, script }
}

pub fn engine_over(options: Options, store: Arc<dyn Store>, script: Arc<Script>) -> Engine {
    let spec = ToolSpec {
        name: "obey".to_owned(),
        description: String::new(),
        input_schema: json!({ "type": "object" }),
        exclusive: false,
    };
    let credential = Credential { name: "test".to_owned(), provider: script };
    let catalog = Catalog::new(vec![credential], None);
    let tools: Vec<Arc<dyn Tool>> = vec![Arc::new(Obedient(spec))];
    let toolbox = Toolbox { tools, todos: true, ..Toolbox::default() };
    Engine::new(options, store, catalog, toolbox)
}

impl World {
    pub fn plays(&self, scripts: Vec<Vec<Play>>) {
        self.script.plays.lock().unwrap().extend(scripts);
    }

    pub async fn send(&self, id: &str, text: &str) -> Result<Watcher, engine::Error> {
        Ok(self.start(id, prompt(text)).await?.watcher)
    }

    pub async fn start(&self, id: &str, prompt: Prompt) -> Result<Started, engine::Error> {
        match self.engine.send(&ConversationId::new(id), prompt).await? {
            Sent::Started(started) => Ok(started),
            Sent::Queued(_) | Sent::Repeated(_) => panic!("no turn was started"),
        }
    }

    /// One whole turn.
    pub async fn says(&self, id: &str, text: &str) -> String {
        let mut watcher = self.send(id, text).await.unwrap();
        let events = turn(&mut watcher).await;
        self.settled().await;
        said(&events)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.script.requests.lock().unwrap().clone()
    }

    /// The history as JSON chunks, after checking that its seqs are 1, 2, 3 ….
    pub async fn history(&self, id: &str) -> Vec<Value> {
        let rows = self.engine.history(&ConversationId::new(id), Window::default()).await.unwrap();
        let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, (1..=rows.len() as u64).collect::<Vec<_>>());
        rows.iter().map(|row| serde_json::from_str(row.chunk.get()).unwrap()).collect()
    }

    pub async fn queued(&self, id: &str) -> Vec<String> {
        let queue = self.store.queue(&ConversationId::new(id)).await.unwrap();
        queue.into_iter().map(|message| message.text).collect()
    }

    /// Waits until every actor is gone and its memory with it.
    pub async fn settled(&self) {
        for _ in 0..1000 {
            if self.engine.live().0 == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("an actor stays although nothing happens");
    }
}

pub fn prompt(text: &str) -> Prompt {
    Prompt { text: text.to_owned(), ..Prompt::default() }
}

pub fn steer(text: &str) -> Steer {
    Steer { text: text.to_owned(), ..Steer::default() }
}

/// The statuses among the notices that have arrived.
pub fn statuses(notices: &mut tokio::sync::broadcast::Receiver<Notice>) -> Vec<wire::ConversationStatus> {
    let mut seen = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        if let Notice::Status { status, .. } = notice {
            seen.push(status);
        }
    }
    seen
}

/// The next event; a turn's end is `None`.
pub async fn next(watcher: &mut Watcher) -> Option<AgentEvent> {
    let heard = tokio::time::timeout(Duration::from_secs(20), watcher.next()).await.expect("nothing comes");
    match heard {
        Heard::Frame(frame) => Some(serde_json::from_slice(&frame.event()).unwrap()),
        Heard::TurnOver => None,
    }
}

/// All events up to the turn's end.
pub async fn turn(watcher: &mut Watcher) -> Vec<AgentEvent> {
    let mut events = Vec::new();
    while let Some(event) = next(watcher).await {
        events.push(event);
    }
    events
}

/// Reads until an event of that kind.
pub async fn until(watcher: &mut Watcher, kind: &str) -> AgentEvent {
    loop {
        let event = next(watcher).await.unwrap_or_else(|| panic!("the turn ended without {kind}"));
        if event.kind() == kind {
            return event;
        }
    }
}

/// The kinds of events, adjacent equal ones once.
pub fn kinds(events: &[AgentEvent]) -> Vec<&'static str> {
    let mut kinds: Vec<_> = events.iter().map(AgentEvent::kind).collect();
    kinds.dedup();
    kinds
}

/// All text of a turn.
pub fn said(events: &[AgentEvent]) -> String {
    events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect()
}

pub fn reason(events: &[AgentEvent]) -> &str {
    events
        .iter()
        .find_map(|event| match event {
            AgentEvent::Done { reason, .. } => Some(reason.as_str()),
            _ => None,
        })
        .expect("the turn was never done")
}
