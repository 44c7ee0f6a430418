//! `GET /models`.

use axum::Json;
use axum::extract::State;
use wire::transport::ModelsResponse;

use crate::App;

pub(super) async fn list(State(app): State<App>) -> Json<ModelsResponse> {
    Json(app.engine.models().await)
}
