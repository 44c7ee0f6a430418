//! `GET /conversations/:id/events`: a conversation as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use engine::live::{After, Audience, Frame, Heard, Watch, Watcher};
use futures_util::stream;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use wire::TurnId;

use super::EVENT_STREAM;
use super::chat::BATCH_BYTES;
use crate::answer::Refusal;
use crate::extract::{Id, Query};
use crate::openapi::{Kind, Operation, get};
use crate::{App, input};

/// A quiet stream says so often that it is alive: proxies close those that are silent for a minute or less.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a client comes back when the connection broke.
const GREETING: &[u8] = b"retry: 1000\n\n";

pub(super) fn operation() -> Operation {
    get("/conversations/{id}/events", events, "events")
        .says(
            "Watch a conversation as server-sent events",
            "The turn in flight from its first event, then whatever comes, over as many turns as there will be. Made for \
             `EventSource`: each event has the JSON of one turn event as its `data` and `<turnId>:<eventSeq>` as its `id`; \
             none has a name, so that `onmessage` gets all.\n\n\
             A client that comes back with `Last-Event-ID` goes on exactly after that event. If that turn is over by \
             then, its `turn-sealed` comes first: read its events from the history. Something that is no such id counts \
             as none.\n\n\
             A comment comes every 15 seconds while nothing happens. `?api_key=` is taken, because `EventSource` cannot \
             send headers.",
        )
        .header("Last-Event-ID", Kind::Text, "The `id` of the last event that was seen.")
        .query("lastEventId", Kind::Text, "The same, where a header cannot be sent. The header wins.")
        .query("extensions", Kind::Flag, "Whether events beyond the contract are wanted.")
        .takes_key_in_query()
        .streams(EVENT_STREAM, "The events; the schema is that of the `data` of one.")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventsQuery {
    last_event_id: Option<String>,
    extensions: Option<String>,
}

async fn events(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let extensions = input::switch(query.extensions.as_deref(), "extensions")?;
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = header.or(query.last_event_id.as_deref()).and_then(position);
    let audience = if extensions { Audience::Extensions } else { Audience::Contract };
    let watcher = app.engine.watch(&id, Watch { audience, cursor: false, after });
    let body = Body::from_stream(stream::unfold(
        Stream { watcher, closing: app.closing.clone(), greeted: false },
        Stream::next,
    ));
    let headers = [
        (CONTENT_TYPE.as_str(), EVENT_STREAM),
        (CACHE_CONTROL.as_str(), "no-store"),
        // Proxies that gather an answer before they pass it on would hide that it is live.
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, body).into_response())
}

/// The event that a client saw last.
fn position(id: &str) -> Option<After> {
    let (turn, event_seq) = id.trim().rsplit_once(':')?;
    (!turn.is_empty()).then_some(After { turn: TurnId::new(turn), event_seq: event_seq.parse().ok()? })
}

/// One client's stream. It is read as fast as the client takes it: what waits, waits on the tape.
struct Stream {
    watcher: Watcher,
    closing: CancellationToken,
    greeted: bool,
}

impl Stream {
    /// The next bytes; none when the server stops.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.greeted {
            self.greeted = true;
            return Some((Ok(Bytes::from_static(GREETING)), self));
        }
        loop {
            let heard = tokio::select! {
                heard = tokio::time::timeout(HEARTBEAT, self.watcher.next()) => heard,
                () = self.closing.cancelled() => return None,
            };
            let Ok(first) = heard else { return Some((Ok(Bytes::from_static(b":\n\n")), self)) };
            let mut bytes = BytesMut::new();
            let mut heard = Some(first);
            while let Some(next) = heard {
                if let Heard::Frame(frame) = next {
                    write(&mut bytes, &frame);
                }
                heard = if bytes.len() < BATCH_BYTES { self.watcher.try_next() } else { None };
            }
            // The end of a turn alone is nothing to send.
            if !bytes.is_empty() {
                return Some((Ok(bytes.freeze()), self));
            }
        }
    }
}

fn write(bytes: &mut BytesMut, frame: &Frame) {
    let position = frame.position();
    bytes.extend_from_slice(b"id: ");
    bytes.extend_from_slice(position.turn.as_str().as_bytes());
    bytes.extend_from_slice(format!(":{}\ndata: ", position.event_seq).as_bytes());
    // JSON as it is written here has no line ends.
    bytes.extend_from_slice(&frame.event());
    bytes.extend_from_slice(b"\n\n");
}
