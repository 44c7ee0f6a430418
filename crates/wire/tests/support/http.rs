use std::collections::BTreeMap;

use serde_json::json;
use wire::transport::{
    ChatRequest, CompactPercentResponse, CompactRequest, CompactResponse, ConversationHistoryResponse,
    ConversationListResponse, ConversationMetricsResponse, CwdResponse, HealthResponse, LastMessageResponse,
    LspServerInfo, LspServerState, LspStatusResponse, ModelInfo, ModelThroughput, ModelsResponse,
    OpenConversationResponse, QueueRequest, QueueResponse, ReasoningEffortResponse, StopResponse,
    ThroughputPeriod, ThroughputResponse, TitleResponse, WarmRequest, WarmResponse,
};
use wire::{
    Chunk, ConversationId, ConversationMeta, ConversationStatus, ErrorBody, ErrorCode, QueuedMessage,
    ReasoningEffort, Role, StoredChunk, TurnMetrics, Usage,
};

use super::{Sample, conversation, turn};

pub fn all() -> Vec<Sample> {
    let mut samples = requests();
    samples.extend(conversations());
    samples.extend(settings());
    samples.extend(reports());
    samples.extend(errors());
    samples
}

fn requests() -> Vec<Sample> {
    vec![
        Sample::new(
            "ChatRequest",
            ChatRequest { message: "hi".into(), ..ChatRequest::default() },
            json!({ "message": "hi" }),
        ),
        Sample::new(
            "ChatRequest",
            ChatRequest {
                message: "hi".into(),
                conversation_id: Some(conversation()),
                model: Some("demo/demo".into()),
                cwd: Some(String::new()),
                reasoning_effort: Some(ReasoningEffort::Xhigh),
            },
            json!({
                "message": "hi",
                "conversationId": "c1",
                "model": "demo/demo",
                "cwd": "",
                "reasoningEffort": "xhigh",
            }),
        ),
        Sample::new(
            "WarmRequest",
            WarmRequest { conversation_id: conversation(), model: None, cwd: None },
            json!({ "conversationId": "c1" }),
        ),
        Sample::new(
            "WarmRequest",
            WarmRequest {
                conversation_id: conversation(),
                model: Some("demo/demo".into()),
                cwd: Some("/srv".into()),
            },
            json!({ "conversationId": "c1", "model": "demo/demo", "cwd": "/srv" }),
        ),
        Sample::new("QueueRequest", QueueRequest { text: "and".into() }, json!({ "text": "and" })),
        Sample::new("CompactRequest", CompactRequest::default(), json!({})),
        Sample::new(
            "CompactRequest",
            CompactRequest { keep_last_n: Some(5), model_name: Some("demo/demo".into()) },
            json!({ "keepLastN": 5, "modelName": "demo/demo" }),
        ),
    ]
}

