//! What the tests of all tools share: a way to call them, and to run a test as a process of its own.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_channel::mpsc;
use kernel::tool::Cancelled;
use kernel::{Tool, ToolContext, ToolOutput, ToolResult};
use serde_json::Value;
use tools::Settings;
use wire::ConversationId;

pub(crate) fn never() -> Cancelled {
    ToolContext::cancelled_by(std::future::pending())
}

pub(crate) fn context(cwd: &Path, cancelled: Cancelled) -> (ToolContext, mpsc::Receiver<ToolOutput>) {
    let (output, outputs) = mpsc::channel(4);
    let context = ToolContext {
        conversation_id: ConversationId::new("c"),
        tool_call_id: "call".to_owned(),
        cwd: cwd.to_owned(),
        output,
        cancelled,
    };
    (context, outputs)
}

pub(crate) fn tool(settings: Settings, name: &str) -> Arc<dyn Tool> {
    tools::builtin(settings).into_iter().find(|tool| tool.spec().name == name).expect("a tool of that name")
}

/// Calls a tool of these settings; its live output goes nowhere.
pub(crate) async fn call_with(settings: Settings, name: &str, cwd: &Path, input: Value) -> ToolResult {
    let (context, outputs) = context(cwd, never());
    drop(outputs);
    tool(settings, name).run(input, context).await
}

pub(crate) async fn call(name: &str, cwd: &Path, input: Value) -> ToolResult {
    call_with(Settings::default(), name, cwd, input).await
}

/// Waits for something that will be; how long does not matter, but not for ever.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: never");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The number in a file that a command writes; none as long as it is not there with all of its line.
pub(crate) fn pid_in(file: &Path) -> Option<i32> {
    std::fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok()
}

/// Whether a process runs. One that is dead and only waits to be reaped does not.
pub(crate) fn runs(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}

const ALONE: &str = "DISPATCH_TOOLS_TEST_ALONE";

/// Makes a test that needs an environment of its own: the test calls this first, with its `module_path!()` and its name,
/// and goes on only when it says so, which it does in a process with these variables and a temporary directory `tmp` in a
/// directory of its own. The other one waits for that process and clears up.
pub(crate) fn alone(module: &str, test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let base = tempfile::tempdir().unwrap();
    let temporary = base.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let module = module.split_once("::").unwrap().1;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{test}"), "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied())
        .env("TMPDIR", &temporary)
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{test} failed in its own process");
    false
}

/// Whether commands can be confined here. Says so when a test has to be skipped for it.
pub(crate) fn can_confine() -> bool {
    let status = tools::Sandbox::default().status();
    let can = matches!(status, tools::SandboxStatus::Confined { .. });
    if !can {
        eprintln!("SKIPPED: {status}");
    }
    can
}
