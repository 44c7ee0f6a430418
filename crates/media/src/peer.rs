//! A peer as its owner sees it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use str0m::Candidate;
use tokio::sync::{Notify, mpsc};

use crate::candidate;
use crate::events::Mailbox;
use crate::frame::{AudioPacket, VideoFrame};
use crate::gate::Gate;
use crate::settings::Codec;

/// How many frames and packets of sound wait for the peer's task.
pub(crate) const MEDIA: usize = 8;
/// How many requests wait for it.
pub(crate) const REQUESTS: usize = 64;

/// A connection to a client. Clones are handles of the same one; it is closed when the last of them is dropped.
///
/// No call waits. All may be made from any thread, those that write from one thread per kind of media, so that the order
/// is kept.
#[derive(Clone)]
pub struct Peer(Arc<Handle>);

/// What became of a frame or packet that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It goes out.
    Sent,
    /// It is dropped: the peer is not connected (any more), or it takes no such media.
    NoTaker,
    /// It is dropped: it builds on a frame that was dropped. A keyframe is asked for by an event.
    NeedsKeyframe,
    /// It is dropped: the path to the peer is full, and would delay all that follows.
    Congested,
}

struct Handle {
    codec: Codec,
    outlet: Arc<Outlet>,
    media: mpsc::Sender<Outgoing>,
    requests: mpsc::Sender<Request>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.outlet.close();
    }
}

/// Media on their way to the peer's task.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Video(VideoFrame),
    Audio(AudioPacket),
}

/// What the peer's task is asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    Candidate(Candidate),
    Keyframe,
}

/// What handles and task share: the task writes the state, the handles read it before they send.
#[derive(Debug)]
pub(crate) struct Outlet {
    connected: AtomicBool,
    congested: AtomicBool,
    ended: AtomicBool,
    pub(crate) closing: Notify,
    gate: Mutex<Gate>,
    pub(crate) frames: AtomicU64,
    pub(crate) dropped: AtomicU64,
    mailbox: Arc<Mailbox>,
}

impl Outlet {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self {
            connected: AtomicBool::new(false),
            congested: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            closing: Notify::new(),
            gate: Mutex::default(),
            frames: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            mailbox,
        }
    }

    /// Media flow from now on. The peer has seen nothing yet, so a keyframe has to come first.
    pub(crate) fn connected(&self) {
        self.connected.store(true, Ordering::Release);
        self.ask(Instant::now());
    }

    /// The peer itself asks for a keyframe.
    pub(crate) fn keyframe_requested(&self) {
        self.mailbox.put(|waiting| waiting.keyframe_requested());
    }

    pub(crate) fn congested(&self, is: bool) {
        self.congested.store(is, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.ended.store(true, Ordering::Release);
        self.connected.store(false, Ordering::Release);
    }

    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    fn ask(&self, now: Instant) {
        if self.gate.lock().unwrap_or_else(PoisonError::into_inner).ask(now) {
            self.mailbox.put(|waiting| waiting.keyframe_requested());
        }
    }

    /// Sends a frame by `send`, which says whether it had room.
    fn video(&self, keyframe: bool, send: impl FnOnce() -> bool) -> Written {
        if !self.connected.load(Ordering::Acquire) {
            return Written::NoTaker;
        }
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let written = if self.congested.load(Ordering::Relaxed) {
            Written::Congested
        } else if !gate.pass(keyframe) {
            Written::NeedsKeyframe
        } else if send() {
            Written::Sent
        } else {
            Written::Congested
        };
        match written {
            Written::Sent => self.frames.fetch_add(1, Ordering::Relaxed),
            Written::Congested => {
                gate.lost();
                self.dropped.fetch_add(1, Ordering::Relaxed)
            }
            Written::NeedsKeyframe | Written::NoTaker => self.dropped.fetch_add(1, Ordering::Relaxed),
        };
        drop(gate);
        // While the path is full a keyframe would only make it fuller.
        if written == Written::NeedsKeyframe {
            self.ask(Instant::now());
        }
        written
    }
}

impl Peer {
    pub(crate) fn new(
        codec: Codec,
        outlet: Arc<Outlet>,
        media: mpsc::Sender<Outgoing>,
        requests: mpsc::Sender<Request>,
    ) -> Self {
        Self(Arc::new(Handle { codec, outlet, media, requests }))
    }

    /// The codec of the video, in both directions.
    pub fn codec(&self) -> Codec {
        self.0.codec
    }

    /// Sends a frame.
    pub fn write_video(&self, frame: VideoFrame) -> Written {
        self.0.outlet.video(frame.keyframe, || self.0.media.try_send(Outgoing::Video(frame)).is_ok())
    }

    /// Sends a packet of sound.
    pub fn write_audio(&self, packet: AudioPacket) -> Written {
        if !self.0.outlet.connected.load(Ordering::Acquire) {
            return Written::NoTaker;
        }
        match self.0.media.try_send(Outgoing::Audio(packet)) {
            Ok(()) => Written::Sent,
            Err(mpsc::error::TrySendError::Full(_)) => Written::Congested,
            Err(mpsc::error::TrySendError::Closed(_)) => Written::NoTaker,
        }
    }

    /// Asks the peer for a keyframe, as a decoder needs it that is new or got stuck. After a loss on the way that is
    /// done anyway.
    pub fn request_keyframe(&self) {
        // If so much waits that this does not fit, a later request will.
        let _ = self.0.requests.try_send(Request::Keyframe);
    }

    /// Tells a candidate of the client that came after its offer: the `candidate:…` attribute. What is of no use is
    /// skipped: `null`, the empty text, names of mDNS, TCP, and what cannot be read.
    pub fn add_candidate(&self, candidate: &str) {
        if let Some(candidate) = candidate::parse(candidate) {
            let _ = self.0.requests.try_send(Request::Candidate(candidate));
        }
    }

    /// Ends the connection and tells the other end.
    pub fn close(&self) {
        self.0.outlet.close();
    }

    /// Whether the connection is over, whatever ended it.
    pub fn is_closed(&self) -> bool {
        self.0.outlet.ended.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("codec", &self.0.codec).field("closed", &self.is_closed()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_dropped_frame_none_is_sent_until_a_keyframe_is() {
        let outlet = Outlet::new(Arc::default());
        assert_eq!(outlet.video(true, || true), Written::NoTaker, "not connected");
        outlet.connected();
        assert_eq!(outlet.video(false, || true), Written::NeedsKeyframe);
        assert_eq!(outlet.video(true, || true), Written::Sent);
        assert_eq!(outlet.video(false, || true), Written::Sent);
        assert_eq!(outlet.video(false, || false), Written::Congested, "no room");
        assert_eq!(outlet.video(false, || true), Written::NeedsKeyframe);
        assert_eq!(outlet.video(true, || true), Written::Sent);
        outlet.congested(true);
        assert_eq!(outlet.video(true, || true), Written::Congested, "the path is full");
        outlet.congested(false);
        assert_eq!(outlet.video(false, || true), Written::NeedsKeyframe);
        outlet.ended();
        assert_eq!(outlet.video(true, || true), Written::NoTaker);
        assert_eq!((outlet.frames.into_inner(), outlet.dropped.into_inner()), (3, 5));
    }
}