fn conversations() -> Vec<Sample> {
    vec![
        Sample::new(
            "ConversationListResponse",
            ConversationListResponse {
                conversations: vec![ConversationMeta {
                    id: conversation(),
                    created_at: 1,
                    last_activity_at: 2,
                    title: "A title".into(),
                    status: ConversationStatus::Closed,
                    compacted_from: None,
                }],
            },
            json!({
                "conversations": [
                    { "id": "c1", "createdAt": 1, "lastActivityAt": 2, "title": "A title", "status": "closed" },
                ],
            }),
        ),
        Sample::new(
            "ConversationHistoryResponse",
            ConversationHistoryResponse { chunks: Vec::new(), latest_seq: 0 },
            json!({ "chunks": [], "latestSeq": 0 }),
        ),
        Sample::new(
            "ConversationHistoryResponse",
            ConversationHistoryResponse {
                chunks: vec![StoredChunk {
                    seq: 1,
                    role: Role::User,
                    chunk: Chunk::Text { text: "hi".into() },
                }],
                latest_seq: 1,
            },
            json!({
                "chunks": [{ "seq": 1, "role": "user", "chunk": { "type": "text", "text": "hi" } }],
                "latestSeq": 1,
            }),
        ),
        Sample::new(
            "ConversationMetricsResponse",
            ConversationMetricsResponse {
                turns: vec![TurnMetrics {
                    turn_id: turn(),
                    usage: Usage::default(),
                    duration_ms: None,
                    steps: Vec::new(),
                    context_size: None,
                }],
            },
            json!({
                "turns": [{ "turnId": "t1", "usage": { "inputTokens": 0, "outputTokens": 0 }, "steps": [] }],
            }),
        ),
        Sample::new(
            "LastMessageResponse",
            LastMessageResponse { conversation_id: conversation(), content: String::new(), turn_id: None },
            json!({ "conversationId": "c1", "content": "" }),
        ),
        Sample::new(
            "LastMessageResponse",
            LastMessageResponse {
                conversation_id: conversation(),
                content: "bye".into(),
                turn_id: Some(turn()),
            },
            json!({ "conversationId": "c1", "content": "bye", "turnId": "t1" }),
        ),
        Sample::new(
            "StopResponse",
            StopResponse { conversation_id: conversation(), aborted_turn: true },
            json!({ "conversationId": "c1", "abortedTurn": true }),
        ),
        Sample::new(
            "OpenConversationResponse",
            OpenConversationResponse { conversation_id: conversation() },
            json!({ "conversationId": "c1" }),
        ),
        Sample::new(
            "QueueResponse",
            QueueResponse {
                conversation_id: conversation(),
                started_turn: false,
                queue: vec![QueuedMessage {
                    id: "q1".into(),
                    text: "and".into(),
                    queued_at: 7,
                    client_message_id: None,
                }],
            },
            json!({
                "conversationId": "c1",
                "startedTurn": false,
                "queue": [{ "id": "q1", "text": "and", "queuedAt": 7 }],
            }),
        ),
        Sample::new(
            "CompactResponse",
            CompactResponse {
                conversation_id: conversation(),
                new_conversation_id: ConversationId::new("c0"),
                messages_summarized: 30,
                messages_kept: 10,
            },
            json!({
                "conversationId": "c1",
                "newConversationId": "c0",
                "messagesSummarized": 30,
                "messagesKept": 10,
            }),
        ),
    ]
}

/// Here a value that was never set is `null`: these fields are not optional.
fn settings() -> Vec<Sample> {
    vec![
        Sample::new(
            "CwdResponse",
            CwdResponse { conversation_id: conversation(), cwd: Some("/srv".into()) },
            json!({ "conversationId": "c1", "cwd": "/srv" }),
        ),
        Sample::new(
            "CwdResponse",
            CwdResponse { conversation_id: conversation(), cwd: None },
            json!({ "conversationId": "c1", "cwd": null }),
        ),
        Sample::new(
            "ReasoningEffortResponse",
            ReasoningEffortResponse {
                conversation_id: conversation(),
                reasoning_effort: Some(ReasoningEffort::Low),
            },
            json!({ "conversationId": "c1", "reasoningEffort": "low" }),
        ),
        Sample::new(
            "ReasoningEffortResponse",
            ReasoningEffortResponse { conversation_id: conversation(), reasoning_effort: None },
            json!({ "conversationId": "c1", "reasoningEffort": null }),
        ),
        Sample::new(
            "TitleResponse",
            TitleResponse { conversation_id: conversation(), title: "A title".into() },
            json!({ "conversationId": "c1", "title": "A title" }),
        ),
        Sample::new(
            "CompactPercentResponse",
            CompactPercentResponse { conversation_id: conversation(), percent: 85, threshold: 85 },
            json!({ "conversationId": "c1", "percent": 85, "threshold": 85 }),
        ),
    ]
}

