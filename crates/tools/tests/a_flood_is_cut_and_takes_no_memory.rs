//! A command that writes without end costs the server a bounded amount of memory.

use std::fs;

use futures_util::StreamExt;
use serde_json::json;
use tools::Settings;

use crate::support;

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_flood_is_cut() {
    const WRITTEN: usize = 400 << 20;
    let project = tempfile::tempdir().unwrap();
    let (context, outputs) = support::context(project.path(), support::never());
    let before = peak_memory();
    let input = json!({"command": format!("yes | head -c {WRITTEN}; exit 3"), "timeout": 600_000});
    let call = support::tool(Settings::default(), "run_shell").run(input, context);
    let live = outputs.fold(0, |bytes, piece| std::future::ready(bytes + piece.data.len()));
    let (result, live) = tokio::join!(call, live);
    let grown = peak_memory() - before;
    let note = format!("\n[output cut: {} of {WRITTEN} characters are left out here]\n", WRITTEN - 50_000);
    let expected = format!("{}{note}{}[exit code 3]", "y\n".repeat(10_000), "y\n".repeat(15_000));
    assert!(result.is_error && result.content == expected, "{} bytes", result.content.len());
    assert!((2 << 20..(2 << 20) + 100).contains(&live), "{live} bytes of live output");
    assert!(grown < 16 << 20, "the process grew by {grown} bytes");
}

#[tokio::test]
async fn an_endless_flood_ends_with_its_time() {
    let project = tempfile::tempdir().unwrap();
    let (context, outputs) = support::context(project.path(), support::never());
    drop(outputs);
    let input = json!({"command": "yes", "timeout": 300});
    let result = support::tool(Settings::default(), "run_shell").run(input, context).await;
    assert!(result.is_error);
    assert!(
        result.content.ends_with("[timed out after 300 ms: the command and what it started were killed]")
    );
    assert!(result.content.len() < 51_000);
}
