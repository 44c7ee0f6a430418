use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use export::{Exporters, Settings, Webhook};
use meter::{Bill, Event, KeyId};
use sha2::{Digest, Sha256};
use store::{Ledger, Memory};

use crate::support;
use crate::support::{add, deaf, hearing, quick, until};

const SECRET: &str = "a secret";

/// What the receiver does with a request.
#[derive(Clone, Copy)]
enum Mood {
    Takes,
    /// Has it, and says that it failed.
    TakesAndFails,
    Answers(u16),
    Redirects,
    Hangs,
}

/// A request as it came: its `webhook-id` and the events.
type Request = (String, Vec<Event>);

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    /// For the next requests; then it takes them.
    moods: VecDeque<Mood>,
    /// All requests, taken or not.
    requests: Vec<Request>,
    /// The events that it has, as often as it has them.
    taken: Vec<Event>,
}

impl Receiver {
    /// A server that listens; its URL.
    async fn listen(&self) -> String {
        let router = Router::new().route("/usage", post(receive)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/usage")
    }

    fn feels(&self, moods: &[Mood]) {
        self.0.lock().unwrap().moods = moods.iter().copied().collect();
    }

    fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().requests.clone()
    }

    fn taken(&self) -> Vec<Event> {
        self.0.lock().unwrap().taken.clone()
    }

    fn ids(&self) -> Vec<String> {
        self.requests().into_iter().map(|(id, _)| id).collect()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let said = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (said("webhook-id"), said("webhook-timestamp"));
    let signed = [format!("{id}.{timestamp}.").as_bytes(), &body].concat();
    assert_eq!(said("webhook-signature"), format!("v1,{}", STANDARD.encode(hmac_sha256(SECRET, &signed))));
    assert_eq!(said("content-type"), "application/x-ndjson");
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.ends_with('\n'));
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mood = {
        let mut received = receiver.0.lock().unwrap();
        let mood = received.moods.pop_front().unwrap_or(Mood::Takes);
        received.requests.push((id, events.clone()));
        if matches!(mood, Mood::Takes | Mood::TakesAndFails) {
            received.taken.extend(events);
        }
        mood
    };
    match mood {
        Mood::Takes => StatusCode::NO_CONTENT.into_response(),
        Mood::TakesAndFails => StatusCode::BAD_GATEWAY.into_response(),
        Mood::Answers(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Redirects => (StatusCode::TEMPORARY_REDIRECT, [("location", "/usage")]).into_response(),
        Mood::Hangs => std::future::pending().await,
    }
}

/// RFC 2104, apart from the library that signs.
fn hmac_sha256(secret: &str, message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(secret.as_bytes()).for_each(|(block, secret)| *block ^= secret);
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], message].concat());
    Sha256::digest([&pad(0x5c)[..], &inner[..]].concat()).into()
}

fn to(url: &str) -> Settings {
    Settings { file: None, webhook: Some(Webhook::new(url, SECRET).unwrap()), pace: quick() }
}

async fn start(url: &str, store: &Arc<Memory>) -> Exporters {
    Exporters::start(to(url), store.clone()).await.unwrap()
}

async fn acknowledged(store: &Memory) -> u64 {
    store.exported("webhook").await.unwrap()
}

#[tokio::test]
async fn signed_in_batches_and_in_order() {
    let (receiver, store) = (Receiver::default(), Arc::new(Memory::new()));
    let url = receiver.listen().await;
    let events = add(&store, 7).await;
    let exporters = start(&url, &store).await;
    until("all is acknowledged", async || acknowledged(&store).await == 7).await;
    let expected: Vec<Request> = [("rows-1-3", 0..3), ("rows-4-6", 3..6), ("rows-7-7", 6..7)]
        .into_iter()
        .map(|(id, range)| (id.to_owned(), events[range].to_vec()))
        .collect();
    assert_eq!(receiver.requests(), expected);
    let events = add(&store, 1).await;
    exporters.shut_down().await;
    assert_eq!(receiver.taken(), events, "what was written before the stop is delivered by it");
    assert_eq!(acknowledged(&store).await, 8);
}

#[tokio::test]
async fn again_and_the_same_when_the_receiver_fails() {
    let (receiver, store) = (Receiver::default(), Arc::new(Memory::new()));
    let url = receiver.listen().await;
    let events = add(&store, 4).await;
    let moods = [Mood::Answers(500), Mood::Answers(404), Mood::Redirects, Mood::TakesAndFails, Mood::Takes];
    receiver.feels(&[&moods[..], &[Mood::Answers(429)]].concat());
    let exporters = start(&url, &store).await;
    until("all is acknowledged", async || acknowledged(&store).await == 4).await;
    let ids: Vec<String> = receiver.ids();
    assert_eq!(ids, [&["rows-1-3"; 5][..], &["rows-4-4"; 2]].concat());
    assert_eq!(receiver.taken(), [&events[..3], &events[..]].concat(), "twice where nobody could know");
    let mut bill = Bill::default();
    let new = receiver.taken().iter().filter(|event| bill.add(event) == Some(true)).count();
    let local = store.key(&KeyId::local()).await.unwrap().unwrap();
    assert_eq!((new, bill.balance(&KeyId::local())), (4, local.balance), "the bill is right all the same");
    exporters.shut_down().await;
}

#[tokio::test]
async fn after_a_kill_between_the_delivery_and_its_acknowledgement() {
    let (receiver, store) = (Receiver::default(), Arc::new(Memory::new()));
    let url = receiver.listen().await;
    let events = add(&store, 5).await;
    deaf(&store);
    let exporters = start(&url, &store).await;
    until("a batch is delivered", async || receiver.taken().len() == 3).await;
    drop(exporters);
    hearing(&store);
    assert_eq!(acknowledged(&store).await, 0);
    start(&url, &store).await.shut_down().await;
    assert_eq!(receiver.taken(), [&events[..3], &events[..]].concat());
    assert_eq!(receiver.ids(), ["rows-1-3", "rows-1-3", "rows-4-5"], "the same under the same id");
    assert_eq!(acknowledged(&store).await, 5);
}

#[tokio::test]
async fn when_nobody_was_there_for_a_while() {
    let store = Arc::new(Memory::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/usage", listener.local_addr().unwrap());
    drop(listener);
    let exporters = start(&nowhere, &store).await;
    let events = add(&store, 4).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    exporters.shut_down().await;
    assert_eq!(acknowledged(&store).await, 0);
    let receiver = Receiver::default();
    let elsewhere = receiver.listen().await;
    start(&elsewhere, &store).await.shut_down().await;
    assert_eq!(receiver.taken(), events);
}

#[tokio::test]
async fn and_one_that_hangs_holds_nobody_up() {
    let (receiver, store) = (Receiver::default(), Arc::new(Memory::new()));
    receiver.feels(&[Mood::Hangs]);
    let url = receiver.listen().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("usage.ndjson");
    let settings = Settings {
        pace: export::Pace { answer: Duration::from_secs(600), ..quick() },
        file: Some(path.clone()),
        ..to(&url)
    };
    let exporters = Exporters::start(settings, store.clone()).await.unwrap();
    add(&store, 1).await;
    until("it hangs", async || receiver.requests().len() == 1).await;
    // The ledger takes rows, the file gets them, and the server stops.
    add(&store, 9).await;
    until("the file has all", async || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 10)
    })
    .await;
    tokio::time::timeout(support::PATIENCE, exporters.shut_down()).await.unwrap();
    assert_eq!(acknowledged(&store).await, 0);
}
