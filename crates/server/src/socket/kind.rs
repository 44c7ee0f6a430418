//! What a socket's client knows of the contract.

use engine::live::Audience;
use serde_json::Value;

use crate::input::Fields;

/// What a socket's client knows, as far as its frames have shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only the first contract, it seems: met only where such clients are served.
    Legacy,
    /// The contract.
    Modern,
    /// It asked for what goes beyond.
    Extended,
}

impl Kind {
    /// A socket that has said nothing yet.
    pub(super) fn new(legacy_clients: bool) -> Self {
        if legacy_clients { Self::Legacy } else { Self::Modern }
    }

    /// What is known after a frame.
    pub(super) fn after(self, frame: &str, fields: &Fields) -> Self {
        if fields.get("extensions") == Some(&Value::Bool(true)) && frame.starts_with("chat.") {
            return Self::Extended;
        }
        let newer = match frame {
            "chat.subscribe" | "chat.unsubscribe" | "chat.queue" | "chat.queue.cancel" => true,
            "subscribe" | "unsubscribe" | "invoke" => fields.contains_key("conversationId"),
            _ => ["workspaceId", "cursor", "whenActive", "clientMessageId"]
                .iter()
                .any(|field| fields.contains_key(*field)),
        };
        if newer && self == Self::Legacy { Self::Modern } else { self }
    }

    /// The events that are for it.
    pub(super) fn audience(self) -> Audience {
        match self {
            Self::Legacy => Audience::FirstContract,
            Self::Modern => Audience::Contract,
            Self::Extended => Audience::Extensions,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(kind: Kind, frame: Value) -> Kind {
        let fields = frame.as_object().cloned().unwrap_or_default();
        kind.after(fields["type"].as_str().unwrap_or_default(), &fields)
    }

    #[test]
    fn a_client_of_the_first_contract_is_known_by_saying_nothing_newer() {
        let old = [
            json!({"type": "chat.send", "conversationId": "c", "message": "hi", "model": "a/b"}),
            json!({"type": "subscribe", "surfaceId": "s"}),
            json!({"type": "unsubscribe", "surfaceId": "s"}),
            json!({"type": "invoke", "surfaceId": "s", "actionId": "a", "payload": 1}),
        ];
        for frame in old {
            assert_eq!(after(Kind::Legacy, frame.clone()), Kind::Legacy, "{frame}");
        }
        let newer = [
            json!({"type": "chat.send", "message": "hi", "workspaceId": "default"}),
            json!({"type": "chat.subscribe", "conversationId": "c"}),
            json!({"type": "chat.unsubscribe", "conversationId": "c"}),
            json!({"type": "chat.queue", "conversationId": "c", "text": "hi"}),
            json!({"type": "chat.queue.cancel", "conversationId": "c", "messageId": "q"}),
            json!({"type": "subscribe", "surfaceId": "s", "conversationId": "c"}),
        ];
        for frame in newer {
            assert_eq!(after(Kind::Legacy, frame.clone()), Kind::Modern, "{frame}");
            assert_eq!(after(Kind::Extended, frame.clone()), Kind::Extended, "{frame}");
        }
    }

    #[test]
    fn extensions_are_for_those_who_ask_in_so_many_words() {
        let ask = |extensions: Value| json!({"type": "chat.subscribe", "conversationId": "c", "extensions": extensions});
        assert_eq!(after(Kind::Modern, ask(json!(true))), Kind::Extended);
        assert_eq!(after(Kind::Modern, ask(json!(false))), Kind::Modern);
        assert_eq!(after(Kind::Modern, ask(json!("true"))), Kind::Modern);
    }
}
