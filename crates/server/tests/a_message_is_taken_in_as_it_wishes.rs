//! What goes beyond the contract on `POST /chat` and the queue, and what a client that knows none of it sees.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::world::{Play, call, stop, text, tools};
use crate::support::*;

/// A turn in conversation `c` that says a word and waits at the gate, and the rest of its answer.
async fn running(server: &Running, gate: &Arc<Notify>) -> reqwest::Response {
    server.world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), stop()]]);
    let message = json!({"message": "go", "conversationId": "c", "clientMessageId": "m1"});
    let mut response =
        server.client.post(server.url("/chat")).body(message.to_string()).send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(br#"{"type":"user-message""#));
    response
}

fn events(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_message_for_a_running_turn_can_be_queued_or_can_interrupt_it() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    let first = running(&server, &gate).await;
    let send = |when: &str| {
        let message = json!({"message": when, "conversationId": "c", "whenActive": when});
        server.client.post(server.url("/chat")).body(message.to_string()).send()
    };
    let queued = send("queue").await.unwrap();
    assert_eq!(queued.status(), 202);
    assert_eq!(queued.headers()["x-conversation-id"], "c");
    let queued: Value = queued.json().await.unwrap();
    assert_eq!((&queued["conversationId"], &queued["startedTurn"]), (&json!("c"), &json!(false)));
    assert_eq!(queued["queue"][0]["text"], "queue");
    let refused = server.chat(json!({"message": "no", "conversationId": "c", "whenActive": "reject"})).await;
    assert_eq!(refused[0]["code"], "turn-active");
    let interrupting = send("interrupt").await.unwrap();
    assert_eq!(interrupting.status(), 200);
    let interrupting = events(&interrupting.text().await.unwrap());
    assert_eq!(interrupting[0]["text"], "interrupt", "it goes first");
    assert_eq!(kinds(&interrupting).last(), Some(&"turn-sealed"));
    let first = first.text().await.unwrap();
    assert!(first.contains(r#""reason":"aborted""#), "{first}");
    server.world.settled().await;
    let (_, history) = server.get("/conversations/c").await;
    let said: Vec<&str> = history["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|chunk| chunk["role"] == "user")
        .map(|chunk| chunk["chunk"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["go", "interrupt", "queue"], "and what was queued is not lost");
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_one_turn() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    let first = running(&server, &gate).await;
    let again = json!({"message": "go", "conversationId": "c", "clientMessageId": "m1"});
    let again = server.client.post(server.url("/chat")).body(again.to_string());
    let second = again.try_clone().unwrap().send().await.unwrap();
    gate.notify_one();
    let second = events(&second.text().await.unwrap());
    assert_eq!(
        kinds(&second),
        ["user-message", "turn-start", "text-delta", "step-complete", "done", "turn-sealed"],
        "while it runs, from its first event to its last"
    );
    assert_eq!(second[0]["clientMessageId"], "m1");
    first.text().await.unwrap();
    server.world.settled().await;
    let third = events(&again.send().await.unwrap().text().await.unwrap());
    assert_eq!(kinds(&third), ["turn-sealed"], "afterwards, where to look");
    assert_eq!(third[0]["turnId"], second[0]["turnId"]);
    assert_eq!(server.get("/conversations/c").await.1["latestSeq"], 2);
}

#[tokio::test]
async fn a_cursor_numbers_the_events_and_a_repeated_message_goes_on_after_one() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), text("two"), stop()]]);
    let message = json!({"message": "go", "conversationId": "c", "cursor": true, "clientMessageId": "m1"});
    let mut first = server.client.post(server.url("/chat")).body(message.to_string()).send().await.unwrap();
    let mut read = String::new();
    while !read.contains("text-delta") {
        read.push_str(std::str::from_utf8(&first.chunk().await.unwrap().unwrap()).unwrap());
    }
    let seen = events(&read);
    let seqs: Vec<u64> = seen.iter().map(|event| event["eventSeq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3]);
    drop(first);
    let mut again = message;
    again["turnId"] = seen[0]["turnId"].clone();
    again["afterEventSeq"] = json!(3);
    let again = server.client.post(server.url("/chat")).body(again.to_string()).send().await.unwrap();
    gate.notify_one();
    let rest = events(&again.text().await.unwrap());
    assert_eq!(kinds(&rest), ["text-delta", "step-complete", "done", "turn-sealed"]);
    assert_eq!((&rest[0]["delta"], &rest[0]["eventSeq"]), (&json!("two"), &json!(4)), "nothing twice");
    server.world.settled().await;
    let plain = server.chat(json!({"message": "go", "conversationId": "c"})).await;
    assert!(plain.iter().all(|event| event.get("eventSeq").is_none()), "who did not ask sees nothing of it");
}

#[tokio::test]
async fn steering_is_for_the_turn_that_was_meant() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![vec![
        call("a", "obey", json!({"sleep": 200})),
        Play::Gate(gate.clone()),
        tools(),
    ]]);
    let message = json!({"message": "go", "conversationId": "c"});
    let mut response =
        server.client.post(server.url("/chat")).body(message.to_string()).send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    let turn = events(std::str::from_utf8(&first).unwrap())[0]["turnId"].clone();
    let (status, refused) =
        server.post("/conversations/c/queue", r#"{"text": "x", "expectedTurnId": "another"}"#).await;
    assert_eq!((status, &refused["code"]), (409, &json!("turn-mismatch")));
    let steering = json!({"text": "left", "expectedTurnId": turn, "clientMessageId": "s1"}).to_string();
    let (status, queued) = server.post("/conversations/c/queue", &steering).await;
    assert_eq!((status, &queued["queue"][0]["clientMessageId"]), (200, &json!("s1")));
    let (_, again) = server.post("/conversations/c/queue", &steering).await;
    assert_eq!(again["queue"].as_array().unwrap().len(), 1, "{again}");
    let id = queued["queue"][0]["id"].as_str().unwrap().to_owned();
    let (_, other) = server.post("/conversations/c/queue", r#"{"text": "never mind"}"#).await;
    let other = other["queue"][1]["id"].as_str().unwrap();
    let (_, cancelled) = server.delete(&format!("/conversations/c/queue/{other}")).await;
    assert_eq!((&cancelled["cancelled"], &cancelled["queue"][0]["id"]), (&json!(true), &json!(id)));
    assert_eq!(server.get("/conversations/c/queue").await.1["queue"], cancelled["queue"]);
    gate.notify_one();
    let rest = response.text().await.unwrap();
    assert!(rest.contains(r#""type":"steering""#) && !rest.contains("never mind"), "{rest}");
    server.world.settled().await;
    let (status, refused) =
        server.post("/conversations/c/queue", r#"{"text": "x", "expectedTurnId": "another"}"#).await;
    assert_eq!((status, &refused["code"]), (409, &json!("turn-mismatch")), "none is running");
}

#[tokio::test]
async fn the_last_answer_waits_for_the_end_of_the_turn() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    let turn = running(&server, &gate).await;
    let waiting = server.get("/conversations/c/last");
    let opening = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        gate.notify_one();
    };
    let ((status, last), ()) = tokio::join!(waiting, opening);
    let sealed = events(&turn.text().await.unwrap()).pop().unwrap();
    assert_eq!(status, 200);
    assert_eq!(last, json!({"conversationId": "c", "content": "one", "turnId": sealed["turnId"]}));
    server.world.settled().await;
    let idle = server.get("/conversations/c/last").await;
    assert_eq!(idle, (200, json!({"conversationId": "c", "content": "one"})));
}

#[tokio::test]
async fn fields_beyond_the_contract_are_checked_by_name() {
    let server = serve().await;
    let long = "x".repeat(257);
    for (fields, message) in [
        (json!({"whenActive": "later"}), "`whenActive` must be one of: reject, queue, interrupt"),
        (json!({"whenActive": null}), "`whenActive` must be one of: reject, queue, interrupt"),
        (json!({"clientMessageId": ""}), "`clientMessageId` must not be empty; leave it out instead"),
        (json!({"clientMessageId": 5}), "`clientMessageId` must be a string"),
        (json!({"clientMessageId": long}), "`clientMessageId` is longer than 256 bytes"),
        (json!({"extensions": "yes"}), "`extensions` must be true or false"),
        (json!({"cursor": 1}), "`cursor` must be true or false"),
        (json!({"afterEventSeq": 3}), "`afterEventSeq` needs `turnId`: it counts in one turn"),
        (json!({"afterEventSeq": -3, "turnId": "t"}), "`afterEventSeq` must be an integer of at least 0"),
        (json!({"images": {}}), "`images` must be an array"),
        (json!({"images": ["x"]}), "`images[0]` must be an object with a `url`"),
        (json!({"images": [{}]}), "images[0]: a non-empty string `url` is required"),
        (json!({"images": [{"url": "x", "mimeType": 5}]}), "images[0]: `mimeType` must be a string"),
        (
            json!({"images": [{"url": "ftp://x"}]}),
            "images[0]: `url` must be a data: URL, or an http(s) address",
        ),
    ] {
        let mut body = json!({"message": "m", "conversationId": "c"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = server.post("/chat", &body.to_string()).await;
        assert_eq!(answer, (400, json!({"error": message, "code": "invalid-request"})), "{fields}");
    }
    assert_eq!(server.get("/conversations").await, (200, json!({"conversations": []})));
}
