//! Rule 7, and what queueing, stopping and closing do to each other.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use wire::{AgentEvent, ConversationId, ConversationStatus};

use crate::support;
use crate::support::*;

fn id() -> ConversationId {
    ConversationId::new("c")
}

#[tokio::test]
async fn it_steers_the_running_turn_after_the_tool_results() {
    let world = world();
    world.plays(vec![vec![call("a", "obey", json!({"sleep": 200})), tools()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "step-complete").await;
    let first = world.engine.queue(&id(), steer("look left")).await.unwrap();
    assert!(first.started.is_none());
    let second = world.engine.queue(&id(), steer("then right")).await.unwrap();
    assert_eq!(
        second.queue.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(),
        ["look left", "then right"]
    );
    let rest = turn(&mut watcher).await;
    assert_eq!(
        kinds(&rest),
        ["tool-result", "steering", "text-delta", "step-complete", "done", "turn-sealed"]
    );
    assert_eq!(said(&rest), "you said: look left\n\nthen right");
    assert_eq!(world.history("c").await[3], json!({"type": "text", "text": "look left\n\nthen right"}));
    assert!(world.queued("c").await.is_empty());
}

#[tokio::test]
async fn it_starts_the_next_turn_when_no_tool_was_called() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut statuses = world.engine.notices();
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id(), steer("and two")).await.unwrap();
    gate.notify_one();
    turn(&mut watcher).await;
    let next = turn(&mut watcher).await;
    assert_eq!(said(&next), "you said: and two");
    assert_eq!(kinds(&next)[0], "user-message", "no steering: the next turn's prompt says it");
    world.settled().await;
    assert_eq!(
        support::statuses(&mut statuses),
        [ConversationStatus::Active, ConversationStatus::Active, ConversationStatus::Idle],
        "no idle between a turn and the one that carries on"
    );
}

#[tokio::test]
async fn a_stop_leaves_it_queued_and_the_next_message_takes_it_along() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(never), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id(), steer("left behind")).await.unwrap();
    assert!(world.engine.stop(&id()).await.unwrap());
    let rest = turn(&mut watcher).await;
    assert_eq!(reason(&rest), "aborted");
    world.settled().await;
    assert_eq!(world.queued("c").await, ["left behind"]);
    assert!(!world.engine.stop(&id()).await.unwrap(), "nothing is running");
    let queued = world.engine.queue(&id(), steer("and this")).await.unwrap();
    assert!(queued.queue.is_empty());
    let events = turn(&mut queued.started.unwrap().watcher).await;
    assert_eq!(said(&events), "you said: left behind\n\nand this");
    assert!(world.queued("c").await.is_empty());
}

#[tokio::test]
async fn a_close_ends_the_turn_empties_the_queue_and_stays_closed() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(never), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id(), steer("too late")).await.unwrap();
    let mut statuses = world.engine.notices();
    assert!(world.engine.close(&id()).await.unwrap());
    turn(&mut watcher).await;
    world.settled().await;
    assert!(world.queued("c").await.is_empty());
    let conversation = store::Store::conversation(&*world.store, &id()).await.unwrap().unwrap();
    assert_eq!(conversation.meta.status, ConversationStatus::Closed);
    let seen = support::statuses(&mut statuses);
    assert_eq!(seen, [ConversationStatus::Closed], "a late settle does not make it idle");
    assert!(!world.engine.close(&ConversationId::new("unknown")).await.unwrap());
    let unknown = store::Store::conversation(&*world.store, &ConversationId::new("unknown")).await.unwrap();
    assert_eq!(unknown, None, "closing does not create");
}

