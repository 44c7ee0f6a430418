//! What providers really send, and what must come of it; however the bytes were cut on their way.

use kernel::{Failure, FinishReason, ProviderEvent};
use serde_json::json;
use weather::{Flavour, Reply, Script, Weather};
use wire::Usage;

use crate::support::{events, hello, merged, provider, recording};

fn text(text: &str) -> ProviderEvent {
    ProviderEvent::TextDelta(text.to_owned())
}

fn reasoning(text: &str) -> ProviderEvent {
    ProviderEvent::ReasoningDelta(text.to_owned())
}

fn call(id: &str, name: &str, input: serde_json::Value) -> ProviderEvent {
    ProviderEvent::ToolCall { id: id.to_owned(), name: name.to_owned(), input }
}

fn usage(input: u64, output: u64, read: Option<u64>, written: Option<u64>) -> ProviderEvent {
    ProviderEvent::Usage(Usage {
        input_tokens: input,
        output_tokens: output,
        cache_read_tokens: read,
        cache_write_tokens: written,
    })
}

fn error(message: &str, code: &str, retryable: bool) -> ProviderEvent {
    ProviderEvent::Error(Failure {
        message: message.to_owned(),
        code: Some(code.to_owned()),
        retryable,
        retry_after: None,
    })
}

/// The events of a recording, which must be the same for pieces of every size.
async fn read(flavour: Flavour, name: &str) -> Vec<ProviderEvent> {
    let recording = recording(flavour, name);
    let whole = Reply::recording(recording);
    let sizes = [1, 2, 3, 7, 64];
    let pieces = sizes.map(|size| whole.clone().split(size));
    let weather = Weather::start(Script::new([whole.clone()].into_iter().chain(pieces))).await.unwrap();
    let provider = provider(flavour, &weather);
    let expected = events(&provider, hello()).await;
    for size in sizes {
        let got = events(&provider, hello()).await;
        assert_eq!(
            without_made_up_ids(got),
            without_made_up_ids(expected.clone()),
            "{name} in pieces of {size}"
        );
    }
    merged(expected)
}

fn without_made_up_ids(mut events: Vec<ProviderEvent>) -> Vec<ProviderEvent> {
    for event in &mut events {
        if let ProviderEvent::ToolCall { id, .. } = event
            && id.starts_with("call_")
            && id.len() == 13
        {
            *id = "call_?".to_owned();
        }
    }
    events
}

#[tokio::test]
async fn openai_text() {
    assert_eq!(
        read(Flavour::OpenAi, "text.sse").await,
        [
            text("Grüße aus Köln 👋🏽."),
            usage(1219, 7, Some(1024), None),
            ProviderEvent::Finish(FinishReason::Stop)
        ]
    );
}

#[tokio::test]
async fn openai_parallel_tools() {
    assert_eq!(
        read(Flavour::OpenAi, "parallel_tools.sse").await,
        [
            text("Let me look."),
            call("call_qYx1", "read_file", json!({"path": "src/main.rs"})),
            call("call_9Zb4", "run_shell", json!({"command": "ls | wc -l"})),
            usage(310, 48, Some(0), None),
            ProviderEvent::Finish(FinishReason::ToolCalls)
        ]
    );
}

#[tokio::test]
async fn openai_reasoning_and_usage_in_the_last_chunk() {
    assert_eq!(
        read(Flavour::OpenAi, "reasoning.sse").await,
        [
            reasoning("Nine point eleven?"),
            text("9.8 is larger."),
            usage(18, 40, Some(0), None),
            ProviderEvent::Finish(FinishReason::Stop)
        ]
    );
}

#[tokio::test]
async fn openai_through_a_router_that_says_stop_and_means_tools() {
    assert_eq!(
        read(Flavour::OpenAi, "router.sse").await,
        [
            reasoning("I should list files."),
            call("functions.run_shell:0", "run_shell", json!({"command": "ls"})),
            usage(77, 21, None, None),
            ProviderEvent::Finish(FinishReason::ToolCalls)
        ]
    );
}

#[tokio::test]
async fn openai_from_a_local_server_that_leaves_most_things_out() {
    assert_eq!(
        without_made_up_ids(read(Flavour::OpenAi, "local.sse").await),
        [
            call("call_?", "read_file", json!({"path": "a.txt"})),
            ProviderEvent::Finish(FinishReason::ToolCalls)
        ]
    );
}

