//! What a client can choose for a message that comes while a turn runs.

use std::sync::Arc;

use engine::{Error, Prompt, Sent};
use serde_json::json;
use tokio::sync::Notify;
use wire::ConversationId;
use wire::extension::{ImageInput, WhenActive};

use crate::support::*;

fn id() -> ConversationId {
    ConversationId::new("c")
}

fn when(when_active: WhenActive, text: &str) -> Prompt {
    Prompt { when_active, ..prompt(text) }
}

#[tokio::test]
async fn queued_it_steers_the_turn_or_starts_the_next_one() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let Sent::Queued(queue) = world.engine.send(&id(), when(WhenActive::Queue, "and two")).await.unwrap()
    else {
        panic!("it was not queued");
    };
    assert_eq!(queue.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["and two"]);
    gate.notify_one();
    turn(&mut watcher).await;
    assert_eq!(said(&turn(&mut watcher).await), "you said: and two");
}

#[tokio::test]
async fn an_interruption_stops_the_turn_and_starts_the_next_one_with_its_own_settings() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(never), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id(), steer("later")).await.unwrap();
    let urgent =
        Prompt { effort: Some(wire::ReasoningEffort::Low), ..when(WhenActive::Interrupt, "no, this") };
    let mut next = world.start("c", urgent).await.unwrap();
    assert_eq!(reason(&turn(&mut watcher).await), "aborted");
    assert_eq!(said(&turn(&mut next.watcher).await), "you said: no, this");
    assert_eq!(said(&turn(&mut next.watcher).await), "you said: later", "what was queued comes after it");
    world.settled().await;
    assert_eq!(world.requests()[1].effort, wire::ReasoningEffort::Low);
}

#[tokio::test]
async fn of_several_interruptions_each_gets_its_turn_and_the_last_one_runs_to_its_end() {
    let world = world();
    let never = Arc::new(Notify::new());
    world.plays((0..3).map(|_| vec![text("…"), Play::Gate(never.clone()), stop()]).collect());
    let mut watcher = world.send("c", "0").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let sends: Vec<_> = ["1", "2", "3"]
        .into_iter()
        .map(|text| {
            let engine = world.engine.clone();
            tokio::spawn(async move { engine.send(&id(), when(WhenActive::Interrupt, text)).await })
        })
        .collect();
    for send in sends {
        assert!(matches!(send.await.unwrap().unwrap(), Sent::Started(_)));
    }
    let mut reasons = Vec::new();
    for _ in 0..4 {
        reasons.push(reason(&turn(&mut watcher).await).to_owned());
    }
    assert_eq!(reasons, ["aborted", "aborted", "aborted", "stop"]);
}

#[tokio::test]
async fn a_close_refuses_what_waits_for_the_end_of_the_turn() {
    let world = world();
    // A tool that takes a moment to end keeps the turn from being over at once.
    world.plays(vec![vec![call("a", "obey", json!({"output": "…", "sleep": 400})), tools()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "tool-output").await;
    let interrupting = {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.send(&id(), when(WhenActive::Interrupt, "me")).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    world.engine.close(&id()).await.unwrap();
    assert_eq!(interrupting.await.unwrap().err(), Some(Error::ClosedMeanwhile));
    world.settled().await;
    assert_eq!(world.engine.status(&id()).await.unwrap(), wire::ConversationStatus::Closed);
    assert_eq!(world.requests().len(), 1, "nothing restarts a closed conversation");
}

#[tokio::test]
async fn images_are_not_queued_and_a_bad_one_does_not_interrupt() {
    let world = world();
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let image = |url: &str| vec![ImageInput { url: url.to_owned(), mime_type: None }];
    let queued = Prompt { images: image("https://example.org/a.png"), ..when(WhenActive::Queue, "look") };
    assert!(matches!(world.engine.send(&id(), queued).await, Err(Error::Invalid(_))));
    let bad = Prompt { images: image("file:///etc/passwd"), ..when(WhenActive::Interrupt, "look") };
    assert!(matches!(world.engine.send(&id(), bad).await, Err(Error::Invalid(_))));
    gate.notify_one();
    assert_eq!(reason(&turn(&mut watcher).await), "stop");
}
