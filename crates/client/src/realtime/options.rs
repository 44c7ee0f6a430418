//! How a connection is to be.

use serde::{Deserialize, Serialize};

use super::connection::Millis;
use super::look::Look;

/// How a connection is to be. The defaults are those of someone who sends video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether it sends video. A viewer does not, and sets no look.
    pub produces: bool,
    /// Whether a session that is lost is set up again.
    pub reconnects: bool,
    /// What the session begins with; without one, pictures come back as they are.
    pub look: Option<Look>,
    /// An earlier session to go on with: its look is restored by the server, and the receipt adds up.
    pub session: Option<String>,
    /// When what is missing is given up.
    pub timeouts: Timeouts,
    /// When what has failed is tried again.
    pub retry: Retry,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            produces: true,
            reconnects: true,
            look: None,
            session: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
        }
    }
}

/// When what is missing is given up. In milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// The acknowledgement of a prompt.
    pub prompt: Millis,
    /// The acknowledgement of an image.
    pub image: Millis,
    /// Any progress of an attempt to connect.
    pub attempt: Millis,
    /// Media that were interrupted.
    pub interruption: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { prompt: 15_000, image: 30_000, attempt: 30_000, interruption: 5_000 }
    }
}

/// When what has failed is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// How long to wait before each further attempt, in milliseconds. When they are used up, it is given up.
    pub delays: Vec<Millis>,
    /// A session that lasted as long as that, in milliseconds, begins them anew.
    pub stable: Millis,
}

impl Default for Retry {
    fn default() -> Self {
        Self { delays: vec![1_000, 2_000, 4_000, 8_000, 10_000], stable: 10_000 }
    }
}
