use serde_json::{Value, json};
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, OutputStream, Usage};

use super::{Sample, conversation, image, step, turn};

/// Every event of the contract, with and without its optional fields.
pub fn full() -> Vec<Sample> {
    let mut samples = beginning();
    samples.extend(tools());
    samples.extend(end());
    samples
}

fn event(value: AgentEvent, expected: Value) -> Sample {
    Sample::new("AgentEvent", value, expected)
}

fn beginning() -> Vec<Sample> {
    vec![
        event(
            AgentEvent::Status { conversation_id: conversation(), status: "running".into() },
            json!({ "type": "status", "conversationId": "c1", "status": "running" }),
        ),
        event(
            AgentEvent::TurnStart { conversation_id: conversation(), turn_id: turn() },
            json!({ "type": "turn-start", "conversationId": "c1", "turnId": "t1" }),
        ),
        event(
            AgentEvent::UserMessage {
                conversation_id: conversation(),
                turn_id: turn(),
                text: "hi".into(),
                client_message_id: None,
                client_message_ids: None,
                images: None,
            },
            json!({ "type": "user-message", "conversationId": "c1", "turnId": "t1", "text": "hi" }),
        ),
        event(
            AgentEvent::UserMessage {
                conversation_id: conversation(),
                turn_id: turn(),
                text: "hi\n\nthere".into(),
                client_message_id: Some("m0".into()),
                client_message_ids: Some(vec!["m1".into(), "m2".into()]),
                images: Some(vec![image()]),
            },
            json!({
                "type": "user-message",
                "conversationId": "c1",
                "turnId": "t1",
                "text": "hi\n\nthere",
                "clientMessageId": "m0",
                "clientMessageIds": ["m1", "m2"],
                "images": [{ "url": "/images/c1/i.png", "mimeType": "image/png" }],
            }),
        ),
        event(
            AgentEvent::TextDelta { conversation_id: conversation(), turn_id: turn(), delta: "Hel".into() },
            json!({ "type": "text-delta", "conversationId": "c1", "turnId": "t1", "delta": "Hel" }),
        ),
        event(
            AgentEvent::ReasoningDelta {
                conversation_id: conversation(),
                turn_id: turn(),
                delta: "Hm".into(),
            },
            json!({ "type": "reasoning-delta", "conversationId": "c1", "turnId": "t1", "delta": "Hm" }),
        ),
    ]
}

fn tools() -> Vec<Sample> {
    let result = |duration_ms| AgentEvent::ToolResult {
        conversation_id: conversation(),
        turn_id: turn(),
        step_id: step(),
        tool_call_id: "call_1".into(),
        tool_name: "run_shell".into(),
        content: "done".into(),
        is_error: false,
        duration_ms,
    };
    let output = |stream| AgentEvent::ToolOutput {
        conversation_id: conversation(),
        turn_id: turn(),
        tool_call_id: "call_1".into(),
        data: "line\n".into(),
        stream,
    };
    vec![
        event(
            AgentEvent::ToolCall {
                conversation_id: conversation(),
                turn_id: turn(),
                step_id: step(),
                tool_call_id: "call_1".into(),
                tool_name: "run_shell".into(),
                input: json!({ "command": "ls", "timeout": null }),
            },
            json!({
                "type": "tool-call",
                "conversationId": "c1",
                "turnId": "t1",
                "stepId": "t1#0",
                "toolCallId": "call_1",
                "toolName": "run_shell",
                "input": { "command": "ls", "timeout": null },
            }),
        ),
        event(
            result(None),
            json!({
                "type": "tool-result",
                "conversationId": "c1",
                "turnId": "t1",
                "stepId": "t1#0",
                "toolCallId": "call_1",
                "toolName": "run_shell",
                "content": "done",
                "isError": false,
            }),
        ),
        event(
            result(Some(0)),
            json!({
                "type": "tool-result",
                "conversationId": "c1",
                "turnId": "t1",
                "stepId": "t1#0",
                "toolCallId": "call_1",
                "toolName": "run_shell",
                "content": "done",
                "isError": false,
                "durationMs": 0,
            }),
        ),
        event(
            output(OutputStream::Stdout),
            json!({
                "type": "tool-output",
                "conversationId": "c1",
                "turnId": "t1",
                "toolCallId": "call_1",
                "data": "line\n",
                "stream": "stdout",
            }),
        ),
        event(
            output(OutputStream::Stderr),
            json!({
                "type": "tool-output",
                "conversationId": "c1",
                "turnId": "t1",
                "toolCallId": "call_1",
                "data": "line\n",
                "stream": "stderr",
            }),
        ),
    ]
}

