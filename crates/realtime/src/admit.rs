//! Whether there may be a session, and how a client is told that there may not.
//!
//! The public clients understand refusals differently. The Python one stops at once at HTTP 401 and can wait for
//! minutes if it is told anything later; browsers cannot see an HTTP status, but read an `error` message. So the
//! answer depends on the user agent, and on whether trying again makes sense.

use std::time::Duration;

use wire::realtime::{ErrorType, ServerMessage};

use crate::peer::Close;
use crate::text;

/// A request for a signaling WebSocket, and what is known about what it names.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The query parameter `user_agent`, decoded; empty if there is none. Not the header, which browsers write
    /// themselves.
    pub user_agent: &'a str,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The query parameter `api_key`.
    pub key: Key<'a>,
    /// What is asked for.
    pub purpose: Purpose<'a>,
}

/// What a query's key is.
#[derive(Clone, Debug)]
pub enum Key<'a> {
    /// There is none, or it is empty.
    Missing,
    /// Nobody has such a key, or it was revoked.
    Unknown,
    /// It is a client token whose time is over.
    Expired,
    /// It is a key.
    Permanent,
    /// It is a client token.
    Token {
        /// The models that it opens; none means all.
        models: Option<&'a [String]>,
        /// The origins of pages that may use it, compared byte by byte; none means all, and clients that are no page.
        origins: Option<&'a [String]>,
        /// How long a session may still last with it.
        max_duration: Option<Duration>,
    },
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Purpose<'a> {
    /// To generate.
    Produce {
        /// The query parameter `model`; empty if there is none.
        model: &'a str,
        /// Whether there is such a realtime model.
        is_known: bool,
        /// Whether the price of a first second is held, or could be.
        has_credits: bool,
        /// Whether there is a place.
        room: Room,
    },
    /// To watch.
    View {
        /// What there is to watch.
        producer: Producer,
    },
}

/// Whether there is a place for one more session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Free,
    /// The key has as many as it may.
    KeyFull,
    /// The server has as many as it may.
    ServerFull,
}

/// The session that a viewer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Producer {
    /// It goes on.
    Live,
    /// It goes on, and has as many viewers as it may.
    Full,
    /// It is over.
    Ended,
    /// There is none of that id.
    Unknown,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accept the WebSocket and make a [`crate::Session`] or a [`crate::Viewer`].
    Admit {
        /// For [`crate::Start::max_duration`]; none for a viewer.
        max_duration: Option<Duration>,
    },
    /// Do not accept the WebSocket: answer with that status, and the refusal's text as the body.
    Http {
        /// 401 or 503.
        status: u16,
        /// Why.
        refusal: Refusal,
    },
    /// Accept the WebSocket, send [`Refusal::message`], then [`Refusal::close`], and read nothing.
    Socket {
        /// Why.
        refusal: Refusal,
    },
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The query has no key.
    MissingKey,
    /// There is no such key.
    InvalidKey,
    /// The client token is too old.
    TokenExpired,
    /// The client token was used for as long as it may.
    TokenUsedUp,
    /// The client token is for other pages.
    OriginNotAllowed,
    /// There is no such model.
    UnknownModel,
    /// The client token is for other models.
    ModelNotAllowed,
    /// There are no credits for a first second.
    InsufficientCredits,
    /// The key has as many sessions as it may.
    SessionLimit,
    /// The server has as many sessions as it may.
    AtCapacity,
    /// The session has as many viewers as it may.
    ViewerLimit,
    /// There is no session to watch of that id.
    UnknownSession,
    /// What was to be watched is over.
    ProducerEnded,
}

/// Decides about a request. What will never be granted is told before what may be granted later.
pub fn admit(request: &Request<'_>) -> Verdict {
    match refusal(request) {
        Ok(max_duration) => Verdict::Admit { max_duration },
        Err(refusal) if request.user_agent.starts_with(PYTHON) => {
            Verdict::Http { status: if refusal.is_final() { 401 } else { 503 }, refusal }
        }
        Err(refusal) => Verdict::Socket { refusal },
    }
}

/// How the public Python client begins its user agent.
const PYTHON: &str = "decart-python-sdk/";

