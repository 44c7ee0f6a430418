//! Identifiers: opaque strings, cheap to clone, distinct to the compiler.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
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

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
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
    };
}

id! {
    /// Names a key. Not a secret: it is in lists, receipts and events.
    KeyId
}

id! {
    /// Names a logical session: all connections that a client made to go on with it.
    SessionId
}

id! {
    /// Names a connection of a session. The seconds of a connection are numbered from 1.
    ConnectionId
}

id! {
    /// Names an addition to a key's balance. Whoever adds chooses it, so that adding again adds nothing.
    DepositId
}

impl KeyId {
    /// The key that usage is metered under where no keys are configured.
    pub const LOCAL: &str = "local";

    /// See [`KeyId::LOCAL`].
    pub fn local() -> Self {
        Self::new(Self::LOCAL)
    }
}
