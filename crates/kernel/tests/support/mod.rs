//! Shared by the tests of the turn machine: a driver that performs batches, and a checker of what they say.

#![allow(dead_code, unreachable_pub)]

pub mod grammar;
pub mod world;

use std::sync::Arc;

use kernel::{Message, Options, Start, ToolSpec};
use wire::{ConversationId, ReasoningEffort, TurnId};

pub fn spec(name: &str, exclusive: bool) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: String::new(),
        input_schema: serde_json::json!({ "type": "object" }),
        exclusive,
    }
}

pub fn start() -> Start {
    Start {
        conversation_id: ConversationId::new("c"),
        turn_id: TurnId::new("t"),
        text: "hello".to_owned(),
        images: Vec::new(),
        prompt: Arc::new(Message::user("hello")),
        client_message_ids: vec![None],
        history: Vec::new(),
        model: "m".to_owned(),
        system: None,
        tools: Arc::from(vec![spec("look", false), spec("change", true)]),
        effort: ReasoningEffort::High,
        next_seq: 2,
        next_message: 2,
        jitter_seed: 7,
    }
}

pub fn options() -> Options {
    Options::default()
}
