//! `POST /chat`: one turn, streamed as NDJSON; and `POST /chat/warm`.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use engine::Sent;
use engine::live::{Heard, Watch, Watcher};
use futures_util::stream;
use serde_json::json;
use wire::extension::ChatExtras;
use wire::transport::{ChatRequest, QueueResponse, WarmRequest, WarmResponse};
use wire::{AgentEvent, ConversationId, ErrorCode, TurnId};

use super::{NDJSON, events};
use crate::access::Caller;
use crate::answer::Refusal;
use crate::openapi::{Group, post};
use crate::{App, input};

/// The most bytes that are put together before they are sent.
pub(super) const BATCH_BYTES: usize = 64 * 1024;

/// How the last event of a turn begins.
const SEALED: &[u8] = br#"{"type":"turn-sealed""#;

pub(super) fn group() -> Group {
    Group {
        name: "Turns",
        about: "Start a turn and watch it. A turn runs to its end whoever watches.",
        operations: vec![
            post("/chat", send, "chat")
                .says(
                    "Send a message and stream its turn",
                    "Starts a turn and streams its events, one JSON object a line, until the turn is over: `turn-sealed` is \
                     the last event, unless the log failed. Hanging up leaves the turn running.\n\n\
                     Without `conversationId` the conversation is new, and the header `X-Conversation-Id` has its id. An \
                     unknown model is not an error here: the turn starts, says so, and ends.\n\n\
                     While a turn is running the answer is one `error` event with the code `turn-active`, unless `whenActive` \
                     says otherwise: `queue` queues the text and answers 202 with the queue, `interrupt` stops the running \
                     turn first. A message with a `clientMessageId` that was sent before starts nothing: its turn is \
                     streamed from the beginning while it runs; if it is over, the one line is its `turn-sealed`; if it is \
                     queued, the answer is 202.",
                )
                .takes_both::<ChatRequest, ChatExtras>(json!({ "conversationId": "tour", "message": "help" }))
                .streams(NDJSON, "The turn's events, one a line.")
                .with_header("X-Conversation-Id", "The conversation.")
                .answers_as::<QueueResponse>(202, "The message is queued.")
                .with_header("X-Conversation-Id", "The conversation.")
                .fails(&[
                    ErrorCode::TurnActive,
                    ErrorCode::InsufficientCredits,
                    ErrorCode::StoreFailed,
                    ErrorCode::ShuttingDown,
                ]),
            events::operation(),
            post("/chat/warm", warm, "warm")
                .says(
                    "Warm the provider's prompt cache",
                    "Sends the conversation's prefix to the provider with a minimal question, so that its prompt cache stays \
                     hot. Nothing is kept or streamed.",
                )
                .takes::<WarmRequest>(json!({ "conversationId": "tour" }))
                .answers::<WarmResponse>("What the provider's cache did.")
                .fails(&[ErrorCode::WarmRefused, ErrorCode::StoreFailed, ErrorCode::ShuttingDown]),
        ],
    }
}

async fn send(State(app): State<App>, caller: Caller, body: Body) -> Result<Response, Refusal> {
    let fields = input::object(body, app.body_limit).await?;
    let (id, prompt) = input::chat(&fields, caller.key())?;
    let watch = prompt.watch.clone();
    let mut response = match app.engine.send(&id, prompt).await {
        Ok(Sent::Started(started)) => streamed(Body::from_stream(lines(started.watcher))),
        Ok(Sent::Repeated(turn)) => streamed(Body::from_stream(lines(again(&app, &id, turn, watch)))),
        Ok(Sent::Queued(queue)) => {
            let queued = QueueResponse { conversation_id: id.clone(), started_turn: false, queue };
            (StatusCode::ACCEPTED, Json(queued)).into_response()
        }
        // The contract answers this one with a stream of one event.
        Err(engine::Error::TurnActive) => streamed(Body::from(turn_active(&id))),
        Err(error) => return Err(error.into()),
    };
    // An id of a conversation may have characters that a header may not.
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HeaderName::from_static("x-conversation-id"), id);
    }
    Ok(response)
}

/// Watches a turn that a message started which was sent again: from where the client was, or from the beginning.
fn again(app: &App, id: &ConversationId, turn: TurnId, watch: Watch) -> Watcher {
    match &watch.after {
        Some(after) if after.turn == turn => app.engine.watch(id, watch),
        Some(_) | None => app.engine.watch_turn(id, turn, watch),
    }
}

fn streamed(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(NDJSON)),
        // Proxies that gather an answer before they pass it on would hide that it is live.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// One turn's events, one JSON object a line, until it is over. Dropping the stream leaves the turn running.
fn lines(watcher: Watcher) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(Some(watcher), |watcher| async {
        let mut watcher = watcher?;
        let mut lines = BytesMut::new();
        let mut heard = Some(watcher.next().await);
        while let Some(next) = heard {
            let over = match next {
                Heard::Frame(frame) => {
                    let event = frame.event();
                    lines.extend_from_slice(&event);
                    lines.extend_from_slice(b"\n");
                    event.starts_with(SEALED)
                }
                Heard::TurnOver => true,
            };
            if over {
                return (!lines.is_empty()).then(|| (Ok(lines.freeze()), None));
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

async fn warm(State(app): State<App>, body: Body) -> Result<Json<WarmResponse>, Refusal> {
    let fields = input::object(body, app.body_limit).await?;
    let id = input::conversation_id(&input::text(&fields, "conversationId")?)?;
    let (model, cwd) = (input::string(&fields, "model")?, input::string(&fields, "cwd")?);
    Ok(Json(app.engine.warm(&id, model, cwd).await?))
}
