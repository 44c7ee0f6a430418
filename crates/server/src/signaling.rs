//! The WebSockets of realtime sessions: `/v1/stream` for those who produce, `/subscribe/{id}` for those who watch.
//!
//! What is said on them is not decided here: see [`realtime`].

use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use realtime::run::{self, Asking, Frame, NotAdmitted, Received, Socket};
use tokio::time::{Interval, MissedTickBehavior};
use wire::ErrorCode;

use crate::App;
use crate::answer::Refusal;
use crate::listener::Heard;

/// How often is looked whether something comes of a message that is not whole yet: less than a client may be silent.
const LOOK: Duration = Duration::from_secs(1);

/// What a WebSocket on a path of the realtime contract is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To produce.
    Produce,
    /// To watch the session of that id.
    View(String),
}

impl Purpose {
    /// None for paths that are not the realtime contract's.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/stream" | "/v1/avatar-live/stream" => Some(Self::Produce),
            other => {
                let id =
                    other.strip_prefix("/subscribe/").filter(|id| !id.is_empty() && !id.contains('/'))?;
                Some(Self::View(decoded(id)))
            }
        }
    }
}

/// The parameters of the query that count; others are ignored.
#[derive(Debug, Default)]
struct Query {
    api_key: String,
    user_agent: String,
    model: String,
    session: Option<String>,
}

impl Query {
    fn of(uri: &Uri) -> Self {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "api_key" => query.api_key = value.into_owned(),
                "user_agent" => query.user_agent = value.into_owned(),
                "model" => query.model = value.into_owned(),
                "session" => query.session = Some(value.into_owned()).filter(|session| !session.is_empty()),
                _ => {}
            }
        }
        query
    }
}

/// Accepts the upgrade, or tells the client in the way that it understands why not.
pub(crate) async fn accept(
    app: App,
    upgrade: WebSocketUpgrade,
    purpose: Purpose,
    request: &Parts,
) -> Response {
    let Some(realtime) = app.parts.realtime.clone() else {
        return Refusal::new(
            StatusCode::NOT_FOUND,
            ErrorCode::NotFound,
            "this server has no realtime sessions; configure [realtime]",
        )
        .into_response();
    };
    let query = Query::of(&request.uri);
    let asking = Asking {
        user_agent: &query.user_agent,
        origin: request.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()),
        credential: app.access.credential(&query.api_key),
    };
    let upgrade = upgrade.max_message_size(::realtime::FRAME_LIMIT).max_frame_size(::realtime::FRAME_LIMIT);
    let heard = request.extensions.get::<ConnectInfo<Heard>>().map(|ConnectInfo(heard)| heard.clone());
    let signaling = move |socket| Signaling::new(socket, heard);
    let refused = match purpose {
        Purpose::Produce => match realtime.produce(asking, &query.model, query.session.as_deref()).await {
            Ok(producer) => return upgrade.on_upgrade(async move |socket| producer.serve(signaling(socket))),
            Err(refused) => refused,
        },
        Purpose::View(session) => match realtime.view(asking, &session).await {
            Ok(watcher) => return upgrade.on_upgrade(async move |socket| watcher.serve(signaling(socket))),
            Err(refused) => refused,
        },
    };
    match refused {
        NotAdmitted::Http(status, refusal) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
            (status, refusal.text()).into_response()
        }
        NotAdmitted::Socket(refusal) => {
            upgrade.on_upgrade(move |socket| run::refuse(signaling(socket), refusal))
        }
        NotAdmitted::Failed(why) => {
            tracing::error!("a realtime session cannot begin: {why}");
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::Internal,
                "the server cannot begin a session",
            )
            .into_response()
        }
    }
}

/// An axum WebSocket as sessions know it. The library answers pings and close frames by itself.
struct Signaling {
    socket: WebSocket,
    heard: Heard,
    /// How much was heard when last looked at.
    known: u64,
    look: Interval,
}

impl Signaling {
    fn new(socket: WebSocket, heard: Option<Heard>) -> Self {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { socket, heard: heard.unwrap_or_default(), known: 0, look }
    }
}

impl Socket for Signaling {
    async fn receive(&mut self) -> Option<Received> {
        loop {
            tokio::select! {
                message = self.socket.next() => return Some(match message?.ok()? {
                    Message::Text(text) => Received::Text(text.to_string()),
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => Received::Other,
                    Message::Close(frame) => Received::Close(frame.map(|frame| frame.code)),
                }),
                // Behind half of an image there is no pong.
                _ = self.look.tick() => {
                    let bytes = self.heard.bytes();
                    if std::mem::replace(&mut self.known, bytes) != bytes {
                        return Some(Received::Other);
                    }
                }
            }
        }
    }

    async fn send(&mut self, frame: Frame) -> bool {
        let message = match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Ping => Message::Ping(Vec::new().into()),
            Frame::Close { code, reason } => Message::Close(Some(CloseFrame { code, reason: reason.into() })),
            // It was queued when the close frame came, and goes out with this.
            Frame::Echo(_) => return self.socket.flush().await.is_ok(),
        };
        self.socket.send(message).await.is_ok()
    }
}

/// A part of a path without its percent-escapes.
fn decoded(part: &str) -> String {
    // A plus sign is one in a path.
    let escaped = part.replace('+', "%2B");
    form_urlencoded::parse(escaped.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
}