#[tokio::test]
async fn a_close_can_be_taken_back_also_while_its_turn_still_ends() {
    use ConversationStatus::{Active, Closed, Idle};
    let world = world();
    let status =
        async || store::Store::conversation(&*world.store, &id()).await.unwrap().unwrap().meta.status;
    world.plays(vec![vec![call("1", "obey", json!({"hang": true})), tools()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "step-complete").await;
    let mut statuses = world.engine.notices();
    assert!(world.engine.close(&id()).await.unwrap());
    assert!(world.engine.reopen(&id()).await.unwrap());
    turn(&mut watcher).await;
    world.settled().await;
    assert_eq!(status().await, Idle);
    let seen = support::statuses(&mut statuses);
    // The turn may be over already.
    assert!(seen == [Closed, Active, Idle] || seen == [Closed, Idle], "{seen:?}");

    world.engine.close(&id()).await.unwrap();
    assert_eq!(status().await, Closed);
    assert!(world.engine.reopen(&id()).await.unwrap());
    assert!(!world.engine.reopen(&id()).await.unwrap(), "once");
    assert_eq!(status().await, Idle);
    assert_eq!(support::statuses(&mut statuses), [Closed, Idle]);
    assert!(!world.engine.reopen(&ConversationId::new("unknown")).await.unwrap());
    let unknown = store::Store::conversation(&*world.store, &ConversationId::new("unknown")).await.unwrap();
    assert_eq!(unknown, None, "reopening does not create");
}

#[tokio::test]
async fn a_second_message_while_a_turn_runs_is_refused_and_changes_nothing() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    assert_eq!(world.send("c", "me too").await.err(), Some(engine::Error::TurnActive));
    gate.notify_one();
    turn(&mut watcher).await;
    assert_eq!(world.history("c").await.len(), 2);
}

#[tokio::test]
async fn a_stop_ends_a_tool_that_hangs_and_keeps_its_result() {
    let world = world();
    world.plays(vec![vec![call("a", "obey", json!({"output": "…", "hang": true})), tools()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "tool-output").await;
    world.engine.stop(&id()).await.unwrap();
    let rest = turn(&mut watcher).await;
    let result = rest.iter().find_map(|event| match event {
        AgentEvent::ToolResult { content, .. } => Some(content.as_str()),
        _ => None,
    });
    assert_eq!((result, reason(&rest)), (Some("cancelled after half of it"), "aborted"));
}

#[tokio::test]
async fn one_of_several_can_be_taken_out_and_only_once() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id(), steer("stays")).await.unwrap();
    let queue = world.engine.queue(&id(), steer("goes")).await.unwrap().queue;
    let mut changes = world.engine.changes();
    let cancelled = world.engine.cancel_queued(&id(), queue[1].id.clone()).await.unwrap();
    assert_eq!((cancelled.cancelled, cancelled.queue.as_slice()), (true, &queue[..1]));
    assert_eq!(changes.try_recv().unwrap().part, engine::Part::Queue);
    let again = world.engine.cancel_queued(&id(), queue[1].id.clone()).await.unwrap();
    assert_eq!((again.cancelled, again.queue.as_slice()), (false, &queue[..1]));
    assert!(changes.try_recv().is_err(), "nothing was removed, so nothing has changed");
    gate.notify_one();
    turn(&mut watcher).await;
    assert_eq!(said(&turn(&mut watcher).await), "you said: stays");
}

#[tokio::test]
async fn it_is_queued_only_for_the_turn_that_it_is_meant_for() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut started = world.start("c", prompt("go")).await.unwrap();
    let meant =
        |turn: &wire::TurnId| engine::Steer { expected_turn: Some(turn.clone()), ..steer("this turn") };
    let other = wire::TurnId::new("turn-of-another-time");
    assert_eq!(world.engine.queue(&id(), meant(&other)).await.err(), Some(engine::Error::TurnMismatch));
    assert!(world.queued("c").await.is_empty());
    assert_eq!(world.engine.queue(&id(), meant(&started.turn_id)).await.unwrap().queue.len(), 1);
    gate.notify_one();
    turn(&mut started.watcher).await;
    turn(&mut started.watcher).await;
    world.settled().await;
    let late = world.engine.queue(&id(), meant(&started.turn_id)).await;
    assert_eq!(late.err(), Some(engine::Error::TurnMismatch), "none runs, and none is started");
    assert_eq!(world.history("c").await.len(), 4);
}
