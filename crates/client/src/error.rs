//! Why a server could not be used.

use std::error::Error as _;
use std::time::Duration;

use wire::ConversationMeta;

use crate::secret::Secret;

/// Why a server could not be used. Never has a key in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there, or the network is in the way.
    #[error("no server answers at {server}: {reason}")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why not.
        reason: String,
    },
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// In its own words.
        message: String,
        /// Its code for that.
        code: Option<String>,
        /// The HTTP status; none if it was said in a stream.
        status: Option<u16>,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Somebody else has that port.
    #[error("what answers at {server} is not a Dispatch server: {reason}")]
    NotDispatch {
        /// Its address.
        server: String,
        /// How that shows.
        reason: String,
    },
    /// An answer broke off, or the stream of a turn ended before the turn did.
    #[error("the connection to the server broke: {reason}")]
    Broken {
        /// How.
        reason: String,
    },
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
    #[error("no conversation's id begins with `{0}`")]
    Unknown(String),
    /// More than one conversation has an id that begins like that.
    #[error("the ids of {} conversations begin with `{prefix}`; write more of the one that you mean", .found.len())]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// Whose ids begin like that.
        found: Vec<ConversationMeta>,
    },
}

impl Error {
    /// Which kind of error it is.
    pub fn code(&self) -> Option<&str> {
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

    /// Whether it is about the moment, so that another attempt can go well.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => status.is_some_and(is_passing),
            Self::NotDispatch { .. }
            | Self::NoUrl(_)
            | Self::NoKey
            | Self::NoId(_)
            | Self::Unknown(_)
            | Self::Ambiguous { .. } => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn broken(reason: &str) -> Self {
        Self::Broken { reason: reason.to_owned() }
    }

    /// The same, where somebody else's words are in it that can have the key in them.
    pub(crate) fn without(self, key: &Secret) -> Self {
        match self {
            Self::Unreachable { server, reason } => Self::Unreachable { server, reason: key.hide(reason) },
            Self::Refused { message, code, status, retry_after } => Self::Refused {
                message: key.hide(message),
                code: code.map(|code| key.hide(code)),
                status,
                retry_after,
            },
            Self::NotDispatch { server, reason } => Self::NotDispatch { server, reason: key.hide(reason) },
            Self::Broken { reason } => Self::Broken { reason: key.hide(reason) },
            Self::NoId(reason) => Self::NoId(key.hide(reason)),
            Self::NoUrl(_) | Self::NoKey | Self::Unknown(_) | Self::Ambiguous { .. } => self,
        }
    }
}

/// Whether a status is about the moment: of the server, or of a proxy before it.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 502 | 503 | 504)
}

/// The innermost reason: the others repeat the URL.
pub(crate) fn root(error: &reqwest::Error) -> String {
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
