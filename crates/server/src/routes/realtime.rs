//! What belongs to realtime sessions and is plain HTTP. Their WebSockets are in `signaling`.

use axum::Json;
use axum::extract::State;
use tokio::runtime::Handle;
use wire::ErrorCode;
use wire::account::{RealtimeMetricsResponse, RealtimeModel, RealtimeModelsResponse};

use super::{sessions, tokens};
use crate::App;
use crate::access::Caller;
use crate::answer::Refusal;
use crate::openapi::{Group, get};

pub(super) fn group() -> Group {
    let mut operations = vec![
        get("/v1/realtime/models", models, "realtimeModels")
            .says("List the models of realtime sessions", "Those of the configuration, by name.")
            .answers::<RealtimeModelsResponse>("The models; none where the server has no realtime sessions."),
        tokens::operation(),
        get("/metrics/realtime", metrics, "realtimeMetrics")
            .says(
                "Read what sessions hold",
                "At this moment. When everybody has left, all but the tasks is 0, and those are as many as before anybody \
                 came. For the operator.",
            )
            .answers::<RealtimeMetricsResponse>("The figures; without realtime sessions, the tasks alone.")
            .fails(&[ErrorCode::OperatorOnly]),
    ];
    operations.extend(sessions::operations());
    Group {
        name: "Realtime",
        about: "Video that a model changes while it runs, on a WebSocket at `/v1/stream` and over WebRTC. Here are what it \
                costs, the tokens that pages open it with, and the receipts.",
        operations,
    }
}

async fn models(State(app): State<App>) -> Json<RealtimeModelsResponse> {
    let models = app.parts.realtime.iter().flat_map(|realtime| realtime.models());
    let models = models.map(|model| RealtimeModel {
        name: model.name.clone(),
        width: model.size.width(),
        height: model.size.height(),
        fps: model.fps,
        credits_per_second: model.per_second.credits().to_string(),
    });
    Json(RealtimeModelsResponse { models: models.collect() })
}

async fn metrics(State(app): State<App>, caller: Caller) -> Result<Json<RealtimeMetricsResponse>, Refusal> {
    caller.require_operator()?;
    let held = app.parts.realtime.as_ref().map(|realtime| realtime.held()).unwrap_or_default();
    Ok(Json(RealtimeMetricsResponse {
        sessions: held.sessions as u64,
        connections: held.connections as u64,
        routes: held.routes as u64,
        tasks: Handle::current().metrics().num_alive_tasks() as u64,
    }))
}
