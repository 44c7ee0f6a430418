//! Answers that are not a success.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::{ErrorBody, ErrorCode};

/// An error on its way to a client: `{ "error": …, "code": … }`.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    /// With the status that is usual for the code.
    pub(crate) fn of(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(status_of(code), code, message)
    }

    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A field is missing or has a value that it cannot have.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::of(ErrorCode::InvalidRequest, message)
    }
}

/// The status with which an error of that code is answered over HTTP.
pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidJson | ErrorCode::InvalidRequest | ErrorCode::UnknownModel => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientCredits => StatusCode::PAYMENT_REQUIRED,
        ErrorCode::ForbiddenOrigin | ErrorCode::OperatorOnly => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::TurnActive
        | ErrorCode::TurnMismatch
        | ErrorCode::ConversationActive
        | ErrorCode::CompactionRefused
        | ErrorCode::WarmRefused => StatusCode::CONFLICT,
        ErrorCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::StoreFailed | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        // These are met on a WebSocket, or inside a turn.
        ErrorCode::UnknownMessage
        | ErrorCode::UnknownSurface
        | ErrorCode::UnknownAction
        | ErrorCode::ActionFailed => StatusCode::BAD_REQUEST,
        ErrorCode::ProviderUnreachable
        | ErrorCode::ProviderUnauthorized
        | ErrorCode::ProviderRateLimited
        | ErrorCode::ProviderFailed
        | ErrorCode::ProviderProtocol
        | ErrorCode::ProviderStreamEnded
        | ErrorCode::ProviderStalled => StatusCode::BAD_GATEWAY,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: self.message, code: Some(self.code.as_str().to_owned()) };
        let mut response = (self.status, Json(body)).into_response();
        // The rest of the body is not read, so that the connection ends here: the next request is to take another one.
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<engine::Error> for Refusal {
    fn from(error: engine::Error) -> Self {
        Self::of(error.code(), error.to_string())
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        engine::Error::from(error).into()
    }
}
