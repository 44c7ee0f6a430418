//! `POST /v1/client/tokens`: what a page gets in place of a key.
//!
//! The bodies and the statuses are those of the contract of realtime sessions: whoever sends no body, and no type of one,
//! gets a token too, and what cannot be taken is answered with status 422 and a `detail`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use meter::{ClientToken, InvalidLimit, Kind, Limits};
use serde_json::{Map, Value, json};
use wire::account::{
    ClientTokenConstraints, ClientTokenPermissions, ClientTokenRequest, ClientTokenResponse, InvalidField,
    InvalidFieldsBody, RealtimeConstraints,
};
use wire::{ErrorBody, ErrorCode};

use crate::access::{Caller, Unidentified, presented};
use crate::answer::Refusal;
use crate::openapi::{Operation, post};
use crate::{App, input, secret};

pub(super) fn operation() -> Operation {
    post("/v1/client/tokens", create, "createClientToken")
        .says(
            "Make a client token",
            "For a page: it opens realtime sessions at the expense of the key that made it, until it expires, and nothing \
             else. A session that is open by then goes on. Pages of any origin may call this where a key is needed.",
        )
        .may_take::<ClientTokenRequest>(json!({
            "expiresIn": 120,
            "allowedModels": ["restyle"],
            "allowedOrigins": ["https://shop.example"],
            "constraints": { "realtime": { "maxSessionDuration": 600 } },
        }))
        .answers::<ClientTokenResponse>("The token. It is shown this once.")
        .refuses_as::<ErrorBody>(
            403,
            &[ErrorCode::Unauthorized, ErrorCode::ForbiddenOrigin],
            "`unauthorized`: a client token makes no client tokens.\n\n`forbidden-origin`: the request named a host or came \
             from an origin that this server does not answer.",
        )
        .refuses_as::<InvalidFieldsBody>(
            422,
            &[ErrorCode::InvalidJson, ErrorCode::InvalidRequest],
            "`invalid-json`: the body is not JSON.\n\n`invalid-request`: a field of it cannot be taken; `detail` says which.",
        )
        .fails(&[ErrorCode::StoreFailed])
}

async fn create(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let given = presented(&headers, &uri, false);
    let caller = caller(&app, given.as_deref()).await.map_err(Refusal::into_response)?;
    let body = input::bytes(body, app.body_limit).await.map_err(Refusal::into_response)?;
    let limits = limits(&body).map_err(Invalid::into_response)?;
    make(&app, &caller, limits).await.map_err(Refusal::into_response)
}

/// Who asks, which the guard leaves to this route: that a client token is refused with another status is its own rule.
async fn caller(app: &App, given: Option<&str>) -> Result<Caller, Refusal> {
    app.access.identify(app.engine.store().as_ref(), given).await.map_err(|why| match why {
        Unidentified::ClientToken(_) => Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Unauthorized,
            "a client token may not make client tokens; use the key that it was made with",
        ),
        why @ (Unidentified::Missing | Unidentified::Unknown | Unidentified::Failed(_)) => why.into(),
    })
}

async fn make(app: &App, caller: &Caller, limits: Limits) -> Result<Response, Refusal> {
    let secret = secret::new(Kind::ClientToken)?;
    let token = ClientToken {
        hash: secret.hash(),
        key: caller.key(),
        issued_at: super::now_ms(),
        limits: limits.clone(),
    };
    let expires_at =
        i64::try_from(token.expires_at()).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let expires_at =
        expires_at.ok_or_else(|| Refusal::of(ErrorCode::Internal, "the clock of the server is wrong"))?;
    app.engine.store().create_token(token).await?;
    let (models, origins) = (limits.models().map(<[_]>::to_vec), limits.origins().map(<[_]>::to_vec));
    let is_limited = models.is_some() || origins.is_some();
    let answer = ClientTokenResponse {
        api_key: secret.expose().to_owned(),
        expires_at: format!("{expires_at:.3}"),
        permissions: is_limited.then_some(ClientTokenPermissions { models, origins }),
        constraints: limits.max_duration().map(|seconds| ClientTokenConstraints {
            realtime: Some(RealtimeConstraints { max_session_duration: Some(seconds.into()) }),
        }),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// What cannot be taken.
struct Invalid {
    code: ErrorCode,
    kind: &'static str,
    /// The field, from the body's outermost one inwards.
    path: Vec<&'static str>,
    message: String,
}

impl Invalid {
    fn of_type(path: &[&'static str], wanted: &str) -> Self {
        let message = format!("{} must be {wanted}", path.join("."));
        Self { code: ErrorCode::InvalidRequest, kind: "type_error", path: path.to_vec(), message }
    }

    fn into_response(self) -> Response {
        let Self { code, kind, path, message } = self;
        let loc = std::iter::once("body").chain(path).map(str::to_owned).collect();
        let body = InvalidFieldsBody {
            error: message.clone(),
            code: code.as_str().to_owned(),
            detail: vec![InvalidField { kind: kind.to_owned(), loc, msg: message }],
        };
        (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
    }
}

impl From<InvalidLimit> for Invalid {
    fn from(error: InvalidLimit) -> Self {
        Self {
            code: ErrorCode::InvalidRequest,
            kind: "value_error",
            path: error.field().to_vec(),
            message: error.to_string(),
        }
    }
}

/// What a body asks for. As in the contract a field may be `null`, which is as good as absent.
fn limits(body: &[u8]) -> Result<Limits, Invalid> {
    let fields = input::fields(body).map_err(|refusal| Invalid {
        code: refusal.code,
        kind: "json_invalid",
        path: Vec::new(),
        message: refusal.message,
    })?;
    object(&fields, &["metadata"])?;
    let realtime = match object(&fields, &["constraints"])? {
        Some(constraints) => object(constraints, &["constraints", "realtime"])?,
        None => None,
    };
    let max_duration = match realtime {
        Some(realtime) => seconds(realtime, &["constraints", "realtime", "maxSessionDuration"])?,
        None => None,
    };
    let (models, origins) = (texts(&fields, &["allowedModels"])?, texts(&fields, &["allowedOrigins"])?);
    Ok(Limits::new(seconds(&fields, &["expiresIn"])?, models, origins, max_duration)?)
}

/// The value of the last field of a path, in the object that has it.
fn value<'a>(fields: &'a Map<String, Value>, path: &[&'static str]) -> Option<&'a Value> {
    path.last().and_then(|name| fields.get(*name)).filter(|value| !value.is_null())
}

fn object<'a>(
    fields: &'a Map<String, Value>,
    path: &[&'static str],
) -> Result<Option<&'a Map<String, Value>>, Invalid> {
    let object = |value: &'a Value| value.as_object().ok_or_else(|| Invalid::of_type(path, "an object"));
    value(fields, path).map(object).transpose()
}

fn seconds(fields: &Map<String, Value>, path: &[&'static str]) -> Result<Option<u64>, Invalid> {
    let seconds = |value: &Value| match value.as_i64() {
        // Below every bound, and refused with its words.
        Some(..0) => Ok(0),
        Some(_) | None => value.as_u64().ok_or_else(|| Invalid::of_type(path, "an integer")),
    };
    value(fields, path).map(seconds).transpose()
}

fn texts(fields: &Map<String, Value>, path: &[&'static str]) -> Result<Option<Vec<String>>, Invalid> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |value: &Value| {
        let texts = value.as_array().and_then(|values| values.iter().map(text).collect());
        texts.ok_or_else(|| Invalid::of_type(path, "a list of strings"))
    };
    value(fields, path).map(texts).transpose()
}
