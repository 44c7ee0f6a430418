//! What the oldest web client needs, where the server is told to serve it: the eleven events that it knows and no other,
//! every turn without having asked, and an end of the turn that no read of the history can overtake.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Options;
use serde_json::{Value, json};
use server::{Server, Settings};
use tokio::sync::Notify;

use crate::support;
use crate::support::world::{Play, World, call, stop, text, tools, world_with};
use crate::support::*;

const FIRST: [&str; 11] = [
    "status",
    "turn-start",
    "text-delta",
    "reasoning-delta",
    "tool-call",
    "tool-result",
    "tool-output",
    "usage",
    "error",
    "done",
    "turn-sealed",
];

async fn legacy() -> (World, std::net::SocketAddr) {
    let world = world_with(Options { legacy_clients: true, ..Options::default() });
    let settings = Settings { legacy_clients: true, ..settings() };
    let server = Server::bind(settings, world.engine.clone()).await.unwrap();
    let http = server.http_addr().unwrap();
    tokio::spawn(server.run(std::future::pending()));
    (world, http)
}

async fn socket(http: std::net::SocketAddr) -> Socket {
    Socket::open(&format!("ws://{http}/")).await
}

/// Frames up to the end of a turn.
async fn frames(socket: &mut Socket) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = socket.next().await;
        let over = frame["event"]["type"] == "turn-sealed";
        frames.push(frame);
        if over {
            return frames;
        }
    }
}

fn send(id: &str, message: &str) -> Value {
    json!({ "type": "chat.send", "conversationId": id, "message": message, "model": "test/m" })
}

#[tokio::test]
async fn it_gets_the_events_that_it_knows_and_no_other_frame() {
    let (world, http) = legacy().await;
    world.plays(vec![
        vec![text("let me "), call("a", "obey", json!({ "output": "o" })), tools()],
        vec![text("done"), stop()],
    ]);
    let mut old = socket(http).await;
    old.send(send("c", "go")).await;
    let frames = frames(&mut old).await;
    assert!(frames.iter().all(|frame| frame["type"] == "chat.delta"), "{frames:?}");
    let kinds: BTreeSet<&str> = frames.iter().map(|frame| frame["event"]["type"].as_str().unwrap()).collect();
    assert!(kinds.is_subset(&BTreeSet::from(FIRST)), "{kinds:?}");
    assert!(kinds.is_superset(&BTreeSet::from([
        "turn-start",
        "text-delta",
        "tool-call",
        "tool-output",
        "done"
    ])));
    assert_eq!(old.try_next(Duration::from_millis(100)).await, None, "no broadcast");
}

#[tokio::test]
async fn it_sees_every_turn_from_its_first_event_without_asking_until_it_shows_that_it_knows_more() {
    let (world, http) = legacy().await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one "), Play::Gate(gate.clone()), text("two"), stop()]]);
    let mut sender = socket(http).await;
    sender.send(send("c", "go")).await;
    assert_eq!(sender.next().await["event"]["type"], "turn-start");
    let mut late = socket(http).await;
    let first = late.next().await;
    assert_eq!(
        (&first["event"]["type"], &first["event"]["conversationId"]),
        (&json!("turn-start"), &json!("c"))
    );
    gate.notify_one();
    let events: Vec<Value> =
        frames(&mut late).await.into_iter().map(|frame| frame["event"].clone()).collect();
    assert_eq!(said(&events), "one two");
    // A turn of another conversation that begins now.
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("you "), Play::Gate(gate.clone()), text("said: hello"), stop()]]);
    world.engine.queue(&wire::ConversationId::new("d"), support::world::steer("hello")).await.unwrap();
    assert_eq!(late.next().await["event"]["conversationId"], "d");
    gate.notify_one();
    let events: Vec<Value> =
        frames(&mut late).await.into_iter().map(|frame| frame["event"].clone()).collect();
    assert_eq!(said(&events), "you said: hello");
    // Now it is known to be a newer one: it gets what it asks for, all fourteen types, and broadcasts.
    late.send(json!({ "type": "chat.subscribe", "conversationId": "c" })).await;
    late.send(json!({ "type": "subscribe", "surfaceId": "todo", "conversationId": "c" })).await;
    assert_eq!(late.next().await["type"], "surface");
    world.engine.queue(&wire::ConversationId::new("d"), support::world::steer("unseen")).await.unwrap();
    world.settled().await;
    world.engine.queue(&wire::ConversationId::new("c"), support::world::steer("seen")).await.unwrap();
    let frames = frames(&mut late).await;
    assert!(frames.iter().any(|frame| frame["type"] == "conversation.statusChanged"));
    let deltas: Vec<&Value> = frames.iter().filter(|frame| frame["type"] == "chat.delta").collect();
    assert!(deltas.iter().all(|frame| frame["event"]["conversationId"] == "c"), "{deltas:?}");
    assert_eq!(deltas[0]["event"]["type"], "user-message");
}

#[tokio::test]
async fn a_newer_client_gets_no_replay_that_it_did_not_ask_for() {
    let (world, http) = legacy().await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("one "), Play::Gate(gate.clone()), stop()]]);
    let mut sender = socket(http).await;
    sender.send(send("c", "go")).await;
    sender.next().await;
    let mut newer = socket(http).await;
    newer.send(json!({ "type": "chat.subscribe", "conversationId": "other" })).await;
    assert_eq!(newer.try_next(Duration::from_millis(700)).await, None);
    gate.notify_one();
}

#[tokio::test]
async fn the_end_of_a_turn_keeps_its_distance_from_reads_of_the_history() {
    let (world, http) = legacy().await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("an answer"), Play::Gate(gate.clone()), stop()]]);
    let mut old = socket(http).await;
    old.send(send("c", "go")).await;
    assert_eq!(old.next().await["event"]["type"], "turn-start");
    let url = format!("http://{http}/conversations/c?sinceSeq=0");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // From before the read: the server's pause begins after this, however late the answer is seen here.
    let before = Instant::now();
    let history: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(history, json!({ "chunks": [], "latestSeq": 0 }), "the turn is not over for it yet");
    // The model is done right after the read.
    gate.notify_one();
    let rest = frames(&mut old).await;
    assert_eq!(rest.last().unwrap()["event"]["type"], "turn-sealed");
    assert!(before.elapsed() >= Options::LEGACY_PAUSE, "sealed {:?} after the read", before.elapsed());
    let history: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(history["latestSeq"], 2);
    // Nobody else pays for it.
    world.settled().await;
    drop(old);
    while world.engine.live() != (0, 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut modern = socket(http).await;
    modern.send(json!({ "type": "chat.subscribe", "conversationId": "e" })).await;
    modern.send(send("e", "go")).await;
    frames(&mut modern).await;
}

#[tokio::test]
async fn where_it_is_not_asked_for_nobody_is_taken_for_an_old_client() {
    let server = serve().await;
    let mut socket = server.socket().await;
    socket.send(send("c", "go")).await;
    let events = socket.until("turn-sealed").await;
    assert_eq!(kinds(&events)[0], "user-message");
    let mut idle = server.socket().await;
    server.chat(json!({ "conversationId": "d", "message": "hi" })).await;
    while let Some(frame) = idle.try_next(Duration::from_millis(600)).await {
        assert_eq!(frame["type"], "conversation.statusChanged");
    }
}
