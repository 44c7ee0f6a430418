//! Messages as providers see them.

use serde_json::Value;
use wire::{Chunk, Role};

/// A chunk, and what the provider that made it wants back.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The content, as clients see it.
    pub chunk: Chunk,
    /// Opaque to everyone but the provider that produced the chunk: for example the signature of a thinking block.
    /// Stored beside the chunk and sent back with it; never shown to a client.
    pub replay: Option<Value>,
}

impl From<Chunk> for Part {
    fn from(chunk: Chunk) -> Self {
        Self { chunk, replay: None }
    }
}

/// A role and its parts: one entry of a provider's message list before translation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who produced it.
    pub role: Role,
    /// Its content, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// A user message of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, parts: vec![Chunk::Text { text: text.into() }.into()] }
    }
}
