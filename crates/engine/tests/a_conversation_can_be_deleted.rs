//! Deleting removes everything, and is refused while a turn runs unless it is forced.

use std::sync::Arc;

use engine::{Error, Notice};
use tokio::sync::Notify;
use wire::{ConversationId, ConversationStatus};

use crate::support::*;

fn id() -> ConversationId {
    ConversationId::new("c")
}

#[tokio::test]
async fn it_is_gone_and_can_begin_anew() {
    let world = world();
    world.says("c", "hello").await;
    assert!(!world.engine.delete(&ConversationId::new("unknown"), false).await.unwrap());
    let mut notices = world.engine.notices();
    assert!(world.engine.delete(&id(), false).await.unwrap());
    assert_eq!(
        notices.try_recv().unwrap(),
        Notice::Status { conversation_id: id(), status: ConversationStatus::Closed },
        "clients that know nothing of deletions take it off their lists"
    );
    assert_eq!(notices.try_recv().unwrap(), Notice::Deleted { conversation_id: id() });
    assert!(world.history("c").await.is_empty());
    assert_eq!(world.engine.status(&id()).await.unwrap(), ConversationStatus::Idle);
    assert_eq!(world.says("c", "again").await, "you said: again");
    assert_eq!(world.history("c").await.len(), 2);
    assert_eq!(world.requests()[1].messages.len(), 1, "nothing of before is told to the model");
}

#[tokio::test]
async fn while_a_turn_runs_only_by_force() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(never), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id(), steer("queued")).await.unwrap();
    assert_eq!(world.engine.delete(&id(), false).await, Err(Error::ConversationActive));
    assert!(world.engine.is_active(&id()), "a refusal changes nothing");
    assert!(world.engine.delete(&id(), true).await.unwrap());
    let events = turn(&mut watcher).await;
    assert_eq!(reason(&events), "aborted");
    assert_eq!(kinds(&events).last(), Some(&"turn-sealed"), "whoever watches is told that it is over");
    world.settled().await;
    assert!(world.history("c").await.is_empty());
    assert!(world.queued("c").await.is_empty());
    assert_eq!(world.requests().len(), 1);
}
