use serde_json::{Value, json};
use wire::surface::{
    ActionRef, SelectorOption, SurfaceCatalogEntry, SurfaceField, SurfaceScope, SurfaceSpec,
};
use wire::transport::{ChatRequest, ClientMessage, ServerMessage, SurfaceUpdate};
use wire::{AgentEvent, ConversationId, ConversationStatus, ReasoningEffort, Relayed};

use super::{Sample, conversation, turn};

fn to_server(value: ClientMessage, expected: Value) -> Sample {
    Sample::new("ClientMessage", value, expected)
}

fn to_client(value: ServerMessage, expected: Value) -> Sample {
    Sample::new("ServerMessage", value, expected)
}

/// Every frame that a client sends.
pub fn client() -> Vec<Sample> {
    vec![
        to_server(
            ClientMessage::Subscribe { surface_id: "todo".into(), conversation_id: None },
            json!({ "type": "subscribe", "surfaceId": "todo" }),
        ),
        to_server(
            ClientMessage::Subscribe { surface_id: "todo".into(), conversation_id: Some(conversation()) },
            json!({ "type": "subscribe", "surfaceId": "todo", "conversationId": "c1" }),
        ),
        to_server(
            ClientMessage::Unsubscribe { surface_id: "todo".into(), conversation_id: None },
            json!({ "type": "unsubscribe", "surfaceId": "todo" }),
        ),
        to_server(
            ClientMessage::Unsubscribe { surface_id: "todo".into(), conversation_id: Some(conversation()) },
            json!({ "type": "unsubscribe", "surfaceId": "todo", "conversationId": "c1" }),
        ),
        to_server(
            ClientMessage::Invoke {
                surface_id: "cache-warming".into(),
                action_id: "cache-warming/toggle".into(),
                payload: None,
                conversation_id: None,
            },
            json!({ "type": "invoke", "surfaceId": "cache-warming", "actionId": "cache-warming/toggle" }),
        ),
        to_server(
            ClientMessage::Invoke {
                surface_id: "cache-warming".into(),
                action_id: "cache-warming/set-interval".into(),
                payload: Some(json!({ "value": 240 })),
                conversation_id: Some(conversation()),
            },
            json!({
                "type": "invoke",
                "surfaceId": "cache-warming",
                "actionId": "cache-warming/set-interval",
                "payload": { "value": 240 },
                "conversationId": "c1",
            }),
        ),
        to_server(
            ClientMessage::ChatSend {
                request: ChatRequest { message: "hi".into(), ..ChatRequest::default() },
            },
            json!({ "type": "chat.send", "message": "hi" }),
        ),
        to_server(
            ClientMessage::ChatSend {
                request: ChatRequest {
                    message: "hi".into(),
                    conversation_id: Some(conversation()),
                    model: Some("demo/demo".into()),
                    cwd: Some("/srv".into()),
                    reasoning_effort: Some(ReasoningEffort::Max),
                },
            },
            json!({
                "type": "chat.send",
                "message": "hi",
                "conversationId": "c1",
                "model": "demo/demo",
                "cwd": "/srv",
                "reasoningEffort": "max",
            }),
        ),
        to_server(
            ClientMessage::ChatSubscribe { conversation_id: conversation() },
            json!({ "type": "chat.subscribe", "conversationId": "c1" }),
        ),
        to_server(
            ClientMessage::ChatUnsubscribe { conversation_id: conversation() },
            json!({ "type": "chat.unsubscribe", "conversationId": "c1" }),
        ),
        to_server(
            ClientMessage::ChatQueue { conversation_id: conversation(), text: "and".into() },
            json!({ "type": "chat.queue", "conversationId": "c1", "text": "and" }),
        ),
    ]
}

fn action(id: &str) -> ActionRef {
    ActionRef { action_id: id.into() }
}

/// A surface with a field of every kind.
fn surface() -> (SurfaceSpec, Value) {
    let fields = vec![
        SurfaceField::Toggle { label: "Enabled".into(), value: true, action: action("toggle") },
        SurfaceField::Progress { label: "Done".into(), value: 0.25 },
        SurfaceField::Selector {
            label: "Size".into(),
            value: "s".into(),
            options: vec![SelectorOption { value: "s".into(), label: "Small".into() }],
            action: action("resize"),
        },
        SurfaceField::Stat { label: "Loaded".into(), value: "3".into() },
        SurfaceField::Number {
            label: "Interval".into(),
            value: 240.5,
            min: None,
            max: None,
            step: None,
            unit: None,
            action: action("set"),
        },
        SurfaceField::Number {
            label: "Interval".into(),
            value: 240.5,
            min: Some(0.5),
            max: Some(999.5),
            step: Some(0.5),
            unit: Some("s".into()),
            action: action("set"),
        },
        SurfaceField::Button { label: "Clear".into(), action: action("clear") },
        SurfaceField::Custom {
            renderer_id: "timer".into(),
            payload: json!({ "nextWarmAt": null, "lastWarmAt": 7 }),
        },
    ];
    let json = json!({
        "id": "everything",
        "region": "side",
        "title": "Everything",
        "fields": [
            { "kind": "toggle", "label": "Enabled", "value": true, "action": { "actionId": "toggle" } },
            { "kind": "progress", "label": "Done", "value": 0.25 },
            {
                "kind": "selector",
                "label": "Size",
                "value": "s",
                "options": [{ "value": "s", "label": "Small" }],
                "action": { "actionId": "resize" },
            },
            { "kind": "stat", "label": "Loaded", "value": "3" },
            { "kind": "number", "label": "Interval", "value": 240.5, "action": { "actionId": "set" } },
            {
                "kind": "number",
                "label": "Interval",
                "value": 240.5,
                "min": 0.5,
                "max": 999.5,
                "step": 0.5,
                "unit": "s",
                "action": { "actionId": "set" },
            },
            { "kind": "button", "label": "Clear", "action": { "actionId": "clear" } },
            { "kind": "custom", "rendererId": "timer", "payload": { "nextWarmAt": null, "lastWarmAt": 7 } },
        ],
    });
    let spec =
        SurfaceSpec { id: "everything".into(), region: "side".into(), title: "Everything".into(), fields };
    (spec, json)
}

