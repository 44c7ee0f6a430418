//! The messages of a realtime session: one JSON object per WebSocket text frame.
//!
//! [`ClientMessage`] goes from a client to the server, [`ServerMessage`] back. What is written is exact: integers are
//! integers, a prompt comes back byte for byte, and an ack without an error says `"error": null`. What is read is
//! read kindly: types and fields that are not known here are passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A field for which being absent and being `null` are two different things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Field<T> {
    /// The object has no such field.
    #[default]
    Absent,
    /// The field is `null`.
    Null,
    /// The field has a value.
    Value(T),
}

impl<T> Field<T> {
    /// Whether the object has no such field.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // An absent field is left out by whoever has it; where it cannot be, `null` is the nearest there is.
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// What a client says.
///
/// It is read with [`ClientMessage::parse`], which keeps nothing of what it does not know: a frame full of
/// unknown things costs no more than its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub enum ClientMessage {
    /// Proposes a peer connection. Another one on the same socket replaces it.
    #[serde(rename = "offer")]
    Offer(Description),
    /// Answers an offer of the server. This server makes none.
    #[serde(rename = "answer")]
    Answer(Description),
    /// One more address at which the client may be reached.
    #[serde(rename = "ice-candidate")]
    IceCandidate(Trickle),
    /// Sets the prompt and leaves the image.
    #[serde(rename = "prompt")]
    Prompt(Prompt),
    /// Sets the image, and the prompt if it has one.
    #[serde(rename = "set_image")]
    SetImage(SetImage),
    /// Asks for another transport, which this server does not speak.
    #[serde(rename = "livekit_join")]
    LivekitJoin,
    /// A message of a type that is not known here. Never written.
    #[serde(skip_serializing)]
    Unknown,
}

impl ClientMessage {
    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the frame is not a JSON object with a `type`, or if a message of a known type lacks a field
    /// or has a value there that it cannot have.
    pub fn parse(frame: &str) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        fn body<T: DeserializeOwned>(kind: MessageKind, frame: &str) -> Result<T, Malformed> {
            serde_json::from_str(frame)
                .map_err(|error| Malformed { kind: Some(kind), reason: error.to_string() })
        }
        let Head { kind } = serde_json::from_str(frame)
            .map_err(|error| Malformed { kind: None, reason: error.to_string() })?;
        let Some(kind) = MessageKind::parse(&kind) else { return Ok(Self::Unknown) };
        Ok(match kind {
            MessageKind::Offer => Self::Offer(body(kind, frame)?),
            MessageKind::Answer => Self::Answer(body(kind, frame)?),
            MessageKind::IceCandidate => Self::IceCandidate(body(kind, frame)?),
            MessageKind::Prompt => Self::Prompt(body(kind, frame)?),
            MessageKind::SetImage => Self::SetImage(body(kind, frame)?),
            MessageKind::LivekitJoin => {
                let _: IgnoredAny = body(kind, frame)?;
                Self::LivekitJoin
            }
        })
    }
}

macro_rules! names {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What has that name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// The types of [`ClientMessage`].
    MessageKind {
        /// [`ClientMessage::Offer`].
        Offer = "offer",
        /// [`ClientMessage::Answer`].
        Answer = "answer",
        /// [`ClientMessage::IceCandidate`].
        IceCandidate = "ice-candidate",
        /// [`ClientMessage::Prompt`].
        Prompt = "prompt",
        /// [`ClientMessage::SetImage`].
        SetImage = "set_image",
        /// [`ClientMessage::LivekitJoin`].
        LivekitJoin = "livekit_join",
    }
}

names! {
    /// Why a session ended: the `reason` of [`ServerMessage::GenerationEnded`] and of the session's receipt.
    EndReason {
        /// The client left, or was lost.
        Disconnect = "disconnect",
        /// Something did not come in time, or the session lasted as long as it may.
        Timeout = "timeout",
        /// Something failed.
        Error = "error",
        /// What was asked for, or shown, is not permitted.
        ModerationViolation = "moderation_violation",
        /// The next second could not be paid.
        InsufficientCredits = "insufficient_credits",
        /// The operator of the server ended it.
        DeletedByOperator = "deleted_by_operator",
    }
}

names! {
    /// The `error_type` of [`ServerMessage::Error`]: the kind of an error, for programs.
    ErrorType {
        /// The key is missing, unknown or expired.
        InvalidApiKey = "invalid_api_key",
        /// The page's origin is not one of the key's.
        OriginNotAllowed = "origin_not_allowed",
        /// No model has that name, or the key is for others.
        InvalidModel = "invalid_model",
        /// There are no credits for another second.
        InsufficientCredits = "insufficient_credits",
        /// The server, or the key, has as many sessions as it may.
        UpstreamCapacity = "upstream_capacity",
        /// The offer, or what it leads to, cannot be served.
        UpstreamRejected = "upstream_rejected",
        /// The offer or the video did not come in time.
        UpstreamTimeout = "upstream_timeout",
        /// The model failed.
        ModelServerDisconnected = "model_server_disconnected",
        /// The session lasted as long as it may.
        SessionDurationLimit = "session_duration_limit",
        /// No session has that id, or it is over.
        SessionNotFound = "session_not_found",
        /// The server is stopping.
        ServerShutdown = "server_shutdown",
        /// What was asked for, or shown, is not permitted.
        ModerationViolation = "moderation_violation",
        /// A message could not be read; the session goes on.
        InvalidMessage = "invalid_message",
        /// The transport is not spoken here.
        TransportNotSupported = "transport_not_supported",
        /// The operator of the server ended the session.
        SessionDeleted = "session_deleted",
        /// Something failed that should not have.
        InternalError = "internal_error",
    }
}

