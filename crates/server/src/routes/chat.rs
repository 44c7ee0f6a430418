//! `POST /chat`: one turn, streamed as NDJSON.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use engine::live::{Heard, Watcher};
use futures_util::stream;
use wire::{AgentEvent, ConversationId, ErrorCode, TurnId};

use crate::answer::Refusal;
use crate::{App, input};

/// The most bytes that are put together before they are sent.
const BATCH_BYTES: usize = 64 * 1024;

pub(super) async fn send(State(app): State<App>, body: Body) -> Result<Response, Refusal> {
    let fields = input::object(body, app.body_limit).await?;
    let (id, prompt) = input::chat(&fields)?;
    let body = match app.engine.send(&id, prompt).await {
        Ok(started) => Body::from_stream(lines(started.watcher)),
        // The contract answers this one with a stream of one event.
        Err(engine::Error::TurnActive) => Body::from(turn_active(&id)),
        Err(error) => return Err(error.into()),
    };
    // An id of a conversation may have characters that a header may not.
    let id = HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static(""));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (HeaderName::from_static("x-conversation-id"), id),
    ];
    Ok((headers, body).into_response())
}

/// The turn's events, one JSON object a line, until it is over. Dropping the stream leaves the turn running.
fn lines(watcher: Watcher) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(Some(watcher), |watcher| async {
        let mut watcher = watcher?;
        let mut lines = BytesMut::new();
        let mut heard = Some(watcher.next().await);
        while let Some(next) = heard {
            match next {
                Heard::Frame(frame) => {
                    lines.extend_from_slice(&frame.event());
                    lines.extend_from_slice(b"\n");
                }
                Heard::TurnOver => return (!lines.is_empty()).then(|| (Ok(lines.freeze()), None)),
            }
            heard = if lines.len() < BATCH_BYTES { watcher.try_next() } else { None };
        }
        Some((Ok(lines.freeze()), Some(watcher)))
    })
}

fn turn_active(id: &ConversationId) -> String {
    let event = AgentEvent::Error {
        conversation_id: id.clone(),
        turn_id: TurnId::new(format!("turn-refused-{}", uuid::Uuid::new_v4())),
        message: "turn already active for this conversation".to_owned(),
        code: Some(ErrorCode::TurnActive.as_str().to_owned()),
    };
    // Writing an event to memory does not fail.
    let mut line = serde_json::to_string(&event).unwrap_or_default();
    line.push('\n');
    line
}
