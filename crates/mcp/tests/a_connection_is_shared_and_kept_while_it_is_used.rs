//! One connection for each server and directory: shared, kept while it is used, ended when it is not, followed when
//! its entry changes.

use std::time::Duration;

use kernel::ToolResult;
use mcp::{Mcp, Settings, State};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn concurrent_starts_are_shared() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    let turns = (0..20).map(|_| tools(&mcp, directory.path()));
    let turns = futures_util::future::join_all(turns).await;
    assert!(turns.iter().all(|tools| tools.len() == 12));
    let pids = turns.iter().map(|tools| call(tools, "x__pid", json!({})));
    let pids = futures_util::future::join_all(pids).await;
    let [pid] = &started(directory.path())[..] else { panic!() };
    assert_eq!(pids, vec![ToolResult::ok(pid.clone()); 20]);
}

#[tokio::test]
async fn every_directory_has_its_own() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mcp = Mcp::new(Settings { servers: servers(&json!({"x": good()})), ..patient() });
    for directory in [&one, &two] {
        let tools = tools(&mcp, directory.path()).await;
        let real = directory.path().canonicalize().unwrap();
        assert_eq!(call(&tools, "x__where", json!({})).await, ToolResult::ok(real.display().to_string()));
    }
    assert_eq!((started(one.path()).len(), started(two.path()).len()), (1, 1));
}

#[tokio::test]
async fn an_idle_server_ends_and_starts_again_when_it_is_wanted() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(Settings { idle: Duration::from_millis(300), ..patient() });
    let turn = tools(&mcp, directory.path()).await;
    let pid = started(directory.path()).remove(0);
    // A turn that holds its tools keeps it, however long it takes.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(call(&turn, "x__pid", json!({})).await, ToolResult::ok(pid.clone()));
    drop(turn);
    eventually("its end", async || !is_alive(&pid)).await;
    let turn = tools(&mcp, directory.path()).await;
    assert_eq!(call(&turn, "x__echo", json!({"text": "a"})).await, ToolResult::ok("a"));
    assert_eq!(started(directory.path()).len(), 2);
}

#[tokio::test]
async fn a_changed_entry_is_a_new_server_and_the_old_one_serves_the_turn_that_has_it() {
    let directory = project(&json!({"x": good(), "y": good()}));
    let mcp = Mcp::new(patient());
    let turn = tools(&mcp, directory.path()).await;
    let old = call(&turn, "x__pid", json!({})).await;
    let kept = call(&turn, "y__pid", json!({})).await;
    configure(directory.path(), &json!({"x": {"command": program(), "env": {"NEW": "yes"}}, "y": good()}));
    let next = tools(&mcp, directory.path()).await;
    assert_eq!(call(&next, "x__env", json!({"text": "NEW"})).await, ToolResult::ok("yes"));
    assert_eq!(call(&next, "y__pid", json!({})).await, kept, "what did not change is not started again");
    assert_eq!(call(&turn, "x__pid", json!({})).await, old);
    drop(turn);
    eventually("the end of the old one", async || !is_alive(&old.content)).await;
    // And without its entry it ends.
    configure(directory.path(), &json!({}));
    drop(next);
    assert_eq!(states(&mcp, directory.path()).await, []);
    eventually("the end of the last", async || started(directory.path()).iter().all(|pid| !is_alive(pid)))
        .await;
}

#[tokio::test]
async fn after_the_shut_down_there_is_nothing() {
    let directory = project(&json!({"x": good()}));
    let mcp = Mcp::new(patient());
    let turn = tools(&mcp, directory.path()).await;
    mcp.shut_down().await;
    assert!(started(directory.path()).iter().all(|pid| !is_alive(pid)));
    let result = call(&turn, "x__echo", json!({})).await;
    assert_eq!(result, ToolResult::error("The MCP server \"x\" cannot be reached: it has been shut down."));
    assert_eq!(names(&tools(&mcp, directory.path()).await), [""; 0]);
    assert_eq!(states(&mcp, directory.path()).await, [("x".to_owned(), State::NotStarted)]);
    assert_eq!(started(directory.path()).len(), 1);
}
