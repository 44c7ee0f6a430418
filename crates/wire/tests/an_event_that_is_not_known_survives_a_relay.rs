use serde_json::{Value, json};
use wire::transport::ServerMessage;
use wire::{AgentEvent, Relayed};

use crate::support;

fn relayed(event: &Value) -> (ServerMessage, Value) {
    let frame = json!({ "type": "chat.delta", "event": event });
    let read: ServerMessage = serde_json::from_str(&frame.to_string()).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    (read, written["event"].clone())
}

#[test]
fn it_is_passed_on_as_it_came() {
    for event in [
        json!({ "type": "provider-retry", "conversationId": "c1", "attempt": 1, "code": null }),
        json!({ "type": "nested", "list": [1, -2, 3.5, { "deep": [null, true, "é\u{0}\u{1f600}"] }] }),
        json!({ "type": "big", "most": u64::MAX, "least": i64::MIN }),
        json!({ "no": "type" }),
        json!("not an object"),
    ] {
        let (read, written) = relayed(&event);
        assert_eq!(read, ServerMessage::ChatDelta { event: Relayed::Unknown(event.clone()) });
        assert_eq!(written, event);
    }
}

#[test]
fn an_event_of_a_known_type_with_a_field_that_cannot_be_read_is_passed_on_too() {
    let event =
        json!({ "type": "text-delta", "conversationId": "c1", "turnId": "t1", "delta": { "rich": true } });
    let (read, written) = relayed(&event);
    assert_eq!(read, ServerMessage::ChatDelta { event: Relayed::Unknown(event.clone()) });
    assert_eq!(written, event);
}

#[test]
fn an_event_that_is_known_is_read() {
    for sample in support::events() {
        let expected: AgentEvent = serde_json::from_value(sample.expected.clone()).unwrap();
        let (read, written) = relayed(&sample.expected);
        assert_eq!(read, ServerMessage::ChatDelta { event: Relayed::Known(expected.clone()) });
        assert_eq!(written, sample.expected);
        assert_eq!(Relayed::Known(expected.clone()).known(), Some(expected));
    }
    assert_eq!(Relayed::<AgentEvent>::Unknown(json!({})).known(), None);
}
