//! What the tests share: short ways to say what a turn does, and to look at everything that a store shows.

#![allow(dead_code, unreachable_pub, unused_macros)]

pub mod ledger;

use kernel::{Entry, Growth, LogOp, Message, TextKind};
use serde_json::{Value, json};
use store::{
    Attribute, BeginTurn, Begun, Conversation, Error, Filter, Global, Memory, Numbered, Recovery, Seal,
    Sealed, SealedTurn, Sqlite, Store, StoredRow, Throughput, Window,
};
use tempfile::TempDir;
use wire::extension::{ImageChunk, StoredChunkExtras};
use wire::{
    Chunk, ConversationId, ConversationMeta, QueuedMessage, Role, StepId, StepMetrics, TurnId, Usage,
};

/// Has both stores keep the same promises.
macro_rules! behaviours {
    ($($name:ident)*) => {
        mod on_disk {
            $(#[tokio::test]
            async fn $name() {
                super::$name(<crate::support::OnDisk as super::World>::new()).await;
            })*
        }
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(<crate::support::InMemory as super::World>::new()).await;
            })*
        }
    };
}

/// A store that can be opened anew.
pub trait World {
    fn new() -> Self;
    fn store(&self) -> &dyn Store;
    /// What a crash and a start do. Turns that are open stay behind.
    fn reopen(&mut self) -> Recovery;
}

pub struct OnDisk {
    pub dir: TempDir,
    store: Option<Sqlite>,
}

impl World for OnDisk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, recovery) = Sqlite::open(dir.path()).unwrap();
        assert_eq!(recovery, Recovery::default());
        Self { dir, store: Some(store) }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) -> Recovery {
        drop(self.store.take());
        let (store, recovery) = Sqlite::open(self.dir.path()).unwrap();
        self.store = Some(store);
        recovery
    }
}

pub struct InMemory(pub Memory);

