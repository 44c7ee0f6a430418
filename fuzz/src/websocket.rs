//! Frames through the real WebSocket, over a pipe in memory. Each line of an input is one frame.

use std::io;

use axum::serve::Listener;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use wire::ErrorCode;
use wire::extension::ExtensionServerMessage;
use wire::transport::ServerMessage;

use crate::world::{BODY_LIMIT, MOMENT, World, run};

/// The most frames of one input.
const MOST: usize = 12;

/// A type of frame that no input has.
const SIGN: &str = "sign-of-life-7d1f";

pub(crate) fn frames(data: &[u8]) {
    run(async {
        let world = World::new();
        let mut socket = Socket::open(&world).await;
        let lines = data.split(|byte| *byte == b'\n').take(MOST);
        for line in lines.filter(|line| line.len() <= BODY_LIMIT) {
            let before = world.kept().await;
            let answers = match std::str::from_utf8(line) {
                Ok(text) => {
                    let answers = socket.say(Message::text(text)).await;
                    check(text, &answers);
                    answers
                }
                Err(_) => {
                    let answers = socket.say(Message::binary(line.to_vec())).await;
                    one_error(&answers, &["invalid-json"]);
                    answers
                }
            };
            let refused =
                ["invalid-json", "invalid-request", "unknown-message", "unknown-surface", "unknown-action"];
            if answers.iter().any(|answer| error_code(answer).is_some_and(|code| refused.contains(&code))) {
                let shown = String::from_utf8_lossy(line);
                assert_eq!(
                    before,
                    world.kept().await,
                    "{shown} was refused and changed something: {answers:?}"
                );
            }
        }
        let answers = socket.say(Message::text(format!("{{\"type\":\"{SIGN}\"}}"))).await;
        let signs = answers.iter().filter(|answer| answer.to_string().contains(SIGN)).count();
        assert_eq!(signs, 1, "nobody reads the socket any more: {answers:?}");
    });
}

/// What the contract says about the answer to a frame.
fn check(text: &str, answers: &[Value]) {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return one_error(answers, &["invalid-json"]);
    };
    let Some(Value::String(kind)) = fields.get("type") else {
        return one_error(answers, &["unknown-message"]);
    };
    let errors: Vec<&Value> = answers.iter().filter(|answer| error_code(answer).is_some()).collect();
    assert!(errors.len() <= 1, "{text} has more than one error for an answer: {answers:?}");
    let conversation = named(&fields, "conversationId");
    let heard = |kind: &str| answers.iter().any(|answer| answer["type"] == *kind);
    match kind.as_str() {
        "chat.send" => {
            let message = named(&fields, "message");
            // A message that waits, or was there before, may have been said to others only.
            let may_be_silent = fields.contains_key("whenActive") || fields.contains_key("clientMessageId");
            assert!(may_be_silent || heard("chat.delta") || heard("chat.error"), "{text} has no answer");
            assert!(message || heard("chat.error"), "{text} has no message, and no error");
        }
        "chat.queue" => assert!(
            (conversation && named(&fields, "text")) || heard("chat.error"),
            "{text} lacks something, and nobody says so"
        ),
        "chat.queue.cancel" => assert!(
            (conversation && named(&fields, "messageId")) || heard("chat.error"),
            "{text} lacks something, and nobody says so"
        ),
        "chat.subscribe" | "chat.unsubscribe" => {
            assert!(conversation || heard("chat.error"), "{text} names no conversation, and nobody says so");
        }
        "subscribe" => assert!(heard("surface") || heard("error"), "{text} has no answer"),
        // Whatever it was, it is not subscribed to any more.
        "unsubscribe" => assert!(errors.is_empty(), "{text} is an error: {errors:?}"),
        "invoke" => assert!(
            (named(&fields, "surfaceId") && named(&fields, "actionId")) || heard("error"),
            "{text} lacks something, and nobody says so"
        ),
        _ => one_error(answers, &["unknown-message"]),
    }
}

/// Whether there is a string of that name with something in it.
fn named(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

/// One `error` with one of these codes, and nothing else that is one.
fn one_error(answers: &[Value], codes: &[&str]) {
    let found: Vec<&str> = answers.iter().filter_map(error_code).collect();
    assert!(found.len() == 1 && codes.contains(&found[0]), "{codes:?} expected: {answers:?}");
}

/// The code of an error.
fn error_code(answer: &Value) -> Option<&str> {
    matches!(answer["type"].as_str(), Some("error" | "chat.error"))
        .then(|| answer["code"].as_str().unwrap_or_default())
}

struct Socket(WebSocketStream<DuplexStream>);

impl Socket {
    async fn open(world: &World) -> Self {
        let (ours, theirs) = duplex(1 << 16);
        let (sender, connections) = mpsc::channel(1);
        sender.send(theirs).await.expect("the listener is there");
        let router = world.router.clone();
        tokio::spawn(async move { axum::serve(Pipes(connections), router).await });
        let connected = tokio_tungstenite::client_async("ws://localhost/", ours).await;
        let mut socket = Self(connected.expect("the server speaks WebSocket").0);
        let first = socket.heard().await;
        assert_eq!(first[0]["type"], "catalog", "it comes first");
        socket
    }

    /// Sends a frame, and reads what there is to be heard until nothing happens any more.
    async fn say(&mut self, frame: Message) -> Vec<Value> {
        self.0.send(frame).await.expect("the server takes every frame");
        self.heard().await
    }

    async fn heard(&mut self) -> Vec<Value> {
        let mut frames = Vec::new();
        while let Ok(frame) = timeout(MOMENT, self.0.next()).await {
            match frame {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                    is_known(&frame);
                    frames.push(frame);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                end => panic!("the socket ended: {end:?}"),
            }
        }
        frames
    }
}

/// Whether the contract has such a frame.
fn is_known(frame: &Value) {
    let known = serde_json::from_value::<ServerMessage>(frame.clone()).is_ok()
        || serde_json::from_value::<ExtensionServerMessage>(frame.clone()).is_ok();
    assert!(known, "the contract has no such frame: {frame}");
    if let Some(code) = error_code(frame) {
        assert!(ErrorCode::parse(code).is_some(), "an unknown code: {frame}");
        assert!(frame["message"].as_str().is_some_and(|message| !message.is_empty()), "no words: {frame}");
    }
}

/// Connections that are pipes.
struct Pipes(mpsc::Receiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
