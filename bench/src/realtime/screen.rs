//! Frames made visible again.

use video::{Codec, Decoder, Frame, Pool};

use super::{Received, Stamp};

/// Decodes what one [`Peer`](super::Peer) received, all of it and in order.
pub struct Screen(Decoder);

impl Screen {
    /// A dark one.
    pub fn new() -> Self {
        Self(Decoder::new(Codec::Vp8, Pool::new()))
    }

    /// The picture; none while a keyframe is missing.
    pub fn show(&mut self, received: &Received) -> Option<Frame> {
        if !received.contiguous {
            self.0.lost();
        }
        self.0.decode(&received.data, received.time).ok().flatten()
    }

    /// What is written on the picture; none when there is no picture, or its stamp cannot be read.
    pub fn read(&mut self, received: &Received) -> Option<Stamp> {
        self.show(received).and_then(|frame| Stamp::read(&frame))
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}