impl World for InMemory {
    fn new() -> Self {
        Self(Memory::new())
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn reopen(&mut self) -> Recovery {
        self.0.reopen()
    }
}

pub fn id(conversation: &str) -> ConversationId {
    ConversationId::new(conversation)
}

pub fn turn_id(turn: &str) -> TurnId {
    TurnId::new(turn)
}

pub fn beginning(conversation: &str, turn: &str, text: &str, at: u64) -> BeginTurn {
    BeginTurn {
        conversation: id(conversation),
        turn: turn_id(turn),
        text: text.to_owned(),
        images: Vec::new(),
        client_message_id: None,
        carries: Vec::new(),
        at,
        model: None,
        answered_by: None,
        cwd: None,
    }
}

pub async fn begin(store: &dyn Store, conversation: &str, turn: &str) -> Begun {
    store.begin_turn(beginning(conversation, turn, "Hello", 1)).await.unwrap()
}

pub async fn journal(
    store: &dyn Store,
    conversation: &str,
    turn: &str,
    ops: impl Into<Vec<LogOp>>,
) -> Result<(), Error> {
    store.journal(&id(conversation), &turn_id(turn), ops.into()).await
}

pub fn sealing(conversation: &str, turn: &str, at: u64) -> Seal {
    Seal {
        conversation: id(conversation),
        turn: turn_id(turn),
        at,
        reason: "stop".to_owned(),
        duration_ms: 7,
        context_size: Some(30),
    }
}

pub async fn seal(store: &dyn Store, conversation: &str, turn: &str) -> Result<Sealed, Error> {
    store.seal(sealing(conversation, turn, 2)).await
}

pub fn queued(message: &str, at: u64) -> QueuedMessage {
    QueuedMessage {
        id: message.to_owned(),
        text: format!("text of {message}"),
        queued_at: at,
        client_message_id: None,
    }
}

pub fn image(url: &str) -> ImageChunk {
    ImageChunk { url: url.to_owned(), mime_type: Some("image/png".to_owned()) }
}

pub fn text(text: &str) -> Chunk {
    Chunk::Text { text: text.to_owned() }
}

pub fn call(call: &str) -> Chunk {
    Chunk::ToolCall {
        tool_call_id: call.to_owned(),
        tool_name: "shell".to_owned(),
        input: json!({ "command": "ls" }),
        step_id: Some(StepId::new("step")),
    }
}

pub fn result(call: &str, content: &str, is_error: bool) -> Chunk {
    Chunk::ToolResult {
        tool_call_id: call.to_owned(),
        tool_name: "shell".to_owned(),
        content: content.to_owned(),
        is_error,
        step_id: Some(StepId::new("step")),
    }
}

pub fn entry(seq: u64, message: u64, role: Role, chunk: Chunk) -> Entry {
    Entry { seq, message, role, chunk, replay: None }
}

pub fn append(seq: u64, message: u64, role: Role, chunk: Chunk) -> LogOp {
    LogOp::Append(entry(seq, message, role, chunk))
}

/// An assistant's chunk.
pub fn says(seq: u64, message: u64, chunk: Chunk) -> LogOp {
    append(seq, message, Role::Assistant, chunk)
}

pub fn grow(seq: u64, message: u64, delta: &str) -> LogOp {
    LogOp::Grow(Growth { seq, message, kind: TextKind::Text, delta: delta.to_owned() })
}

pub fn step(step: &str, input_tokens: u64, output_tokens: u64) -> StepMetrics {
    StepMetrics {
        step_id: StepId::new(step),
        usage: Usage { input_tokens, output_tokens, ..Usage::default() },
        ttft_ms: Some(1),
        decode_ms: Some(2),
        gen_total_ms: Some(3),
    }
}

/// A chunk of the history as a line: its seq, its role, and the chunk in a few characters.
pub fn line(row: &StoredRow) -> String {
    let chunk: Chunk = serde_json::from_str(row.chunk.get()).unwrap();
    let chunk = match chunk {
        Chunk::Text { text } => format!("{text:?}"),
        Chunk::Thinking { text } => format!("thinking {text:?}"),
        Chunk::ToolCall { tool_call_id, .. } => format!("call {tool_call_id}"),
        Chunk::ToolResult { tool_call_id, content, is_error, step_id, .. } => {
            let step = step_id.map(|step| format!(" of {step}")).unwrap_or_default();
            format!("result {tool_call_id}{step} {}{content:?}", if is_error { "error " } else { "" })
        }
        Chunk::Error { message, .. } => format!("error {message:?}"),
        Chunk::System { text } => format!("system {text:?}"),
        Chunk::Image(image) => format!("image {}", image.url),
    };
    format!("{} {} {chunk}", row.seq, row.role.as_str())
}

pub async fn history(store: &dyn Store, conversation: &str) -> Vec<String> {
    window(store, conversation, Window::default()).await
}

pub async fn window(store: &dyn Store, conversation: &str, window: Window) -> Vec<String> {
    store.chunks(&id(conversation), window).await.unwrap().iter().map(line).collect()
}

pub async fn list(store: &dyn Store, filter: Filter) -> Vec<ConversationMeta> {
    store.conversations(filter).await.unwrap()
}

/// Messages with the numbers 1, 2, 3 ….
pub fn numbered(messages: impl IntoIterator<Item = Message>) -> Vec<Numbered> {
    messages.into_iter().zip(1..).map(|(message, number)| Numbered { number, message }).collect()
}

/// Everything that a store shows.
#[derive(Debug, PartialEq)]
pub struct Shown {
    pub list: Vec<ConversationMeta>,
    pub conversations: Vec<ShownConversation>,
    pub throughput: Vec<Throughput>,
    pub attributes: Vec<Vec<(ConversationId, String)>>,
    pub system_prompt: Option<String>,
}

#[derive(Debug, PartialEq)]
pub struct ShownConversation {
    pub conversation: Conversation,
    pub chunks: Vec<(u64, Role, Value)>,
    pub extras: Vec<StoredChunkExtras>,
    pub messages: Vec<Numbered>,
    pub last_text: Option<String>,
    pub queue: Vec<QueuedMessage>,
    pub metrics: Vec<SealedTurn>,
}

pub async fn shown(store: &dyn Store) -> Shown {
    let list = list(store, Filter::default()).await;
    let mut conversations = Vec::new();
    for meta in &list {
        let id = &meta.id;
        let rows = store.chunks(id, Window::default()).await.unwrap();
        conversations.push(ShownConversation {
            conversation: store.conversation(id).await.unwrap().unwrap(),
            chunks: rows
                .iter()
                .map(|row| (row.seq, row.role, serde_json::from_str(row.chunk.get()).unwrap()))
                .collect(),
            extras: rows.into_iter().map(|row| row.extras).collect(),
            messages: store.messages(id, u64::MAX).await.unwrap(),
            last_text: store.last_text(id).await.unwrap(),
            queue: store.queue(id).await.unwrap(),
            metrics: store.metrics(id).await.unwrap(),
        });
    }
    let mut attributes = Vec::new();
    for attribute in Attribute::ALL {
        attributes.push(store.attributes(attribute).await.unwrap());
    }
    Shown {
        list,
        conversations,
        throughput: store.throughput(0, u64::MAX).await.unwrap(),
        attributes,
        system_prompt: store.global(Global::SystemPrompt).await.unwrap(),
    }
}

/// The rules that hold for every history, however it came about.
pub fn assert_lawful(chunks: &[(u64, Role, Value)]) {
    assert_numbered(chunks);
    let ids = |kind: &str| {
        let of_kind = chunks.iter().filter(|(.., chunk)| chunk["type"] == kind);
        let mut ids: Vec<String> = of_kind.map(|(.., chunk)| chunk["toolCallId"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids("tool-call"), ids("tool-result"), "every call has exactly one result");
}

/// The rule that holds for every history, compacted or not.
pub fn assert_numbered(chunks: &[(u64, Role, Value)]) {
    let seqs: Vec<u64> = chunks.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(seqs, (1..=chunks.len() as u64).collect::<Vec<_>>(), "seqs are 1, 2, 3 …");
}
