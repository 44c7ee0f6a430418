//! A turn goes on with the servers that are ready. What failed is remembered, tried again, and restarted.

use std::path::Path;
use std::time::{Duration, Instant};

use kernel::ToolResult;
use mcp::{Mcp, ServerStatus, Settings, State};
use serde_json::json;

use crate::support::*;

/// A time that is never over in a test.
const LONG: Duration = Duration::from_secs(3600);

async fn error_of(mcp: &Mcp, directory: &Path) -> String {
    match &mcp.status(directory).await[..] {
        [ServerStatus { state: State::Error, error: Some(error), tool_count: 0, .. }] => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_turn_waits_once_and_no_longer_than_its_patience() {
    let directory = project(&json!({"good": good(), "mute": entry("mute", &json!({}))}));
    let patience = Duration::from_secs(5);
    let mcp = Mcp::new(Settings { patience, start_timeout: LONG, ..Settings::default() });
    let start = Instant::now();
    let first = tools(&mcp, directory.path()).await;
    assert!(start.elapsed() >= patience, "it waits for a server that is starting");
    assert_eq!(first.len(), 12);
    // From then on the slow one is not waited for, or this would take longer than a test may.
    for _ in 0..200 {
        assert_eq!(tools(&mcp, directory.path()).await.len(), 12);
    }
    assert_eq!(
        states(&mcp, directory.path()).await,
        [("good".to_owned(), State::Connected), ("mute".to_owned(), State::Starting)]
    );
    assert_eq!(started(directory.path()).len(), 2);
}

#[tokio::test]
async fn a_slow_server_is_there_for_a_later_turn() {
    let directory = project(&json!({"slow": entry("slow", &json!({"DELAY": "1500"}))}));
    let mcp = Mcp::new(Settings { patience: Duration::from_millis(1), ..Settings::default() });
    assert_eq!(names(&tools(&mcp, directory.path()).await), [""; 0]);
    eventually("its tools", async || tools(&mcp, directory.path()).await.len() == 12).await;
    assert_eq!(started(directory.path()).len(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_fails_in_time() {
    let directory = project(&json!({"mute": entry("mute", &json!({}))}));
    let start_timeout = Duration::from_secs(1);
    let mcp = Mcp::new(Settings { start_timeout, retry_after: LONG, ..patient() });
    assert_eq!(error_of(&mcp, directory.path()).await, "it did not answer within 1s");
    let pid = started(directory.path()).remove(0);
    eventually("its end", async || !is_alive(&pid)).await;
}

#[tokio::test]
async fn a_failure_says_what_the_server_said() {
    let directory = project(&json!({"x": entry("crash", &json!({}))}));
    let mcp = Mcp::new(Settings { retry_after: LONG, ..patient() });
    assert_eq!(
        error_of(&mcp, directory.path()).await,
        "it ended before it answered (exit code 7); the end of its standard error: cannot find the \
         configuration; my key is"
    );
    configure(directory.path(), &json!({"x": {"command": "no-such-program"}}));
    let words = "no-such-program cannot be started: No such file or directory (os error 2)";
    assert_eq!(error_of(&mcp, directory.path()).await, words);
    configure(directory.path(), &json!({"x": {"command": program(), "cwd": "missing"}}));
    let missing = directory.path().join("missing");
    assert_eq!(
        error_of(&mcp, directory.path()).await,
        format!("its working directory {}: No such file or directory (os error 2)", missing.display())
    );
}

#[tokio::test]
async fn nobody_at_a_url_is_a_failure_in_words() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = project(&json!({"x": {"url": format!("http://{closed}/secret-path")}}));
    let mcp = Mcp::new(Settings { retry_after: LONG, ..patient() });
    let error = error_of(&mcp, directory.path()).await;
    assert!(error.contains("it cannot be reached") && error.contains("onnection refused"), "{error}");
    assert!(!error.contains("secret-path"), "{error}");
}

#[tokio::test]
async fn a_failure_is_remembered_and_tried_again() {
    let directory = project(&json!({"x": entry("fickle", &json!({}))}));
    let mcp = Mcp::new(Settings { retry_after: LONG, ..patient() });
    for _ in 0..5 {
        error_of(&mcp, directory.path()).await;
    }
    assert_eq!(started(directory.path()).len(), 1, "it is remembered");

    let directory = project(&json!({"x": entry("fickle", &json!({}))}));
    let mcp = Mcp::new(Settings { retry_after: Duration::from_millis(300), ..patient() });
    error_of(&mcp, directory.path()).await;
    std::fs::write(directory.path().join("works"), "").unwrap();
    eventually("its tools", async || tools(&mcp, directory.path()).await.len() == 12).await;
}

#[tokio::test]
async fn a_failure_is_tried_again_when_the_file_changes() {
    let x = entry("fickle", &json!({}));
    let directory = project(&json!({"x": x}));
    let mcp = Mcp::new(Settings { retry_after: LONG, ..patient() });
    error_of(&mcp, directory.path()).await;
    std::fs::write(directory.path().join("works"), "").unwrap();
    error_of(&mcp, directory.path()).await;
    // The entry itself is the same.
    configure(directory.path(), &json!({"x": x, "y": {"disabled": true}}));
    assert_eq!(tools(&mcp, directory.path()).await.len(), 12);
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_answers_it_and_is_started_again_for_the_next_turn() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(Settings { retry_after: LONG, ..patient() });
    let turn = tools(&mcp, directory.path()).await;
    let expected = "The MCP server \"x\" cannot be reached: it has ended (exit code 3); the end of its standard \
                    error: these are my last words. What the call had begun may have been done.";
    assert_eq!(call(&turn, "x__die", json!({})).await, ToolResult::error(expected));
    let expected = "The MCP server \"x\" cannot be reached: it has ended (exit code 3); the end of its standard \
                    error: these are my last words.";
    assert_eq!(call(&turn, "x__echo", json!({"text": "a"})).await, ToolResult::error(expected));

    let next = tools(&mcp, directory.path()).await;
    assert_eq!(call(&next, "x__echo", json!({"text": "a"})).await, ToolResult::ok("a"));
    assert_eq!(
        call(&turn, "x__echo", json!({"text": "b"})).await,
        ToolResult::ok("b"),
        "also in the turn before"
    );

    // One that dies again and again is not started for each turn.
    call(&next, "x__die", json!({})).await;
    for _ in 0..5 {
        error_of(&mcp, directory.path()).await;
    }
    assert_eq!(started(directory.path()).len(), 2);
}

#[tokio::test]
async fn a_server_that_was_killed_between_turns_is_started_again() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    tools(&mcp, directory.path()).await;
    let pid: i32 = started(directory.path())[0].parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    eventually("a call that is answered", async || {
        let turn = tools(&mcp, directory.path()).await;
        call(&turn, "x__pid", json!({})).await != ToolResult::ok(pid.to_string())
            && call(&turn, "x__echo", json!({"text": "a"})).await == ToolResult::ok("a")
    })
    .await;
    assert_eq!(started(directory.path()).len(), 2);
}

#[tokio::test]
async fn a_remote_server_that_comes_back_is_connected_again() {
    let notes = tempfile::tempdir().unwrap();
    let server = HttpServer::start(notes.path()).await;
    let directory = project(&json!({"x": {"url": server.url}}));
    let mcp = Mcp::new(Settings { retry_after: Duration::from_millis(300), ..patient() });
    let turn = tools(&mcp, directory.path()).await;
    let address = server.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    server.stop().await;

    let result = call(&turn, "x__echo", json!({"text": "a"})).await;
    assert!(result.is_error && result.content.contains("The MCP server \"x\""), "{result:?}");

    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    let _server = HttpServer::listen(notes.path(), listener);
    eventually("a call that is answered", async || {
        let turn = tools(&mcp, directory.path()).await;
        !turn.is_empty() && call(&turn, "x__echo", json!({"text": "b"})).await == ToolResult::ok("b")
    })
    .await;
}
