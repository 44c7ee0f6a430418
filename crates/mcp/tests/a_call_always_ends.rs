//! A call that is cancelled, that takes too long, or that nobody waits for ends at once, and the server is told.

use std::path::Path;
use std::time::Duration;

use futures_channel::mpsc;
use futures_util::FutureExt;
use kernel::{ToolContext, ToolResult};
use mcp::{Mcp, Settings};
use serde_json::{Value, json};

use crate::support::*;

const ABORTED: &str = "[aborted: the MCP server \"x\" was told so; it may have done some of it]";

async fn noted(directory: &Path, file: &str) {
    eventually(file, async || directory.join(file).exists()).await;
}

/// Cancels a call that has begun. `notes` is where the server writes what happens to it.
async fn is_cancelled(entry: Value, notes: Option<&Path>) {
    let directory = project(&json!({ "x": entry }));
    let notes = notes.unwrap_or(directory.path());
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let cancelled = ToolContext::cancelled_by(cancelled.map(|_| ()));
    let (output, _) = mpsc::channel(0);
    let run = tokio::spawn(named(&tools, "x__wait").run(json!({}), context(output, cancelled)));
    noted(notes, "waiting").await;
    cancel.send(()).unwrap();
    assert_eq!(run.await.unwrap(), ToolResult::error(ABORTED));
    noted(notes, "cancelled").await;
    // The connection is as good as before.
    assert_eq!(call(&tools, "x__echo", json!({"text": "a"})).await, ToolResult::ok("a"));
}

#[tokio::test]
async fn a_cancelled_call_is_answered_and_the_server_is_told() {
    is_cancelled(good(), None).await;
}

#[tokio::test]
async fn a_cancelled_call_is_answered_and_the_server_is_told_over_http() {
    let notes = tempfile::tempdir().unwrap();
    let server = HttpServer::start(notes.path()).await;
    is_cancelled(json!({"url": server.url}), Some(notes.path())).await;
}

#[tokio::test]
async fn a_call_that_was_cancelled_before_it_began_is_not_made() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let cancelled = ToolContext::cancelled_by(std::future::ready(()));
    let (output, _) = mpsc::channel(0);
    let result = named(&tools, "x__wait").run(json!({}), context(output, cancelled)).await;
    assert_eq!(result, ToolResult::error("[aborted: the tool was not called]"));
    call(&tools, "x__echo", json!({})).await;
    assert!(!directory.path().join("waiting").exists());
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up_and_the_server_is_told() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(Settings { call_timeout: Duration::from_secs(1), ..patient() });
    let tools = tools(&mcp, directory.path()).await;
    let expected =
        "The MCP server \"x\" did not answer within 1s. It was told to stop; it may have done some of it.";
    assert_eq!(call(&tools, "x__wait", json!({})).await, ToolResult::error(expected));
    noted(directory.path(), "cancelled").await;
}

#[tokio::test]
async fn the_server_is_told_when_the_call_is_dropped() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let (output, _) = mpsc::channel(0);
    let run = tokio::spawn(named(&tools, "x__wait").run(json!({}), context(output, never())));
    noted(directory.path(), "waiting").await;
    run.abort();
    noted(directory.path(), "cancelled").await;
}

#[tokio::test]
async fn calls_of_one_connection_run_beside_each_other() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let (output, _) = mpsc::channel(0);
    let waiting = tokio::spawn(named(&tools, "x__wait").run(json!({}), context(output, never())));
    noted(directory.path(), "waiting").await;
    let calls = (0..50).map(|n| {
        let tools = &tools;
        async move { call(tools, "x__echo", json!({"text": n.to_string()})).await }
    });
    let results = futures_util::future::join_all(calls).await;
    let expected: Vec<_> = (0..50).map(|n| ToolResult::ok(n.to_string())).collect();
    assert_eq!(results, expected);
    waiting.abort();
}
