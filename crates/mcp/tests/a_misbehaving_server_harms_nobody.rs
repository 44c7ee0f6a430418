//! Garbage, floods, absurd lists: the server's own tools suffer at most, and nobody else's.

use std::path::Path;
use std::time::Duration;

use kernel::ToolResult;
use mcp::{Mcp, ServerStatus, Settings, State};
use serde_json::{Value, json};

use crate::support::*;

fn listing(tools: &Value) -> Value {
    entry("raw", &json!({"LIST": json!({ "tools": tools }).to_string()}))
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

async fn status(mcp: &Mcp, directory: &Path) -> ServerStatus {
    mcp.status(directory).await.remove(0)
}

#[tokio::test]
async fn garbage_on_standard_output_is_passed_over() {
    let directory = project(&json!({"x": entry("garbage", &json!({}))}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    assert_eq!(call(&tools, "x__echo", json!({"text": "a"})).await, ToolResult::ok("a"));
}

#[tokio::test]
async fn a_flood_drowns_neither_its_own_calls_nor_others() {
    let list = json!({"tools": [tool("echo")]}).to_string();
    let directory = project(&json!({"flood": entry("flood", &json!({ "LIST": list })), "good": good()}));
    let mcp = Mcp::new(Settings { patience: Duration::from_secs(5), ..Settings::default() });
    let mut turn = tools(&mcp, directory.path()).await;
    // Its list is always said to have changed. If each turn waited for that, this would take longer than a test may.
    for _ in 0..100 {
        turn = tools(&mcp, directory.path()).await;
    }
    for n in 0..20 {
        let (result, _) = call_live(&turn, "flood__echo", json!({"n": n})).await;
        assert_eq!(result, ToolResult::ok(json!({"n": n}).to_string()));
        assert_eq!(call(&turn, "good__echo", json!({"text": "a"})).await, ToolResult::ok("a"));
    }
}

#[tokio::test]
async fn a_list_without_end_is_cut() {
    // Every page is the same one, and says that there are more.
    let page: Vec<_> = (0..150).map(|n| tool(&format!("t{n:03}"))).collect();
    let list = json!({"tools": page, "nextCursor": "again"}).to_string();
    let directory = project(&json!({"x": entry("raw", &json!({ "LIST": list }))}));
    let mcp = Mcp::new(Settings { max_tools: 100, ..patient() });
    let offered = names(&tools(&mcp, directory.path()).await);
    assert_eq!(offered, (0..100).map(|n| format!("x__t{n:03}")).collect::<Vec<_>>());
    let ServerStatus { state, error, tool_count, .. } = status(&mcp, directory.path()).await;
    assert_eq!(
        (state, error.as_deref(), tool_count),
        (State::Connected, Some("it offers more than 100 tools; the first 100 by name are used"), 100)
    );
}

#[tokio::test]
async fn a_directory_has_so_many_tools_and_no_more() {
    let directory = project(&json!({"a": good(), "b": good(), "c": good()}));
    let mcp = Mcp::new(Settings { max_tools: 20, ..patient() });
    let offered = names(&tools(&mcp, directory.path()).await);
    assert_eq!((offered.len(), offered[11].as_str(), offered[19].as_str()), (20, "a__where", "b__pid"));
    let counts: Vec<_> = mcp
        .status(directory.path())
        .await
        .into_iter()
        .map(|status| (status.tool_count, status.error.is_some()))
        .collect();
    assert_eq!(counts, [(12, false), (8, true), (0, true)]);
}

#[tokio::test]
async fn tools_that_cannot_be_used_are_left_out_and_the_others_are_not() {
    let list = json!([
        tool("b"), tool("a"), tool("b"), tool(""),
        {"name": "no schema"}, {"name": "list", "inputSchema": {"type": "array"}}, 42,
    ]);
    let directory = project(&json!({"x": listing(&list)}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    assert_eq!(names(&tools), ["x__a", "x__b"]);
    assert_eq!(call(&tools, "x__a", json!({"k": 1})).await, ToolResult::ok("{\"k\":1}"));
    let ServerStatus { state, error, tool_count, .. } = status(&mcp, directory.path()).await;
    let note = "4 of its tools cannot be used: no name, or no schema of an object; 1 of its tools have the name of \
                another";
    assert_eq!((state, error.as_deref(), tool_count), (State::Connected, Some(note), 2));
}

#[tokio::test]
async fn names_are_fit_and_unique_and_reach_the_right_tool() {
    let directory = project(&json!({
        "a": listing(&json!([tool("b__c"), tool("get.all"), tool("get_all")])),
        "a__b": listing(&json!([tool("c")])),
    }));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let names = names(&tools);
    assert!(names[1].starts_with("a__get_all_") && names[3].starts_with("a__b__c_"), "{names:?}");
    assert_eq!((names[0].as_str(), names[2].as_str()), ("a__b__c", "a__get_all"));
    assert!(
        names.iter().all(|name| name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
    );
    for name in &names {
        assert_eq!(
            call(&tools, name, json!({"of": name})).await,
            ToolResult::ok(json!({"of": name}).to_string())
        );
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_a_failure_of_that_server() {
    let directory =
        project(&json!({"bad": entry("raw", &json!({"LIST": "{\"tools\": 1}"})), "good": good()}));
    let mcp = Mcp::new(patient());
    assert_eq!(tools(&mcp, directory.path()).await.len(), 12);
    let ServerStatus { state, error, .. } = status(&mcp, directory.path()).await;
    assert_eq!(state, State::Error);
    assert_eq!(error.unwrap(), "its tools cannot be read: the answer is of the wrong kind");
}

async fn is_refreshed(entry: Value) {
    let directory = project(&json!({ "x": entry }));
    let mcp = Mcp::new(patient());
    let turn = tools(&mcp, directory.path()).await;
    assert_eq!(turn.len(), 12);
    for grown in 1..=2 {
        assert_eq!(call(&turn, "x__grow", json!({})).await, ToolResult::ok("grown"));
        eventually("more tools", async || tools(&mcp, directory.path()).await.len() == 12 + grown).await;
    }
    let next = tools(&mcp, directory.path()).await;
    assert!(names(&next).contains(&"x__grown1".to_owned()));
    assert_eq!(turn.len(), 12, "a turn keeps what it began with");
}

#[tokio::test]
async fn a_list_that_changes_is_read_again() {
    is_refreshed(good()).await;
}

#[tokio::test]
async fn a_list_that_changes_is_read_again_over_http() {
    let notes = tempfile::tempdir().unwrap();
    let server = HttpServer::start(notes.path()).await;
    is_refreshed(json!({"url": server.url})).await;
}

#[tokio::test]
async fn the_turn_after_a_change_has_the_new_list() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    let turn = tools(&mcp, directory.path()).await;
    call(&turn, "x__grow", json!({})).await;
    // Without waiting: the change was said before the answer.
    assert_eq!(tools(&mcp, directory.path()).await.len(), 13);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_and_the_other_servers_are_there() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "{\"mcpServers\": {,}}");
    let mcp = Mcp::new(Settings { servers: servers(&json!({"ours": good()})), ..patient() });
    let path = file(directory.path());
    let broken = |reason: &str| ServerStatus {
        id: ".dispatch/mcp.json".to_owned(),
        state: State::Error,
        error: Some(format!("{path} {reason}")),
        tool_count: 0,
        config_source: Some(path.clone()),
    };
    let expected = broken("is not JSON: key must be a string at line 1 column 17");
    assert_eq!(status(&mcp, directory.path()).await, expected);
    assert_eq!(tools(&mcp, directory.path()).await.len(), 12);

    write(directory.path(), &" ".repeat((256 << 10) + 1));
    let expected = broken("cannot be read: it has more than 262144 bytes");
    assert_eq!(status(&mcp, directory.path()).await, expected);

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(status(&mcp, directory.path()).await, broken("cannot be read: it is not a regular file"));

    // A pipe that nobody writes to would hold up who reads it.
    std::fs::remove_dir(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert_eq!(status(&mcp, directory.path()).await, broken("cannot be read: it is not a regular file"));
}

#[tokio::test]
async fn a_bad_entry_is_named_and_the_others_are_there() {
    let directory = project(&json!({"bad": {"command": 1}, "good": good(), "off": {"disabled": true}}));
    let mcp = Mcp::new(patient());
    let path = file(directory.path());
    let error = format!("{path}: server \"bad\": \"command\" must be a string that is not empty");
    let bad = ServerStatus {
        id: "bad".to_owned(),
        state: State::Error,
        error: Some(error),
        tool_count: 0,
        config_source: Some(path),
    };
    assert_eq!(status(&mcp, directory.path()).await, bad);
    let expected = [("bad", State::Error), ("good", State::Connected), ("off", State::Disabled)];
    assert_eq!(states(&mcp, directory.path()).await, expected.map(|(id, state)| (id.to_owned(), state)));
}
