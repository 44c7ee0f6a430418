//! Why a server could not be used.

use std::error::Error as _;

use wire::ConversationMeta;

use super::short;
use crate::failure::Failure;
use crate::render::clean;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody listens there, or the network is in the way.
    #[error(
        "no server answers at {server}: {reason}. Start one with `dispatch serve`, or say where it is with --server or \
         DISPATCH_SERVER"
    )]
    Unreachable { server: String, reason: String },
    /// The server said no.
    #[error("{message}")]
    Refused { message: String, code: Option<String> },
    /// Somebody else has that port.
    #[error("what answers at {server} is not a Dispatch server: {reason}")]
    NotDispatch { server: String, reason: String },
    /// The stream of a turn ended before the turn did.
    #[error("the connection to the server broke: {reason}")]
    Broken { reason: String },
    /// Not the address of a server.
    #[error("`{0}` is not the address of a server; write it like http://127.0.0.1:24203")]
    NoUrl(String),
    /// The key cannot be sent.
    #[error(
        "the key has characters that an HTTP header cannot carry; check that it was copied whole and alone"
    )]
    NoKey,
    /// No id of a conversation.
    #[error("{0}")]
    NoId(String),
    /// No conversation has an id that begins like that.
    #[error("no conversation's id begins with `{0}`; `dispatch list --all` shows all of them")]
    Unknown(String),
    /// More than one conversation has an id that begins like that.
    #[error("the ids of {} conversations begin with `{prefix}`; write more of the one that you mean", .found.len())]
    Ambiguous { prefix: String, found: Vec<ConversationMeta> },
}

impl Error {
    /// Which kind of error it is.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Unreachable { .. } => Some("server-unreachable"),
            Self::Refused { code, .. } => code.as_deref(),
            Self::NotDispatch { .. } => Some("not-a-server"),
            Self::Broken { .. } => Some("connection-broken"),
            Self::NoUrl(_) => Some("invalid-server"),
            Self::NoKey => Some("invalid-key"),
            Self::NoId(_) => Some("invalid-request"),
            Self::Unknown(_) => Some("unknown-conversation"),
            Self::Ambiguous { .. } => Some("ambiguous-conversation"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let details = match &error {
            Error::Ambiguous { found, .. } => {
                found.iter().map(|found| format!("{}  {}", short(&found.id), clean(&found.title))).collect()
            }
            _ => Vec::new(),
        };
        Self::Said { message: error.to_string(), code: error.code().map(str::to_owned), details }
    }
}

/// The innermost reason: the others repeat the URL.
pub(super) fn root(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    match reason.downcast_ref::<std::io::Error>() {
        Some(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nothing listens there".to_owned()
        }
        _ if std::ptr::eq(reason, error) => {
            error.source().map(ToString::to_string).unwrap_or_else(|| error.to_string())
        }
        _ => reason.to_string(),
    }
}
