//! What the port is told when it opens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The settings of a [`Port`](crate::Port).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen, at most one address per family. Port 0 takes any free port. An address of `::` takes IPv6 only.
    pub listen: Vec<SocketAddr>,
    /// The addresses that clients are told to send to, with the port that is listened on. They replace the machine's
    /// own addresses, so name a private one here too if clients of the local network are to use it. If empty: the
    /// address that is listened on or, where that is all of them, those of the interfaces.
    pub public: Vec<IpAddr>,
    /// The codecs that the server can decode and encode. Of these the first one in the client's offer is used.
    pub codecs: Vec<Codec>,
    /// Whether sound is passed through. If not, the audio of an offer is answered `inactive`.
    pub audio: bool,
    /// How fast is sent.
    pub bitrates: Bitrates,
    /// How long a client may take from its offer until the connection is up.
    pub connect: Duration,
    /// How long a connected client may send nothing at all, not even the checks and reports that are sent several times
    /// a second. Then it counts as gone.
    pub silence: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into()],
            public: Vec::new(),
            codecs: vec![Codec::Vp8, Codec::H264],
            audio: true,
            bitrates: Bitrates::default(),
            connect: Duration::from_secs(30),
            silence: Duration::from_millis(4500),
        }
    }
}

/// Bits per second of one peer's video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bitrates {
    /// What the path to a client is taken to carry until it is known better.
    pub start: u32,
    /// The most that is sent to a client, and that a client is asked to send.
    pub max: u32,
}

impl Default for Bitrates {
    fn default() -> Self {
        Self { start: 1_500_000, max: 4_000_000 }
    }
}

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// VP8.
    Vp8,
    /// H.264, baseline profiles, packetization mode 1. Frames are in Annex B format.
    H264,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        })
    }
}
