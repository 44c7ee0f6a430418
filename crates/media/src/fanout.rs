//! The same encoded frames for many.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::frame::{AudioPacket, VideoFrame};
use crate::peer::{Peer, Written};

/// The peers that get the frames of one encoder: the client that they are produced for, and its viewers.
///
/// A peer that joins asks for a keyframe by its own events as soon as it is connected, and gets nothing before one. All
/// peers have to have the encoder's codec. Those that ended are left out and forgotten.
#[derive(Debug, Default)]
pub struct Fanout(Mutex<Vec<Peer>>);

impl Fanout {
    /// Adds a peer.
    pub fn join(&self, peer: Peer) {
        self.peers().push(peer);
    }

    /// Sends a frame to all, and returns to how many it went.
    pub fn write_video(&self, frame: &VideoFrame) -> usize {
        self.write(|peer| peer.write_video(frame.clone()))
    }

    /// Sends a packet of sound to all, and returns to how many it went.
    pub fn write_audio(&self, packet: &AudioPacket) -> usize {
        self.write(|peer| peer.write_audio(packet.clone()))
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        let mut peers = self.peers();
        peers.retain(|peer| !peer.is_closed());
        peers.len()
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes all peers.
    pub fn close(&self) {
        for peer in self.peers().drain(..) {
            peer.close();
        }
    }

    fn write(&self, mut write: impl FnMut(&Peer) -> Written) -> usize {
        let mut sent = 0;
        self.peers().retain(|peer| {
            sent += usize::from(write(peer) == Written::Sent);
            !peer.is_closed()
        });
        sent
    }

    fn peers(&self) -> MutexGuard<'_, Vec<Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
