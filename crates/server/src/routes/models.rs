//! Models: which there are, and how fast they were.

use axum::Json;
use axum::extract::State;
use wire::transport::{HealthResponse, ModelsResponse};

use super::throughput;
use crate::App;
use crate::openapi::{Group, get};

pub(super) fn group() -> Group {
    Group {
        name: "Server",
        about: "Whether it is well, which models it serves, and how fast they were.",
        operations: vec![
            get("/health", health, "health")
                .says("Ask whether the server is well", "A server that is not well does not answer.")
                .answers::<HealthResponse>("It is."),
            get("/models", list, "models")
                .says(
                    "List the models",
                    "Names of the form `credential/model`, in the order of the configuration. A provider that cannot be asked \
                     is left out, or its last list holds.",
                )
                .answers::<ModelsResponse>("The models, and what is known of them."),
            throughput::operation(),
        ],
    }
}

async fn health() -> Json<HealthResponse> {
    Json(HealthResponse { ok: true })
}

async fn list(State(app): State<App>) -> Json<ModelsResponse> {
    Json(app.engine.models().await)
}
