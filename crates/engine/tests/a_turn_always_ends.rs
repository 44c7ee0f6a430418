//! Rule 6: whatever fails, the turn ends, says how, and the conversation goes on.

use std::sync::Arc;

use engine::{Options, Prompt};
use serde_json::json;
use tokio::sync::Notify;
use wire::AgentEvent;

use crate::support::*;

#[tokio::test]
async fn a_plain_turn_is_streamed_sealed_and_leaves_nothing_behind() {
    let world = world();
    let mut watcher = world.send("c", "hello").await.unwrap();
    let events = turn(&mut watcher).await;
    assert_eq!(
        kinds(&events),
        ["user-message", "turn-start", "text-delta", "step-complete", "done", "turn-sealed"]
    );
    assert_eq!(
        world.history("c").await,
        [json!({"type": "text", "text": "hello"}), json!({"type": "text", "text": "you said: hello"})]
    );
    drop(watcher);
    world.settled().await;
    assert_eq!(world.engine.live(), (0, 0));
}

#[tokio::test]
async fn a_tool_that_panics_is_a_failed_call_and_nothing_more() {
    let world = world();
    world.plays(vec![vec![call("a", "obey", json!({"panic": true})), tools()]]);
    let events = turn(&mut world.send("c", "go").await.unwrap()).await;
    let result = events.iter().find_map(|event| match event {
        AgentEvent::ToolResult { content, is_error, .. } => Some((content.as_str(), *is_error)),
        _ => None,
    });
    assert_eq!(result, Some(("Tool execution error: the tool failed by a defect of its own", true)));
    assert_eq!(reason(&events), "stop");
}

#[tokio::test]
async fn a_defect_in_a_provider_ends_that_turn_and_the_next_one_works() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("half"), Play::Gate(gate.clone()), Play::Panic]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    gate.notify_one();
    let events = turn(&mut watcher).await;
    assert_eq!(kinds(&events), ["error", "done", "turn-sealed"]);
    assert_eq!(reason(&events), "error");
    assert_eq!(world.history("c").await[1], json!({"type": "text", "text": "half"}), "what was seen is kept");
    let events = turn(&mut world.send("c", "again").await.unwrap()).await;
    assert_eq!(said(&events), "you said: again");
}

#[tokio::test]
async fn an_unknown_model_is_said_by_the_turn_and_the_prompt_is_kept() {
    let world = world();
    let prompt =
        Prompt { text: "hi".to_owned(), model: Some("nobody/nothing".to_owned()), ..Prompt::default() };
    let mut started = world.start("c", prompt).await.unwrap();
    let events = turn(&mut started.watcher).await;
    assert_eq!(
        kinds(&events),
        ["user-message", "turn-start", "error", "step-complete", "done", "turn-sealed"]
    );
    assert_eq!(
        world.history("c").await,
        [
            json!({"type": "text", "text": "hi"}),
            json!({"type": "error", "message": "unknown model: nobody/nothing", "code": "unknown-model"}),
        ]
    );
    let events = turn(&mut world.send("c", "again").await.unwrap()).await;
    assert_eq!(reason(&events), "stop", "a model that nobody serves is not kept");
}

#[tokio::test]
async fn a_log_that_fails_ends_the_turn_and_shows_nothing_that_it_does_not_have() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("kept"), Play::Gate(gate.clone()), text("lost"), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.store.fail_next_writes(1, store::Error::Full("no space left".to_owned()));
    gate.notify_one();
    let rest = turn(&mut watcher).await;
    assert_eq!(kinds(&rest), ["error", "done", "turn-sealed"]);
    assert_eq!(reason(&rest), "error");
    assert_eq!(world.history("c").await[1], json!({"type": "text", "text": "kept"}));
    let events = turn(&mut world.send("c", "again").await.unwrap()).await;
    assert_eq!(said(&events), "you said: again");
}

#[tokio::test]
async fn a_turn_that_cannot_be_sealed_ends_all_the_same_and_is_mended_by_the_next() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("said"), Play::Gate(gate.clone()), text("lost"), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.store.fail_next_writes(2, store::Error::Io("input/output error".to_owned()));
    gate.notify_one();
    let rest = turn(&mut watcher).await;
    assert_eq!(kinds(&rest), ["error", "done", "error"]);
    let events = turn(&mut world.send("c", "again").await.unwrap()).await;
    assert_eq!(reason(&events), "stop");
    let history = world.history("c").await;
    assert_eq!(history[1], json!({"type": "text", "text": "said"}));
    assert_eq!(history.len(), 4);
}

#[tokio::test]
async fn a_server_that_stops_seals_what_runs_and_starts_nothing_more() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays(vec![vec![text("half"), Play::Gate(never), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.shut_down().await;
    let rest = turn(&mut watcher).await;
    assert_eq!((reason(&rest), kinds(&rest).last()), ("aborted", Some(&"turn-sealed")));
    assert_eq!(world.send("c", "more").await.err(), Some(engine::Error::ShuttingDown));
}

#[tokio::test]
async fn a_result_that_is_too_long_is_cut_for_the_model_and_kept_whole() {
    let results = tempfile::tempdir().unwrap();
    let options =
        Options { result_limit: 100, results: Some(results.path().to_owned()), ..Options::default() };
    let world = world_with(options);
    world.plays(vec![vec![call("a", "obey", json!({"say": "", "size": 5000})), tools()]]);
    turn(&mut world.send("c", "go").await.unwrap()).await;
    let content = world.history("c").await[2]["content"].as_str().unwrap().to_owned();
    assert!(content.starts_with(&format!(
        "{}\n[cut here: the result has 5000 bytes, of which 100 are shown",
        "x".repeat(100)
    )));
    let kept = std::fs::read_dir(results.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(kept.metadata().unwrap().len(), 5000);
    assert!(content.contains(kept.path().to_str().unwrap()));
}
