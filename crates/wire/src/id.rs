//! Identifiers: opaque strings, cheap to clone, distinct to the compiler.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the string as it is, unchecked: for ids that this program made or has already checked.
            pub fn new(id: impl Into<Arc<str>>) -> Self {
                Self(id.into())
            }

            /// The id as it goes over the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self(Cow::<str>::deserialize(deserializer)?.into()))
            }
        }
    };
}

id! {
    /// Names a conversation. The server mints UUIDs, but a client may bring any string that
    /// [`ConversationId::parse`] accepts.
    ConversationId
}

id! {
    /// Opaque identifier for a turn (one user→assistant cycle).
    TurnId
}

id! {
    /// Opaque identifier for a step (one model round-trip within a turn). Every tool call and tool result of one
    /// step carries the same one, live and in history: it is what groups a parallel batch.
    StepId
}

/// Why a string cannot name a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidId {
    /// The id is empty.
    Empty,
    /// The id is longer than [`ConversationId::MAX_BYTES`].
    TooLong,
    /// The id contains a control character.
    ControlCharacter,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a conversation id must not be empty"),
            Self::TooLong => {
                write!(f, "a conversation id must not be longer than {} bytes", ConversationId::MAX_BYTES)
            }
            Self::ControlCharacter => f.write_str("a conversation id must not contain control characters"),
        }
    }
}

impl std::error::Error for InvalidId {}

impl ConversationId {
    /// The longest conversation id that is accepted, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 256;

    /// Accepts what a client sent as a conversation id, or says what is wrong with it.
    pub fn parse(id: &str) -> Result<Self, InvalidId> {
        if id.is_empty() {
            return Err(InvalidId::Empty);
        }
        if id.len() > Self::MAX_BYTES {
            return Err(InvalidId::TooLong);
        }
        if id.chars().any(char::is_control) {
            return Err(InvalidId::ControlCharacter);
        }
        Ok(Self(id.into()))
    }
}

impl StepId {
    /// The id of a turn's step, counted from 0.
    pub fn of(turn: &TurnId, step: u32) -> Self {
        Self(format!("{turn}#{step}").into())
    }
}

// `x-brand` makes an id a type of its own in TypeScript. The contract exports branded `TurnId` and `StepId`, but types
// the ids of conversations and turns within other types as plain strings; so the schemas of those two are inline, where
// a brand does not count, and only `StepId` is a definition that others refer to.
impl JsonSchema for ConversationId {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ConversationId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl JsonSchema for TurnId {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TurnId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-brand": "TurnId",
            "description": "Opaque identifier for a turn (one user→assistant cycle)."
        })
    }
}

impl JsonSchema for StepId {
    fn schema_name() -> Cow<'static, str> {
        "StepId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-brand": "StepId",
            "description": "Opaque identifier for a step (one model round-trip within a turn). Every tool call and tool\n\
                result of one step carries the same one, live and in history: it is what groups a parallel batch."
        })
    }
}
