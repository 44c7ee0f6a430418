//! The pixels of realtime video: frames, scaling, codecs, and the generators that change pictures.
//!
//! Nothing here knows a network, a runtime or a clock. A session's video goes through four steps, each a plain
//! value that its owner calls, one after another, from whichever context suits it:
//!
//! 1. a [`Decoder`] makes a [`Frame`] of a packet, or says that it [needs a keyframe](Decoder::needs_keyframe);
//! 2. a [`Scaler`] brings it to the size that the model works in;
//! 3. a [`Generator`] takes it, with the prompt and the reference image of its [`Style`], and gives one back;
//! 4. an [`Encoder`] makes a packet of it, within the bitrate that it was told last.
//!
//! Frames come from a [`Pool`] and go back to it when they are dropped, so that a steady stream allocates nothing.
//! Pictures are I420 in BT.601 limited range throughout, which is what WebRTC carries; RGB exists only where somebody
//! asks for it ([`Frame::to_rgb`]).

mod codec;
mod colour;
mod frame;
mod generator;
mod reference;
mod restyle;
mod scale;
mod sys;

pub use codec::{Codec, DecodeError, Decoder, EncodeError, Encoded, Encoder, EncoderConfig};
pub use frame::{CLOCK, Frame, Plane, PlaneMut, Pool, Size, SizeError};
pub use generator::{Generator, Health, Output, Passthrough, Refused, Style, builtin};
pub use reference::{ImageError, Reference};
pub use restyle::{Amount, Effect, Recipe, Restyle, Step};
pub use scale::{Aspect, Scaler};
