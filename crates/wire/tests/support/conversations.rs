use serde_json::json;
use wire::{
    ChatMessage, Chunk, CompactionResult, ConversationId, ConversationMeta, ConversationStatus, QueuePayload,
    QueuedMessage, ReasoningEffort, Role, StepMetrics, StoredChunk, TurnMetrics, Usage,
};

use super::{Sample, step, turn};

pub fn all() -> Vec<Sample> {
    let mut samples = chunks();
    samples.extend(names());
    samples.extend(messages());
    samples.extend(metrics());
    samples.extend(lifecycle());
    samples
}

fn chunks() -> Vec<Sample> {
    vec![
        Sample::new("Chunk", Chunk::Text { text: "hi".into() }, json!({ "type": "text", "text": "hi" })),
        Sample::new(
            "Chunk",
            Chunk::Thinking { text: "well".into() },
            json!({ "type": "thinking", "text": "well" }),
        ),
        Sample::new(
            "Chunk",
            Chunk::ToolCall {
                tool_call_id: "call_1".into(),
                tool_name: "read_file".into(),
                input: json!({ "path": "a.txt", "null": null }),
                step_id: Some(step()),
            },
            json!({
                "type": "tool-call",
                "toolCallId": "call_1",
                "toolName": "read_file",
                "input": { "path": "a.txt", "null": null },
                "stepId": "t1#0",
            }),
        ),
        Sample::new(
            "Chunk",
            Chunk::ToolCall {
                tool_call_id: "call_1".into(),
                tool_name: "read_file".into(),
                input: json!("{\"path\": "),
                step_id: None,
            },
            json!({
                "type": "tool-call",
                "toolCallId": "call_1",
                "toolName": "read_file",
                "input": "{\"path\": ",
            }),
        ),
        Sample::new(
            "Chunk",
            Chunk::ToolResult {
                tool_call_id: "call_1".into(),
                tool_name: "read_file".into(),
                content: "no such file".into(),
                is_error: true,
                step_id: Some(step()),
            },
            json!({
                "type": "tool-result",
                "toolCallId": "call_1",
                "toolName": "read_file",
                "content": "no such file",
                "isError": true,
                "stepId": "t1#0",
            }),
        ),
        Sample::new(
            "Chunk",
            Chunk::ToolResult {
                tool_call_id: "call_1".into(),
                tool_name: "read_file".into(),
                content: String::new(),
                is_error: false,
                step_id: None,
            },
            json!({
                "type": "tool-result",
                "toolCallId": "call_1",
                "toolName": "read_file",
                "content": "",
                "isError": false,
            }),
        ),
        Sample::new(
            "Chunk",
            Chunk::Error { message: "overloaded".into(), code: Some("529".into()) },
            json!({ "type": "error", "message": "overloaded", "code": "529" }),
        ),
        Sample::new(
            "Chunk",
            Chunk::Error { message: "overloaded".into(), code: None },
            json!({ "type": "error", "message": "overloaded" }),
        ),
        Sample::new(
            "Chunk",
            Chunk::System { text: "be brief".into() },
            json!({ "type": "system", "text": "be brief" }),
        ),
    ]
}

fn names() -> Vec<Sample> {
    vec![
        Sample::new("Role", Role::System, json!("system")),
        Sample::new("Role", Role::User, json!("user")),
        Sample::new("Role", Role::Assistant, json!("assistant")),
        Sample::new("Role", Role::Tool, json!("tool")),
        Sample::new("ReasoningEffort", ReasoningEffort::Low, json!("low")),
        Sample::new("ReasoningEffort", ReasoningEffort::Medium, json!("medium")),
        Sample::new("ReasoningEffort", ReasoningEffort::High, json!("high")),
        Sample::new("ReasoningEffort", ReasoningEffort::Xhigh, json!("xhigh")),
        Sample::new("ReasoningEffort", ReasoningEffort::Max, json!("max")),
        Sample::new("ConversationStatus", ConversationStatus::Active, json!("active")),
        Sample::new("ConversationStatus", ConversationStatus::Idle, json!("idle")),
        Sample::new("ConversationStatus", ConversationStatus::Closed, json!("closed")),
        Sample::new("TurnId", turn(), json!("t1")),
        Sample::new("StepId", step(), json!("t1#0")),
    ]
}

