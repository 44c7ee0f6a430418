//! What can only be tested with a hand on the disk, on a batch or on the tables.

mod batches;
mod books;
mod deletions;
mod long_logs;
mod migrations;
mod syncs;
mod tables;

use kernel::{Entry, Growth, LogOp, Message, TextKind};
use wire::{Chunk, QueuedMessage, Role};

use super::insert::Encoded;
use super::*;
use crate::{BeginTurn, Begun, Filter, Numbered, Seal, Sealed, Setting, Store, Window};

fn id(conversation: &str) -> ConversationId {
    ConversationId::new(conversation)
}

fn beginning(conversation: &str, turn: &str) -> BeginTurn {
    BeginTurn {
        conversation: id(conversation),
        turn: TurnId::new(turn),
        text: "Hello".to_owned(),
        images: vec![],
        client_message_id: None,
        carries: vec![],
        at: 1,
        model: None,
        answered_by: None,
        cwd: None,
    }
}

fn sealing(conversation: &str, turn: &str) -> Seal {
    Seal {
        conversation: id(conversation),
        turn: TurnId::new(turn),
        at: 2,
        reason: "stop".to_owned(),
        duration_ms: 1,
        context_size: None,
    }
}

fn says(seq: u64, message: u64, text: &str) -> LogOp {
    let chunk = Chunk::Text { text: text.to_owned() };
    LogOp::Append(Entry { seq, message, role: Role::Assistant, chunk, replay: None })
}

fn grow(seq: u64, message: u64, delta: &str) -> LogOp {
    LogOp::Grow(Growth { seq, message, kind: TextKind::Text, delta: delta.to_owned() })
}

async fn journal(store: &Sqlite, conversation: &str, turn: &str, ops: Vec<LogOp>) -> Result<(), Error> {
    store.journal(&id(conversation), &TurnId::new(turn), ops).await
}

async fn history(store: &Sqlite, conversation: &str) -> Vec<String> {
    let rows = store.chunks(&id(conversation), Window::default()).await.unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.seq, row.chunk)).collect()
}

/// Beside the store, into its tables.
fn tables(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(Files::of(dir).database).unwrap()
}