/// Every frame that the server sends.
pub fn server() -> Vec<Sample> {
    let mut samples = surfaces();
    samples.extend(chat());
    samples.extend(broadcasts());
    samples
}

fn surfaces() -> Vec<Sample> {
    let (spec, spec_json) = surface();
    let entry = |scope| SurfaceCatalogEntry {
        id: "todo".into(),
        region: "side".into(),
        title: "Tasks".into(),
        scope,
    };
    vec![
        to_client(
            ServerMessage::Catalog { catalog: Vec::new() },
            json!({ "type": "catalog", "catalog": [] }),
        ),
        to_client(
            ServerMessage::Catalog {
                catalog: vec![
                    entry(None),
                    entry(Some(SurfaceScope::Global)),
                    entry(Some(SurfaceScope::Conversation)),
                ],
            },
            json!({
                "type": "catalog",
                "catalog": [
                    { "id": "todo", "region": "side", "title": "Tasks" },
                    { "id": "todo", "region": "side", "title": "Tasks", "scope": "global" },
                    { "id": "todo", "region": "side", "title": "Tasks", "scope": "conversation" },
                ],
            }),
        ),
        to_client(
            ServerMessage::Surface { spec: spec.clone(), conversation_id: None },
            json!({ "type": "surface", "spec": spec_json }),
        ),
        to_client(
            ServerMessage::Surface { spec: spec.clone(), conversation_id: Some(conversation()) },
            json!({ "type": "surface", "spec": spec_json, "conversationId": "c1" }),
        ),
        to_client(
            ServerMessage::Update {
                update: SurfaceUpdate {
                    surface_id: "everything".into(),
                    spec: spec.clone(),
                    conversation_id: None,
                },
            },
            json!({ "type": "update", "update": { "surfaceId": "everything", "spec": spec_json } }),
        ),
        to_client(
            ServerMessage::Update {
                update: SurfaceUpdate {
                    surface_id: "everything".into(),
                    spec,
                    conversation_id: Some(conversation()),
                },
            },
            json!({
                "type": "update",
                "update": { "surfaceId": "everything", "spec": spec_json, "conversationId": "c1" },
            }),
        ),
        to_client(
            ServerMessage::Error { surface_id: None, message: "Invalid JSON".into(), code: None },
            json!({ "type": "error", "message": "Invalid JSON" }),
        ),
        to_client(
            ServerMessage::Error {
                surface_id: Some("nope".into()),
                message: "no surface has that id".into(),
                code: Some("unknown-surface".into()),
            },
            json!({
                "type": "error",
                "surfaceId": "nope",
                "message": "no surface has that id",
                "code": "unknown-surface",
            }),
        ),
    ]
}

fn chat() -> Vec<Sample> {
    let event =
        AgentEvent::TextDelta { conversation_id: conversation(), turn_id: turn(), delta: "Hel".into() };
    vec![
        to_client(
            ServerMessage::ChatDelta { event: Relayed::Known(event) },
            json!({
                "type": "chat.delta",
                "event": { "type": "text-delta", "conversationId": "c1", "turnId": "t1", "delta": "Hel" },
            }),
        ),
        to_client(
            ServerMessage::ChatError { conversation_id: None, message: "no message".into(), code: None },
            json!({ "type": "chat.error", "message": "no message" }),
        ),
        to_client(
            ServerMessage::ChatError {
                conversation_id: Some(conversation()),
                message: "a turn is already generating for this conversation".into(),
                code: Some("turn-active".into()),
            },
            json!({
                "type": "chat.error",
                "conversationId": "c1",
                "message": "a turn is already generating for this conversation",
                "code": "turn-active",
            }),
        ),
    ]
}

fn broadcasts() -> Vec<Sample> {
    vec![
        to_client(
            ServerMessage::ConversationOpen { conversation_id: conversation() },
            json!({ "type": "conversation.open", "conversationId": "c1" }),
        ),
        to_client(
            ServerMessage::ConversationStatusChanged {
                conversation_id: conversation(),
                status: ConversationStatus::Active,
            },
            json!({ "type": "conversation.statusChanged", "conversationId": "c1", "status": "active" }),
        ),
        to_client(
            ServerMessage::ConversationCompacted {
                conversation_id: conversation(),
                new_conversation_id: ConversationId::new("c0"),
                messages_summarized: 30,
                messages_kept: 10,
            },
            json!({
                "type": "conversation.compacted",
                "conversationId": "c1",
                "newConversationId": "c0",
                "messagesSummarized": 30,
                "messagesKept": 10,
            }),
        ),
    ]
}