fn messages() -> Vec<Sample> {
    let text = || Chunk::Text { text: "hi".into() };
    vec![
        Sample::new(
            "ChatMessage",
            ChatMessage { role: Role::User, chunks: vec![text()] },
            json!({ "role": "user", "chunks": [{ "type": "text", "text": "hi" }] }),
        ),
        Sample::new(
            "StoredChunk",
            StoredChunk { seq: 1, role: Role::Assistant, chunk: text() },
            json!({ "seq": 1, "role": "assistant", "chunk": { "type": "text", "text": "hi" } }),
        ),
        Sample::new("QueuePayload", QueuePayload { messages: Vec::new() }, json!({ "messages": [] })),
        Sample::new(
            "QueuePayload",
            QueuePayload {
                messages: vec![QueuedMessage {
                    id: "q1".into(),
                    text: "and".into(),
                    queued_at: 1_750_000_000_000,
                    client_message_id: None,
                }],
            },
            json!({ "messages": [{ "id": "q1", "text": "and", "queuedAt": 1_750_000_000_000_u64 }] }),
        ),
        Sample::new(
            "QueuedMessage",
            QueuedMessage { id: "q1".into(), text: "and".into(), queued_at: 7, client_message_id: None },
            json!({ "id": "q1", "text": "and", "queuedAt": 7 }),
        ),
        Sample::new(
            "QueuedMessage",
            QueuedMessage {
                id: "q1".into(),
                text: "and".into(),
                queued_at: 7,
                client_message_id: Some("m1".into()),
            },
            json!({ "id": "q1", "text": "and", "queuedAt": 7, "clientMessageId": "m1" }),
        ),
    ]
}

fn metrics() -> Vec<Sample> {
    let usage = Usage { input_tokens: 10, output_tokens: 2, ..Usage::default() };
    vec![
        Sample::new("Usage", usage, json!({ "inputTokens": 10, "outputTokens": 2 })),
        Sample::new(
            "Usage",
            Usage { cache_read_tokens: Some(8), cache_write_tokens: Some(0), ..usage },
            json!({ "inputTokens": 10, "outputTokens": 2, "cacheReadTokens": 8, "cacheWriteTokens": 0 }),
        ),
        Sample::new(
            "StepMetrics",
            StepMetrics { step_id: step(), usage, ttft_ms: None, decode_ms: None, gen_total_ms: None },
            json!({ "stepId": "t1#0", "usage": { "inputTokens": 10, "outputTokens": 2 } }),
        ),
        Sample::new(
            "StepMetrics",
            StepMetrics {
                step_id: step(),
                usage,
                ttft_ms: Some(120),
                decode_ms: Some(880),
                gen_total_ms: Some(1000),
            },
            json!({
                "stepId": "t1#0",
                "usage": { "inputTokens": 10, "outputTokens": 2 },
                "ttftMs": 120,
                "decodeMs": 880,
                "genTotalMs": 1000,
            }),
        ),
        Sample::new(
            "TurnMetrics",
            TurnMetrics { turn_id: turn(), usage, duration_ms: None, steps: Vec::new(), context_size: None },
            json!({ "turnId": "t1", "usage": { "inputTokens": 10, "outputTokens": 2 }, "steps": [] }),
        ),
        Sample::new(
            "TurnMetrics",
            TurnMetrics {
                turn_id: turn(),
                usage,
                duration_ms: Some(1500),
                steps: vec![StepMetrics {
                    step_id: step(),
                    usage,
                    ttft_ms: None,
                    decode_ms: None,
                    gen_total_ms: Some(1000),
                }],
                context_size: Some(12),
            },
            json!({
                "turnId": "t1",
                "usage": { "inputTokens": 10, "outputTokens": 2 },
                "durationMs": 1500,
                "steps": [{
                    "stepId": "t1#0",
                    "usage": { "inputTokens": 10, "outputTokens": 2 },
                    "genTotalMs": 1000,
                }],
                "contextSize": 12,
            }),
        ),
    ]
}

fn lifecycle() -> Vec<Sample> {
    let meta = |compacted_from| ConversationMeta {
        id: ConversationId::new("c1"),
        created_at: 1,
        last_activity_at: 2,
        title: "A title".into(),
        status: ConversationStatus::Idle,
        compacted_from,
    };
    vec![
        Sample::new(
            "ConversationMeta",
            meta(None),
            json!({ "id": "c1", "createdAt": 1, "lastActivityAt": 2, "title": "A title", "status": "idle" }),
        ),
        Sample::new(
            "ConversationMeta",
            meta(Some(ConversationId::new("c0"))),
            json!({
                "id": "c1",
                "createdAt": 1,
                "lastActivityAt": 2,
                "title": "A title",
                "status": "idle",
                "compactedFrom": "c0",
            }),
        ),
        Sample::new(
            "CompactionResult",
            CompactionResult {
                summary: "They talked.".into(),
                new_conversation_id: ConversationId::new("c0"),
                messages_summarized: 30,
                messages_kept: 10,
            },
            json!({
                "summary": "They talked.",
                "newConversationId": "c0",
                "messagesSummarized": 30,
                "messagesKept": 10,
            }),
        ),
    ]
}
