//! Output is seen when it is written, in order, in whole characters, and no faster than it is taken.

use std::fs;
use std::time::Duration;

use futures_util::StreamExt;
use kernel::{ToolContext, ToolOutput, ToolResult};
use serde_json::json;
use tempfile::TempDir;
use tools::Settings;
use wire::OutputStream::{self, Stderr, Stdout};

use crate::support;

fn piece(stream: OutputStream, data: &str) -> ToolOutput {
    ToolOutput { stream, data: data.to_owned() }
}

/// A command that goes on each time the test has seen what it wrote: so no output can be seen late.
#[tokio::test]
async fn each_piece_is_seen_before_the_next_is_written() {
    let project: TempDir = tempfile::tempdir().unwrap();
    let command = "
        next() { while [ ! -e $1 ]; do sleep 0.01; done; }
        echo out; next 1
        echo err >&2; next 2
        printf 'half \\303'; next 3
        printf '\\251 whole'; next 4
        printf '\\342\\202' >&2; printf end";
    let (context, mut outputs) = support::context(project.path(), support::never());
    let call = tokio::spawn(
        support::tool(Settings::default(), "run_shell").run(json!({"command": command}), context),
    );
    let go = |name: &str| fs::write(project.path().join(name), "").unwrap();
    assert_eq!(outputs.next().await, Some(piece(Stdout, "out\n")));
    go("1");
    assert_eq!(outputs.next().await, Some(piece(Stderr, "err\n")));
    go("2");
    assert_eq!(outputs.next().await, Some(piece(Stdout, "half ")));
    go("3");
    assert_eq!(outputs.next().await, Some(piece(Stdout, "é whole")));
    go("4");
    let rest: Vec<_> = outputs.collect().await;
    let of = |stream| {
        rest.iter().filter(|piece| piece.stream == stream).map(|piece| &*piece.data).collect::<String>()
    };
    assert_eq!((of(Stdout), of(Stderr)), ("end".to_owned(), "\u{fffd}".to_owned()));
    let result = call.await.unwrap();
    assert!(!result.is_error);
    assert!(result.content.starts_with("out\nerr\nhalf é whole"), "{}", result.content);
}

#[tokio::test]
async fn live_output_is_all_of_the_output_in_pieces_of_bounded_size() {
    let project = tempfile::tempdir().unwrap();
    let (context, outputs) = support::context(project.path(), support::never());
    let settings = Settings { live_output_limit: usize::MAX, ..Settings::default() };
    let call = support::tool(settings, "run_shell").run(json!({"command": "seq 1 200000"}), context);
    let (result, outputs) = tokio::join!(call, outputs.collect::<Vec<_>>());
    assert!(!result.is_error);
    assert!(outputs.iter().all(|piece| piece.data.len() <= 8192 && piece.stream == Stdout));
    let whole: String = (1..=200_000).map(|n| format!("{n}\n")).collect();
    let seen: String = outputs.into_iter().map(|piece| piece.data).collect();
    assert!(seen == whole, "{} bytes of {}", seen.len(), whole.len());
}

#[tokio::test]
async fn live_output_ends_at_its_limit_and_the_command_goes_on() {
    let project = tempfile::tempdir().unwrap();
    let (context, outputs) = support::context(project.path(), support::never());
    let settings = Settings { live_output_limit: 10, ..Settings::default() };
    let call = support::tool(settings, "run_shell").run(json!({"command": "seq 1 1000"}), context);
    let (result, outputs) = tokio::join!(call, outputs.collect::<Vec<_>>());
    let seen: String = outputs.into_iter().map(|piece| piece.data).collect();
    assert_eq!(seen, "1\n2\n3\n4\n5\n\n[live output ends here; the command goes on]\n");
    assert_eq!(result, ToolResult::ok((1..=1000).map(|n| format!("{n}\n")).collect::<String>()));
}

#[tokio::test]
async fn a_command_waits_for_a_reader_that_is_behind_and_ends_when_it_is_cancelled() {
    let project = tempfile::tempdir().unwrap();
    let count = project.path().join("count");
    let written =
        move || fs::read_to_string(&count).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let cancelled = ToolContext::cancelled_by(async move { drop(cancelled.await) });
    let (context, outputs) = support::context(project.path(), cancelled);
    let command = "i=0; while :; do printf '%08192d' 0; i=$((i+1)); echo $i > count; done";
    let call = tokio::spawn(
        support::tool(Settings::default(), "run_shell").run(json!({"command": command}), context),
    );
    support::eventually("the command writes", || written() >= 5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let most = written();
    assert!(most < 60, "{most} pieces of 8 KiB were taken though nobody read them");
    cancel.send(()).unwrap();
    let result = call.await.unwrap();
    assert!(result.content.ends_with("[aborted: the command and what it started were killed]"));
    drop(outputs);
}

#[tokio::test]
async fn a_command_does_not_care_whether_anybody_watches() {
    let project = tempfile::tempdir().unwrap();
    let (context, outputs) = support::context(project.path(), support::never());
    drop(outputs);
    let result =
        support::tool(Settings::default(), "run_shell").run(json!({"command": "seq 1 1000"}), context).await;
    assert_eq!(result, ToolResult::ok((1..=1000).map(|n| format!("{n}\n")).collect::<String>()));
}
