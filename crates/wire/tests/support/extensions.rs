//! What goes beyond the contract.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::extension::{
    CacheWarmingTimer, CancelQueuedResponse, ChatExtras, ConversationModelResponse,
    ConversationStatusResponse, DeleteConversationResponse, EventExtras, ExtensionClientMessage,
    ExtensionServerMessage, ImageInput, McpServerInfo, McpServerState, McpStatusResponse, MessageImage,
    ModelExtras, QueueExtras, QueueStateResponse, QueuedMessageExtras, SetConversationModelRequest,
    StoredChunkExtras, SystemPromptTemplate, SystemPromptVariable, SystemPromptVariablesResponse, Todo,
    TodoPayload, TodoStatus, TurnMetricsExtras, WatchExtras, WhenActive, WorkspaceExtras,
};
use wire::transport::{SetCompactPercentRequest, SetCwdRequest, SetReasoningEffortRequest, SetTitleRequest};
use wire::{Chunk, QueuedMessage, TurnId};

use super::{Sample, image};

pub fn all() -> Vec<Sample> {
    let mut samples = extras();
    samples.extend(images());
    samples.extend(requests());
    samples.extend(conversations());
    samples.extend(servers());
    samples.extend(system_prompt());
    samples.extend(surfaces());
    samples.extend(frames());
    samples
}

/// A value that is read from its JSON: what is read under another name than it is written is lost, and then the two
/// differ.
pub(super) fn sample<T>(name: &'static str, expected: Value) -> Sample
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    let value: T = serde_json::from_value(expected.clone()).unwrap();
    Sample::new(name, value, expected)
}

fn extras() -> Vec<Sample> {
    let watch = || WatchExtras {
        extensions: Some(true),
        cursor: Some(true),
        turn_id: Some(TurnId::new("t1")),
        after_event_seq: Some(7),
    };
    vec![
        Sample::new("EventExtras", EventExtras::default(), json!({})),
        Sample::new(
            "EventExtras",
            EventExtras {
                event_seq: Some(7),
                attempt: Some(2),
                client_message_id: Some("m1".into()),
                client_message_ids: Some(vec!["m1".into(), "m2".into()]),
                images: Some(vec![image()]),
            },
            json!({
                "eventSeq": 7,
                "attempt": 2,
                "clientMessageId": "m1",
                "clientMessageIds": ["m1", "m2"],
                "images": [{ "url": "/images/c1/i.png", "mimeType": "image/png" }],
            }),
        ),
        Sample::new(
            "MessageImage",
            MessageImage { url: "https://example.org/cat".into(), mime_type: None },
            json!({ "url": "https://example.org/cat" }),
        ),
        Sample::new("StoredChunkExtras", StoredChunkExtras::default(), json!({})),
        Sample::new(
            "StoredChunkExtras",
            StoredChunkExtras {
                turn_id: Some(TurnId::new("t1")),
                steering: Some(true),
                duration_ms: Some(1200),
            },
            json!({ "turnId": "t1", "steering": true, "durationMs": 1200 }),
        ),
        Sample::new("TurnMetricsExtras", TurnMetricsExtras::default(), json!({})),
        Sample::new(
            "TurnMetricsExtras",
            TurnMetricsExtras {
                started_at: Some(1_700_000_000_000),
                reason: Some("stop".into()),
                model: Some("demo/demo".into()),
            },
            json!({ "startedAt": 1_700_000_000_000_u64, "reason": "stop", "model": "demo/demo" }),
        ),
        Sample::new("WatchExtras", WatchExtras::default(), json!({})),
        Sample::new(
            "WatchExtras",
            watch(),
            json!({ "extensions": true, "cursor": true, "turnId": "t1", "afterEventSeq": 7 }),
        ),
        Sample::new("ChatExtras", ChatExtras::default(), json!({})),
        Sample::new(
            "ChatExtras",
            ChatExtras {
                client_message_id: Some("m1".into()),
                when_active: Some(WhenActive::Interrupt),
                images: Some(vec![ImageInput { url: "https://example.com/a".into(), mime_type: None }]),
                watch: watch(),
            },
            json!({
                "clientMessageId": "m1",
                "whenActive": "interrupt",
                "images": [{ "url": "https://example.com/a" }],
                "extensions": true,
                "cursor": true,
                "turnId": "t1",
                "afterEventSeq": 7,
            }),
        ),
        Sample::new("QueueExtras", QueueExtras::default(), json!({})),
        Sample::new(
            "QueueExtras",
            QueueExtras { client_message_id: Some("m1".into()), expected_turn_id: Some(TurnId::new("t1")) },
            json!({ "clientMessageId": "m1", "expectedTurnId": "t1" }),
        ),
        sample::<QueuedMessageExtras>("QueuedMessageExtras", json!({})),
        sample::<QueuedMessageExtras>("QueuedMessageExtras", json!({ "clientMessageId": "m1" })),
        sample::<ModelExtras>("ModelExtras", json!({})),
        sample::<ModelExtras>("ModelExtras", json!({ "vision": false })),
        sample::<WorkspaceExtras>("WorkspaceExtras", json!({ "workspaceId": "default" })),
        Sample::new("WhenActive", WhenActive::Reject, json!("reject")),
        Sample::new("WhenActive", WhenActive::Queue, json!("queue")),
        Sample::new("WhenActive", WhenActive::Interrupt, json!("interrupt")),
    ]
}