fn end() -> Vec<Sample> {
    let usage = Usage { input_tokens: 10, output_tokens: 2, ..Usage::default() };
    let usage_event = |step_id| AgentEvent::Usage {
        conversation_id: conversation(),
        turn_id: turn(),
        step_id,
        usage: Usage { cache_read_tokens: Some(4), ..usage },
    };
    let complete = |ttft_ms, decode_ms, gen_total_ms| AgentEvent::StepComplete {
        conversation_id: conversation(),
        turn_id: turn(),
        step_id: step(),
        ttft_ms,
        decode_ms,
        gen_total_ms,
    };
    let error = |code| AgentEvent::Error {
        conversation_id: conversation(),
        turn_id: turn(),
        message: "overloaded".into(),
        code,
    };
    let done = |duration_ms, usage, context_size| AgentEvent::Done {
        conversation_id: conversation(),
        turn_id: turn(),
        reason: "stop".into(),
        duration_ms,
        usage,
        context_size,
    };
    vec![
        event(
            usage_event(None),
            json!({
                "type": "usage",
                "conversationId": "c1",
                "turnId": "t1",
                "usage": { "inputTokens": 10, "outputTokens": 2, "cacheReadTokens": 4 },
            }),
        ),
        event(
            usage_event(Some(step())),
            json!({
                "type": "usage",
                "conversationId": "c1",
                "turnId": "t1",
                "stepId": "t1#0",
                "usage": { "inputTokens": 10, "outputTokens": 2, "cacheReadTokens": 4 },
            }),
        ),
        event(
            complete(None, None, None),
            json!({ "type": "step-complete", "conversationId": "c1", "turnId": "t1", "stepId": "t1#0" }),
        ),
        event(
            complete(Some(1), Some(2), Some(3)),
            json!({
                "type": "step-complete",
                "conversationId": "c1",
                "turnId": "t1",
                "stepId": "t1#0",
                "ttftMs": 1,
                "decodeMs": 2,
                "genTotalMs": 3,
            }),
        ),
        event(
            error(None),
            json!({ "type": "error", "conversationId": "c1", "turnId": "t1", "message": "overloaded" }),
        ),
        event(
            error(Some("529".into())),
            json!({
                "type": "error",
                "conversationId": "c1",
                "turnId": "t1",
                "message": "overloaded",
                "code": "529",
            }),
        ),
        event(
            done(None, None, None),
            json!({ "type": "done", "conversationId": "c1", "turnId": "t1", "reason": "stop" }),
        ),
        event(
            done(Some(1500), Some(usage), Some(12)),
            json!({
                "type": "done",
                "conversationId": "c1",
                "turnId": "t1",
                "reason": "stop",
                "durationMs": 1500,
                "usage": { "inputTokens": 10, "outputTokens": 2 },
                "contextSize": 12,
            }),
        ),
        event(
            AgentEvent::TurnSealed { conversation_id: conversation(), turn_id: turn() },
            json!({ "type": "turn-sealed", "conversationId": "c1", "turnId": "t1" }),
        ),
        event(
            AgentEvent::Steering {
                conversation_id: conversation(),
                turn_id: turn(),
                text: "stop that".into(),
                client_message_id: None,
                client_message_ids: None,
            },
            json!({ "type": "steering", "conversationId": "c1", "turnId": "t1", "text": "stop that" }),
        ),
        event(
            AgentEvent::Steering {
                conversation_id: conversation(),
                turn_id: turn(),
                text: "stop that".into(),
                client_message_id: Some("m0".into()),
                client_message_ids: Some(vec!["m1".into(), "m2".into()]),
            },
            json!({
                "type": "steering",
                "conversationId": "c1",
                "turnId": "t1",
                "text": "stop that",
                "clientMessageId": "m0",
                "clientMessageIds": ["m1", "m2"],
            }),
        ),
    ]
}

/// The events that only clients of extensions see.
pub fn extensions() -> Vec<Sample> {
    let retry = |code| ExtensionEvent::ProviderRetry {
        conversation_id: conversation(),
        turn_id: turn(),
        attempt: 1,
        delay_ms: 500,
        message: "overloaded".into(),
        code,
    };
    vec![
        Sample::new(
            "ExtensionEvent",
            retry(None),
            json!({
                "type": "provider-retry",
                "conversationId": "c1",
                "turnId": "t1",
                "attempt": 1,
                "delayMs": 500,
                "message": "overloaded",
            }),
        ),
        Sample::new(
            "ExtensionEvent",
            retry(Some("529".into())),
            json!({
                "type": "provider-retry",
                "conversationId": "c1",
                "turnId": "t1",
                "attempt": 1,
                "delayMs": 500,
                "message": "overloaded",
                "code": "529",
            }),
        ),
        Sample::new(
            "ExtensionEvent",
            ExtensionEvent::ToolStart {
                conversation_id: conversation(),
                turn_id: turn(),
                tool_call_id: "k1".into(),
                started_at: 1_700_000_000_000,
            },
            json!({
                "type": "tool-start",
                "conversationId": "c1",
                "turnId": "t1",
                "toolCallId": "k1",
                "startedAt": 1_700_000_000_000_u64,
            }),
        ),
    ]
}
