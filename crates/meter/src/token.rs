//! Client tokens: what a page may do with somebody's key without having it.

use serde::{Deserialize, Serialize};

use crate::{KeyId, SecretHash};

/// What a client token permits. Built by [`Limits::new`], or read back from where it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    expires_in: u32,
    models: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    max_duration: Option<u32>,
}

/// Why a client token cannot be made like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// `expiresIn` is out of range.
    #[error("expiresIn must be from 1 to {} seconds", Limits::LONGEST_LIFE)]
    ExpiresIn,
    /// Too many models are named.
    #[error("allowedModels can name at most {} models", Limits::MOST_NAMES)]
    Models,
    /// Too many origins are named, or one that is not an origin.
    #[error(
        "allowedOrigins can name at most {} origins, each scheme://host or scheme://host:port",
        Limits::MOST_NAMES
    )]
    Origins,
    /// `maxSessionDuration` is out of range.
    #[error("maxSessionDuration must be at least {} seconds", Limits::SHORTEST_DURATION)]
    MaxDuration,
}

impl InvalidLimit {
    /// The path of the field in the request's body.
    pub fn field(&self) -> &'static [&'static str] {
        match self {
            Self::ExpiresIn => &["expiresIn"],
            Self::Models => &["allowedModels"],
            Self::Origins => &["allowedOrigins"],
            Self::MaxDuration => &["constraints", "realtime", "maxSessionDuration"],
        }
    }
}

impl Limits {
    /// How long a token lives when nobody says, in seconds.
    pub const DEFAULT_LIFE: u32 = 60;
    /// The longest it can live, in seconds.
    pub const LONGEST_LIFE: u32 = 3600;
    /// The most models that a token can name, and the most origins.
    pub const MOST_NAMES: usize = 20;
    /// The shortest bound on a connection's duration, in seconds.
    pub const SHORTEST_DURATION: u32 = 10;

    /// What was asked for, if it can be had. A list that is absent allows everything; an empty one, nothing.
    pub fn new(
        expires_in: Option<u64>,
        models: Option<Vec<String>>,
        origins: Option<Vec<String>>,
        max_duration: Option<u64>,
    ) -> Result<Self, InvalidLimit> {
        let expires_in = match expires_in {
            None => Self::DEFAULT_LIFE,
            Some(seconds) => u32::try_from(seconds)
                .ok()
                .filter(|seconds| (1..=Self::LONGEST_LIFE).contains(seconds))
                .ok_or(InvalidLimit::ExpiresIn)?,
        };
        if models.as_ref().is_some_and(|models| models.len() > Self::MOST_NAMES) {
            return Err(InvalidLimit::Models);
        }
        let are_origins = |origins: &Vec<String>| {
            origins.len() <= Self::MOST_NAMES && origins.iter().all(|origin| is_origin(origin))
        };
        if !origins.as_ref().is_none_or(are_origins) {
            return Err(InvalidLimit::Origins);
        }
        let max_duration = match max_duration {
            Some(seconds) if seconds < u64::from(Self::SHORTEST_DURATION) => {
                return Err(InvalidLimit::MaxDuration);
            }
            // Longer than any connection lasts.
            Some(seconds) => Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            None => None,
        };
        Ok(Self { expires_in, models, origins, max_duration })
    }

    /// How long the token lives, in seconds.
    pub fn expires_in(&self) -> u32 {
        self.expires_in
    }

    /// The models that it opens; none means all.
    pub fn models(&self) -> Option<&[String]> {
        self.models.as_deref()
    }

    /// The origins of pages that may use it; none means all, and clients that are no page.
    pub fn origins(&self) -> Option<&[String]> {
        self.origins.as_deref()
    }

    /// How long a connection may last that was opened with it, in seconds from its opening.
    pub fn max_duration(&self) -> Option<u32> {
        self.max_duration
    }
}

/// Whether it is `scheme://host` or `scheme://host:port`, as browsers write it.
fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.'));
    let (name, port) = match host.rsplit_once(':') {
        // Within the brackets of an IPv6 address there is no port.
        Some((_, after)) if after.ends_with(']') => (host, None),
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_name = !name.is_empty()
        && !name.chars().any(|char| {
            char.is_whitespace() || char.is_control() || matches!(char, '/' | '?' | '#' | '@' | '\\')
        });
    is_scheme && is_name && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// A client token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientToken {
    /// Of the secret.
    pub hash: SecretHash,
    /// The key that made it, and pays.
    pub key: KeyId,
    /// Milliseconds since the Unix epoch.
    pub issued_at: u64,
    /// What it permits.
    pub limits: Limits,
}

/// Why a client token does not open a connection. The texts contain what the public SDKs take for final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Its time is over. A connection that is open goes on.
    #[error("Unauthorized: the client token has expired")]
    Expired,
    /// It does not name the model.
    #[error("Model not allowed for this client token")]
    Model,
    /// It does not name the page's origin, or a client without one presented it.
    #[error("Origin not allowed")]
    Origin,
}

impl ClientToken {
    /// When it opens nothing any more, in milliseconds since the Unix epoch.
    pub fn expires_at(&self) -> u64 {
        self.issued_at.saturating_add(u64::from(self.limits.expires_in) * 1000)
    }

    /// Whether it opens a connection, at that time (milliseconds since the Unix epoch), to that model, for a page of that
    /// origin, which is compared byte by byte.
    pub fn admit(&self, now: u64, model: &str, origin: Option<&str>) -> Result<(), Denied> {
        let names = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
        if now >= self.expires_at() {
            return Err(Denied::Expired);
        }
        if self.limits.models().is_some_and(|models| !names(models, model)) {
            return Err(Denied::Model);
        }
        let is_admitted = |origins: &[String]| origin.is_some_and(|origin| names(origins, origin));
        if self.limits.origins().is_some_and(|origins| !is_admitted(origins)) {
            return Err(Denied::Origin);
        }
        Ok(())
    }
}
