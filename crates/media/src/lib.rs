//! The WebRTC transport of realtime sessions: encoded frames in and out of one UDP port, for all sessions together.
//!
//! The crate knows neither codecs nor generators. What comes from a client is complete encoded frames, what goes to it
//! is encoded frames, and between them lie ICE, DTLS, SRTP, retransmission and congestion control, which are str0m's.
//!
//! # A packet's way
//!
//! ```text
//!            UDP :port (one socket per address family), or ICE over TCP
//!                 │ recvmmsg: up to eight datagrams a call, each with the local address it came to
//!                 ▼
//!            reader, one task per socket
//!                 │ a check of ICE goes by its user name, anything else by the address it came from
//!                 ▼
//!            queue of the peer (bounded: what does not fit is lost, as on the network)
//!                 ▼
//!   ┌──────  task of the peer: one str0m machine, polled to the end after every input  ──────┐
//!   │             │ whole frames                                        ▲ whole frames       │
//!   │             ▼                                                     │                    │
//!   │        Events (bounded)                                     Peer::write_video          │
//!   │             ▼                                                     │                    │
//!   │          decode  ──────────►  generator  ──────────►  encode once ┴─► Fanout (viewers) │
//!   │                                                                                        │
//!   └─► sendmsg on the shared socket, from the address that the other end knows ◄────────────┘
//! ```
//!
//! # One task per peer
//!
//! A task of its own for each peer, rather than one for the port, because SRTP and DTLS are work: a hundred peers use
//! all cores, a handshake of one does not hold up the frames of another, and a fault of the library in what one client
//! sends ends that client's task and no other. What it costs is one hop through a queue per packet, a fraction of a
//! microsecond next to the several that decrypting takes. Sending has no hop: every task writes to the shared socket.
//!
//! # Nothing waits
//!
//! No call here blocks or waits for a peer. Where a peer, the network or the caller is too slow, frames are dropped and
//! a keyframe is asked for, so that what arrives afterwards is whole and new:
//!
//! | where | bound | beyond it |
//! |---|---|---|
//! | packets that the peer's task has not read | 512 | lost; retransmission asks for them again |
//! | frames that the caller has not taken from [`Events`] | 16 | all of them dropped, a keyframe asked of the sender |
//! | frames that the peer's task has not read | 8 | the frame is dropped, the caller is asked for a keyframe |
//! | packets that the pacer holds back | 400 ms | frames are dropped until it has caught up, then as above |
//! | the socket's buffer | the system's | the packet is lost |
//!
//! # Nothing stays
//!
//! A [`Peer`] ends when the other end says so, when it was silent for [`Settings::silence`], when [`Peer::close`] is
//! called, and when its last handle or its [`Events`] are dropped. With its task go its entries in the tables and its
//! TCP connections. Dropping the [`Port`] ends all peers and closes the sockets.

mod answer;
mod candidate;
mod driver;
mod estimate;
mod events;
mod fanout;
mod frame;
mod gate;
mod offer;
mod peer;
mod port;
mod routes;
mod run;
mod settings;
mod tcp;
mod udp;

pub use events::{Event, Events, Reason, Statistics};
pub use fanout::Fanout;
pub use frame::{AudioPacket, ReceivedAudio, ReceivedVideo, VideoFrame};
pub use offer::{OfferError, Role};
pub use peer::{Peer, Written};
pub use port::{Answer, BindError, Port};
pub use settings::{Bitrates, Codec, Settings};
pub use tcp::is_ice;
