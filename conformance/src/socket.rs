//! A WebSocket client that looks at every frame and forgets none.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::check::{Outcome, ensure, failed, shown};
use crate::contract::{self, Dialect};
use crate::turn::{Turn, kinds};
use crate::world::{PATIENCE, SILENCE, World};

pub(crate) struct Socket {
    world: World,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    dialect: Dialect,
    /// Frames that came while another was waited for.
    waiting: VecDeque<Value>,
    pub(crate) catalog: Vec<Value>,
}

/// How a socket is opened.
#[derive(Default)]
pub(crate) struct Opening<'o> {
    /// After the server's address; with a leading slash.
    pub(crate) path: &'o str,
    pub(crate) without_key: bool,
    pub(crate) headers: &'o [(&'o str, &'o str)],
    /// At the separate port rather than at the HTTP port.
    pub(crate) own_port: bool,
}

impl World {
    /// A socket that has heard its `catalog`.
    pub(crate) async fn socket(&self) -> Outcome<Socket> {
        let own_port = self.server.ws.is_some();
        self.socket_with(Opening { own_port, ..Opening::default() }).await
    }

    pub(crate) async fn socket_with(&self, opening: Opening<'_>) -> Outcome<Socket> {
        let stream = match self.upgrade(&opening).await? {
            Ok(stream) => stream,
            Err(error) => return failed("a WebSocket", error),
        };
        let mut socket = Socket {
            world: self.clone(),
            stream,
            dialect: Dialect::Contract,
            waiting: VecDeque::new(),
            catalog: Vec::new(),
        };
        match socket.next(Instant::now() + PATIENCE).await? {
            Some(frame) if frame["type"] == "catalog" => {
                socket.catalog = frame["catalog"].as_array().cloned().unwrap_or_default();
                Ok(socket)
            }
            Some(frame) => failed("catalog as the first frame", shown(&frame)),
            None => failed("catalog as the first frame", "nothing"),
        }
    }

    /// Tries to open a socket; the inner error is the server's refusal.
    pub(crate) async fn upgrade(
        &self,
        opening: &Opening<'_>,
    ) -> Outcome<Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error>> {
        let base = match &self.server.ws {
            Some(ws) if opening.own_port => ws.clone(),
            _ => self.server.url.replacen("http", "ws", 1),
        };
        let url = format!("{base}{}", if opening.path.is_empty() { "/" } else { opening.path });
        self.note(format!("WebSocket {url}"));
        let mut request = match url.as_str().into_client_request() {
            Ok(request) => request,
            Err(error) => return failed("a URL", error),
        };
        let key = self.server.key.as_ref().filter(|_| !opening.without_key);
        let key = key.map(|key| format!("Bearer {key}"));
        let headers =
            opening.headers.iter().copied().chain(key.iter().map(|key| ("authorization", key.as_str())));
        for (name, value) in headers {
            let name = tokio_tungstenite::tungstenite::http::HeaderName::try_from(name);
            let value = tokio_tungstenite::tungstenite::http::HeaderValue::from_str(value);
            if let (Ok(name), Ok(value)) = (name, value) {
                request.headers_mut().insert(name, value);
            }
        }
        match timeout(PATIENCE, connect_async(request)).await {
            Ok(Ok((stream, _))) => Ok(Ok(stream)),
            Ok(Err(error)) => Ok(Err(error)),
            Err(_) => failed("an answer to the upgrade", "none in time"),
        }
    }
}

impl Socket {
    /// Sends a frame. One that asks for extensions changes what may come from then on.
    pub(crate) async fn send(&mut self, frame: Value) -> Outcome {
        if frame["extensions"] == true {
            self.dialect = Dialect::Extended;
        }
        self.send_message(Message::text(frame.to_string())).await
    }

    pub(crate) async fn send_message(&mut self, message: Message) -> Outcome {
        self.world.note(format!("sent {}", crate::check::excerpt(&message.to_string())));
        match timeout(PATIENCE, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => failed("a socket that takes frames", error),
            Err(_) => failed("a socket that takes frames", "it took nothing in time"),
        }
    }

    /// Sends a prompt for the demo.
    pub(crate) async fn script(&mut self, id: &str, message: &str) -> Outcome {
        let model = self.world.demo()?.to_owned();
        self.send(json!({"type": "chat.send", "conversationId": id, "message": message, "model": model}))
            .await
    }

    /// Sends a prompt that any model can answer.
    pub(crate) async fn talk(&mut self, id: &str) -> Outcome {
        let model = self.world.model()?.to_owned();
        self.send(json!({"type": "chat.send", "conversationId": id, "message": "say hello", "model": model}))
            .await
    }

    pub(crate) async fn subscribe(&mut self, id: &str) -> Outcome {
        self.send(json!({"type": "chat.subscribe", "conversationId": id})).await
    }

