//! `reconcile`: what a crash, an abort or an older log left behind never makes a provider refuse the conversation.

use std::sync::Arc;

use kernel::{INTERRUPTED, Message, reconcile};
use proptest::prelude::*;
use wire::{Chunk, Role, StepId};

fn text(role: Role, text: &str) -> Message {
    Message { role, parts: vec![Chunk::Text { text: text.to_owned() }.into()] }
}

fn call(id: &str) -> Chunk {
    Chunk::ToolCall {
        tool_call_id: id.to_owned(),
        tool_name: "look".to_owned(),
        input: serde_json::json!({}),
        step_id: Some(StepId::new("t#0")),
    }
}

fn result(id: &str, content: &str) -> Message {
    let chunk = Chunk::ToolResult {
        tool_call_id: id.to_owned(),
        tool_name: "look".to_owned(),
        content: content.to_owned(),
        is_error: content == INTERRUPTED,
        step_id: Some(StepId::new("t#0")),
    };
    Message { role: Role::Tool, parts: vec![chunk.into()] }
}

fn assistant(chunks: Vec<Chunk>) -> Message {
    Message { role: Role::Assistant, parts: chunks.into_iter().map(Into::into).collect() }
}

fn fit(history: Vec<Message>) -> Vec<Message> {
    let history = reconcile(history.into_iter().map(Arc::new).collect());
    history.into_iter().map(|message| Message::clone(&message)).collect()
}

#[test]
fn a_missing_result_is_put_right_after_the_results_of_its_message() {
    let history = vec![assistant(vec![call("a"), call("b")]), result("b", "ok"), text(Role::User, "go on")];
    assert_eq!(
        fit(history),
        [
            assistant(vec![call("a"), call("b")]),
            result("b", "ok"),
            result("a", INTERRUPTED),
            text(Role::User, "go on"),
        ]
    );
}

#[test]
fn a_result_without_a_call_and_a_second_result_are_left_out() {
    let history = vec![
        result("x", "orphan"),
        assistant(vec![call("a")]),
        result("a", "first"),
        result("a", "second"),
        text(Role::User, "go on"),
        result("a", "late"),
    ];
    assert_eq!(fit(history), [assistant(vec![call("a")]), result("a", "first"), text(Role::User, "go on")]);
}

#[test]
fn errors_are_left_out_and_so_is_a_message_of_nothing_else() {
    let error = Chunk::Error { message: "HTTP 500".to_owned(), code: None };
    let said = Chunk::Text { text: "half".to_owned() };
    let history = vec![assistant(vec![said.clone(), error.clone()]), assistant(vec![error])];
    assert_eq!(fit(history), [assistant(vec![said])]);
}

fn message() -> impl Strategy<Value = Message> {
    let id = prop_oneof![Just("a"), Just("b"), Just("c")];
    prop_oneof![
        Just(text(Role::User, "u")),
        Just(text(Role::System, "s")),
        proptest::collection::vec(
            prop_oneof![
                id.clone().prop_map(call),
                Just(Chunk::Text { text: "t".to_owned() }),
                Just(Chunk::Error { message: "e".to_owned(), code: None }),
            ],
            0..4
        )
        .prop_map(assistant),
        id.prop_map(|id| result(id, "r")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_history_becomes_one_that_a_provider_accepts(history in proptest::collection::vec(message(), 0..12)) {
        let once = fit(history);
        let mut open: Vec<String> = Vec::new();
        for message in &once {
            prop_assert!(!message.parts.is_empty());
            if message.role != Role::Tool {
                prop_assert!(open.is_empty(), "calls without results: {open:?} in {once:?}");
            }
            for part in &message.parts {
                match &part.chunk {
                    Chunk::ToolCall { tool_call_id, .. } => {
                        prop_assert!(!open.contains(tool_call_id));
                        open.push(tool_call_id.clone());
                    }
                    Chunk::ToolResult { tool_call_id, .. } => {
                        let at = open.iter().position(|id| id == tool_call_id);
                        prop_assert!(at.is_some(), "a result without a call in {once:?}");
                        open.remove(at.unwrap());
                    }
                    Chunk::Error { .. } => prop_assert!(false, "an error is sent"),
                    Chunk::Text { .. } | Chunk::Thinking { .. } | Chunk::System { .. } | Chunk::Image(_) => {}
                }
            }
        }
        prop_assert!(open.is_empty());
        prop_assert_eq!(fit(once.clone()), once, "what is fit stays as it is");
    }
}
