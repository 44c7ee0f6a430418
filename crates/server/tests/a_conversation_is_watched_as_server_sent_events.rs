//! `GET /conversations/:id/events`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::world::{Play, stop, text};
use crate::support::*;

/// A client's end of the stream.
struct Events {
    response: reqwest::Response,
    read: String,
}

impl Events {
    async fn open(server: &Running, query: &str, last: Option<&str>) -> Self {
        let mut request = server.client.get(server.url(&format!("/conversations/c/events{query}")));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-accel-buffering"), "no");
        let mut events = Self { response, read: String::new() };
        assert_eq!(events.block().await, "retry: 1000", "it says how soon to come back, first");
        events
    }

    /// What stands before the next empty line.
    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return block;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk()).await;
            let chunk = chunk.expect("nothing comes").unwrap().expect("the stream ended");
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event: its id and its data.
    async fn next(&mut self) -> (String, Value) {
        let block = self.block().await;
        let (id, data) = block.strip_prefix("id: ").unwrap().split_once("\ndata: ").unwrap();
        assert!(!data.contains('\n'));
        (id.to_owned(), serde_json::from_str(data).unwrap())
    }

    /// All events up to one of that kind, with their ids.
    async fn until(&mut self, kind: &str) -> Vec<(String, Value)> {
        let mut events: Vec<(String, Value)> = Vec::new();
        while events.last().is_none_or(|(_, event)| event["type"] != kind) {
            events.push(self.next().await);
        }
        events
    }
}

fn types(events: &[(String, Value)]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn it_goes_on_over_turns_and_numbers_what_it_says() {
    let server = serve().await;
    let mut events = Events::open(&server, "", None).await;
    for turn in ["first", "second"] {
        server.chat(json!({"message": turn, "conversationId": "c"})).await;
        let seen = events.until("turn-sealed").await;
        assert_eq!(
            types(&seen),
            ["user-message", "turn-start", "text-delta", "step-complete", "done", "turn-sealed"]
        );
        assert_eq!(seen[0].1["text"], turn);
        let id = seen[0].1["turnId"].as_str().unwrap();
        assert_eq!(seen[0].0, format!("{id}:1"));
        assert!(seen.iter().all(|(at, event)| event["turnId"] == id
            && at.starts_with(id)
            && event.get("eventSeq").is_none()));
    }
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_after_what_it_saw() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), text("two"), stop()]]);
    let message = json!({"message": "go", "conversationId": "c"}).to_string();
    let turn = server.client.post(server.url("/chat")).body(message).send().await.unwrap();
    let mut first = Events::open(&server, "", None).await;
    let (last, _) = first.until("text-delta").await.pop().unwrap();
    drop(first);
    let mut by_header = Events::open(&server, "?lastEventId=nonsense", Some(&last)).await;
    let mut by_query = Events::open(&server, &format!("?lastEventId={last}"), None).await;
    let mut malformed = Events::open(&server, "", Some("nonsense")).await;
    gate.notify_one();
    let rest = by_header.until("turn-sealed").await;
    assert_eq!(types(&rest), ["text-delta", "step-complete", "done", "turn-sealed"]);
    assert_eq!(rest[0].1["delta"], "two", "nothing twice");
    assert_eq!(by_query.until("turn-sealed").await, rest);
    assert_eq!(types(&malformed.until("turn-sealed").await)[0], "user-message", "all of it");
    turn.text().await.unwrap();
    server.world.settled().await;

    let mut late = Events::open(&server, "", Some(&last)).await;
    let (_, sealed) = late.next().await;
    assert_eq!(sealed["type"], "turn-sealed", "the turn is over: its events are history");
    server.chat(json!({"message": "more", "conversationId": "c"})).await;
    assert_eq!(late.next().await.1["text"], "more");
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_is_alive() {
    let server = serve().await;
    let mut events = Events::open(&server, "", None).await;
    assert_eq!(events.block().await, ":", "a comment, which clients leave out");
    server.chat(json!({"message": "go", "conversationId": "c"})).await;
    assert_eq!(events.next().await.1["type"], "user-message");
}

#[tokio::test]
async fn it_ends_when_the_server_stops_and_a_bad_query_is_refused() {
    let server = serve().await;
    let (status, answer) = server.get("/conversations/c/events?extensions=maybe").await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")));
    let mut events = Events::open(&server, "?extensions=true", None).await;
    drop(server);
    let end = tokio::time::timeout(Duration::from_secs(20), events.response.chunk()).await.unwrap();
    assert_eq!(end.unwrap(), None);
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_nobody_up() {
    let server = serve().await;
    let _stalled = Events::open(&server, "", None).await;
    let big = "x".repeat(100_000);
    let many: Vec<Play> = (0..200).map(|_| text(&big)).chain([stop()]).collect();
    server.world.plays(vec![many]);
    let message = json!({"message": "go", "conversationId": "c"});
    let events = tokio::time::timeout(Duration::from_secs(60), server.chat(message)).await.unwrap();
    assert_eq!(said(&events).len(), 20_000_000, "the others are not held up");
}
