//! The WebSocket half of the contract.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;

use crate::support::world::{Play, call, stop, text, tools};
use crate::support::*;

#[tokio::test]
async fn whoever_sends_watches_and_whoever_comes_late_sees_the_whole_turn() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![
        vec![text("let me "), text("look"), call("a", "obey", json!({"say": "seen"})), tools()],
        vec![text("I saw"), Play::Gate(gate.clone()), text(" it"), stop()],
    ]);
    let mut sender = server.socket().await;
    sender.send(json!({"type": "chat.send", "conversationId": "c", "message": " go "})).await;
    let mut early = sender.until("tool-result").await;
    early.push(sender.event().await);

    let mut late = Socket::open(&format!("ws://{}/any/path?at=all", server.http)).await;
    late.send(json!({"type": "chat.subscribe", "conversationId": "c"})).await;
    let mut seen = late.until("tool-result").await;
    seen.push(late.event().await);
    // Subscribing again replays nothing again.
    late.send(json!({"type": "chat.subscribe", "conversationId": "c"})).await;
    gate.notify_one();
    early.extend(sender.until("turn-sealed").await);
    seen.extend(late.until("turn-sealed").await);

    assert_eq!(kinds(&seen), kinds(&early));
    assert_eq!(
        (said(&seen), said(&early)),
        ("let me lookI saw it".to_owned(), "let me lookI saw it".to_owned())
    );
    assert_eq!((&seen[0]["type"], &seen[0]["text"]), (&json!("user-message"), &json!("go")));
    // A subscription spans turns; an idle conversation replays nothing.
    sender.send(json!({"type": "chat.send", "conversationId": "c", "message": "more"})).await;
    assert_eq!(late.event().await["text"], "more");
}

