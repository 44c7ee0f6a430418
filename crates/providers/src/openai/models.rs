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
    let Value::Array(models) = body.get("data").unwrap_or(&body) else {
        return Err(failure::protocol("the provider's list of models has no \"data\""));
    };
    Ok(models
        .iter()
        .filter_map(|model| {
            // One without a name could not be asked for.
            let id = model.get("id")?.as_str().filter(|id| !id.is_empty())?.to_owned();
            let context_window =
                CONTEXT_WINDOW.iter().find_map(|field| model.get(field)?.as_u64().filter(|size| *size > 0));
            let vision = vision(model).or_else(|| vision(beside(&body, &id)?));
            Some(ModelInfo { id, context_window, vision })
        })
        .collect())
}

/// Whether a model takes images, where the server says: as routers do, as a flag among what the model can do, or as a
/// word among those.
fn vision(model: &Value) -> Option<bool> {
    let kinds = [&model["architecture"]["input_modalities"], &model["input_modalities"]];
    if let Some(kinds) = kinds.into_iter().find_map(Value::as_array) {
        return Some(kinds.iter().any(|kind| kind == "image"));
    }
    match &model["capabilities"] {
        // Ollama's word, and llama.cpp's.
        Value::Array(words) => Some(words.iter().any(|word| word == "vision" || word == "multimodal")),
        flags => flags["vision"].as_bool(),
    }
}

/// The same model in the list that llama.cpp gives in Ollama's form, beside the one that was asked for: only there is said
/// what the model can do.
fn beside<'b>(body: &'b Value, id: &str) -> Option<&'b Value> {
    body.get("models")?.as_array()?.iter().find(|model| model["model"] == id)
}
