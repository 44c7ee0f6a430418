//! What a peer tells its owner.
//!
//! A queue that cannot grow: of figures only the newest waits, of requests one, and of frames a fixed number. When those
//! are not taken in time they are all dropped, so that what is delivered next is new.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::frame::{ReceivedAudio, ReceivedVideo};
use crate::peer::Outlet;

/// How many frames wait.
const FRAMES: usize = 16;
/// How many packets of sound wait: a second's.
const PACKETS: usize = 50;

/// Something that happened to a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// ICE and DTLS are up: media flow from now on.
    Connected,
    /// A frame came. The first one is a keyframe, and so is the first one after a loss.
    Video(ReceivedVideo),
    /// A packet of sound came.
    Audio(ReceivedAudio),
    /// The next frame written should be a keyframe: the peer has just connected, lost the picture, or frames to it were
    /// dropped. Repeated until one is written.
    KeyframeRequested,
    /// How much video the path to the peer carries, in bits per second, as the peer's reports tell: something is left for
    /// what has to be sent again. At most [`Bitrates::max`](crate::Bitrates::max).
    Bandwidth(u64),
    /// The peer was heard since the last such event: at most four a second, and none while it is silent.
    Heard,
    /// The figures of the last second.
    Statistics(Statistics),
    /// The connection is over. Nothing follows.
    Disconnected(Reason),
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The other end closed it.
    ByPeer,
    /// It was closed here, by [`Peer::close`](crate::Peer::close) or by dropping its handles.
    Here,
    /// Nothing came from the other end for [`Settings::silence`](crate::Settings::silence).
    Silent,
    /// It was not up within [`Settings::connect`](crate::Settings::connect).
    NeverConnected,
    /// The port was closed.
    PortClosed,
    /// What came from the other end broke it, such as a certificate that is not the announced one.
    Failed(String),
}

/// Figures of a connection, of the last second unless they say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// To the peer and back.
    pub round_trip: Option<Duration>,
    /// The part of the packets to the peer that it did not get, 0 to 1.
    pub loss_out: Option<f32>,
    /// The part of the packets from the peer that did not come, 0 to 1.
    pub loss_in: Option<f32>,
    /// How much the travel time of the peer's video varies.
    pub jitter_in: Option<Duration>,
    /// Bytes sent since the beginning.
    pub bytes_out: u64,
    /// Bytes received since the beginning.
    pub bytes_in: u64,
    /// Frames sent since the beginning.
    pub frames_out: u64,
    /// Frames received since the beginning, those dropped included.
    pub frames_in: u64,
    /// Frames since the beginning that were to be sent and were dropped.
    pub dropped_out: u64,
    /// Frames since the beginning that came and were dropped: not decodable, or not taken in time.
    pub dropped_in: u64,
    /// Packets since the beginning that the socket did not take.
    pub unsent: u64,
}

/// The events of a peer. Dropping them closes it.
#[derive(Debug)]
pub struct Events {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) outlet: Arc<Outlet>,
}

impl Events {
    /// The next event, `None` after [`Event::Disconnected`]. Can be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.mailbox.lock().take() {
                Taken::Event(event) => return Some(event),
                Taken::End => return None,
                Taken::Nothing => {}
            }
            self.mailbox.filled.notified().await;
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.outlet.close();
    }
}

/// Where the peer's task puts events.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    connected: bool,
    keyframe: bool,
    heard: bool,
    bandwidth: Option<u64>,
    statistics: Option<Statistics>,
    media: VecDeque<Event>,
    frames: usize,
    end: Option<Reason>,
    ended: bool,
}

enum Taken {
    Event(Event),
    Nothing,
    End,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in.
    pub(crate) fn put(&self, fill: impl FnOnce(&mut Waiting)) {
        fill(&mut self.lock());
        self.filled.notify_one();
    }

    /// Puts a frame in. If too many wait, they are dropped with this one, and it says how many those were.
    pub(crate) fn put_video(&self, frame: ReceivedVideo) -> Result<(), usize> {
        let mut waiting = self.lock();
        if waiting.frames >= FRAMES {
            let dropped = waiting.frames + 1;
            waiting.frames = 0;
            waiting.media.retain(|event| !matches!(event, Event::Video(_)));
            return Err(dropped);
        }
        waiting.frames += 1;
        waiting.media.push_back(Event::Video(frame));
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }
}

impl Waiting {
    pub(crate) fn connected(&mut self) {
        self.connected = true;
    }

    pub(crate) fn keyframe_requested(&mut self) {
        self.keyframe = true;
    }

    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    pub(crate) fn bandwidth(&mut self, bits_per_second: u64) {
        self.bandwidth = Some(bits_per_second);
    }

