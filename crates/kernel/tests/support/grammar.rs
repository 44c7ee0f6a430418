//! The order of events inside a turn, checked event by event.

use std::collections::HashSet;

use kernel::Entry;
use wire::{AgentEvent, Chunk, Role, Usage};

#[derive(Debug)]
enum At {
    Nothing,
    Prompted,
    /// In a step whose stream is open.
    Streaming,
    /// After the step's `usage`.
    Metered,
    /// After `step-complete`, with so many results to come.
    Results(usize),
    /// All results are out.
    Complete,
    Done,
    Sealed,
}

/// Panics at the first event that may not stand where it stands.
///
/// `log_failed` allows the one other way to end: `error` and `done` at any point, and nothing after them.
pub fn check(events: &[AgentEvent], log_failed: bool) {
    let mut at = At::Nothing;
    let mut calls: Vec<String> = Vec::new();
    let mut ids = HashSet::new();
    let mut step = 0;
    let mut total: Option<Usage> = None;
    for (n, event) in events.iter().enumerate() {
        // The next step may begin without steering; its first event shows it.
        let ends = matches!(event, AgentEvent::Steering { .. } | AgentEvent::Done { .. });
        if matches!(at, At::Complete) && !calls.is_empty() && !ends {
            step += 1;
            calls.clear();
            at = At::Streaming;
        }
        let fail = |why: &str| -> ! { panic!("event {n} {event:?}: {why}\nall: {events:#?}") };
        let step_id = format!("t#{step}");
        at = match (at, event) {
            (At::Nothing, AgentEvent::UserMessage { .. }) => At::Prompted,
            (At::Prompted, AgentEvent::TurnStart { .. }) => At::Streaming,
            (
                At::Streaming,
                AgentEvent::TextDelta { delta, .. } | AgentEvent::ReasoningDelta { delta, .. },
            ) => {
                if delta.is_empty() {
                    fail("empty");
                }
                At::Streaming
            }
            (At::Streaming, AgentEvent::Error { .. }) => At::Streaming,
            (At::Streaming, AgentEvent::ToolCall { step_id: id, tool_call_id, .. }) => {
                if id.as_str() != step_id {
                    fail("another step's call");
                }
                if !ids.insert(tool_call_id.clone()) {
                    fail("a call id twice");
                }
                calls.push(tool_call_id.clone());
                At::Streaming
            }
            (state @ (At::Streaming | At::Results(_)), AgentEvent::ToolOutput { tool_call_id, .. }) => {
                if !calls.contains(tool_call_id) {
                    fail("output of no call of this step");
                }
                if matches!(state, At::Results(left) if left != calls.len()) {
                    fail("output after a result");
                }
                state
            }
            (At::Streaming, AgentEvent::Usage { usage, step_id: id, .. }) => {
                if id.as_ref().map(|id| id.as_str()) != Some(step_id.as_str()) {
                    fail("another step's usage");
                }
                total.get_or_insert_default().add(usage);
                At::Metered
            }
            (At::Streaming | At::Metered, AgentEvent::StepComplete { step_id: id, .. }) => {
                if id.as_str() != step_id {
                    fail("another step completes");
                }
                if calls.is_empty() { At::Complete } else { At::Results(calls.len()) }
            }
            (At::Results(left), AgentEvent::ToolResult { step_id: id, tool_call_id, .. }) => {
                if id.as_str() != step_id || tool_call_id != &calls[calls.len() - left] {
                    fail("results out of the order of the calls");
                }
                if left == 1 { At::Complete } else { At::Results(left - 1) }
            }
            (At::Complete, AgentEvent::Steering { .. }) if !calls.is_empty() => {
                step += 1;
                calls.clear();
                At::Streaming
            }
            (At::Complete, AgentEvent::Done { usage, .. }) => {
                if *usage != total {
                    fail("the sum of usage is wrong");
                }
                At::Done
            }
            (At::Done, AgentEvent::TurnSealed { .. } | AgentEvent::Error { .. }) => At::Sealed,
            (state, AgentEvent::Error { .. }) if log_failed => state,
            (_, AgentEvent::Done { reason, .. }) if log_failed && reason == "error" => At::Done,
            (state, _) => fail(&format!("not after {state:?}")),
        };
    }
    assert!(matches!(at, At::Sealed), "ends at {at:?}: {events:#?}");
}

/// Every call in the log has exactly one result, after it, in the order of the calls of its step.
pub fn check_results(log: &[Entry]) {
    let mut open: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for entry in log {
        match &entry.chunk {
            Chunk::ToolCall { tool_call_id, .. } => {
                assert!(!seen.contains(&tool_call_id.as_str()), "call {tool_call_id} twice");
                seen.push(tool_call_id);
                open.push(tool_call_id);
            }
            Chunk::ToolResult { tool_call_id, .. } => {
                assert_eq!(entry.role, Role::Tool);
                assert_eq!(open.first(), Some(&tool_call_id.as_str()), "result out of order");
                open.remove(0);
            }
            Chunk::Text { .. }
            | Chunk::Thinking { .. }
            | Chunk::Error { .. }
            | Chunk::System { .. }
            | Chunk::Image(_) => {}
        }
    }
    assert!(open.is_empty(), "calls without a result: {open:?}");
}
