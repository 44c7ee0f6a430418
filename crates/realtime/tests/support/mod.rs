//! Shared by the tests of the session machine.
#![allow(dead_code, unreachable_pub)]

pub mod world;

use std::num::NonZeroU16;
use std::time::Duration;

use base64::Engine;
use realtime::{Advertised, Limits, Options, Start};

pub fn start() -> Start {
    Start {
        session_id: "s-1".to_owned(),
        advertised: Advertised { ip: [203, 0, 113, 7].into(), port: NonZeroU16::new(8080).unwrap() },
        resumed: None,
        max_duration: None,
    }
}

pub fn options() -> Options {
    Options::default()
}

/// Options under which a client may take for ever, for tests of something else.
pub fn patient() -> Options {
    let ever = Duration::from_secs(1_000_000);
    Options {
        limits: Limits {
            offer: ever,
            media: ever,
            media_silence: ever,
            ping: ever,
            socket_silence: ever,
            close: Duration::from_secs(2),
        },
        ledger: Duration::from_secs(5),
        idle: ever,
    }
}

/// What passes for an image file, in base64.
pub fn png() -> String {
    base64::engine::general_purpose::STANDARD.encode(b"\x89PNG\r\n\x1a\nrest")
}

pub fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
