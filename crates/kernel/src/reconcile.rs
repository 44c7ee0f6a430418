//! Makes a stored history fit to be sent to a provider.

use std::collections::HashSet;
use std::sync::Arc;

use wire::{Chunk, Role};

use crate::Message;

/// What the model is told about a call that nobody can say the end of.
pub const INTERRUPTED: &str = "interrupted: tool execution did not complete";

/// Makes a stored history fit to be sent to any provider.
///
/// - Every tool call is followed, right after its message, by exactly one result; a missing one is synthesised as an
///   error that says [`INTERRUPTED`], with the step of its call.
/// - A result without a call before it, or a second one for the same call, is left out.
/// - `error` chunks are left out: they are for people. An assistant message that has nothing else is left out.
///
/// Messages that need no change are passed on as they are, so that a history that was fit stays byte-identical.
pub fn reconcile(history: Vec<Arc<Message>>) -> Vec<Arc<Message>> {
    let mut fit: Vec<Arc<Message>> = Vec::with_capacity(history.len());
    let mut rest = history.into_iter().peekable();
    while let Some(message) = rest.next() {
        match message.role {
            Role::System | Role::User => fit.push(message),
            // Reached only without an assistant message before it: an orphan.
            Role::Tool => {}
            Role::Assistant => {
                let message = without_errors(message);
                let calls = calls_of(&message);
                if !message.parts.is_empty() {
                    fit.push(message);
                }
                let mut open: HashSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
                while let Some(results) = rest.next_if(|next| next.role == Role::Tool) {
                    if let Some(results) = answering(results, &mut open) {
                        fit.push(results);
                    }
                }
                for call in calls.iter().filter(|call| open.contains(call.id.as_str())) {
                    fit.push(Arc::new(call.interrupted()));
                }
            }
        }
    }
    fit
}

struct Call {
    id: String,
    name: String,
    step: Option<wire::StepId>,
}

impl Call {
    fn interrupted(&self) -> Message {
        let chunk = Chunk::ToolResult {
            tool_call_id: self.id.clone(),
            tool_name: self.name.clone(),
            content: INTERRUPTED.to_owned(),
            is_error: true,
            step_id: self.step.clone(),
        };
        Message { role: Role::Tool, parts: vec![chunk.into()] }
    }
}

fn calls_of(message: &Message) -> Vec<Call> {
    let mut seen = HashSet::new();
    message
        .parts
        .iter()
        .filter_map(|part| match &part.chunk {
            Chunk::ToolCall { tool_call_id, tool_name, step_id, .. } if seen.insert(tool_call_id) => {
                Some(Call { id: tool_call_id.clone(), name: tool_name.clone(), step: step_id.clone() })
            }
            _ => None,
        })
        .collect()
}

fn without_errors(message: Arc<Message>) -> Arc<Message> {
    let mut seen = HashSet::new();
    let keep: Vec<bool> = message
        .parts
        .iter()
        .map(|part| match &part.chunk {
            Chunk::Error { .. } => false,
            // A provider refuses two calls with one id.
            Chunk::ToolCall { tool_call_id, .. } => seen.insert(tool_call_id.as_str()),
            _ => true,
        })
        .collect();
    if keep.iter().all(|keep| *keep) {
        return message;
    }
    let parts =
        message.parts.iter().zip(keep).filter(|(_, keep)| *keep).map(|(part, _)| part.clone()).collect();
    Arc::new(Message { role: message.role, parts })
}

/// What of a tool message answers calls that are still open, and takes those calls off the list.
fn answering(message: Arc<Message>, open: &mut HashSet<&str>) -> Option<Arc<Message>> {
    let keep: Vec<bool> = message
        .parts
        .iter()
        .map(|part| match &part.chunk {
            Chunk::ToolResult { tool_call_id, .. } => open.remove(tool_call_id.as_str()),
            _ => false,
        })
        .collect();
    if keep.iter().all(|keep| *keep) {
        return Some(message);
    }
    let parts: Vec<_> =
        message.parts.iter().zip(keep).filter(|(_, keep)| *keep).map(|(part, _)| part.clone()).collect();
    (!parts.is_empty()).then(|| Arc::new(Message { role: message.role, parts }))
}
