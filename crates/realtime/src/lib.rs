//! Realtime sessions: video goes in over WebRTC, a generator changes it, it comes back, and every second is billed.
//!
//! A [`Session`] is the server's side of one signaling WebSocket of a producer, a [`Viewer`] that of somebody who only
//! watches. Both are driven by one rule: after every `handle`, call `poll` until it returns `None`, and perform each
//! output in that order. They have no clock, no socket and no media; the time is an argument.
//!
//! [`admit()`] decides, before there is a session, whether there may be one, and how a client is told that there may
//! not. Every text that a client can be told is in [`text`].

pub mod admit;
mod candidate;
mod link;
pub mod look;
mod peer;
pub mod run;
mod session;
pub mod text;
mod viewer;

pub use admit::{Refusal, Request, Verdict, admit};
pub use look::{Image, ImageFormat, Look, Prompt};
pub use peer::{Close, FromPeer, Limits, MediaEvent, ToPeer};
pub use session::{
    Advertised, Cause, Credit, Denial, Input, Options, Output, Receipt, Session, Start, State,
};
pub use viewer::{Viewer, ViewerInput};

/// The largest text frame that a driver should let through, in bytes: an image of [`look::IMAGE_LIMIT`] and a long
/// prompt fit twice, so that an image that is too large is told so instead of losing its connection.
pub const FRAME_LIMIT: usize = 32 << 20;