/// A frame of a client that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The type of the message, if that is known.
    pub kind: Option<MessageKind>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "this `{kind}` message cannot be read: {}", self.reason),
            None => write!(f, "a frame is one JSON object with a `type`: {}", self.reason),
        }
    }
}

impl std::error::Error for Malformed {}

/// One side of a peer connection, as SDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The session description.
    pub sdp: String,
}

/// An address, or the end of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trickle {
    /// `null` when there are no more.
    #[serde(default)]
    pub candidate: Option<IceCandidate>,
}

/// An ICE candidate as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCandidate {
    /// The candidate attribute, from `candidate:` on; some browsers end with an empty one.
    pub candidate: String,
    /// The media line it belongs to, by name.
    #[serde(rename = "sdpMid", default)]
    pub sdp_mid: Option<String>,
    /// The media line it belongs to, by number from 0.
    #[serde(rename = "sdpMLineIndex", default)]
    pub sdp_m_line_index: Option<u16>,
    /// Of which ICE generation it is.
    #[serde(rename = "usernameFragment", default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// Sets the prompt and leaves the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// At least one character.
    pub prompt: String,
    /// Whether the server may rewrite the prompt for the model; it may if nothing is said.
    #[serde(default = "yes", deserialize_with = "yes_if_null")]
    pub enhance_prompt: bool,
}

/// Sets the image, and the prompt if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetImage {
    /// The image file in base64, without a `data:` prefix. Both `null` and absent take the image away.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub image_data: Field<String>,
    /// Absent leaves the prompt, `null` takes it away.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub prompt: Field<String>,
    /// As in [`Prompt::enhance_prompt`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhance_prompt: Option<bool>,
}

impl SetImage {
    /// Whether the server may rewrite the prompt for the model.
    pub fn enhances(&self) -> bool {
        self.enhance_prompt.unwrap_or(true)
    }

    /// Whether this is what clients send that have nothing to set: the video is to come back as it is.
    pub fn is_passthrough(&self) -> bool {
        self.image_data == Field::Null && self.prompt == Field::Null
    }
}

/// What the server says.
///
/// Of these, this server sends `session_id`, `answer`, the acks, the three of a generation, and `error`; the others
/// are sent by other servers of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The session's name and where its media come from. The first message.
    SessionId {
        /// `[A-Za-z0-9-]+`. Viewers find the session by it, and `session=…` in the query of another connection
        /// takes up its prompt and image.
        session_id: String,
        /// An address; only carried along in tokens for viewers.
        server_ip: String,
        /// Never 0.
        server_port: u16,
    },
    /// Answers an offer; all candidates of the server are inside.
    Answer {
        /// The session description.
        sdp: String,
    },
    /// Proposes a peer connection.
    Offer {
        /// The session description.
        sdp: String,
    },
    /// One more address at which the server may be reached.
    #[serde(rename = "ice-candidate")]
    IceCandidate(Trickle),
    /// A prompt was taken, or not. One per `prompt`, in their order.
    PromptAck {
        /// The text as it came.
        prompt: String,
        /// Whether the prompt holds from now on.
        success: bool,
        /// Why not.
        #[serde(default)]
        error: Option<String>,
    },
    /// An image was taken, or not. One per `set_image`, in their order.
    SetImageAck {
        /// Whether the image, and the prompt with it, hold from now on.
        success: bool,
        /// Why not.
        #[serde(default)]
        error: Option<String>,
    },
    /// Media flow and the first frame was made: from now on seconds count.
    GenerationStarted,
    /// A second was delivered.
    GenerationTick {
        /// How many so far, in this session.
        #[serde(deserialize_with = "whole_seconds")]
        seconds: u64,
        /// What the key has left: a decimal of at most six digits after the point. Only of a key that can run out; an
        /// addition to the contract.
        #[serde(default, deserialize_with = "amount", skip_serializing_if = "Option::is_none")]
        credits: Option<String>,
    },
    /// The session is over for billing.
    GenerationEnded {
        /// How many seconds were delivered: what the last tick said, or 0.
        #[serde(deserialize_with = "whole_seconds")]
        seconds: u64,
        /// The text of an [`EndReason`].
        reason: String,
    },
    /// Something is wrong. If it ends the session, a close follows.
    Error {
        /// What.
        error: String,
        /// The text of an [`ErrorType`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_type: Option<String>,
    },
    /// Asks old clients for an offer that they make anyhow. Harmful; never sent here.
    Ready,
    /// Asks old clients for another offer, over a relay. Never sent here.
    #[serde(rename = "ice-restart")]
    IceRestart {
        /// The relay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_config: Option<TurnConfig>,
    },
    /// How the wait for a place goes, in words.
    Status {
        /// Such as `Ready`.
        status: String,
    },
    /// How the wait for a place goes.
    QueuePosition {
        /// From 1.
        position: u64,
        /// How many wait.
        queue_size: u64,
    },
    /// A message of a type that is not known here. Never written.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// A relay for media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnConfig {
    /// For the relay.
    pub username: String,
    /// For the relay.
    pub credential: String,
    /// Where it is.
    pub server_url: String,
}

fn yes() -> bool {
    true
}

fn yes_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

/// Seconds are whole; of a server that writes `7.0`, or `7.9`, the whole ones count.
/// Whoever writes an amount as a number is understood; anything else is none, which costs nobody a tick.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    number
        .as_u64()
        .or_else(|| {
            let seconds = number.as_f64()?;
            // Past 2^53 a float is no count any more.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (0.0..=9_007_199_254_740_992.0).contains(&seconds).then_some(seconds as u64)
        })
        .ok_or_else(|| serde::de::Error::custom(format_args!("{number} is not a number of seconds")))
}
