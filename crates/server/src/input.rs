//! What clients send, checked and made into types.
//!
//! A field that may be left out is left out, never `null`; one that is there and has the wrong type is refused by name,
//! and nothing is changed. Fields that are not known are ignored.

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use engine::live::{After, Audience, Watch};
use engine::{Prompt, Steer};
use meter::KeyId;
use serde_json::{Map, Value};
use wire::extension::{ImageInput, WhenActive};
use wire::{ConversationId, ErrorCode, ReasoningEffort, TurnId};

use crate::answer::Refusal;

/// The longest id that a client may give a message, in bytes.
const CLIENT_ID_BYTES: usize = 256;

/// The fields of a JSON object.
pub(crate) type Fields = Map<String, Value>;

/// A request body that is a JSON object.
pub(crate) async fn object(body: Body, limit: usize) -> Result<Fields, Refusal> {
    parsed(&bytes(body, limit).await?)
}

fn parsed(body: &[u8]) -> Result<Fields, Refusal> {
    let json = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidJson, message);
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(json("The body must be a JSON object")),
        Err(_) => Err(json("Invalid JSON body")),
    }
}

/// A request body that is a JSON object, or is empty, which is an object without fields.
pub(crate) async fn optional_object(body: Body, limit: usize) -> Result<Fields, Refusal> {
    fields(&bytes(body, limit).await?)
}

/// The fields of a body that may be empty.
pub(crate) fn fields(body: &[u8]) -> Result<Fields, Refusal> {
    match body.is_empty() {
        true => Ok(Fields::new()),
        false => parsed(body),
    }
}

/// A request body that may be missing; one that is no JSON object counts as missing.
pub(crate) async fn lenient_object(body: Body, limit: usize) -> Result<Fields, Refusal> {
    Ok(serde_json::from_slice(&bytes(body, limit).await?).unwrap_or_default())
}

/// A request body, up to a limit.
pub(crate) async fn bytes(body: Body, limit: usize) -> Result<axum::body::Bytes, Refusal> {
    to_bytes(body, limit).await.map_err(|_| {
        let message = format!("the body is larger than {limit} bytes, or its connection broke");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, message)
    })
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
pub(crate) fn chat(fields: &Fields, payer: KeyId) -> Result<(ConversationId, Prompt), Refusal> {
    let id = match fields.get("conversationId") {
        Some(Value::String(id)) if !id.is_empty() => conversation_id(id)?,
        _ => mint(),
    };
    let prompt = Prompt {
        text: text(fields, "message")?,
        images: images(fields)?,
        model: string(fields, "model")?,
        cwd: string(fields, "cwd")?,
        effort: fields.get("reasoningEffort").map(effort).transpose()?,
        client_message_id: client_message_id(fields)?,
        when_active: when_active(fields)?,
        payer: Some(payer),
        watch: watch(fields)?,
    };
    Ok((id, prompt))
}

/// The fields of `POST /conversations/:id/queue` and of `chat.queue`, without the conversation.
pub(crate) fn steer(fields: &Fields, payer: KeyId) -> Result<Steer, Refusal> {
    Ok(Steer {
        text: text(fields, "text")?,
        client_message_id: client_message_id(fields)?,
        expected_turn: named(fields, "expectedTurnId")?.map(TurnId::new),
        payer: Some(payer),
        watch: watch(fields)?,
    })
}

/// How a conversation is to be watched: the fields `extensions`, `cursor`, `turnId` and `afterEventSeq`.
pub(crate) fn watch(fields: &Fields) -> Result<Watch, Refusal> {
    let audience = if flag(fields, "extensions")? { Audience::Extensions } else { Audience::Contract };
    let after = match (named(fields, "turnId")?, number(fields, "afterEventSeq")?) {
        (Some(turn), Some(event_seq)) => Some(After { turn: TurnId::new(turn), event_seq }),
        (None, Some(_)) => {
            return Err(Refusal::invalid("`afterEventSeq` needs `turnId`: it counts in one turn"));
        }
        (Some(_) | None, None) => None,
    };
    Ok(Watch { audience, cursor: flag(fields, "cursor")?, after })
}

/// A level of effort.
pub(crate) fn effort(level: &Value) -> Result<ReasoningEffort, Refusal> {
    level.as_str().and_then(ReasoningEffort::parse).ok_or_else(|| {
        let levels = ReasoningEffort::ALL.map(ReasoningEffort::as_str).join(", ");
        Refusal::invalid(format!("`reasoningEffort` must be one of: {levels}"))
    })
}

/// A field that must be a string with something in it besides white space; trimmed.
pub(crate) fn text(fields: &Fields, name: &str) -> Result<String, Refusal> {
    match fields.get(name).and_then(Value::as_str).map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err(Refusal::invalid(format!("a non-empty string `{name}` is required"))),
    }
}

/// A field that may be absent, and is a string otherwise.
pub(crate) fn string(fields: &Fields, name: &str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(Refusal::invalid(format!("`{name}` must be a string"))),
    }
}

/// A field that may be absent, and is `true` or `false` otherwise; absent means `false`.
pub(crate) fn flag(fields: &Fields, name: &str) -> Result<bool, Refusal> {
    match fields.get(name) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Refusal::invalid(format!("`{name}` must be true or false"))),
    }
}

/// A field that may be absent, and is an integer of at least 0 otherwise.
fn number(fields: &Fields, name: &str) -> Result<Option<u64>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::invalid(format!("`{name}` must be an integer of at least 0"))),
        },
    }
}

/// A field that may be absent, and is a string with something in it otherwise.
pub(crate) fn named(fields: &Fields, name: &str) -> Result<Option<String>, Refusal> {
    match string(fields, name)? {
        Some(value) if value.is_empty() => {
            Err(Refusal::invalid(format!("`{name}` must not be empty; leave it out instead")))
        }
        value => Ok(value),
    }
}

fn client_message_id(fields: &Fields) -> Result<Option<String>, Refusal> {
    match named(fields, "clientMessageId")? {
        Some(id) if id.len() > CLIENT_ID_BYTES => {
            Err(Refusal::invalid(format!("`clientMessageId` is longer than {CLIENT_ID_BYTES} bytes")))
        }
        id => Ok(id),
    }
}

fn when_active(fields: &Fields) -> Result<WhenActive, Refusal> {
    let Some(value) = fields.get("whenActive") else { return Ok(WhenActive::default()) };
    value.as_str().and_then(WhenActive::parse).ok_or_else(|| {
        let values = WhenActive::ALL.map(WhenActive::as_str).join(", ");
        Refusal::invalid(format!("`whenActive` must be one of: {values}"))
    })
}

fn images(fields: &Fields) -> Result<Vec<ImageInput>, Refusal> {
    let items = match fields.get("images") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Refusal::invalid("`images` must be an array")),
    };
    let image = |(index, item): (usize, &Value)| {
        let Value::Object(item) = item else {
            return Err(Refusal::invalid(format!("`images[{index}]` must be an object with a `url`")));
        };
        let within = |refusal: Refusal| Refusal {
            message: format!("images[{index}]: {}", refusal.message),
            ..refusal
        };
        Ok(ImageInput {
            url: text(item, "url").map_err(within)?,
            mime_type: string(item, "mimeType").map_err(within)?,
        })
    };
    items.iter().enumerate().map(image).collect()
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

/// A query parameter that is `true` or `false`; absent and empty mean `false`.
pub(crate) fn switch(value: Option<&str>, name: &str) -> Result<bool, Refusal> {
    match value {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::invalid(format!("`{name}` must be true or false"))),
    }
}
