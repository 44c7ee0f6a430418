//! A server on a free port, over an engine whose provider plays a script.
#![allow(dead_code, unreachable_pub, unused_imports)]

#[path = "../../../engine/tests/support/mod.rs"]
pub mod world;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use server::{Parts, Server, Settings};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up. Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Running {
    pub world: world::World,
    pub http: SocketAddr,
    pub ws: SocketAddr,
    pub client: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn settings() -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings { http: any, ws: Some(any), body_limit: 64 * 1024, ..Settings::default() }
}

pub async fn serve() -> Running {
    serve_with(settings()).await
}

pub async fn serve_with(settings: Settings) -> Running {
    serve_over(settings, world::world(), Parts::default()).await
}

pub async fn serve_over(settings: Settings, world: world::World, parts: Parts) -> Running {
    let server = Server::bind_with(settings, world.engine.clone(), parts).await.unwrap();
    let (http, ws) = (server.http_addr().unwrap(), server.ws_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone().cancelled_owned()));
    // Plain HTTP on loopback; a provider of TLS is wanted by the library all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Running { world, http, ws, client, stop }
}

/// An answer: status and JSON body.
pub type Answer = (u16, Value);

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        answer(self.client.post(self.url(path)).body(body.to_owned()).send().await.unwrap()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.client.put(self.url(path)).body(body.to_string()).send().await.unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.client.delete(self.url(path)).send().await.unwrap()).await
    }

    /// All events of a turn over `POST /chat`.
    pub async fn chat(&self, body: Value) -> Vec<Value> {
        let response = self.client.post(self.url("/chat")).body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        response.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn socket(&self) -> Socket {
        Socket::open(&format!("ws://{}/", self.http)).await
    }
}

async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// A client's end of a WebSocket, past `catalog`.
pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    /// A socket of which nothing was read yet.
    pub fn past_nothing(stream: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>) -> Self {
        Self(stream)
    }

    pub async fn open(url: &str) -> Self {
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut socket = Self::past_nothing(stream);
        assert_eq!(socket.next().await["type"], "catalog", "it comes first");
        socket
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        self.next_within(PATIENCE).await
    }

    /// The next frame, which may take its time.
    pub async fn next_within(&mut self, patience: Duration) -> Value {
        self.try_next(patience).await.expect("nothing comes")
    }

    /// The next frame, if one comes in time.
    pub async fn try_next(&mut self, patience: Duration) -> Option<Value> {
        loop {
            match tokio::time::timeout(patience, self.0.next()).await.ok()?? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("the socket ended: {other:?}"),
            }
        }
    }

    /// The next frame, or none if the server has closed.
    pub async fn until_closed(&mut self) -> Option<Value> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("nothing comes")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) => return None,
                Ok(_) => {}
                Err(error) => panic!("the socket broke: {error}"),
            }
        }
    }

    /// The next event of a turn; broadcasts are left out.
    pub async fn event(&mut self) -> Value {
        loop {
            let mut frame = self.next().await;
            if frame["type"] == "chat.delta" {
                return frame["event"].take();
            }
            assert_eq!(frame["type"], "conversation.statusChanged", "{frame}");
        }
    }

    /// All events up to one of that kind.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Value| event["type"] != kind) {
            events.push(self.event().await);
        }
        events
    }
}

/// The kinds of events, adjacent equal ones once.
pub fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

pub fn said(events: &[Value]) -> String {
    events
        .iter()
        .filter(|event| event["type"] == "text-delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect()
}
