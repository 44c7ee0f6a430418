//! Cursors, extensions, repeated messages, and the frames that every client is told.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Failure, ProviderEvent};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::world::{Play, stop, text};
use crate::support::*;

fn retried() -> Vec<Vec<Play>> {
    let failure = Failure {
        message: "busy".to_owned(),
        code: Some("429".to_owned()),
        retryable: true,
        retry_after: Some(Duration::from_millis(1)),
    };
    vec![vec![Play::Say(ProviderEvent::Error(failure))], vec![text("at last"), stop()]]
}

async fn frame(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let frame = socket.next().await;
        if frame["type"] == kind {
            return frame;
        }
    }
}

#[tokio::test]
async fn extensions_reach_only_those_who_asked() {
    let server = serve().await;
    let mut plain = server.socket().await;
    let mut extended = server.socket().await;
    plain.send(json!({ "type": "chat.subscribe", "conversationId": "c" })).await;
    extended.send(json!({ "type": "chat.subscribe", "conversationId": "c", "extensions": true })).await;
    for socket in [&mut plain, &mut extended] {
        socket.send(json!({ "type": "subscribe", "surfaceId": "todo" })).await;
        frame(socket, "surface").await;
    }
    server.world.plays(retried());
    server.chat(json!({ "conversationId": "c", "message": "go" })).await;
    let contract = ["user-message", "turn-start", "text-delta", "step-complete", "done", "turn-sealed"];
    assert_eq!(kinds(&plain.until("turn-sealed").await), contract);
    let events = extended.until("turn-sealed").await;
    assert!(kinds(&events).contains(&"provider-retry"), "{events:?}");
    server.put("/conversations/c/title", json!({ "title": " A tour " })).await;
    assert_eq!(
        frame(&mut extended, "conversation.titleChanged").await,
        json!({
            "type": "conversation.titleChanged",
            "conversationId": "c",
            "title": "A tour",
            "workspaceId": "default",
        })
    );
    server.client.delete(server.url("/conversations/c")).send().await.unwrap();
    assert_eq!(
        frame(&mut extended, "conversation.deleted").await,
        json!({ "type": "conversation.deleted", "conversationId": "c", "workspaceId": "default" })
    );
    while let Some(frame) = plain.try_next(Duration::from_millis(100)).await {
        assert_eq!(frame["type"], "conversation.statusChanged", "{frame}");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_exactly_where_it_was_and_a_turn_that_is_over_is_history() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    let words = ["one ", "two ", "three "];
    let mut play: Vec<Play> = words.iter().map(|word| text(word)).collect();
    play.push(Play::Gate(gate.clone()));
    play.extend([text("four"), stop()]);
    server.world.plays(vec![play]);
    let mut first = server.socket().await;
    first.send(json!({ "type": "chat.send", "conversationId": "c", "message": "go", "cursor": true })).await;
    let mut seen = Vec::new();
    while said(&seen) != "one two three " {
        seen.push(first.event().await);
    }
    let seqs: Vec<u64> = seen.iter().map(|event| event["eventSeq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]) && seqs[0] == 1, "{seqs:?}");
    assert!(seen.iter().all(|event| event["attempt"] == 1));
    let turn = seen[0]["turnId"].clone();
    drop(first);
    let resume = |after: u64| json!({ "type": "chat.subscribe", "conversationId": "c", "cursor": true, "turnId": turn, "afterEventSeq": after });
    for (seen, seq) in seen.iter().zip(&seqs) {
        let mut again = server.socket().await;
        again.send(resume(*seq)).await;
        if *seq < seqs[seqs.len() - 1] {
            let next = again.event().await;
            assert!(next["eventSeq"].as_u64().unwrap() > *seq, "{next} after {seen}");
        }
    }
    let mut again = server.socket().await;
    again.send(resume(*seqs.last().unwrap())).await;
    // Answered in order: when this is, the turn is watched.
    again.send(json!({ "type": "subscribe", "surfaceId": "todo" })).await;
    frame(&mut again, "surface").await;
    gate.notify_one();
    let rest = again.until("turn-sealed").await;
    assert_eq!(said(&rest), "four");
    assert_eq!(kinds(&rest), ["text-delta", "step-complete", "done", "turn-sealed"]);

    let mut late = server.socket().await;
    late.send(resume(3)).await;
    let sealed = late.event().await;
    assert_eq!((&sealed["type"], &sealed["turnId"]), (&json!("turn-sealed"), &turn));
    late.send(json!({ "type": "chat.subscribe", "conversationId": "d", "afterEventSeq": 3 })).await;
    let error = frame(&mut late, "chat.error").await;
    assert_eq!((&error["code"], &error["conversationId"]), (&json!("invalid-request"), &json!("d")));
}

#[tokio::test]
async fn a_message_that_is_sent_again_starts_nothing_and_says_where_it_went() {
    let server = serve().await;
    let mut socket = server.socket().await;
    let send =
        json!({ "type": "chat.send", "conversationId": "c", "message": "go", "clientMessageId": "m1" });
    socket.send(send.clone()).await;
    let events = socket.until("turn-sealed").await;
    assert_eq!(events[0]["clientMessageId"], "m1");
    socket.send(send).await;
    let sealed = socket.event().await;
    assert_eq!((&sealed["type"], &sealed["turnId"]), (&json!("turn-sealed"), &events[0]["turnId"]));
    assert_eq!(server.world.requests().len(), 1);
}

#[tokio::test]
async fn every_client_is_told_what_concerns_all() {
    let server = serve().await;
    let mut socket = server.socket().await;
    server.chat(json!({ "conversationId": "c", "message": &"long ".repeat(50) })).await;
    server.chat(json!({ "conversationId": "c", "message": "and more" })).await;
    server.post("/conversations/c/open", "").await;
    assert_eq!(
        frame(&mut socket, "conversation.open").await,
        json!({ "type": "conversation.open", "conversationId": "c", "workspaceId": "default" })
    );
    server.world.plays(vec![vec![text("short"), stop()]]);
    let (status, result) = server.post("/conversations/c/compact", r#"{"keepLastN": 2}"#).await;
    assert_eq!((status, &result["messagesSummarized"], &result["messagesKept"]), (200, &json!(2), &json!(2)));
    assert_eq!(
        frame(&mut socket, "conversation.compacted").await,
        json!({ "type": "conversation.compacted", "conversationId": "c", "workspaceId": "default",
                "newConversationId": result["newConversationId"], "messagesSummarized": 2, "messagesKept": 2 })
    );
}
