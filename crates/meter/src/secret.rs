//! Secrets: what clients present, and what is kept of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What a secret is for. It is said by the secret's first letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A key: `dsp_…`.
    Key,
    /// A client token, for browsers: `ek_…`. It opens sessions until it expires, and makes no other tokens.
    ClientToken,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Key => "dsp_",
            Self::ClientToken => "ek_",
        }
    }

    /// Where to look for what a client presented as its key: among client tokens, or among keys. Keys may come from
    /// elsewhere and look like anything.
    pub fn of_credential(presented: &str) -> Self {
        if presented.starts_with(Self::ClientToken.prefix()) { Self::ClientToken } else { Self::Key }
    }

    /// Whether a holder may make client tokens.
    pub fn mints_tokens(self) -> bool {
        match self {
            Self::Key => true,
            Self::ClientToken => false,
        }
    }
}

/// A secret, which is shown once, when it is made. What is kept is its [`SecretHash`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes a secret of 256 bits, which must come from the operating system's source of randomness.
    pub fn new(kind: Kind, random: [u8; 32]) -> Self {
        Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random)))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret, prefix included.
///
/// A fast hash without a salt is enough, and a slow one would only slow down the server: a secret has 256 random bits,
/// so nobody can try them all, and no two are equal. For the same reason hashes may be compared and looked up as any
/// other bytes: how long that takes says something about the hash of what was presented, which is of no use without a
/// secret that has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of what a client presented.
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented).into())
    }

    /// As it is kept.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it was kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}
