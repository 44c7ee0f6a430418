//! A server with realtime sessions, raw signaling sockets, and a client with a camera.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../media/tests/support/mod.rs"]
pub mod media_client;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use media_client::{Client, Kind};
use meter::{ClientToken, KeyId, Rate, SecretHash};
use realtime::run::{Generators, Held, Model, Realtime, Settings};
use serde_json::{Value, json};
use server::Parts;
use store::{Ledger, Store};
use str0m::format::Codec as Format;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use video::{Codec, Encoder, EncoderConfig, Pool, Size};

use crate::ledger::{self, OPERATOR, credits};
use crate::support::{Running, serve_over, settings, world};

/// How long anything may take before a test gives up. Far more than it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const BROWSER: &str = "decart-js-sdk/0.0.68 lang/js runtime/browser";
pub const PYTHON: &str = "decart-python-sdk/0.0.40 lang/py";

pub struct Stage {
    pub server: Running,
    pub realtime: Realtime,
}

pub async fn stage() -> Stage {
    stage_with(|_| {}, Box::new(video::builtin)).await
}

/// A server with the models `paid`, half a credit a second, and `free`.
pub async fn stage_with(change: impl FnOnce(&mut Settings), generators: Generators) -> Stage {
    let world = world::world();
    let model = |name: &str, price: &str| Model {
        name: name.to_owned(),
        generator: "passthrough".to_owned(),
        size: size(),
        fps: 30,
        per_second: Rate::try_from(credits(price)).unwrap(),
    };
    let mut run = Settings {
        media: media_client::local(),
        models: vec![model("paid", "0.5"), model("free", "0")],
        max_sessions: 8,
        max_sessions_per_key: 8,
        max_viewers_per_session: 8,
        session: realtime::Options::default(),
    };
    change(&mut run);
    let store: Arc<dyn Store> = world.store.clone();
    let realtime = Realtime::start_with(run, store, generators).await.unwrap();
    let parts = Parts { realtime: Some(realtime.clone()), ..Parts::default() };
    let settings = server::Settings { api_keys: vec![OPERATOR.to_owned()], ..settings() };
    Stage { server: serve_over(settings, world, parts).await, realtime }
}

impl Stage {
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.server.world.store
    }

    pub async fn key(&self, id: &str, amount: &str) -> String {
        ledger::key(self.ledger(), id, amount).await
    }

    /// A client token of the operator's, whose limits may be shorter than those that one can ask for.
    pub async fn token(&self, secret: &str, limits: Value) -> String {
        let mut all = json!({"expires_in": 60, "models": null, "origins": null, "max_duration": null});
        all.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let age = all["age_ms"].as_u64().unwrap_or(0);
        let key = KeyId::new(all["key"].as_str().unwrap_or(KeyId::LOCAL));
        all.as_object_mut().unwrap().retain(|name, _| name != "age_ms" && name != "key");
        let token = ClientToken {
            hash: SecretHash::of(secret),
            key,
            issued_at: u64::try_from(now).unwrap() - age,
            limits: serde_json::from_value(all).unwrap(),
        };
        self.ledger().create_token(token).await.unwrap();
        secret.to_owned()
    }

    /// The address of a signaling socket.
    pub fn url(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = reqwest::Url::parse(&format!("ws://{}{path}", self.server.http)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        url.into()
    }

    /// A producer, past its greeting.
    pub async fn produce(&self, key: &str, model: &str) -> (Line, String) {
        self.produce_with(key, model, &[]).await
    }

    pub async fn produce_with(&self, key: &str, model: &str, more: &[(&str, &str)]) -> (Line, String) {
        let query = [&[("api_key", key), ("model", model)], more, &[("user_agent", BROWSER)]].concat();
        let mut line = Line::open(&self.url("/v1/stream", &query)).await;
        let greeting = line.next().await;
        assert_eq!(greeting["type"], "session_id", "{greeting}");
        let id = greeting["session_id"].as_str().unwrap().to_owned();
        (line, id)
    }

    pub async fn watch(&self, key: &str, session: &str) -> Line {
        let query = [("IP", "127.0.0.1"), ("port", "1"), ("api_key", key), ("user_agent", BROWSER)];
        Line::open(&self.url(&format!("/subscribe/{session}"), &query)).await
    }

    /// The receipt of a session, once it is settled.
    pub async fn settled(&self, id: &str) -> meter::Receipt {
        let settled = async {
            loop {
                match self.ledger().receipt(id).await.unwrap() {
                    Some(receipt) if receipt.settled => return receipt,
                    Some(_) | None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("it is never settled")
    }

    /// Waits until nothing of any session is left.
    pub async fn is_empty(&self) {
        let empty = async {
            while self.realtime.held() != Held::default() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, empty).await.expect("something of a session is left");
    }
}

/// A signaling socket.
pub struct Line(pub WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

/// How a socket ended: the code of the server's close frame, if it sent one and it had one.
pub type Ended = Option<u16>;

impl Line {
    pub async fn open(url: &str) -> Self {
        Self::try_open(url, None).await.unwrap()
    }

    /// Opens it as a page of that origin. The error is the answer's status and text.
    pub async fn try_open(url: &str, origin: Option<&str>) -> Result<Self, u16> {
        let request = ClientRequestBuilder::new(url.parse().unwrap());
        let request =
            origin.into_iter().fold(request, |request, origin| request.with_header("origin", origin));
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn say(&mut self, message: Value) {
        self.say_text(message.to_string()).await;
    }

    pub async fn say_text(&mut self, text: String) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn next(&mut self) -> Value {
        match self.hear().await {
            Ok(message) => message,
            Err(ended) => panic!("closed with {ended:?}"),
        }
    }

    /// The next message, or how the server closed.
    pub async fn hear(&mut self) -> Result<Value, Ended> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("nothing comes") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?} is never sent"),
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Everything up to the server's close frame.
    pub async fn rest(&mut self) -> (Vec<Value>, Ended) {
        let mut messages = Vec::new();
        loop {
            match self.hear().await {
                Ok(message) => messages.push(message),
                Err(ended) => return (messages, ended),
            }
        }
    }

    /// Everything up to a message of that type.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        while messages.last().is_none_or(|message: &Value| message["type"] != kind) {
            messages.push(self.next().await);
        }
        messages
    }

    /// Closes it, and says with which code that is answered. Nothing may come but what was under way.
    pub async fn close(&mut self, code: Option<u16>) -> Ended {
        let frame = code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "".into() });
        self.0.send(Message::Close(frame)).await.unwrap();
        let (messages, ended) = self.rest().await;
        let were_under_way = ["generation_started", "generation_tick"];
        for message in &messages {
            assert!(were_under_way.contains(&message["type"].as_str().unwrap()), "{messages:?}");
        }
        ended
    }

    /// Offers media, and films once they are answered. Says what came up to the answer, without it.
    pub async fn film(&mut self) -> (Camera, Vec<Value>) {
        self.offer(Kind::producer(), true).await
    }

    /// Offers to receive.
    pub async fn look(&mut self) -> (Camera, Vec<Value>) {
        self.offer(Kind::viewer(), false).await
    }

    async fn offer(&mut self, kind: Kind, sends: bool) -> (Camera, Vec<Value>) {
        let mut client = Client::new(kind, "127.0.0.1:0").await;
        self.say(json!({"type": "offer", "sdp": client.offer})).await;
        let mut messages = self.until("answer").await;
        let answer = messages.pop().unwrap();
        client.accept(answer["sdp"].as_str().unwrap());
        (Camera::start(client, sends), messages)
    }
}

