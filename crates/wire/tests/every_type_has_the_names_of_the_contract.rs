use std::collections::BTreeSet;

use serde_json::{Value, json};
use wire::extension::WhenActive;
use wire::transport::{ClientMessage, ServerMessage};
use wire::{AgentEvent, ConversationStatus, ErrorCode, ReasoningEffort, Relayed, Role, StepId};

use crate::support;
use crate::support::Sample;

#[test]
fn every_value_is_written_as_the_contract_has_it() {
    for sample in support::all() {
        assert_eq!(sample.json(), sample.expected, "{}", sample.name);
    }
}

#[test]
fn every_value_is_read_as_the_contract_has_it() {
    for sample in support::all() {
        sample.assert_reads(&sample.expected);
    }
}

#[test]
fn no_variant_is_without_a_sample() {
    let kinds = |samples: Vec<Sample>| -> BTreeSet<String> {
        samples.iter().map(|sample| sample.expected["type"].as_str().unwrap().to_owned()).collect()
    };
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!(
        kinds(support::events()),
        set(&[
            "status",
            "turn-start",
            "user-message",
            "text-delta",
            "reasoning-delta",
            "tool-call",
            "tool-result",
            "tool-output",
            "usage",
            "step-complete",
            "error",
            "done",
            "turn-sealed",
            "steering",
        ])
    );
    assert_eq!(
        kinds(support::client_frames()),
        set(&[
            "subscribe",
            "unsubscribe",
            "invoke",
            "chat.send",
            "chat.subscribe",
            "chat.unsubscribe",
            "chat.queue",
        ])
    );
    assert_eq!(
        kinds(support::server_frames()),
        set(&[
            "catalog",
            "surface",
            "update",
            "error",
            "chat.delta",
            "chat.error",
            "conversation.open",
            "conversation.statusChanged",
            "conversation.compacted",
        ])
    );
    assert_eq!(kinds(support::extensions()), set(&["provider-retry", "tool-start"]));
    assert_eq!(
        kinds(support::extension_frames()),
        set(&["chat.queue.cancel", "conversation.deleted", "conversation.titleChanged"])
    );
}

#[test]
fn an_event_tells_its_kind_conversation_and_turn() {
    for sample in support::events() {
        let event: AgentEvent = serde_json::from_str(&sample.written).unwrap();
        assert_eq!(event.kind(), sample.expected["type"]);
        assert_eq!(event.conversation_id().as_str(), sample.expected["conversationId"]);
        assert_eq!(
            event.turn_id().map(|turn| turn.as_str()),
            sample.expected.get("turnId").and_then(Value::as_str)
        );
    }
}

#[test]
fn a_name_is_the_same_in_code_and_in_json() {
    for role in [Role::System, Role::User, Role::Assistant, Role::Tool] {
        assert_eq!(json!(role), role.as_str());
    }
    for level in ReasoningEffort::ALL {
        assert_eq!(json!(level), level.as_str());
        assert_eq!(ReasoningEffort::parse(level.as_str()), Some(level));
    }
    for value in WhenActive::ALL {
        assert_eq!(json!(value), value.as_str());
        assert_eq!(WhenActive::parse(value.as_str()), Some(value));
    }
    for status in [ConversationStatus::Active, ConversationStatus::Idle, ConversationStatus::Closed] {
        assert_eq!(json!(status), status.as_str());
        assert_eq!(ConversationStatus::parse(status.as_str()), Some(status));
    }
    for code in ErrorCode::ALL {
        assert_eq!(json!(code), code.as_str());
        assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        assert_eq!(code.to_string(), code.as_str());
    }
    assert_eq!(ReasoningEffort::parse("High"), None);
    assert_eq!(WhenActive::parse("drop"), None);
    assert_eq!(ConversationStatus::parse(""), None);
    assert_eq!(ErrorCode::parse("nope"), None);
}

#[test]
fn the_steps_of_a_turn_have_different_ids() {
    let turn = support::turn();
    assert_eq!(StepId::of(&turn, 0), StepId::of(&turn, 0));
    assert_ne!(StepId::of(&turn, 0), StepId::of(&turn, 1));
    assert_ne!(StepId::of(&turn, 1), StepId::of(&turn, 11));
}

#[test]
fn a_frame_that_the_protocol_does_not_have_is_refused() {
    for frame in [
        json!({ "type": "chat.sing", "message": "la" }),
        json!({ "message": "hi" }),
        json!({ "type": "chat.send" }),
        json!({ "type": "chat.send", "message": 7 }),
        json!({ "type": "chat.send", "message": "hi", "reasoningEffort": "extreme" }),
        json!({ "type": "chat.subscribe" }),
        json!({ "type": "chat.queue", "conversationId": "c1" }),
        json!({ "type": "subscribe" }),
        json!({ "type": "invoke", "surfaceId": "todo" }),
        json!("chat.send"),
        json!(null),
    ] {
        assert!(serde_json::from_value::<ClientMessage>(frame.clone()).is_err(), "{frame}");
    }
}

#[test]
fn a_frame_from_a_newer_server_can_be_kept() {
    let frame = json!({ "type": "conversation.renamed", "conversationId": "c1" });
    let read: Relayed<ServerMessage> = serde_json::from_value(frame.clone()).unwrap();
    assert_eq!(read, Relayed::Unknown(frame));
}
