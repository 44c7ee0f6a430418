//! What can be wrong with a session.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::connection::State;
use crate::secret::Secret;

/// Texts that servers of the contract refuse with for good. They are looked for in lower case.
const PERMANENT: [&str; 6] =
    ["permission denied", "not allowed", "invalid session", "401", "invalid api key", "unauthorized"];

/// Kinds of errors after which another attempt would end in the same way.
const PERMANENT_TYPES: [&str; 12] = [
    "invalid_api_key",
    "origin_not_allowed",
    "invalid_model",
    "removed_model",
    "model_not_available_for_trial",
    "insufficient_credits",
    "session_duration_limit",
    "session_not_found",
    "session_deleted",
    "moderation_violation",
    "transport_not_supported",
    "upstream_rejected",
];

/// Kinds of errors that are about the moment, even if the server closes with [`POLICY_VIOLATION`] after them.
const PASSING_TYPES: [&str; 7] = [
    "upstream_capacity",
    "upstream_timeout",
    "model_server_disconnected",
    "model_setup_timeout",
    "server_shutdown",
    "internal_error",
    "invalid_message",
];

/// The close code for what is against the rules.
const POLICY_VIOLATION: u16 = 1008;

/// A close frame without a code, as some WebSocket libraries tell it.
const NO_CODE: u16 = 1005;

/// No close frame at all, as some WebSocket libraries tell it.
const LOST: u16 = 1006;

/// The parameter of the query that nobody may read.
const KEY: &str = "api_key=";

/// Something that is wrong with a session, or with a call. Never has a key in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What kind.
    pub code: ErrorCode,
    /// For people; if it is the server's, in its own words.
    pub message: String,
    /// What the server calls it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// Whether another attempt would end in the same way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The server said so on the WebSocket.
    Server,
    /// The server refused the WebSocket, or cannot be reached.
    Refused,
    /// The WebSocket was closed.
    Closed,
    /// Media do not flow.
    Media,
    /// Something did not come in time.
    Timeout,
    /// The server did not take a prompt or an image.
    Rejected,
    /// There is no session at the moment.
    NotConnected,
    /// What was asked for cannot be.
    InvalidInput,
    /// Not now.
    InvalidState,
    /// The application disconnected meanwhile.
    Aborted,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: &str) -> Self {
        Self { code, message: without_key(message), error_type: None, permanent: false }
    }

    pub(crate) fn server(message: &str, error_type: Option<String>) -> Self {
        let permanent = is_permanent(message)
            || error_type.as_deref().is_some_and(|kind| PERMANENT_TYPES.contains(&kind));
        let message = if message.is_empty() { "the server says that something is wrong" } else { message };
        Self { error_type, permanent, ..Self::new(ErrorCode::Server, message) }
    }

    pub(crate) fn refused(status: Option<u16>, reason: &str) -> Self {
        let message = match (status, reason) {
            (Some(status), "") => format!("the server refused the connection with status {status}"),
            (None, "") => "the server cannot be reached".to_owned(),
            (_, reason) => reason.to_owned(),
        };
        // A client's mistake stays one; 408, 425 and 429 are about the moment. The text does not count: it can be a
        // proxy's page or a library's words with an address in them, and a port can be 8401.
        let permanent =
            status.is_some_and(|status| (400..500).contains(&status) && !matches!(status, 408 | 425 | 429));
        Self { permanent, ..Self::new(ErrorCode::Refused, &message) }
    }

    pub(crate) fn closed(code: Option<u16>, reason: &str) -> Self {
        let message = match (code, reason) {
            (None | Some(LOST), _) => "the connection to the server was lost".to_owned(),
            (Some(NO_CODE), _) => "the server closed the connection".to_owned(),
            (Some(code), "") => format!("the server closed the connection with code {code}"),
            (Some(code), reason) => format!("the server closed the connection with code {code}: {reason}"),
        };
        let permanent = code == Some(POLICY_VIOLATION) || is_permanent(reason);
        Self { permanent, ..Self::new(ErrorCode::Closed, &message) }
    }

    pub(crate) fn media(reason: &str) -> Self {
        Self::new(ErrorCode::Media, if reason.is_empty() { "media do not flow" } else { reason })
    }

    pub(crate) fn rejected(reason: Option<&str>) -> Self {
        let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or("the server did not take it");
        Self { permanent: is_permanent(reason), ..Self::new(ErrorCode::Rejected, reason) }
    }

    /// This error of the server as why it ended what it ended in that way.
    pub(crate) fn ended_by(self, end: &Self) -> Self {
        let passes = self.error_type.as_deref().is_some_and(|kind| PASSING_TYPES.contains(&kind));
        Self { permanent: self.permanent || (end.permanent && !passes), ..self }
    }

    /// The same, in words that can be a server's own, which can have the key in them.
    pub(crate) fn without(self, key: &Secret) -> Self {
        let (message, error_type) = (key.hide(self.message), self.error_type.map(|kind| key.hide(kind)));
        Self { message, error_type, ..self }
    }

    pub(crate) fn not_connected(state: State) -> Self {
        let state = match state {
            State::Disconnected => "disconnected",
            State::Connecting => "connecting",
            State::Connected => "connected",
            State::Generating => "generating",
            State::Reconnecting => "reconnecting",
        };
        Self::new(ErrorCode::NotConnected, &format!("there is no session now: the connection is {state}"))
    }
}

fn is_permanent(text: &str) -> bool {
    let text = text.to_lowercase();
    PERMANENT.iter().any(|known| text.contains(known))
}

/// A URL in a text of some library has the key in it.
fn without_key(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY) {
        let (before, key) = rest.split_at(at + KEY.len());
        safe.push_str(before);
        safe.push_str("***");
        rest = key.trim_start_matches(|c: char| c != '&' && c != '"' && !c.is_whitespace());
    }
    safe.push_str(rest);
    safe
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
