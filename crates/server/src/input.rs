//! What clients send, checked and made into types.

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use engine::Prompt;
use serde_json::{Map, Value};
use wire::{ConversationId, ErrorCode, ReasoningEffort};

use crate::answer::Refusal;

/// The fields of a JSON object.
pub(crate) type Fields = Map<String, Value>;

/// A request body that is a JSON object.
pub(crate) async fn object(body: Body, limit: usize) -> Result<Fields, Refusal> {
    let bytes = to_bytes(body, limit).await.map_err(|_| {
        let message = format!("the body is larger than {limit} bytes, or its connection broke");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, message)
    })?;
    let json = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidJson, message);
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(json("The body must be a JSON object")),
        Err(_) => Err(json("Invalid JSON body")),
    }
}

/// A conversation id from a path or a frame.
pub(crate) fn conversation_id(id: &str) -> Result<ConversationId, Refusal> {
    ConversationId::parse(id).map_err(|error| Refusal::invalid(error.to_string()))
}

/// A new conversation.
pub(crate) fn mint() -> ConversationId {
    ConversationId::new(uuid::Uuid::new_v4().to_string())
}

/// The fields of `POST /chat` and of `chat.send`. A conversation id that is absent, empty or no string means a new
/// conversation.
pub(crate) fn chat(fields: &Fields) -> Result<(ConversationId, Prompt), Refusal> {
    let id = match fields.get("conversationId") {
        Some(Value::String(id)) if !id.is_empty() => conversation_id(id)?,
        _ => mint(),
    };
    let text = text(fields, "message")?;
    let effort = match fields.get("reasoningEffort") {
        None => None,
        Some(level) => match level.as_str().and_then(ReasoningEffort::parse) {
            Some(level) => Some(level),
            None => {
                let levels = ReasoningEffort::ALL.map(ReasoningEffort::as_str).join(", ");
                return Err(Refusal::invalid(format!("`reasoningEffort` must be one of: {levels}")));
            }
        },
    };
    Ok((id, Prompt { text, model: string(fields, "model")?, cwd: string(fields, "cwd")?, effort }))
}

/// A field that must be a string with something in it besides white space; trimmed.
pub(crate) fn text(fields: &Fields, name: &str) -> Result<String, Refusal> {
    match fields.get(name).and_then(Value::as_str).map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err(Refusal::invalid(format!("a non-empty string `{name}` is required"))),
    }
}

/// A field that may be absent, and is a string otherwise.
fn string(fields: &Fields, name: &str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(Refusal::invalid(format!("`{name}` must be a string"))),
    }
}

/// A query parameter that is a plain decimal integer; absent and empty are the same.
pub(crate) fn integer(value: Option<&str>, name: &str, least: u64) -> Result<Option<u64>, Refusal> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<u64>() {
        Ok(number) if digits && number >= least => Ok(Some(number)),
        Ok(_) | Err(_) => Err(Refusal::invalid(format!("`{name}` must be an integer of at least {least}"))),
    }
}
