//! What a turn writes and says: chunks with their numbers into the log, events to whoever watches.

use serde_json::Value;
use wire::{AgentEvent, Chunk, Role};

use super::{Output, Turn};
use crate::Part;
use crate::log::{Entry, LogOp, TextKind};

impl Turn {
    /// Completes the chunk that is growing, if there is one.
    pub(super) fn close_open(&mut self, replay: Option<Value>) {
        let Some(open) = self.step.open.take() else { return };
        let chunk = match open.kind {
            TextKind::Text => Chunk::Text { text: open.text },
            TextKind::Thinking => Chunk::Thinking { text: open.text },
        };
        self.append_at(open.seq, chunk, replay);
    }

    pub(super) fn append_part(&mut self, chunk: Chunk, replay: Option<Value>) {
        let seq = self.take_seq();
        self.append_at(seq, chunk, replay);
    }

    pub(super) fn append_at(&mut self, seq: u64, chunk: Chunk, replay: Option<Value>) {
        let message = self.assistant_message();
        let entry =
            Entry { seq, message, role: Role::Assistant, chunk: chunk.clone(), replay: replay.clone() };
        self.outputs.push_back(Output::Log(LogOp::Append(entry)));
        self.step.parts.push(Part { chunk, replay });
    }

    /// The number of the step's assistant message, which exists from its first chunk on.
    pub(super) fn assistant_message(&mut self) -> u64 {
        match self.step.message {
            Some(message) => message,
            None => {
                let message = self.take_message();
                self.step.message = Some(message);
                message
            }
        }
    }

    pub(super) fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    pub(super) fn take_message(&mut self) -> u64 {
        let message = self.next_message;
        self.next_message += 1;
        message
    }

    pub(super) fn unique_call_id(&mut self, id: String) -> String {
        let mut unique = id.clone();
        let mut n = 2u64;
        while unique.is_empty() || !self.call_ids.insert(unique.clone()) {
            unique = format!("{}-{n}", if id.is_empty() { "call" } else { &id });
            n += 1;
        }
        unique
    }

    pub(super) fn ids(&self) -> (wire::ConversationId, wire::TurnId) {
        (self.start.conversation_id.clone(), self.start.turn_id.clone())
    }

    pub(super) fn emit(&mut self, event: AgentEvent) {
        self.outputs.push_back(Output::Emit(event));
    }

    pub(super) fn emit_error(&mut self, message: String, code: Option<String>) {
        let (conversation_id, turn_id) = self.ids();
        self.emit(AgentEvent::Error { conversation_id, turn_id, message, code });
    }
}
