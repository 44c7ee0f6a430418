//! Encoded media, as it comes and goes.
//!
//! The data are shared, never copied: a frame for a hundred viewers is one allocation. Times are those of RTP, extended
//! to 64 bits so that they never wrap.

use std::sync::Arc;
use std::time::Instant;

/// An encoded frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFrame {
    /// The frame, in the peer's [`Codec`](crate::Codec).
    pub data: Arc<[u8]>,
    /// Whether it can be decoded without those before it.
    pub keyframe: bool,
    /// When it is to be shown, in units of 1/90 000 s.
    pub time: u64,
}

/// An Opus packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioPacket {
    /// The packet.
    pub data: Arc<[u8]>,
    /// When it is to be heard, in units of 1/48 000 s.
    pub time: u64,
}

/// An encoded frame that a peer sent. Those before it that it builds on were delivered as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedVideo {
    /// The frame as sent.
    pub frame: VideoFrame,
    /// When its first packet arrived.
    pub arrived: Instant,
}

/// An Opus packet that a peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedAudio {
    /// The packet as sent.
    pub packet: AudioPacket,
    /// When it arrived.
    pub arrived: Instant,
}
