//! How sessions with media end: what the client is told, what the receipt says, and that nothing is left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use realtime::run::{Asking, Credential, Frame, Received, Settings, Socket};
use reqwest::Method;
use serde_json::{Value, json};
use video::{Generator, Health, Output, Passthrough, Refused, Style};

use crate::ledger::OPERATOR;
use crate::stage;
use crate::stage::{BROWSER, PATIENCE, Stage, end, stage, stage_with};
use crate::support::Answer;

/// Of a session of the operator's, who never runs out.
fn tick(seconds: u64) -> Value {
    json!({"type": "generation_tick", "seconds": seconds})
}

async fn delete(stage: &Stage, id: &str) -> Answer {
    let url = stage.server.url(&format!("/v1/sessions/{id}"));
    let answer = stage.server.client.request(Method::DELETE, url).bearer_auth(OPERATOR).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Messages apart from ticks, and how many of these there were, which are 1, 2, 3 …
fn without_ticks(messages: Vec<Value>) -> (Vec<Value>, u64) {
    let (ticks, others): (Vec<Value>, Vec<Value>) =
        messages.into_iter().partition(|message| message["type"] == "generation_tick");
    let seconds: Vec<&Value> = ticks.iter().map(|tick| &tick["seconds"]).collect();
    assert_eq!(json!(seconds), json!((1..=ticks.len()).collect::<Vec<_>>()));
    (others, ticks.len() as u64)
}

#[tokio::test]
async fn out_of_credits() {
    let stage = stage().await;
    let key = stage.key("a", "1.25").await;
    let (mut line, id) = stage.produce(&key, "paid").await;
    let (_camera, before) = line.film().await;
    assert_eq!(before, [] as [Value; 0]);
    let (messages, code) = line.rest().await;
    let started = json!({"type": "generation_started"});
    let expected = [
        vec![
            started,
            json!({"type": "generation_tick", "seconds": 1, "credits": "0.75"}),
            json!({"type": "generation_tick", "seconds": 2, "credits": "0.25"}),
        ],
        end(2, "insufficient_credits", "Insufficient credits", "insufficient_credits"),
    ];
    assert_eq!((messages, code), (expected.concat(), Some(1008)));
    let receipt = stage.settled(&id).await;
    assert_eq!((receipt.seconds, receipt.reason.as_deref()), (2, Some("insufficient_credits")));
    let key = stage.ledger().key(&meter::KeyId::new("a")).await.unwrap().unwrap();
    assert_eq!((key.balance.to_string(), key.held.to_string()), ("0.25".to_owned(), "0".to_owned()));
    stage.is_empty().await;
}

#[tokio::test]
async fn ended_by_the_operator() {
    let stage = stage().await;
    let (mut line, id) = stage.produce(OPERATOR, "paid").await;
    let (_camera, _) = line.film().await;
    line.until("generation_tick").await;
    assert_eq!(delete(&stage, &id).await.0, 200);
    let (messages, code) = line.rest().await;
    let more = messages.iter().filter(|message| message["type"] == "generation_tick").count() as u64;
    let text = "This session was ended by the operator of the server";
    let expected =
        [(2..2 + more).map(tick).collect(), end(1 + more, "deleted_by_operator", text, "session_deleted")];
    assert_eq!((messages, code), (expected.concat(), Some(1008)));
    let receipt = stage.settled(&id).await;
    assert_eq!((receipt.seconds, receipt.reason.as_deref()), (1 + more, Some("deleted_by_operator")));
    let (status, shown) = delete(&stage, &id).await;
    assert_eq!(
        (status, &shown["settled"], &shown["reason"]),
        (200, &json!(true), &json!("deleted_by_operator"))
    );
    stage.is_empty().await;
}

/// A socket whose client says nothing, answers a close, and keeps what it was sent.
struct Quiet(Arc<Mutex<VecDeque<Frame>>>, bool);

impl Socket for Quiet {
    async fn receive(&mut self) -> Option<Received> {
        if self.1 {
            return Some(Received::Close(Some(1008)));
        }
        std::future::pending().await
    }

    async fn send(&mut self, frame: Frame) -> bool {
        self.1 |= matches!(frame, Frame::Close { .. });
        self.0.lock().unwrap().push_back(frame);
        true
    }
}

#[tokio::test]
async fn ended_by_the_operator_before_its_socket_was_there() {
    let stage = stage().await;
    let asking = Asking { user_agent: BROWSER, origin: None, credential: Credential::Operator };
    let producer = stage.realtime.produce(asking, "paid", None).await.unwrap();
    let open = stage.ledger().sessions(None, 1).await.unwrap().remove(0);
    assert!(!open.settled, "the ledger shows it to whoever looks");
    let (status, shown) = delete(&stage, open.session.as_str()).await;
    assert_eq!((status, &shown["settled"]), (200, &json!(false)));
    let sent = Arc::new(Mutex::new(VecDeque::new()));
    producer.serve(Quiet(sent.clone(), false));
    let receipt = stage.settled(open.session.as_str()).await;
    assert_eq!(receipt.reason.as_deref(), Some("deleted_by_operator"));
    stage.is_empty().await;
    let kinds: Vec<Value> = sent
        .lock()
        .unwrap()
        .iter()
        .filter_map(|frame| match frame {
            Frame::Text(text) => Some(serde_json::from_str::<Value>(text).unwrap()["type"].clone()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["session_id", "generation_ended", "error"]);
}

#[tokio::test]
async fn one_whose_socket_never_comes_is_settled_and_leaves_its_place() {
    let stage = stage_with(|settings| settings.max_sessions = 1, Box::new(video::builtin)).await;
    let asking = Asking { user_agent: BROWSER, origin: None, credential: Credential::Operator };
    drop(stage.realtime.produce(asking, "paid", None).await.unwrap());
    let open = stage.ledger().sessions(None, 1).await.unwrap().remove(0);
    assert_eq!(stage.settled(open.session.as_str()).await.reason.as_deref(), Some("disconnect"));
    let (mut line, _) = stage.produce(OPERATOR, "paid").await;
    line.close(None).await;
}

#[tokio::test]
async fn a_client_token_bounds_how_long_it_lasts() {
    let stage = stage().await;
    let token = stage.token("ek_short", json!({"max_duration": 4})).await;
    let (mut line, id) = stage.produce(&token, "paid").await;
    let (_camera, _) = line.film().await;
    let (messages, code) = line.rest().await;
    let (others, ticks) = without_ticks(messages);
    assert!(ticks <= 4, "{ticks}");
    let ended = end(ticks, "timeout", "Session duration limit reached", "session_duration_limit");
    let expected = [vec![json!({"type": "generation_started"})], ended].concat();
    assert_eq!((others, code), (expected, Some(1008)));
    let receipt = stage.settled(&id).await;
    assert_eq!((receipt.seconds, receipt.reason.as_deref()), (ticks, Some("timeout")));
}

/// An expired token opens nothing; what is open goes on.
#[tokio::test]
async fn a_client_token_that_expires_ends_nothing() {
    let stage = stage().await;
    let token = stage.token("ek_soon", json!({"expires_in": 3})).await;
    let (mut line, _) = stage.produce(&token, "paid").await;
    let (_camera, _) = line.film().await;
    let mut last = 0;
    while last < 4 {
        last = line.until("generation_tick").await.last().unwrap()["seconds"].as_u64().unwrap();
    }
    let query = [("api_key", &*token), ("model", "paid"), ("user_agent", BROWSER)];
    let mut late = stage::Line::open(&stage.url("/v1/stream", &query)).await;
    assert_eq!(late.next().await["error"], "Unauthorized: this client token has expired");
    line.close(None).await;
}

#[tokio::test]
async fn without_video() {
    let impatient = |settings: &mut Settings| settings.session.idle = Duration::from_secs(3);
    let stage = stage_with(impatient, Box::new(video::builtin)).await;
    let (mut line, id) = stage.produce(OPERATOR, "paid").await;
    let (mut camera, _) = line.film().await;
    line.until("generation_tick").await;
    camera.sees(3).await;
    // The connection is up as before.
    camera.cover(true);
    let (messages, code) = line.rest().await;
    let seconds = messages.len() as u64 - 1;
    let text = "No video came for too long: an idle session is not allowed";
    let expected = [(2..=seconds).map(tick).collect(), end(seconds, "timeout", text, "upstream_timeout")];
    assert_eq!((messages, code), (expected.concat(), Some(1008)));
    assert_eq!(stage.settled(&id).await.reason.as_deref(), Some("timeout"));
    stage.is_empty().await;
}

/// Passes pictures on, and breaks after so many.
struct Fragile {
    inner: Passthrough,
    left: usize,
    panics: bool,
}

impl Generator for Fragile {
    fn set(&mut self, style: Style) {
        self.inner.set(style);
    }

    fn submit(&mut self, frame: video::Frame) -> Result<(), Refused> {
        if self.left == 0 {
            assert!(!self.panics, "this is how a generator breaks");
        } else {
            self.left -= 1;
        }
        self.inner.submit(frame)
    }

    fn poll(&mut self, waker: &Waker) -> Option<Output> {
        self.inner.poll(waker)
    }

    fn health(&self) -> Health {
        match self.left {
            0 if !self.panics => Health::Failed("its model is gone".to_owned()),
            _ => self.inner.health(),
        }
    }
}

#[tokio::test]
async fn a_generator_that_breaks_takes_nobody_else_with_it() {
    let generators = Box::new(|name: &str| {
        let fragile = |panics| -> Box<dyn Generator> {
            Box::new(Fragile { inner: Passthrough::new(), left: 5, panics })
        };
        match name {
            "panics" => Some(fragile(true)),
            "fails" => Some(fragile(false)),
            other => video::builtin(other),
        }
    });
    let models = |settings: &mut Settings| {
        for name in ["panics", "fails"] {
            let model = settings.models[0].clone();
            settings.models.push(realtime::run::Model {
                name: name.to_owned(),
                generator: name.to_owned(),
                ..model
            });
        }
    };
    let stage = stage_with(models, generators).await;
    let (mut sound, of_sound) = stage.produce(OPERATOR, "paid").await;
    let (mut camera, _) = sound.film().await;
    camera.sees(3).await;
    // More often than there are threads that compute pictures.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (model, why) in
        std::iter::repeat_n(("panics", "it panicked"), threads + 1).chain([("fails", "its model is gone")])
    {
        let (mut line, id) = stage.produce(OPERATOR, model).await;
        let (_camera, _) = line.film().await;
        let (messages, code) = line.rest().await;
        let (others, ticks) = without_ticks(messages);
        let ended =
            end(ticks, "error", &format!("The generation failed: {why}"), "model_server_disconnected");
        let expected = [vec![json!({"type": "generation_started"})], ended].concat();
        assert_eq!((others, code), (expected, Some(1011)));
        let receipt = stage.settled(&id).await;
        assert_eq!((receipt.seconds, receipt.reason.as_deref()), (ticks, Some("error")));
        camera.sees(3).await;
    }
    sound.close(None).await;
    assert_eq!(stage.settled(&of_sound).await.reason.as_deref(), Some("disconnect"));
    stage.is_empty().await;
}

#[tokio::test]
async fn all_of_them_when_the_server_stops() {
    let stage = stage().await;
    let key = stage.key("a", "100").await;
    let (mut filming, of_filming) = stage.produce(&key, "paid").await;
    let (mut camera, _) = filming.film().await;
    filming.until("generation_tick").await;
    camera.sees(1).await;
    let (mut waiting, of_waiting) = stage.produce(&key, "paid").await;
    let mut viewer = stage.watch(&key, &of_filming).await;
    let (mut screen, _) = viewer.look().await;
    screen.sees(1).await;
    // Somebody who is not there any more, and does not answer the close.
    let (_silent, of_silent) = stage.produce(&key, "paid").await;
    let shut_down = async {
        tokio::time::timeout(PATIENCE, stage.realtime.shut_down()).await.unwrap();
        for id in [&of_filming, &of_waiting, &of_silent] {
            let receipt = stage.ledger().receipt(id).await.unwrap().unwrap();
            assert_eq!((receipt.settled, receipt.reason.as_deref()), (true, Some("error")));
        }
    };
    let text = "The server is shutting down. Please try again later.";
    let clients = async {
        let (messages, code) = filming.rest().await;
        let seconds = messages.len() as u64 - 1;
        let expected = [(2..=seconds).map(tick).collect(), end(seconds, "error", text, "server_shutdown")];
        assert_eq!((messages, code), (expected.concat(), Some(1001)));
        assert_eq!(waiting.rest().await, (end(0, "error", text, "server_shutdown"), Some(1001)));
        let (messages, code) = viewer.rest().await;
        // Told by whichever came first: the stop, or what it watched.
        let types: Vec<&str> =
            messages.iter().map(|message| message["error_type"].as_str().unwrap()).collect();
        assert!(
            matches!(
                (&types[..], code),
                (["server_shutdown"], Some(1001)) | (["session_not_found"], Some(1008))
            ),
            "{messages:?} {code:?}"
        );
    };
    tokio::join!(shut_down, clients);
    let key = stage.ledger().key(&meter::KeyId::new("a")).await.unwrap().unwrap();
    assert_eq!(key.held.to_string(), "0");
    // Who comes now is told to come back.
    let query = [("api_key", OPERATOR), ("model", "free"), ("user_agent", BROWSER)];
    let mut late = stage::Line::open(&stage.url("/v1/stream", &query)).await;
    let full = "Server at capacity. Please try again later.";
    let refusal = json!({"type": "error", "error": full, "error_type": "upstream_capacity"});
    assert_eq!(late.rest().await, (vec![refusal], Some(1013)));
}
