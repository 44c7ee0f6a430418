//! The results of `run_shell`, word by word.

use std::path::Path;
use std::time::Duration;

use kernel::{ToolContext, ToolResult};
use serde_json::{Value, json};
use tempfile::TempDir;
use tools::Settings;

use crate::support;
use crate::support::call;

fn project() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn shell(command: &str) -> ToolResult {
    call("run_shell", project().path(), json!({"command": command})).await
}

fn error(content: &str) -> ToolResult {
    ToolResult::error(content)
}

#[tokio::test]
async fn output_is_returned_as_it_is() {
    assert_eq!(shell("echo hello; echo there").await, ToolResult::ok("hello\nthere\n"));
    assert_eq!(shell("printf hello").await, ToolResult::ok("hello"));
    assert_eq!(shell("echo wrong >&2").await, ToolResult::ok("wrong\n"));
    assert_eq!(shell("printf 'caf\\351'").await, ToolResult::ok("caf\u{fffd}"));
    assert_eq!(shell("true").await, ToolResult::ok("[no output]"));
}

#[tokio::test]
async fn a_failure_shows_its_exit_code_or_signal() {
    assert_eq!(shell("echo no; exit 2").await, error("no\n[exit code 2]"));
    assert_eq!(shell("printf no; exit 2").await, error("no\n[exit code 2]"));
    assert_eq!(shell("exit 255").await, error("[exit code 255]"));
    assert_eq!(shell("kill -TERM $$").await, error("[killed by signal 15 (SIGTERM)]"));
    assert_eq!(shell("kill -USR1 $$").await, error("[killed by signal 10]"));
    let unknown = shell("PATH=/bin; no-such-program").await;
    assert!(unknown.content.contains("not found") && unknown.content.ends_with("\n[exit code 127]"));
}

#[tokio::test]
async fn a_command_runs_in_the_working_directory_without_input_or_terminal() {
    let project = project();
    let real = project.path().canonicalize().unwrap();
    let run = async |command: &str| call("run_shell", project.path(), json!({"command": command})).await;
    assert_eq!(run("pwd -P").await, ToolResult::ok(format!("{}\n", real.display())));
    assert_eq!(run("echo $PWD").await, ToolResult::ok(format!("{}\n", project.path().display())));
    assert_eq!(run("cat; echo end").await, ToolResult::ok("end\n"));
    assert_eq!(run("(: < /dev/tty) 2>/dev/null || echo no terminal").await, ToolResult::ok("no terminal\n"));
    // Its session and its process group are its own.
    let ids = run("ps -o sid=,pgid= -p $$ | tr -s ' ' '\\n' | grep . | sort -u; echo $$").await;
    let lines: Vec<_> = ids.content.lines().collect();
    assert!(matches!(lines[..], [group, shell] if group == shell), "{ids:?}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_its_output_so_far() {
    // A busy machine may need longer to begin.
    let mut results = Vec::new();
    for timeout in [500, 5000, 25_000] {
        let input = json!({"command": "echo begun; sleep 1000; echo never", "timeout": timeout});
        let note = format!("[timed out after {timeout} ms: the command and what it started were killed]");
        let result = call("run_shell", project().path(), input).await;
        if result == error(&format!("begun\n{note}")) {
            return;
        }
        results.push(result);
    }
    panic!("{results:?}");
}

#[tokio::test]
async fn a_timeout_has_a_maximum_that_is_said() {
    let input = json!({"command": "echo quick", "timeout": 86_400_000});
    assert_eq!(
        call("run_shell", project().path(), input).await,
        ToolResult::ok("quick\n[the longest timeout is 3600000 ms; that was used]")
    );
}

#[tokio::test]
async fn an_aborted_command_returns_its_output_so_far() {
    let project = project();
    let begun = project.path().join("begun");
    let cancelled = ToolContext::cancelled_by(async move {
        support::eventually("the command begins", || begun.exists()).await;
    });
    let (context, _outputs) = support::context(project.path(), cancelled);
    let input = json!({"command": "echo so far; touch begun; sleep 1000"});
    let result = support::tool(Settings::default(), "run_shell").run(input, context).await;
    assert_eq!(result, error("so far\n[aborted: the command and what it started were killed]"));
}

#[tokio::test]
async fn a_command_of_a_turn_that_was_stopped_before_does_not_start() {
    let project = project();
    let (context, _outputs) =
        support::context(project.path(), ToolContext::cancelled_by(std::future::ready(())));
    let result =
        support::tool(Settings::default(), "run_shell").run(json!({"command": "touch here"}), context).await;
    assert_eq!(result, error("[aborted: the command was not started]"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!project.path().join("here").exists());
}

#[tokio::test]
async fn long_output_is_cut_in_the_middle() {
    let result = shell("seq 1 20000").await;
    let whole: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    let cut = format!(
        "{}\n[output cut: {} of {} characters are left out here]\n{}",
        &whole[..20_000],
        whole.len() - 50_000,
        whole.len(),
        &whole[whole.len() - 30_000..]
    );
    assert_eq!(result, ToolResult::ok(cut));
}

#[tokio::test]
async fn bad_input_says_what_was_expected() {
    let usage =
        "run_shell takes {\"command\": string, \"timeout\"?: integer from 1 to 3600000, in milliseconds}.";
    let cases: [(Value, String); 8] = [
        (json!({}), format!("\"command\" is missing. {usage}")),
        (json!({"command": 1}), format!("\"command\" must be a string, not 1. {usage}")),
        (json!({"command": " \n"}), format!("\"command\" is empty. {usage}")),
        (json!({"command": "a\0b"}), "\"command\" has a NUL character in it".to_owned()),
        (
            json!({"command": "x".repeat(131_072)}),
            "\"command\" is longer than 131071 bytes; write it to a file and run that".to_owned(),
        ),
        (
            json!({"command": "true", "timeout": 0}),
            format!("\"timeout\" must be a whole number from 1 on, not 0. {usage}"),
        ),
        (
            json!({"command": "true", "timeout": -5}),
            format!("\"timeout\" must be a whole number from 1 on, not -5. {usage}"),
        ),
        (
            json!("{\"command\": \"ls"),
            format!("the input is not a JSON object. It begins: {{\"command\": \"ls\n{usage}"),
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(call("run_shell", Path::new("/tmp"), input).await, error(&expected));
    }
    let longest = format!("true #{}", "x".repeat(131_071 - 6));
    assert_eq!(shell(&longest).await, ToolResult::ok("[no output]"));
}