fn refusal(request: &Request<'_>) -> Result<Option<Duration>, Refusal> {
    let (models, origins, max_duration) = match request.key {
        Key::Missing => return Err(Refusal::MissingKey),
        Key::Unknown => return Err(Refusal::InvalidKey),
        Key::Expired => return Err(Refusal::TokenExpired),
        Key::Permanent => (None, None, None),
        Key::Token { models, origins, max_duration } => (models, origins, max_duration),
    };
    let names = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
    if origins.is_some_and(|origins| !request.origin.is_some_and(|origin| names(origins, origin))) {
        return Err(Refusal::OriginNotAllowed);
    }
    if max_duration == Some(Duration::ZERO) {
        return Err(Refusal::TokenUsedUp);
    }
    match request.purpose {
        Purpose::Produce { is_known: false, .. } => Err(Refusal::UnknownModel),
        Purpose::Produce { model, .. } if models.is_some_and(|models| !names(models, model)) => {
            Err(Refusal::ModelNotAllowed)
        }
        Purpose::Produce { has_credits: false, .. } => Err(Refusal::InsufficientCredits),
        Purpose::Produce { room: Room::KeyFull, .. } => Err(Refusal::SessionLimit),
        Purpose::Produce { room: Room::ServerFull, .. } => Err(Refusal::AtCapacity),
        Purpose::Produce { room: Room::Free, .. } => Ok(max_duration),
        Purpose::View { producer: Producer::Unknown } => Err(Refusal::UnknownSession),
        Purpose::View { producer: Producer::Ended } => Err(Refusal::ProducerEnded),
        Purpose::View { producer: Producer::Full } => Err(Refusal::ViewerLimit),
        // It lasts as long as what it watches.
        Purpose::View { producer: Producer::Live } => Ok(None),
    }
}

impl Refusal {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::MissingKey,
        Self::InvalidKey,
        Self::TokenExpired,
        Self::TokenUsedUp,
        Self::OriginNotAllowed,
        Self::UnknownModel,
        Self::ModelNotAllowed,
        Self::InsufficientCredits,
        Self::SessionLimit,
        Self::AtCapacity,
        Self::ViewerLimit,
        Self::UnknownSession,
        Self::ProducerEnded,
    ];

    /// What the client is told.
    pub fn text(self) -> &'static str {
        match self {
            Self::MissingKey => text::MISSING_KEY,
            Self::InvalidKey => text::INVALID_KEY,
            Self::TokenExpired => text::TOKEN_EXPIRED,
            Self::TokenUsedUp => text::TOKEN_USED_UP,
            Self::OriginNotAllowed => text::ORIGIN_NOT_ALLOWED,
            Self::UnknownModel => text::UNKNOWN_MODEL,
            Self::ModelNotAllowed => text::MODEL_NOT_ALLOWED,
            Self::InsufficientCredits => text::NO_CREDITS,
            Self::SessionLimit => text::SESSION_LIMIT,
            Self::AtCapacity => text::AT_CAPACITY,
            Self::ViewerLimit => text::VIEWER_LIMIT,
            Self::UnknownSession => text::INVALID_SESSION,
            Self::ProducerEnded => text::PRODUCER_ENDED,
        }
    }

    /// Whether trying again is of no use.
    pub fn is_final(self) -> bool {
        match self {
            Self::SessionLimit | Self::AtCapacity | Self::ViewerLimit => false,
            Self::MissingKey
            | Self::InvalidKey
            | Self::TokenExpired
            | Self::TokenUsedUp
            | Self::OriginNotAllowed
            | Self::UnknownModel
            | Self::ModelNotAllowed
            | Self::InsufficientCredits
            | Self::UnknownSession
            | Self::ProducerEnded => true,
        }
    }

    /// The kind of the error, for programs.
    pub fn error_type(self) -> ErrorType {
        match self {
            Self::MissingKey | Self::InvalidKey | Self::TokenExpired => ErrorType::InvalidApiKey,
            Self::TokenUsedUp => ErrorType::SessionDurationLimit,
            Self::OriginNotAllowed => ErrorType::OriginNotAllowed,
            Self::UnknownModel | Self::ModelNotAllowed => ErrorType::InvalidModel,
            Self::InsufficientCredits => ErrorType::InsufficientCredits,
            Self::SessionLimit | Self::AtCapacity | Self::ViewerLimit => ErrorType::UpstreamCapacity,
            Self::UnknownSession | Self::ProducerEnded => ErrorType::SessionNotFound,
        }
    }

    /// The message that says it over a WebSocket.
    pub fn message(self) -> ServerMessage {
        error(self.text(), self.error_type())
    }

    /// The close frame after the message.
    pub fn close(self) -> Close {
        match self {
            Self::SessionLimit => Close { code: Close::OVERLOADED, reason: "Session Limit Reached" },
            Self::AtCapacity => Close { code: Close::OVERLOADED, reason: "At Capacity" },
            Self::ViewerLimit => Close { code: Close::OVERLOADED, reason: "Viewer Limit Reached" },
            Self::MissingKey
            | Self::InvalidKey
            | Self::TokenExpired
            | Self::TokenUsedUp
            | Self::OriginNotAllowed
            | Self::UnknownModel
            | Self::ModelNotAllowed
            | Self::InsufficientCredits
            | Self::UnknownSession
            | Self::ProducerEnded => {
                // Bytes, not characters: a close frame has room for 123.
                Close { code: Close::POLICY, reason: self.text() }
            }
        }
    }
}

pub(crate) fn error(text: impl Into<String>, kind: ErrorType) -> ServerMessage {
    ServerMessage::Error { error: text.into(), error_type: Some(kind.as_str().to_owned()) }
}
