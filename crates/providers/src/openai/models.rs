//! The models of a server.

use kernel::{Failure, ModelInfo};
use serde_json::Value;

use crate::failure;
use crate::http::Endpoint;

/// Where servers say how much a model takes; the first that is there counts.
const CONTEXT_WINDOW: [&str; 5] =
    ["context_length", "context_window", "max_context_length", "max_model_len", "max_tokens"];

pub(super) async fn list(endpoint: &Endpoint) -> Result<Vec<ModelInfo>, Failure> {
    let body = endpoint.get(endpoint.url(&["models"])).await?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|error| failure::protocol(format!("the provider's list of models is not JSON: {error}")))?;
    let models = body.get("data").unwrap_or(&body);
    let Value::Array(models) = models else {
        return Err(failure::protocol("the provider's list of models has no \"data\""));
    };
    Ok(models
        .iter()
        .filter_map(|model| {
            let id = model.get("id")?.as_str()?.to_owned();
            let context_window =
                CONTEXT_WINDOW.iter().find_map(|field| model.get(field)?.as_u64().filter(|size| *size > 0));
            Some(ModelInfo { id, context_window })
        })
        .collect())
}