    pub(crate) fn statistics(&mut self, statistics: Statistics) {
        self.statistics = Some(statistics);
    }

    pub(crate) fn audio(&mut self, packet: ReceivedAudio) {
        if self.media.len() - self.frames >= PACKETS {
            // Sound needs no whole chain: the oldest packet goes.
            let oldest = self.media.iter().position(|event| matches!(event, Event::Audio(_)));
            oldest.map(|at| self.media.remove(at));
        }
        self.media.push_back(Event::Audio(packet));
    }

    pub(crate) fn end(&mut self, reason: Reason) {
        self.end = Some(reason);
    }

    fn take(&mut self) -> Taken {
        if self.ended {
            return Taken::End;
        }
        if std::mem::take(&mut self.connected) {
            return Taken::Event(Event::Connected);
        }
        if let Some(reason) = self.end.take() {
            self.ended = true;
            self.media.clear();
            return Taken::Event(Event::Disconnected(reason));
        }
        if std::mem::take(&mut self.keyframe) {
            return Taken::Event(Event::KeyframeRequested);
        }
        if let Some(bits_per_second) = self.bandwidth.take() {
            return Taken::Event(Event::Bandwidth(bits_per_second));
        }
        if let Some(event) = self.media.pop_front() {
            if matches!(event, Event::Video(_)) {
                self.frames -= 1;
            }
            return Taken::Event(event);
        }
        if std::mem::take(&mut self.heard) {
            return Taken::Event(Event::Heard);
        }
        self.statistics.take().map_or(Taken::Nothing, |figures| Taken::Event(Event::Statistics(figures)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::frame::{AudioPacket, VideoFrame};

    fn frame(time: u64) -> ReceivedVideo {
        let frame = VideoFrame { data: Arc::from([1_u8].as_slice()), keyframe: time == 0, time };
        ReceivedVideo { frame, arrived: Instant::now() }
    }

    fn packet(time: u64) -> ReceivedAudio {
        let packet = AudioPacket { data: Arc::from([2_u8].as_slice()), time };
        ReceivedAudio { packet, arrived: Instant::now() }
    }

    fn names(mailbox: &Mailbox) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            match mailbox.lock().take() {
                Taken::Event(Event::Video(video)) => names.push(format!("video {}", video.frame.time)),
                Taken::Event(Event::Audio(audio)) => names.push(format!("audio {}", audio.packet.time)),
                Taken::Event(event) => names.push(format!("{event:?}")),
                Taken::Nothing => return names,
                Taken::End => {
                    names.push("end".into());
                    return names;
                }
            }
        }
    }

    #[test]
    fn figures_and_requests_are_told_once_and_media_in_order() {
        let mailbox = Mailbox::default();
        mailbox.put(|waiting| {
            waiting.heard();
            waiting.bandwidth(1);
            waiting.bandwidth(2);
            waiting.keyframe_requested();
            waiting.keyframe_requested();
            waiting.connected();
            waiting.audio(packet(5));
        });
        mailbox.put_video(frame(0)).unwrap();
        mailbox.put(|waiting| waiting.audio(packet(6)));
        assert_eq!(
            names(&mailbox),
            ["Connected", "KeyframeRequested", "Bandwidth(2)", "audio 5", "video 0", "audio 6", "Heard"]
        );
    }

    #[test]
    fn frames_that_nobody_takes_are_dropped_together_and_the_sound_stays() {
        let mailbox = Mailbox::default();
        mailbox.put(|waiting| waiting.audio(packet(1)));
        for time in 0..16 {
            mailbox.put_video(frame(time)).unwrap();
        }
        assert_eq!(mailbox.put_video(frame(16)), Err(17));
        mailbox.put_video(frame(17)).unwrap();
        assert_eq!(names(&mailbox), ["audio 1", "video 17"]);
    }

    #[test]
    fn sound_that_nobody_takes_is_the_newest_second() {
        let mailbox = Mailbox::default();
        mailbox.put_video(frame(0)).unwrap();
        for time in 0..60 {
            mailbox.put(|waiting| waiting.audio(packet(time)));
        }
        let told = names(&mailbox);
        assert_eq!((told.len(), &*told[0], &*told[1], &*told[50]), (51, "video 0", "audio 10", "audio 59"));
    }

    #[test]
    fn the_end_comes_at_once_and_is_the_end() {
        let mailbox = Mailbox::default();
        mailbox.put_video(frame(0)).unwrap();
        mailbox.put(|waiting| waiting.end(Reason::Silent));
        assert_eq!(names(&mailbox), ["Disconnected(Silent)", "end"]);
    }
}