fn images() -> Vec<Sample> {
    vec![
        sample::<ImageInput>("ImageInput", json!({ "url": "data:image/png;base64,iVBORw0KGgo=" })),
        sample::<ImageInput>(
            "ImageInput",
            json!({ "url": "https://example.com/a", "mimeType": "image/png" }),
        ),
        // On the wire an image is always a chunk.
        sample::<Chunk>("ImageChunk", json!({ "type": "image", "url": "https://example.com/a" })),
        sample::<Chunk>(
            "ImageChunk",
            json!({ "type": "image", "url": "/images/c1/a.png", "mimeType": "image/png" }),
        ),
    ]
}

fn requests() -> Vec<Sample> {
    vec![
        sample::<SetTitleRequest>("SetTitleRequest", json!({ "title": "A title" })),
        sample::<SetCwdRequest>("SetCwdRequest", json!({ "cwd": "/srv" })),
        sample::<SetReasoningEffortRequest>("SetReasoningEffortRequest", json!({ "reasoningEffort": "max" })),
        sample::<SetCompactPercentRequest>("SetCompactPercentRequest", json!({ "percent": 50 })),
        sample::<SetCompactPercentRequest>("SetCompactPercentRequest", json!({ "threshold": 50 })),
        sample::<SetConversationModelRequest>("SetConversationModelRequest", json!({ "model": "demo/demo" })),
        sample::<SetConversationModelRequest>("SetConversationModelRequest", json!({ "model": null })),
    ]
}

fn conversations() -> Vec<Sample> {
    let queued = QueuedMessage {
        id: "q1".into(),
        text: "and".into(),
        queued_at: 7,
        client_message_id: Some("m1".into()),
    };
    let queue = json!([{ "id": "q1", "text": "and", "queuedAt": 7, "clientMessageId": "m1" }]);
    vec![
        Sample::new("QueuedMessage", queued, queue[0].clone()),
        sample::<QueueStateResponse>("QueueStateResponse", json!({ "conversationId": "c1", "queue": queue })),
        sample::<CancelQueuedResponse>(
            "CancelQueuedResponse",
            json!({ "conversationId": "c1", "cancelled": true, "queue": queue }),
        ),
        sample::<ConversationStatusResponse>(
            "ConversationStatusResponse",
            json!({ "conversationId": "c1", "isActive": true, "status": "active" }),
        ),
        sample::<ConversationModelResponse>(
            "ConversationModelResponse",
            json!({ "conversationId": "c1", "model": "demo/demo" }),
        ),
        sample::<ConversationModelResponse>(
            "ConversationModelResponse",
            json!({ "conversationId": "c1", "model": null }),
        ),
        sample::<DeleteConversationResponse>(
            "DeleteConversationResponse",
            json!({ "conversationId": "c1", "deleted": true }),
        ),
    ]
}