fn reports() -> Vec<Sample> {
    let throughput = |period, name: &str| {
        Sample::new(
            "ThroughputResponse",
            ThroughputResponse {
                period,
                date: "2026-06-22".into(),
                start: 1,
                end: 2,
                models: vec![ModelThroughput {
                    model: "demo/demo".into(),
                    tokens_per_second: 41.5,
                    total_output_tokens: 83,
                    total_gen_ms: 2000,
                    turns: 1,
                }],
            },
            json!({
                "period": name,
                "date": "2026-06-22",
                "start": 1,
                "end": 2,
                "models": [{
                    "model": "demo/demo",
                    "tokensPerSecond": 41.5,
                    "totalOutputTokens": 83,
                    "totalGenMs": 2000,
                    "turns": 1,
                }],
            }),
        )
    };
    let language_server = |state, error: Option<&str>| LspServerInfo {
        id: "rust".into(),
        name: "Rust".into(),
        root: "/srv".into(),
        extensions: vec![".rs".into()],
        state,
        error: error.map(str::to_owned),
    };
    let language_server_json = |state: &str| json!({ "id": "rust", "name": "Rust", "root": "/srv", "extensions": [".rs"], "state": state });
    vec![
        Sample::new("HealthResponse", HealthResponse { ok: true }, json!({ "ok": true })),
        Sample::new(
            "ModelsResponse",
            ModelsResponse { models: vec!["demo/demo".into()], model_info: None },
            json!({ "models": ["demo/demo"] }),
        ),
        Sample::new(
            "ModelsResponse",
            ModelsResponse {
                models: vec!["demo/demo".into()],
                model_info: Some(BTreeMap::from([
                    ("demo/demo".into(), ModelInfo { context_window: Some(200_000), vision: None }),
                    ("demo/other".into(), ModelInfo { context_window: None, vision: None }),
                    ("demo/seeing".into(), ModelInfo { context_window: None, vision: Some(true) }),
                ])),
            },
            json!({
                "models": ["demo/demo"],
                "modelInfo": {
                    "demo/demo": { "contextWindow": 200_000 },
                    "demo/other": {},
                    "demo/seeing": { "vision": true },
                },
            }),
        ),
        Sample::new(
            "WarmResponse",
            WarmResponse {
                input_tokens: 100,
                output_tokens: 1,
                cache_read_tokens: 90,
                cache_write_tokens: 10,
                cache_pct: 90,
                expected_cache_rate: 90,
            },
            json!({
                "inputTokens": 100,
                "outputTokens": 1,
                "cacheReadTokens": 90,
                "cacheWriteTokens": 10,
                "cachePct": 90,
                "expectedCacheRate": 90,
            }),
        ),
        throughput(ThroughputPeriod::Day, "day"),
        throughput(ThroughputPeriod::Week, "week"),
        throughput(ThroughputPeriod::Month, "month"),
        Sample::new(
            "LspStatusResponse",
            LspStatusResponse { conversation_id: conversation(), cwd: None, servers: Vec::new() },
            json!({ "conversationId": "c1", "cwd": null, "servers": [] }),
        ),
        Sample::new(
            "LspStatusResponse",
            LspStatusResponse {
                conversation_id: conversation(),
                cwd: Some("/srv".into()),
                servers: vec![
                    language_server(LspServerState::Connected, None),
                    language_server(LspServerState::Starting, None),
                    language_server(LspServerState::NotStarted, None),
                    language_server(LspServerState::Error, Some("not found")),
                ],
            },
            json!({
                "conversationId": "c1",
                "cwd": "/srv",
                "servers": [
                    language_server_json("connected"),
                    language_server_json("starting"),
                    language_server_json("not-started"),
                    {
                        "id": "rust",
                        "name": "Rust",
                        "root": "/srv",
                        "extensions": [".rs"],
                        "state": "error",
                        "error": "not found",
                    },
                ],
            }),
        ),
    ]
}

fn errors() -> Vec<Sample> {
    let mut samples = vec![
        Sample::new(
            "ErrorBody",
            ErrorBody { error: "Invalid JSON body".into(), code: None },
            json!({ "error": "Invalid JSON body" }),
        ),
        Sample::new(
            "ErrorBody",
            ErrorBody { error: "Invalid JSON body".into(), code: Some("invalid-json".into()) },
            json!({ "error": "Invalid JSON body", "code": "invalid-json" }),
        ),
    ];
    samples.extend(ErrorCode::ALL.iter().map(|code| Sample::new("ErrorCode", *code, json!(code.as_str()))));
    samples
}
