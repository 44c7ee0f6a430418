//! Turns, steering and durations in the history, and when and why turns were: for those who ask for extensions.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;
use wire::ConversationId;

use crate::support::world::{Play, call, steer, tools};
use crate::support::*;

/// A turn with a tool that ran, one that did not, and a message that came in between.
async fn steered(server: &Running) -> Vec<Value> {
    let gate = Arc::new(Notify::new());
    let step = vec![
        call("a", "obey", json!({"say": "done", "sleep": 20})),
        call("b", "nobody", json!({})),
        Play::Gate(gate.clone()),
        tools(),
    ];
    server.world.plays(vec![step]);
    let mut socket = server.socket().await;
    socket
        .send(json!({"type": "chat.send", "conversationId": "c", "message": "go", "model": "test/m"}))
        .await;
    let mut events = socket.until("tool-call").await;
    server.world.engine.queue(&ConversationId::new("c"), steer("look left")).await.unwrap();
    gate.notify_one();
    events.extend(socket.until("turn-sealed").await);
    server.world.settled().await;
    events
}

/// Takes the fields out of each item of a list, and returns what was in them.
fn take(items: &mut Value, fields: &[&str]) -> Vec<Value> {
    let items = items.as_array_mut().unwrap().iter_mut();
    let taken = items.map(|item| {
        let item = item.as_object_mut().unwrap();
        fields.iter().filter_map(|field| Some(((*field).to_owned(), item.remove(*field)?))).collect()
    });
    taken.collect()
}

#[tokio::test]
async fn chunks_say_their_turn_and_what_steered_and_how_long_tools_ran() {
    let server = serve().await;
    let events = steered(&server).await;
    let turn = events[0]["turnId"].clone();
    let ran = events.iter().find(|event| event["type"] == "tool-result").unwrap()["durationMs"].clone();
    assert!(ran.as_u64().is_some_and(|ms| ms >= 20), "{ran}");

    let plain = server.client.get(server.url("/conversations/c")).send().await.unwrap().text().await.unwrap();
    for more in ["turnId", "steering", "durationMs", "null"] {
        assert!(!plain.contains(more), "{more} in {plain}");
    }
    let (_, mut asked) = server.get("/conversations/c?extensions=true").await;
    assert_eq!(
        take(&mut asked["chunks"], &["turnId", "steering", "durationMs"]),
        [
            json!({"turnId": turn}),
            json!({"turnId": turn}),
            json!({"turnId": turn}),
            json!({"turnId": turn, "durationMs": ran}),
            json!({"turnId": turn}),
            json!({"turnId": turn, "steering": true}),
            json!({"turnId": turn}),
        ]
    );
    assert_eq!(asked, serde_json::from_str::<Value>(&plain).unwrap(), "all else is the same");
    assert_eq!(asked["chunks"][5]["chunk"], json!({"type": "text", "text": "look left"}));
    // Nothing of it is for the model.
    let requests = server.world.requests();
    let sent = format!("{:?}", requests.last().unwrap().messages);
    assert!(sent.contains("look left") && !sent.contains("duration"), "{sent}");
}

#[tokio::test]
async fn turns_say_when_they_began_why_they_ended_and_who_answered() {
    let server = serve().await;
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let began = now();
    steered(&server).await;
    let plain = server.client.get(server.url("/conversations/c/metrics")).send().await.unwrap();
    let plain = plain.text().await.unwrap();
    let (_, mut asked) = server.get("/conversations/c/metrics?extensions=true").await;
    let taken = take(&mut asked["turns"], &["startedAt", "reason", "model"]);
    let [more] = taken.as_slice() else { panic!("one turn") };
    assert_eq!((&more["reason"], &more["model"]), (&json!("stop"), &json!("test/m")));
    let started = more["startedAt"].as_u64().unwrap();
    assert!((began..=now()).contains(&started), "{started}");
    assert_eq!(asked, serde_json::from_str::<Value>(&plain).unwrap());
    for more in ["startedAt", "reason", "model"] {
        assert!(!plain.contains(more), "{more} in {plain}");
    }
    let (status, refused) = server.get("/conversations/c/metrics?extensions=perhaps").await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")));
}