fn servers() -> Vec<Sample> {
    let states = [
        (McpServerState::Connected, "connected"),
        (McpServerState::Starting, "starting"),
        (McpServerState::Error, "error"),
        (McpServerState::NotStarted, "not-started"),
        (McpServerState::Disabled, "disabled"),
    ];
    let failed = McpServerInfo {
        id: "files".into(),
        state: McpServerState::Error,
        error: Some("not found".into()),
        tool_count: 0,
        config_source: Some(".dispatch/mcp.json".into()),
    };
    let failed_json = json!({
        "id": "files",
        "state": "error",
        "error": "not found",
        "toolCount": 0,
        "configSource": ".dispatch/mcp.json",
    });
    let mut samples: Vec<Sample> =
        states.map(|(state, name)| Sample::new("McpServerState", state, json!(name))).into();
    samples.extend([
        Sample::new("McpServerInfo", failed, failed_json.clone()),
        sample::<McpServerInfo>(
            "McpServerInfo",
            json!({ "id": "files", "state": "connected", "toolCount": 3 }),
        ),
        sample::<McpStatusResponse>(
            "McpStatusResponse",
            json!({ "conversationId": "c1", "cwd": null, "servers": [] }),
        ),
        sample::<McpStatusResponse>(
            "McpStatusResponse",
            json!({ "conversationId": "c1", "cwd": "/srv", "servers": [failed_json] }),
        ),
    ]);
    samples
}

fn system_prompt() -> Vec<Sample> {
    let dynamic = json!({ "type": "file", "name": "path", "description": "A file's text.", "dynamic": true });
    let plain = json!({ "type": "file", "name": "AGENTS.md", "description": "A file's text." });
    vec![
        sample::<SystemPromptTemplate>("SystemPromptTemplate", json!({ "template": "In [prompt:cwd]." })),
        Sample::new(
            "SystemPromptVariable",
            SystemPromptVariable {
                kind: "file".into(),
                name: "path".into(),
                description: "A file's text.".into(),
                dynamic: Some(true),
            },
            dynamic.clone(),
        ),
        sample::<SystemPromptVariable>("SystemPromptVariable", plain.clone()),
        sample::<SystemPromptVariablesResponse>(
            "SystemPromptVariablesResponse",
            json!({ "variables": [dynamic, plain] }),
        ),
    ]
}

fn surfaces() -> Vec<Sample> {
    let states = [
        (TodoStatus::Pending, "pending"),
        (TodoStatus::InProgress, "in_progress"),
        (TodoStatus::Completed, "completed"),
        (TodoStatus::Cancelled, "cancelled"),
    ];
    let todo = json!({ "content": "Tidy up", "status": "in_progress" });
    let mut samples: Vec<Sample> =
        states.map(|(status, name)| Sample::new("TodoStatus", status, json!(name))).into();
    samples.extend([
        sample::<Todo>("Todo", todo.clone()),
        sample::<TodoPayload>("TodoPayload", json!({ "todos": [] })),
        sample::<TodoPayload>("TodoPayload", json!({ "todos": [todo] })),
        sample::<CacheWarmingTimer>("CacheWarmingTimer", json!({ "nextWarmAt": null, "lastWarmAt": null })),
        Sample::new(
            "CacheWarmingTimer",
            CacheWarmingTimer { next_warm_at: Some(9), last_warm_at: Some(7) },
            json!({ "nextWarmAt": 9, "lastWarmAt": 7 }),
        ),
    ]);
    samples
}

/// Every frame beyond the contract, in both directions.
pub fn frames() -> Vec<Sample> {
    vec![
        sample::<ExtensionClientMessage>(
            "ExtensionClientMessage",
            json!({ "type": "chat.queue.cancel", "conversationId": "c1", "messageId": "q1" }),
        ),
        sample::<ExtensionServerMessage>(
            "ExtensionServerMessage",
            json!({ "type": "conversation.deleted", "conversationId": "c1" }),
        ),
        sample::<ExtensionServerMessage>(
            "ExtensionServerMessage",
            json!({ "type": "conversation.titleChanged", "conversationId": "c1", "title": "A tour" }),
        ),
    ]
}
