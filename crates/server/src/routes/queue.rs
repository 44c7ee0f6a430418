//! Messages for a turn that runs: `/conversations/:id/queue`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde_json::json;
use wire::ErrorCode;
use wire::extension::{CancelQueuedResponse, QueueExtras, QueueStateResponse};
use wire::transport::{QueueRequest, QueueResponse};

use crate::access::Caller;
use crate::answer::Refusal;
use crate::extract::{Id, Inner};
use crate::openapi::{Group, delete, get, post};
use crate::{App, input};

pub(super) fn group() -> Group {
    Group {
        name: "Queue",
        about: "Messages for a turn that is running: they steer it after its next tool results, or start the next turn.",
        operations: vec![
            get("/conversations/{id}/queue", state, "queueState")
                .says("Read the queue", "What waits to be taken in, oldest first.")
                .answers::<QueueStateResponse>("The queue.")
                .fails(&[ErrorCode::StoreFailed]),
            post("/conversations/{id}/queue", add, "queue")
                .says(
                    "Steer the running turn, or start one",
                    "While a turn is running the text is queued, durably: it enters the turn after the next tool results, or \
                     starts the next turn. Otherwise it starts a turn at once. With `expectedTurnId` it is queued only if \
                     that turn is running, and refused otherwise. A `clientMessageId` that was used before queues nothing.",
                )
                .takes_both::<QueueRequest, QueueExtras>(json!({ "text": "and mention the tests" }))
                .answers::<QueueResponse>("What became of it, and the queue now.")
                .fails(&[
                    ErrorCode::TurnMismatch,
                    ErrorCode::InsufficientCredits,
                    ErrorCode::StoreFailed,
                    ErrorCode::ShuttingDown,
                ]),
            delete("/conversations/{id}/queue/{messageId}", cancel, "cancelQueued")
                .says(
                    "Take a message out of the queue",
                    "`cancelled` is false if it is not there any more, or never was; that is no error.",
                )
                .answers::<CancelQueuedResponse>("Whether it was there, and the queue now.")
                .fails(&[ErrorCode::StoreFailed]),
        ],
    }
}

async fn state(State(app): State<App>, Id(id): Id) -> Result<Json<QueueStateResponse>, Refusal> {
    let queue = app.engine.queued(&id).await?;
    Ok(Json(QueueStateResponse { conversation_id: id, queue }))
}

async fn add(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    body: Body,
) -> Result<Json<QueueResponse>, Refusal> {
    let fields = input::object(body, app.body_limit).await?;
    let queued = app.engine.queue(&id, input::steer(&fields, caller.key())?).await?;
    let started_turn = queued.started.is_some();
    Ok(Json(QueueResponse { conversation_id: id, started_turn, queue: queued.queue }))
}

async fn cancel(
    State(app): State<App>,
    Id(id): Id,
    Inner(message): Inner,
) -> Result<Json<CancelQueuedResponse>, Refusal> {
    let engine::Cancelled { cancelled, queue } = app.engine.cancel_queued(&id, message).await?;
    Ok(Json(CancelQueuedResponse { conversation_id: id, cancelled, queue }))
}
