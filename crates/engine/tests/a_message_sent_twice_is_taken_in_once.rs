//! A client that does not know whether its message arrived sends it again, with the same id.

use std::sync::Arc;

use engine::live::Watch;
use engine::{Prompt, Sent, Steer};
use serde_json::json;
use tokio::sync::Notify;
use wire::{AgentEvent, ConversationId};

use crate::support::*;

fn id() -> ConversationId {
    ConversationId::new("c")
}

fn named(text: &str, name: &str) -> Prompt {
    Prompt { client_message_id: Some(name.to_owned()), ..prompt(text) }
}

#[tokio::test]
async fn it_starts_one_turn_while_that_runs_and_after_it() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut started = world.start("c", named("go", "m1")).await.unwrap();
    until(&mut started.watcher, "text-delta").await;
    let Sent::Repeated(turn_id) = world.engine.send(&id(), named("go", "m1")).await.unwrap() else {
        panic!("it was taken in twice");
    };
    assert_eq!(turn_id, started.turn_id);
    let mut again = world.engine.watch_turn(&id(), turn_id, Watch::default());
    gate.notify_one();
    let events = turn(&mut again).await;
    assert_eq!(kinds(&events)[0], "user-message", "the turn is heard from its beginning");
    let AgentEvent::UserMessage { client_message_id, client_message_ids, .. } = &events[0] else { panic!() };
    assert_eq!((client_message_id.as_deref(), client_message_ids), (Some("m1"), &None));
    world.settled().await;
    drop((started, again));

    let Sent::Repeated(turn_id) = world.engine.send(&id(), named("go", "m1")).await.unwrap() else {
        panic!("it was taken in twice");
    };
    let mut late = world.engine.watch_turn(&id(), turn_id.clone(), Watch::default());
    let sealed = AgentEvent::TurnSealed { conversation_id: id(), turn_id };
    assert_eq!(next(&mut late).await, Some(sealed), "it is over: its events are history");
    assert_eq!(world.history("c").await.len(), 2);
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn many_at_the_same_moment_start_one_turn() {
    let world = world();
    let sends = (0..20).map(|_| {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.send(&id(), named("go", "m1")).await })
    });
    let mut started = 0;
    for send in sends.collect::<Vec<_>>() {
        match send.await.unwrap() {
            Ok(Sent::Started(_)) => started += 1,
            Ok(Sent::Repeated(_)) => {}
            Ok(Sent::Queued(_)) => panic!("nobody asked for that"),
            Err(error) => panic!("{error}"),
        }
    }
    world.settled().await;
    assert_eq!(started, 1);
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn many_that_interrupt_interrupt_once() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(never), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let urgent = Prompt { when_active: wire::extension::WhenActive::Interrupt, ..named("now", "m1") };
    let sends = (0..20).map(|_| {
        let (engine, urgent) = (world.engine.clone(), urgent.clone());
        tokio::spawn(async move { engine.send(&id(), urgent).await.unwrap() })
    });
    let mut started = 0;
    for send in sends.collect::<Vec<_>>() {
        started += usize::from(matches!(send.await.unwrap(), Sent::Started(_)));
    }
    assert_eq!(started, 1);
    assert_eq!(reason(&turn(&mut watcher).await), "aborted");
    let events = turn(&mut watcher).await;
    assert_eq!(
        (said(&events).as_str(), reason(&events)),
        ("you said: now", "stop"),
        "it does not interrupt itself"
    );
    world.settled().await;
    assert_eq!(world.requests().len(), 2);
}

#[tokio::test]
async fn it_is_queued_once_and_known_after_it_was_delivered() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![
        vec![text("one"), Play::Gate(gate.clone()), call("a", "obey", json!({})), tools()],
        vec![text("two"), stop()],
    ]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let named = |text: &str, name: &str| Steer { client_message_id: Some(name.to_owned()), ..steer(text) };
    let first = world.engine.queue(&id(), named("left", "q1")).await.unwrap().queue;
    assert_eq!(first[0].client_message_id.as_deref(), Some("q1"));
    assert_eq!(world.engine.queue(&id(), named("left", "q1")).await.unwrap().queue, first);
    world.engine.queue(&id(), steer("no name")).await.unwrap();
    gate.notify_one();
    let AgentEvent::Steering { text, client_message_id, client_message_ids, .. } =
        until(&mut watcher, "steering").await
    else {
        panic!()
    };
    assert_eq!(text, "left\n\nno name");
    assert_eq!((client_message_id, client_message_ids), (None, Some(vec!["q1".to_owned()])));
    turn(&mut watcher).await;
    world.settled().await;
    let late = world.engine.queue(&id(), named("left", "q1")).await.unwrap();
    assert!(late.started.is_none() && late.queue.is_empty(), "it was delivered: nothing is to be done");
    assert_eq!(world.requests().len(), 2);
}
