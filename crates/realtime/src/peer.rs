//! What a machine and the client at the other end exchange, be it a producer or a viewer.

use std::time::Duration;

use wire::realtime::ServerMessage;

/// What comes from a client: over its socket, and from its peer connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromPeer {
    /// A text frame.
    Text(String),
    /// A ping or pong, or any other frame: the socket is alive.
    Pong,
    /// A close frame, with its code if it has one.
    Closed {
        /// As in the frame.
        code: Option<u16>,
    },
    /// The socket broke.
    Lost,
    /// Something happened to a peer connection.
    Media {
        /// As in [`ToPeer::Negotiate`].
        pc: u32,
        /// What happened.
        event: MediaEvent,
    },
}

/// What happens to a peer connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// The answer to its offer, with all candidates inside.
    Answered(String),
    /// ICE and DTLS are up.
    Connected,
    /// The client was heard: a packet of any kind came, be it only a check of ICE. A few a second are enough.
    Heard,
    /// A generated frame was handed to the connection to be sent.
    Frame,
    /// The offer cannot be served, now or ever. The text is for the client.
    Refused(String),
    /// Something on the server's side failed. The text is for the client.
    Failed(String),
}

/// What is to be done towards a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToPeer {
    /// Send a message, as one text frame.
    Send(ServerMessage),
    /// Send a ping.
    Ping,
    /// Make a peer connection for that offer, drop the one before, and bring its answer and what happens to it.
    Negotiate {
        /// Names the peer connection in inputs; counted from 1.
        pc: u32,
        /// The client's SDP.
        offer: String,
    },
    /// Tell a peer connection one more address of the client. Only after its answer.
    AddCandidate {
        /// The peer connection.
        pc: u32,
        /// The candidate attribute, from `candidate:` on.
        candidate: String,
    },
    /// Drop the peer connection: nothing more is generated or sent.
    StopMedia,
    /// Send a close frame, and nothing after it.
    Close(Close),
    /// Answer a close frame at once, and send nothing after it.
    EchoClose {
        /// As it came.
        code: Option<u16>,
    },
}

/// A close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: &'static str,
}

impl Close {
    /// All is well.
    pub const NORMAL: u16 = 1000;
    /// The server goes away.
    pub const GOING_AWAY: u16 = 1001;
    /// A rule forbids to go on.
    pub const POLICY: u16 = 1008;
    /// The server failed.
    pub const FAILED: u16 = 1011;
    /// The server has too much to do.
    pub const OVERLOADED: u16 = 1013;
}

/// How long a client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the opening to the offer.
    pub offer: Duration,
    /// From an offer to the first frame. A new offer meanwhile does not begin it anew.
    pub media: Duration,
    /// How long the peer connection may be silent before the client counts as lost.
    pub media_silence: Duration,
    /// How often the socket is pinged.
    pub ping: Duration,
    /// How long the socket may be silent before the client counts as lost. More than `ping`.
    pub socket_silence: Duration,
    /// How long the client may take to answer a close frame.
    pub close: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            offer: Duration::from_secs(30),
            media: Duration::from_secs(30),
            media_silence: Duration::from_secs(5),
            ping: Duration::from_secs(5),
            socket_silence: Duration::from_secs(15),
            close: Duration::from_secs(2),
        }
    }
}
