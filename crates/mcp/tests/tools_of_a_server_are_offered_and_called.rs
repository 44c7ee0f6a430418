//! A turn gets the tools of its directory's servers, over standard input and output and over HTTP, and calls them.

use kernel::{ToolOutput, ToolResult, ToolSpec};
use mcp::{Mcp, ServerStatus, Settings, State};
use serde_json::{Value, json};
use wire::OutputStream;

use crate::support::*;

const NAMES: [&str; 12] =
    ["add", "die", "echo", "env", "fail", "grow", "picture", "pid", "refuse", "report", "wait", "where"];

fn specs(server: &str) -> Vec<ToolSpec> {
    let spec = |name: &&str| ToolSpec {
        name: format!("{server}__{name}"),
        description: format!("The tool {name}."),
        input_schema: json!({"type": "object", "properties": {"text": {"type": "string"}}}),
        exclusive: *name != "echo",
    };
    NAMES.iter().map(spec).collect()
}

async fn is_offered_and_called(server: &str, entry: Value) {
    let directory = project(&json!({ server: entry }));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let offered: Vec<_> = tools.iter().map(|tool| tool.spec().clone()).collect();
    assert_eq!(offered, specs(server));
    let connected = ServerStatus {
        id: server.to_owned(),
        state: State::Connected,
        error: None,
        tool_count: NAMES.len(),
        config_source: Some(file(directory.path())),
    };
    assert_eq!(mcp.status(directory.path()).await, [connected]);

    let call = async |tool: &str, input: Value| call(&tools, &format!("{server}__{tool}"), input).await;
    assert_eq!(call("echo", json!({"text": "hello\n"})).await, ToolResult::ok("hello\n"));
    assert_eq!(call("add", json!({})).await, ToolResult::ok("{\"sum\":3}"));
    assert_eq!(call("picture", json!({})).await, ToolResult::ok("[image, image/png, 3 bytes]"));
    assert_eq!(call("fail", json!({})).await, ToolResult::error("no such row"));
    assert_eq!(
        call("refuse", json!({"text": "that"})).await,
        ToolResult::error(format!("The MCP server \"{server}\" refused the call: not with that (-32602)"))
    );
    for input in [json!(null), json!([]), json!("text"), json!(1)] {
        let expected = ToolResult::error(format!("{server}__echo takes a JSON object."));
        assert_eq!(call("echo", input).await, expected);
    }
    mcp.shut_down().await;
}

#[tokio::test]
async fn over_standard_input_and_output() {
    is_offered_and_called("files", good()).await;
}

#[tokio::test]
async fn over_http() {
    let notes = tempfile::tempdir().unwrap();
    let server = HttpServer::start(notes.path()).await;
    is_offered_and_called("remote", json!({"url": server.url, "headers": {"X-Key": "k"}})).await;
    let requests = server.requests.lock().unwrap();
    assert!(requests.len() > 5 && requests.iter().all(|headers| headers["x-key"] == "k"));
}

fn piece(stream: OutputStream, data: &str) -> ToolOutput {
    ToolOutput { stream, data: data.to_owned() }
}

fn progress() -> Vec<ToolOutput> {
    (1..=3).map(|step| piece(OutputStream::Stdout, &format!("[{step}/3] step {step}\n"))).collect()
}

async fn reported(entry: Value) -> Vec<ToolOutput> {
    let directory = project(&json!({ "s": entry }));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    let (result, shown) = call_live(&tools, "s__report", json!({})).await;
    assert_eq!(result, ToolResult::ok("done"));
    shown
}

#[tokio::test]
async fn progress_and_log_messages_are_live_output() {
    let mut expected = progress();
    expected.push(piece(OutputStream::Stderr, "[warning] nearly done\n"));
    assert_eq!(reported(good()).await, expected);
}

#[tokio::test]
async fn progress_is_live_output_over_http() {
    let notes = tempfile::tempdir().unwrap();
    let server = HttpServer::start(notes.path()).await;
    let mut shown = reported(json!({"url": server.url})).await;
    // Log messages have a stream of their own there, which may be faster or slower.
    shown.retain(|piece| piece.stream == OutputStream::Stdout);
    assert_eq!(shown, progress());
}

#[tokio::test]
async fn a_call_ends_though_nobody_takes_its_live_output() {
    let directory = project(&json!({"s": good()}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, directory.path()).await;
    assert_eq!(call(&tools, "s__report", json!({})).await, ToolResult::ok("done"));
}

#[tokio::test]
async fn specs_are_the_same_every_time() {
    let directory = project(&json!({"b": good(), "a": good()}));
    let bytes = async |mcp: &Mcp| {
        let tools = tools(mcp, directory.path()).await;
        tools.iter().map(|tool| format!("{:?}\n", tool.spec())).collect::<String>()
    };
    let (first, second) = (Mcp::new(patient()), Mcp::new(patient()));
    let once = bytes(&first).await;
    assert!(once.find("a__where").unwrap() < once.find("b__add").unwrap());
    assert_eq!(bytes(&first).await, once);
    assert_eq!(bytes(&second).await, once);
}

#[tokio::test]
async fn servers_of_the_configuration_are_everywhere_and_files_take_precedence() {
    let configured =
        servers(&json!({"both": {"command": "/nowhere"}, "ours": good(), "off": {"disabled": true}}));
    let with = |project_files| Mcp::new(Settings { servers: configured.clone(), project_files, ..patient() });
    let directory = project(&json!({"both": good(), "theirs": good()}));
    let status = |id: &str, state, error: Option<&str>, tool_count, source: &str| ServerStatus {
        id: id.to_owned(),
        state,
        error: error.map(str::to_owned),
        tool_count,
        config_source: Some(source.to_owned()),
    };
    let (here, configuration) = (file(directory.path()), "the configuration");
    assert_eq!(
        with(true).status(directory.path()).await,
        [
            status("both", State::Connected, None, 12, &here),
            status("off", State::Disabled, None, 0, configuration),
            status("ours", State::Connected, None, 12, configuration),
            status("theirs", State::Connected, None, 12, &here),
        ]
    );
    let error = "/nowhere cannot be started: No such file or directory (os error 2)";
    assert_eq!(
        with(false).status(directory.path()).await,
        [
            status("both", State::Error, Some(error), 0, configuration),
            status("off", State::Disabled, None, 0, configuration),
            status("ours", State::Connected, None, 12, configuration),
        ]
    );
}

#[tokio::test]
async fn a_process_starts_where_its_entry_says() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().canonicalize().unwrap();
    std::fs::create_dir(real.join("sub")).unwrap();
    std::os::unix::fs::symlink(program(), real.join("sub/program")).unwrap();
    configure(&real, &json!({"here": good(), "there": {"command": "./program", "cwd": "sub"}}));
    let mcp = Mcp::new(patient());
    let tools = tools(&mcp, &real).await;
    assert_eq!(call(&tools, "here__where", json!({})).await, ToolResult::ok(real.display().to_string()));
    assert_eq!(
        call(&tools, "there__where", json!({})).await,
        ToolResult::ok(real.join("sub").display().to_string())
    );
}

#[tokio::test]
async fn a_directory_without_a_file_has_no_servers() {
    let directory = tempfile::tempdir().unwrap();
    let mcp = Mcp::new(patient());
    assert_eq!(names(&tools(&mcp, directory.path()).await), [""; 0]);
    assert_eq!(mcp.status(&directory.path().join("vanished")).await, []);
}
