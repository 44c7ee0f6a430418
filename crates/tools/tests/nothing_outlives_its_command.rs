//! However a call ends, what it started ends with it, and nothing that it started can keep it from ending.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kernel::{ToolContext, ToolResult};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tools::Settings;

use crate::support::{call, context, eventually, never, pid_in, runs, tool};

/// A shell, a child and a grandchild, which all write down who they are and then sleep.
const FAMILY: &str = "
    sh -c 'sh -c \"echo \\$\\$ > grandchild; exec sleep 1000\" & echo $$ > child; wait' &
    echo $$ > shell
    wait";

struct Family(TempDir);

impl Family {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cwd(&self) -> &Path {
        self.0.path()
    }

    fn files(&self) -> [PathBuf; 3] {
        ["shell", "child", "grandchild"].map(|name| self.cwd().join(name))
    }

    async fn is_complete(&self) {
        for file in self.files() {
            eventually("the family starts", || pid_in(&file).is_some()).await;
        }
    }

    async fn is_gone(&self) {
        for file in self.files() {
            let pid = pid_in(&file).unwrap();
            eventually("the family is gone", || !runs(pid)).await;
        }
    }
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    // A busy machine may need longer to start them all.
    for timeout in [1000, 5000, 25_000] {
        let family = Family::new();
        let result = call("run_shell", family.cwd(), json!({"command": FAMILY, "timeout": timeout})).await;
        let note = format!("[timed out after {timeout} ms: the command and what it started were killed]");
        assert_eq!(result, ToolResult::error(note));
        if family.files().iter().all(|file| pid_in(file).is_some()) {
            return family.is_gone().await;
        }
    }
    panic!("the family never started in time");
}

#[tokio::test]
async fn a_cancelled_call_ends_the_whole_group() {
    let family = Family::new();
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let cancelled = ToolContext::cancelled_by(async move { drop(cancelled.await) });
    let (context, _outputs) = context(family.cwd(), cancelled);
    let call = tokio::spawn(tool(Settings::default(), "run_shell").run(json!({"command": FAMILY}), context));
    family.is_complete().await;
    cancel.send(()).unwrap();
    let result = call.await.unwrap();
    assert_eq!(result, ToolResult::error("[aborted: the command and what it started were killed]"));
    family.is_gone().await;
}

#[tokio::test]
async fn a_dropped_call_ends_the_whole_group() {
    let family = Family::new();
    let (context, _outputs) = context(family.cwd(), never());
    let call = tokio::spawn(tool(Settings::default(), "run_shell").run(json!({"command": FAMILY}), context));
    family.is_complete().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    family.is_gone().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_starts_leaves_nothing() {
    for polls in 0..40 {
        let family = Family::new();
        let (context, _outputs) = context(family.cwd(), never());
        let mut call = tool(Settings::default(), "run_shell")
            .run(json!({"command": "echo $$ > shell; exec sleep 1000"}), context);
        for _ in 0..polls {
            assert_eq!(futures_util::poll!(&mut call), std::task::Poll::Pending);
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
        drop(call);
        let [shell, ..] = family.files();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if let Some(pid) = pid_in(&shell) {
            eventually("the shell is gone", || !runs(pid)).await;
        }
    }
}

#[tokio::test]
async fn what_is_left_in_the_background_ends_with_the_shell() {
    let family = Family::new();
    let command = "sleep 1000 & echo $! > background; echo done";
    let result = call("run_shell", family.cwd(), json!({"command": command})).await;
    assert_eq!(result, ToolResult::ok("done\n"));
    let pid = pid_in(&family.cwd().join("background")).unwrap();
    eventually("the background process is gone", || !runs(pid)).await;
}

#[tokio::test]
async fn what_has_left_the_group_does_not_hold_the_call_though_it_holds_the_pipes() {
    let family = Family::new();
    let command = "
        setsid sh -c 'echo $$ > daemon; while :; do echo noise; sleep 0.01; done' &
        while [ ! -s daemon ]; do sleep 0.01; done
        echo done";
    let result = call("run_shell", family.cwd(), json!({"command": command, "timeout": 600_000})).await;
    let daemon = pid_in(&family.cwd().join("daemon")).unwrap();
    assert!(!result.is_error && result.content.contains("done\n"), "{result:?}");
    kill_process(Pid::from_raw(daemon).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_daemon_that_floods_does_not_hold_the_call_either() {
    let family = Family::new();
    let command = "
        setsid sh -c 'echo $$ > daemon; exec yes' &
        while [ ! -s daemon ]; do sleep 0.01; done";
    let result = call("run_shell", family.cwd(), json!({"command": command, "timeout": 600_000})).await;
    let daemon = pid_in(&family.cwd().join("daemon")).unwrap();
    assert!(!result.is_error);
    // Its pipe is closed now: it has died of that.
    eventually("the daemon is gone", || !runs(daemon)).await;
}

#[tokio::test]
async fn a_dead_shell_is_reaped() {
    let family = Family::new();
    let result = call("run_shell", family.cwd(), json!({"command": "echo $$"})).await;
    let shell = result.content.trim();
    eventually("the shell is reaped", || !Path::new("/proc").join(shell).exists()).await;
}

const SERVER: &str = "DISPATCH_TOOLS_TEST_SERVER";

/// Not a test by itself: the server that the next one kills.
#[tokio::test]
async fn a_server_to_be_killed() {
    let Some(cwd) = std::env::var_os(SERVER) else { return };
    call("run_shell", Path::new(&cwd), json!({"command": "echo $$ > shell; exec sleep 1000"})).await;
}

#[tokio::test]
async fn the_shell_dies_when_the_server_is_killed() {
    let family = Family::new();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_outlives_its_command::a_server_to_be_killed"])
        .env(SERVER, family.cwd())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let [shell, ..] = family.files();
    eventually("the command starts", || pid_in(&shell).is_some()).await;
    let pid = pid_in(&shell).unwrap();
    assert!(runs(pid));
    server.kill().unwrap();
    server.wait().unwrap();
    eventually("the shell is gone", || !runs(pid)).await;
}