/// A peer connection that shows moving pictures, in a task of its own.
pub struct Camera {
    films: watch::Sender<bool>,
    received: watch::Receiver<usize>,
    task: AbortHandle,
}

impl Camera {
    fn start(mut client: Client, films: bool) -> Self {
        let (films, may_film) = watch::channel(films);
        let (seen, received) = watch::channel(0);
        let task = tokio::spawn(async move {
            let clip = clip();
            for number in 0.. {
                client.run(Duration::from_millis(40), None).await;
                if client.connected && client.rtc.is_alive() && *may_film.borrow() {
                    let picture = clip[number % clip.len()].clone();
                    client.write(picture, Format::Vp8, number as u64 * video::CLOCK / 25);
                }
                seen.send_replace(client.frames.len());
            }
        });
        Self { films, received, task: task.abort_handle() }
    }

    pub fn cover(&self, is_covered: bool) {
        self.films.send_replace(!is_covered);
    }

    /// Waits until so many more pictures have come back.
    pub async fn sees(&mut self, more: usize) {
        let enough = *self.received.borrow() + more;
        let seen = self.received.wait_for(|seen| *seen >= enough);
        tokio::time::timeout(PATIENCE, seen).await.expect("no pictures come back").unwrap();
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn size() -> Size {
    Size::new(64, 64).unwrap()
}

/// A second of pictures, each a keyframe.
pub fn clip() -> Vec<Vec<u8>> {
    let (pool, mut encoder) = (Pool::new(), Encoder::new(EncoderConfig::new(Codec::Vp8)));
    let mut packet = Vec::new();
    let mut picture = |number: u64| {
        let mut frame = pool.frame(size(), number * video::CLOCK / 25);
        for mut plane in frame.planes_mut() {
            plane.clear(number as u8 * 9);
        }
        encoder.request_keyframe();
        encoder.encode(&frame, &mut packet).unwrap().map(|_| packet.clone())
    };
    (0..25).filter_map(&mut picture).collect()
}

/// What the server says at an end that it decides on.
pub fn end(seconds: u64, reason: &str, error: &str, error_type: &str) -> Vec<Value> {
    vec![
        json!({"type": "generation_ended", "seconds": seconds, "reason": reason}),
        json!({"type": "error", "error": error, "error_type": error_type}),
    ]
}

/// A PNG file in base64, of one pixel.
pub const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
