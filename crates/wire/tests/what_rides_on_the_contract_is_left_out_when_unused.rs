//! Fields and chunks beyond the contract on its own types: there when they are used, gone when they are not, and not in
//! the published schemas of the contract.

use serde_json::{Value, json};
use wire::extension::{ImageChunk, MessageImage};
use wire::transport::ModelInfo;
use wire::{AgentEvent, Chunk, ConversationId, QueuedMessage, TurnId};

fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: T,
    expected: Value,
) {
    assert_eq!(serde_json::to_value(&value).unwrap(), expected);
    assert_eq!(serde_json::from_value::<T>(expected).unwrap(), value);
}

#[test]
fn the_clients_own_ids() {
    let prompt = |one: Option<&str>, several: Option<Vec<String>>| AgentEvent::UserMessage {
        conversation_id: ConversationId::new("c"),
        turn_id: TurnId::new("t"),
        text: "hi".to_owned(),
        client_message_id: one.map(str::to_owned),
        client_message_ids: several,
        images: None,
    };
    let plain = json!({ "type": "user-message", "conversationId": "c", "turnId": "t", "text": "hi" });
    let with = |field: &str, value: Value| {
        let mut event = plain.clone();
        event[field] = value;
        event
    };
    round_trip(prompt(None, None), plain.clone());
    round_trip(prompt(Some("m"), None), with("clientMessageId", json!("m")));
    let several = Some(vec!["m".to_owned(), "n".to_owned()]);
    round_trip(prompt(None, several), with("clientMessageIds", json!(["m", "n"])));
    let queued = |id: Option<&str>| QueuedMessage {
        id: "q".to_owned(),
        text: "and".to_owned(),
        queued_at: 7,
        client_message_id: id.map(str::to_owned),
    };
    round_trip(queued(None), json!({ "id": "q", "text": "and", "queuedAt": 7 }));
    round_trip(queued(Some("m")), json!({ "id": "q", "text": "and", "queuedAt": 7, "clientMessageId": "m" }));
}

#[test]
fn images_and_whether_a_model_sees_them() {
    let image = ImageChunk { url: "/images/c/i.png".to_owned(), mime_type: Some("image/png".to_owned()) };
    let expected = json!({ "type": "image", "url": "/images/c/i.png", "mimeType": "image/png" });
    round_trip(Chunk::Image(image), expected);
    let prompt = AgentEvent::UserMessage {
        conversation_id: ConversationId::new("c"),
        turn_id: TurnId::new("t"),
        text: "look".to_owned(),
        client_message_id: None,
        client_message_ids: None,
        images: Some(vec![MessageImage { url: "https://example.org/cat".to_owned(), mime_type: None }]),
    };
    let expected = json!({
        "type": "user-message", "conversationId": "c", "turnId": "t", "text": "look",
        "images": [{ "url": "https://example.org/cat" }],
    });
    round_trip(prompt, expected);
    round_trip(ModelInfo { context_window: None, vision: Some(false) }, json!({ "vision": false }));
    round_trip(ModelInfo::default(), json!({}));
}

#[test]
fn the_contracts_schemas_know_nothing_of_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/dispatch.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for name in ["AgentEvent", "Chunk", "QueuedMessage", "ModelInfo"] {
        let text = schema["$defs"][name].to_string();
        assert!(text.len() > 50, "{name} is not there");
        for word in ["clientMessageId", "vision", "\"image\"", "\"images\"", "eventSeq"] {
            assert!(!text.contains(word), "{name} speaks of {word}");
        }
    }
}