#[tokio::test]
async fn a_conversation_without_an_id_gets_one() {
    let server = serve().await;
    let mut socket = server.socket().await;
    socket.send(json!({"type": "chat.send", "message": "hi"})).await;
    let events = socket.until("turn-sealed").await;
    assert_eq!(events[0]["conversationId"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn errors_are_answered_and_the_socket_stays() {
    let server = serve().await;
    let mut socket = server.socket().await;
    for (frame, kind, code) in [
        ("{", "error", "invalid-json"),
        ("[]", "error", "invalid-json"),
        ("{}", "error", "unknown-message"),
        (r#"{"type": "dance"}"#, "error", "unknown-message"),
        (r#"{"type": "subscribe", "surfaceId": "s"}"#, "error", "unknown-surface"),
        (r#"{"type": "chat.send", "message": "  "}"#, "chat.error", "invalid-request"),
        (
            r#"{"type": "chat.send", "message": "m", "reasoningEffort": "so"}"#,
            "chat.error",
            "invalid-request",
        ),
        (r#"{"type": "chat.subscribe"}"#, "chat.error", "invalid-request"),
        (r#"{"type": "chat.queue", "conversationId": "c", "text": ""}"#, "chat.error", "invalid-request"),
    ] {
        socket.send_text(frame).await;
        let answer = socket.next().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!(kind), &json!(code)), "{frame}: {answer}");
    }
    socket.send(json!({"type": "subscribe", "surfaceId": "s"})).await;
    assert_eq!(
        socket.next().await,
        json!({"type": "error", "surfaceId": "s", "message": "Unknown surface: s", "code": "unknown-surface"})
    );
    socket.send(json!({"type": "unsubscribe", "surfaceId": "s"})).await;
    socket.send(json!({"type": "chat.send", "message": "still here"})).await;
    assert_eq!(said(&socket.until("turn-sealed").await), "you said: still here");
}

#[tokio::test]
async fn a_message_while_a_turn_runs_is_refused_and_the_sender_sees_the_turn() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![vec![text("busy"), Play::Gate(gate.clone()), stop()]]);
    let (mut one, mut two) = (server.socket().await, server.socket().await);
    one.send(json!({"type": "chat.send", "conversationId": "c", "message": "a"})).await;
    one.until("text-delta").await;
    two.send(json!({"type": "chat.send", "conversationId": "c", "message": "b"})).await;
    let mut refused = None;
    let mut events = Vec::new();
    while refused.is_none() || events.len() < 3 {
        let mut frame = two.next().await;
        match frame["type"].as_str().unwrap() {
            "chat.error" => refused = Some(frame),
            "chat.delta" => events.push(frame["event"].take()),
            _ => {}
        }
    }
    let refused = refused.unwrap();
    assert_eq!((&refused["conversationId"], &refused["code"]), (&json!("c"), &json!("turn-active")));
    assert_eq!(kinds(&events), ["user-message", "turn-start", "text-delta"]);
    gate.notify_one();
    two.until("turn-sealed").await;
}

#[tokio::test]
async fn queueing_steers_or_starts_a_turn_that_the_sender_watches() {
    let server = serve().await;
    let mut socket = server.socket().await;
    socket.send(json!({"type": "chat.queue", "conversationId": "c", "text": " start "})).await;
    assert_eq!(said(&socket.until("turn-sealed").await), "you said: start");
    server.world.plays(vec![vec![call("a", "obey", json!({"sleep": 300, "output": "o"})), tools()]]);
    socket.send(json!({"type": "chat.send", "conversationId": "c", "message": "work"})).await;
    socket.until("tool-output").await;
    let mut other = server.socket().await;
    other.send(json!({"type": "chat.queue", "conversationId": "c", "text": "faster"})).await;
    let events = socket.until("turn-sealed").await;
    assert!(events.iter().any(|event| event["type"] == "steering" && event["text"] == "faster"));
    while let Some(frame) = other.try_next(Duration::from_millis(200)).await {
        assert_ne!(frame["type"], "chat.delta", "queueing does not subscribe");
    }
}

#[tokio::test]
async fn everybody_hears_of_changes_of_status_and_only_watchers_of_events() {
    let server = serve().await;
    let mut bystander = server.socket().await;
    server.chat(json!({"message": "hi", "conversationId": "c"})).await;
    server.post("/conversations/c/close", "").await;
    for status in ["active", "idle", "closed"] {
        assert_eq!(
            bystander.next().await,
            json!({"type": "conversation.statusChanged", "conversationId": "c", "status": status, "workspaceId": "default"})
        );
    }
    assert_eq!(bystander.try_next(Duration::from_millis(100)).await, None);
}

#[tokio::test]
async fn after_unsubscribing_nothing_comes_and_the_turn_goes_on() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), text("two"), stop()]]);
    let mut socket = server.socket().await;
    socket.send(json!({"type": "chat.send", "conversationId": "c", "message": "a"})).await;
    socket.until("text-delta").await;
    socket.send(json!({"type": "chat.unsubscribe", "conversationId": "c"})).await;
    // Answered, so the frame before it has been read.
    socket.send_text("{").await;
    while socket.next().await["type"] != "error" {}
    gate.notify_one();
    server.world.settled().await;
    while let Some(frame) = socket.try_next(Duration::from_millis(100)).await {
        assert_eq!(frame["type"], "conversation.statusChanged");
    }
    assert_eq!(server.get("/conversations/c").await.1["latestSeq"], 2);
}

#[tokio::test]
async fn the_separate_port_speaks_nothing_but_websocket() {
    let server = serve().await;
    let plain = server.client.get(format!("http://{}/models", server.ws)).send().await.unwrap();
    assert_eq!(plain.status(), 426);
    let mut socket = Socket::open(&format!("ws://{}", server.ws)).await;
    socket.send(json!({"type": "chat.send", "message": "hi"})).await;
    assert_eq!(said(&socket.until("turn-sealed").await), "you said: hi");
}

#[tokio::test]
async fn a_socket_that_is_gone_leaves_nothing_behind() {
    let server = serve().await;
    for _ in 0..20 {
        let mut socket = server.socket().await;
        socket.send(json!({"type": "chat.subscribe", "conversationId": "c"})).await;
        socket.send(json!({"type": "chat.send", "conversationId": "c", "message": "hi"})).await;
        socket.event().await;
        drop(socket);
    }
    server.world.settled().await;
    for _ in 0..200 {
        if server.world.engine.live() == (0, 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("watchers stay: {:?}", server.world.engine.live());
}
