//! What a credential says about its provider.

use std::fmt;
use std::time::Duration;

use kernel::ModelInfo;

use crate::{Secret, anthropic, demo, openai};

/// Everything that makes a provider: one of these per credential.
#[derive(Clone)]
pub struct Settings {
    /// The credential's name, for messages.
    pub name: String,
    /// Which protocol, with what belongs to that protocol alone.
    pub kind: Kind,
    /// Where the provider is. Absent means the protocol's own provider. May bring a query, which goes with every
    /// request. The demo needs none.
    pub base_url: Option<String>,
    /// The key. Local servers and the demo need none.
    pub api_key: Option<Secret>,
    /// The models there are, if the provider is not to be asked. One that does not see gets words for images.
    pub models: Option<Vec<ModelInfo>>,
    /// How long to wait and how much to take.
    pub limits: Limits,
}

impl Settings {
    /// The defaults of that kind of provider, without a key.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            base_url: None,
            api_key: None,
            models: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Settings {
    /// Without the base URL, which may have a key in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("api_key", &self.api_key)
            .field("models", &self.models)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Which protocol a provider speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI-compatible chat completions.
    OpenAi(openai::Options),
    /// The Anthropic Messages API.
    Anthropic(anthropic::Options),
    /// The built-in model that needs neither network nor key.
    Demo(demo::Options),
}

impl Kind {
    /// The kind of that name, `openai`, `anthropic` or `demo`, with its default options.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "openai" => Some(Self::OpenAi(openai::Options::default())),
            "anthropic" => Some(Self::Anthropic(anthropic::Options::default())),
            "demo" => Some(Self::Demo(demo::Options::default())),
            _ => None,
        }
    }
}

/// How long to wait for a provider and how much to take from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest time without a byte, from the request on.
    pub stall: Duration,
    /// The longest time until a connection stands.
    pub connect: Duration,
    /// The most bytes of one event of a stream.
    pub event_bytes: usize,
    /// The most bytes that are read of the body of a refusal.
    pub error_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(600),
            connect: Duration::from_secs(15),
            event_bytes: 4 << 20,
            error_bytes: 64 << 10,
        }
    }
}

/// Why a provider cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The base URL is not an absolute `http` or `https` URL.
    #[error("the base URL of credential \"{name}\" is not usable: {reason}")]
    BaseUrl {
        /// The credential.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key cannot be sent.
    #[error(
        "the key of credential \"{name}\" has characters that an HTTP header cannot carry; \
         check that it was copied whole and alone"
    )]
    ApiKey {
        /// The credential.
        name: String,
    },
}
