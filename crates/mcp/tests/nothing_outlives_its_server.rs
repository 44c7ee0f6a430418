//! Child processes end with the connection, with the runtime and with the program, and so do their children.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use mcp::Mcp;
use serde_json::{Value, json};

use crate::support::*;

/// A server that ends neither with its input nor when it is asked to, and has a child of its own.
fn stubborn() -> Value {
    json!({"x": entry("stubborn", &json!({}))})
}

async fn all_end(directory: &Path) {
    assert_eq!(started(directory).len(), 2);
    eventually("the end of all", async || started(directory).iter().all(|pid| !is_alive(pid))).await;
}

#[tokio::test]
async fn a_shut_down_ends_what_does_not_end_by_itself() {
    let directory = project(&stubborn());
    let mcp = Mcp::new(patient());
    let turn = tools(&mcp, directory.path()).await;
    assert!(started(directory.path()).iter().all(|pid| is_alive(pid)));
    mcp.shut_down().await;
    assert!(!is_alive(&started(directory.path())[0]), "it is over when it returns");
    all_end(directory.path()).await;
    drop(turn);
}

#[tokio::test]
async fn all_ends_when_the_last_clone_is_dropped() {
    let directory = project(&stubborn());
    let mcp = Mcp::new(patient());
    let clone = mcp.clone();
    tools(&mcp, directory.path()).await;
    drop(mcp);
    assert_eq!(tools(&clone, directory.path()).await.len(), 12);
    assert_eq!(started(directory.path()).len(), 2);
    drop(clone);
    all_end(directory.path()).await;
}

#[test]
fn all_ends_with_the_runtime() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let directory = project(&stubborn());
    let mcp = Mcp::new(patient());
    let first = runtime();
    assert_eq!(first.block_on(tools(&mcp, directory.path())).len(), 12);
    drop(first);
    runtime().block_on(all_end(directory.path()));
    drop(mcp);
}

#[tokio::test]
async fn a_server_ends_when_the_program_is_killed() {
    let directory = project(&stubborn());
    let mut host = Command::new(program())
        .env("MODE", "host")
        .env("DIRECTORY", directory.path())
        .current_dir(directory.path().join(".dispatch"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "Connected\n");
    host.kill().unwrap();
    host.wait().unwrap();
    let [server, child] = &started(directory.path())[..] else { panic!() };
    eventually("the end of the server", async || !is_alive(server)).await;
    // Its own children are its own affair then.
    let _ = Command::new("kill").args(["-9", child]).status();
}