    /// The next frame that matches, also one that came earlier while another was waited for.
    pub(crate) async fn expect(
        &mut self,
        kind: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Outcome<Value> {
        let fits = |frame: &Value| frame["type"] == kind && fits(frame);
        if let Some(found) = self.waiting.iter().position(fits).and_then(|place| self.waiting.remove(place)) {
            return Ok(found);
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some(frame) = self.next(deadline).await? {
            if fits(&frame) {
                return Ok(frame);
            }
            self.waiting.push_back(frame);
        }
        failed(format!("{kind} {what}"), self.came())
    }

    /// The next event of a conversation.
    pub(crate) async fn event(&mut self, id: &str) -> Outcome<Value> {
        let frame =
            self.expect("chat.delta", &format!("of {id}"), |frame| of_conversation(frame, id)).await?;
        Ok(frame["event"].clone())
    }

    /// The events of a conversation up to the next one of that type.
    pub(crate) async fn events_until(&mut self, id: &str, kind: &str) -> Outcome<Vec<Value>> {
        let mut events = Vec::new();
        loop {
            let event = self.event(id).await?;
            let last = event["type"] == kind;
            events.push(event);
            if last {
                return Ok(events);
            }
        }
    }

    /// The next turn of a conversation, from its first event to its last.
    pub(crate) async fn turn(&mut self, id: &str) -> Outcome<Turn> {
        Turn::new(self.events_until(id, "turn-sealed").await?)
    }

    /// The refusal of a `chat.…` frame.
    pub(crate) async fn chat_error(&mut self, id: Option<&str>) -> Outcome<Value> {
        let id = id.map_or(Value::Null, Value::from);
        self.expect("chat.error", &format!("about {id}"), |frame| frame["conversationId"] == id).await
    }

    pub(crate) async fn status(&mut self, id: &str, status: &str) -> Outcome {
        self.expect("conversation.statusChanged", &format!("{status} of {id}"), |frame| {
            frame["conversationId"] == id && frame["status"] == status
        })
        .await
        .map(drop)
    }

    /// No such frame comes for a while, nor has one come that nobody took.
    pub(crate) async fn silence(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Outcome {
        let deadline = Instant::now() + SILENCE;
        while let Some(frame) = self.next(deadline).await? {
            self.waiting.push_back(frame);
        }
        match self.waiting.iter().find(|frame| fits(frame)) {
            Some(frame) => failed(format!("nothing {what}"), shown(frame)),
            None => Ok(()),
        }
    }

    /// No event of that conversation comes for a while.
    pub(crate) async fn silence_of(&mut self, id: &str) -> Outcome {
        self.silence(&format!("of {id}"), |frame| of_conversation(frame, id)).await
    }

    /// The server still answers on this socket.
    pub(crate) async fn still_open(&mut self) -> Outcome {
        let id = self.world.id();
        self.send(json!({"type": "chat.queue", "conversationId": id, "text": " "})).await?;
        self.chat_error(Some(&id)).await.map(drop)
    }

    /// A ping is answered.
    pub(crate) async fn ping(&mut self) -> Outcome {
        self.send_message(Message::Ping(b"hello".as_slice().into())).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match timeout_at(deadline, self.stream.next()).await {
                Ok(Some(Ok(Message::Pong(data)))) => {
                    return ensure(
                        &data[..] == b"hello",
                        "a pong with the ping's bytes",
                        format!("{data:?}"),
                    );
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return failed("a pong", error),
                Ok(None) | Err(_) => return failed("a pong", "none"),
            }
        }
    }

    pub(crate) async fn close(mut self) -> Outcome {
        // The other side may have closed already.
        let _ = timeout(Duration::from_secs(5), self.stream.close(None)).await;
        Ok(())
    }

    /// The next frame, which keeps to the contract; none at the deadline.
    async fn next(&mut self, deadline: Instant) -> Outcome<Option<Value>> {
        loop {
            match timeout_at(deadline, self.stream.next()).await {
                Err(_) => return Ok(None),
                Ok(Some(Ok(Message::Text(text)))) => {
                    let Ok(frame) = serde_json::from_str::<Value>(&text) else {
                        return failed("one JSON object a frame", text);
                    };
                    contract::frame(&frame, self.dialect)?;
                    return Ok(Some(frame));
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Ok(Some(Ok(Message::Binary(_)))) => return failed("text frames", "a binary one"),
                Ok(Some(Ok(Message::Close(reason)))) => {
                    return failed("a socket that stays open", format!("closed: {reason:?}"));
                }
                Ok(Some(Err(error))) => return failed("a socket that stays open", error),
                Ok(None) => return failed("a socket that stays open", "it ended"),
            }
        }
    }

    /// What came and was not what was waited for.
    fn came(&self) -> String {
        let events: Vec<Value> = self
            .waiting
            .iter()
            .map(|frame| if frame["type"] == "chat.delta" { frame["event"].clone() } else { frame.clone() })
            .collect();
        let mut kinds = kinds(&events);
        kinds.dedup();
        if kinds.is_empty() { "nothing".to_owned() } else { format!("only: {}", kinds.join(" ")) }
    }
}

pub(crate) fn of_conversation(frame: &Value, id: &str) -> bool {
    frame["type"] == "chat.delta" && frame["event"]["conversationId"] == id
}