#[tokio::test]
async fn openai_cut_off_in_the_middle_of_a_call() {
    assert_eq!(
        read(Flavour::OpenAi, "length.sse").await,
        [
            call("call_1", "write_file", json!(r#"{"path":"a.txt","content":"It was a"#)),
            usage(50, 16, Some(0), None),
            ProviderEvent::Finish(FinishReason::Length)
        ]
    );
}

#[tokio::test]
async fn openai_content_in_parts() {
    assert_eq!(
        read(Flavour::OpenAi, "parts.sse").await,
        [
            reasoning("Simple sum."),
            text("Four."),
            usage(9, 6, None, None),
            ProviderEvent::Finish(FinishReason::Stop)
        ]
    );
}

#[tokio::test]
async fn openai_filtered() {
    assert_eq!(
        read(Flavour::OpenAi, "filtered.sse").await,
        [
            text("I cannot help with that."),
            usage(12, 6, Some(0), None),
            ProviderEvent::Finish(FinishReason::ContentFilter)
        ]
    );
}

#[tokio::test]
async fn openai_error_in_the_stream() {
    assert_eq!(
        read(Flavour::OpenAi, "error.sse").await,
        [text("Once upon"), error("the provider failed: Upstream error from P: overloaded", "502", true)]
    );
}

#[tokio::test]
async fn anthropic_text() {
    assert_eq!(
        read(Flavour::Anthropic, "text.sse").await,
        [
            text("Grüße aus Köln 👋🏽."),
            usage(25 + 188 + 2048, 15, Some(2048), Some(188)),
            ProviderEvent::Finish(FinishReason::Stop)
        ]
    );
}

#[tokio::test]
async fn anthropic_thinking_and_parallel_tools() {
    let signed = json!({"signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h==", "model": "model-1"});
    let redacted = json!({"redacted": "EmwKAhgBEgy3va3pzix/LafPsn4a", "model": "model-1"});
    assert_eq!(
        read(Flavour::Anthropic, "thinking_and_parallel_tools.sse").await,
        [
            reasoning("Two things to look at."),
            ProviderEvent::ReasoningEnd { replay: Some(signed) },
            ProviderEvent::ReasoningEnd { replay: Some(redacted) },
            text("Let me look."),
            call("toolu_01T1x", "read_file", json!({"path": "src/main.rs"})),
            usage(472, 89, Some(0), Some(0)),
            call("toolu_01T2y", "now", json!({})),
            ProviderEvent::Finish(FinishReason::ToolCalls)
        ]
    );
}

#[tokio::test]
async fn anthropic_cut_off_in_the_middle_of_a_call() {
    assert_eq!(
        read(Flavour::Anthropic, "length.sse").await,
        [
            call("toolu_01", "write_file", json!(r#"{"path":"a.txt","con"#)),
            usage(3, 16, Some(0), Some(0)),
            ProviderEvent::Finish(FinishReason::Length)
        ]
    );
}

#[tokio::test]
async fn anthropic_cut_off_before_the_arguments() {
    assert_eq!(
        read(Flavour::Anthropic, "length_before_arguments.sse").await,
        [
            usage(3, 16, Some(0), Some(0)),
            call("toolu_01", "write_file", json!("")),
            ProviderEvent::Finish(FinishReason::Length)
        ]
    );
}

#[tokio::test]
async fn anthropic_refusal() {
    assert_eq!(
        read(Flavour::Anthropic, "refusal.sse").await,
        [text("I"), usage(3, 1, Some(0), Some(0)), ProviderEvent::Finish(FinishReason::ContentFilter)]
    );
}

#[tokio::test]
async fn anthropic_error_in_the_stream() {
    assert_eq!(
        read(Flavour::Anthropic, "error.sse").await,
        [
            text("Once upon"),
            usage(3, 1, Some(0), Some(0)),
            error("the provider failed: Overloaded (overloaded_error)", "provider-failed", true)
        ]
    );
}

#[tokio::test]
async fn anthropic_things_that_are_not_known_are_passed_over() {
    assert_eq!(
        read(Flavour::Anthropic, "server_tool.sse").await,
        [text("Found."), usage(3, 5, Some(0), Some(0)), ProviderEvent::Finish(FinishReason::Stop)]
    );
}
