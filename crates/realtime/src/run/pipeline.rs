//! One session's pictures: decoded, brought to the model's size, generated, encoded once, and sent to all who watch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use media::{Fanout, Peer, VideoFrame, Written};
use tokio::sync::Notify;
use video::{
    Aspect, Decoder, Encoder, EncoderConfig, Generator, Health, Output, Pool, Reference, Scaler, Style,
};

use super::Model;
use super::workers::Queue;
use crate::look::Look;

/// How many packets wait. More means that there is no time to decode them: then all are dropped.
const WAITING: usize = 8;

/// How many newer packets may wait while a picture is generated. Networks deliver two at once all the time; more means
/// that there is not enough time.
const BEHIND: usize = 1;

/// How long after a keyframe was asked for before it is asked for again.
const KEYFRAME_EVERY: Duration = Duration::from_millis(250);

/// Bits per second until the path is known.
const FIRST_BITRATE: u32 = 1_500_000;

/// The pictures of one session. Whoever has something for it says so and returns at once; the work is done by the
/// workers, one picture at a time.
///
/// Where there is not enough time, pictures are left out, and none is ever later than the next one is due: of packets
/// that wait, all are decoded, for each builds on the one before, but only the newest two are generated and sent. If
/// there is not even time to decode, what waits is dropped and a keyframe asked for.
pub struct Pipeline {
    queue: Arc<Queue>,
    /// Whether it is among those that have something to do, or being worked on.
    scheduled: AtomicBool,
    inbox: Mutex<Inbox>,
    /// Locked by the worker alone.
    work: Mutex<Work>,
    /// Told when a picture went out to the producer, or when nothing more will.
    pub(super) news: Notify,
}

#[derive(Default)]
struct Inbox {
    packets: VecDeque<VideoFrame>,
    /// Packets were dropped: what comes builds on what is not there.
    lost: bool,
    style: Option<Style>,
    bitrate: Option<u32>,
    keyframe_wanted: bool,
    /// The producer's own connection.
    peer: Option<Peer>,
    viewers: Option<Arc<dyn AsRef<Fanout> + Send + Sync>>,
    sent: u64,
    failed: Option<String>,
    stopped: bool,
}

struct Work {
    model: Model,
    pool: Pool,
    coder: Option<Coder>,
    scaler: Scaler,
    generator: Box<dyn Generator>,
    packet: Vec<u8>,
    /// The time of the last picture that was given to the generator.
    last: Option<u64>,
    asked: Option<Instant>,
}

/// What belongs to a codec.
struct Coder {
    codec: media::Codec,
    decoder: Decoder,
    encoder: Encoder,
}

/// What became of the pictures since the last look.
pub(super) struct News {
    /// Whether one went out.
    pub(super) sent: bool,
    /// Why there will be no more.
    pub(super) failed: Option<String>,
}

impl Pipeline {
    pub(super) fn new(queue: Arc<Queue>, model: Model, generator: Box<dyn Generator>) -> Self {
        let pool = Pool::new();
        let scaler = Scaler::new(Aspect::Cover, pool.clone());
        let work =
            Work { model, pool, coder: None, scaler, generator, packet: Vec::new(), last: None, asked: None };
        Self {
            queue,
            scheduled: AtomicBool::new(false),
            inbox: Mutex::default(),
            work: Mutex::new(work),
            news: Notify::new(),
        }
    }

    /// From now on the pictures go to that connection, and packets come from it.
    pub(super) fn connect(self: &Arc<Self>, peer: Peer) {
        let mut inbox = self.inbox();
        inbox.peer = Some(peer);
        inbox.packets.clear();
        inbox.lost = true;
        inbox.keyframe_wanted = true;
    }

    /// They go to these as well.
    pub(super) fn show_to(&self, viewers: Arc<dyn AsRef<Fanout> + Send + Sync>) {
        self.inbox().viewers = Some(viewers);
    }

    /// The codec in which pictures go out, once that is known.
    pub(super) fn codec(&self) -> Option<media::Codec> {
        self.inbox().peer.as_ref().map(Peer::codec)
    }

    /// A packet came.
    pub(super) fn push(self: &Arc<Self>, packet: VideoFrame) {
        let mut inbox = self.inbox();
        if inbox.stopped {
            return;
        }
        if inbox.packets.len() >= WAITING {
            inbox.packets.clear();
            inbox.lost = true;
        }
        inbox.packets.push_back(packet);
        drop(inbox);
        self.schedule();
    }

    /// Pictures shall look like that from now on.
    pub(super) fn set(&self, style: Style) {
        self.inbox().style = Some(style);
    }

    pub(super) fn set_bitrate(&self, bits_per_second: u64) {
        self.inbox().bitrate = Some(u32::try_from(bits_per_second).unwrap_or(u32::MAX));
    }

    pub(super) fn request_keyframe(&self) {
        self.inbox().keyframe_wanted = true;
    }

    /// Nothing more is computed or sent until there is another connection.
    pub(super) fn disconnect(&self) {
        let mut inbox = self.inbox();
        inbox.packets.clear();
        inbox.peer = None;
    }

    /// Nothing more is computed or sent at all.
    pub(super) fn stop(&self) {
        self.disconnect();
        let mut inbox = self.inbox();
        inbox.stopped = true;
        inbox.viewers = None;
    }

    /// There will be no more pictures, and that is why.
    pub(super) fn fail(&self, why: String) {
        self.inbox().failed = Some(why);
        self.news.notify_one();
    }

    pub(super) fn take_news(&self) -> News {
        let mut inbox = self.inbox();
        News { sent: std::mem::take(&mut inbox.sent) > 0, failed: inbox.failed.take() }
    }

    fn schedule(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            self.queue.push(self.clone());
        }
    }

    /// Computes one picture, by a worker.
    pub(super) fn run(self: Arc<Self>) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        self.step(&mut work);
        drop(work);
        self.scheduled.store(false, Ordering::Release);
        // What came before the flag was down has not called.
        if !self.inbox().packets.is_empty() {
            self.schedule();
        }
    }

    fn step(self: &Arc<Self>, work: &mut Work) {
        let waker = Waker::from(Arc::new(Call(Arc::downgrade(self))));
        self.send_what_is_done(work, &waker);
        let mut inbox = self.inbox();
        let Some(peer) = inbox.peer.clone() else { return };
        let (lost, packet) = (std::mem::take(&mut inbox.lost), inbox.packets.pop_front());
        let is_new = inbox.packets.len() <= BEHIND;
        let (style, bitrate) = (inbox.style.take(), inbox.bitrate.take());
        let keyframe = std::mem::take(&mut inbox.keyframe_wanted);
        drop(inbox);
        if let Some(style) = style {
            work.generator.set(style);
        }
        let coder = work.coder(peer.codec());
        if let Some(bitrate) = bitrate {
            coder.encoder.set_bitrate(bitrate);
        }
        if keyframe {
            coder.encoder.request_keyframe();
        }
        if lost {
            coder.decoder.lost();
        }
        let Some(packet) = packet else { return };
        let decoded = coder.decoder.decode(&packet.data, packet.time);
        let needs_keyframe = coder.decoder.needs_keyframe();
        if needs_keyframe && work.asked.is_none_or(|asked| asked.elapsed() >= KEYFRAME_EVERY) {
            work.asked = Some(Instant::now());
            peer.request_keyframe();
        }
        let frame = match decoded {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!("a packet was not decoded: {error}");
                return;
            }
        };
        if !is_new || !work.is_due(frame.timestamp()) {
            return;
        }
        work.last = Some(frame.timestamp());
        let frame = work.scaler.scale(frame, work.model.size);
        // One that is given back is left out: an old picture is worth nothing.
        let _ = work.generator.submit(frame);
        self.send_what_is_done(work, &waker);
    }

    fn send_what_is_done(&self, work: &mut Work, waker: &Waker) {
        while let Some(output) = work.generator.poll(waker) {
            match output {
                Output::Frame(frame) => self.send(work, &frame),
                Output::Dropped { .. } => {}
            }
        }
        if let Health::Failed(why) = work.generator.health() {
            self.fail(why);
        }
    }

    fn send(&self, work: &mut Work, frame: &video::Frame) {
        let Some(coder) = &mut work.coder else { return };
        let encoded = match coder.encoder.encode(frame, &mut work.packet) {
            Ok(Some(encoded)) => encoded,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!("a picture was not encoded: {error}");
                return;
            }
        };
        let packet = VideoFrame {
            data: work.packet.as_slice().into(),
            keyframe: encoded.keyframe,
            time: encoded.timestamp,
        };
        let (peer, viewers) = {
            let inbox = self.inbox();
            (inbox.peer.clone(), inbox.viewers.clone())
        };
        if let Some(viewers) = viewers {
            (*viewers).as_ref().write_video(&packet);
        }
        let Some(peer) = peer else { return };
        match peer.write_video(packet) {
            Written::Sent => {
                self.inbox().sent += 1;
                self.news.notify_one();
            }
            // It asks for a keyframe by itself.
            Written::NoTaker | Written::NeedsKeyframe | Written::Congested => {}
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls a pipeline when its generator has something. The generator is the pipeline's own: it must not keep it.
struct Call(Weak<Pipeline>);

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        if let Some(pipeline) = self.0.upgrade() {
            pipeline.schedule();
        }
    }
}

impl Work {
    fn coder(&mut self, codec: media::Codec) -> &mut Coder {
        if self.coder.as_ref().is_none_or(|coder| coder.codec != codec) {
            let video_codec = match codec {
                media::Codec::Vp8 => video::Codec::Vp8,
                media::Codec::H264 => video::Codec::H264,
            };
            let config = EncoderConfig {
                bitrate: FIRST_BITRATE,
                fps: self.model.fps,
                ..EncoderConfig::new(video_codec)
            };
            self.coder = None;
            let decoder = Decoder::new(video_codec, self.pool.clone());
            self.coder = Some(Coder { codec, decoder, encoder: Encoder::new(config) });
        }
        self.coder.get_or_insert_with(|| unreachable!())
    }

    /// Whether a picture of that time is not too early after the last one for the model's rate.
    fn is_due(&self, time: u64) -> bool {
        let least = video::CLOCK * 3 / 4 / u64::from(self.model.fps.max(1));
        self.last.is_none_or(|last| time < last || time - last >= least)
    }
}

/// What a look means to a generator. Reading an image takes a while: not for the task of a connection.
pub(super) fn style(look: &Look) -> Style {
    let image = look.image.as_ref().and_then(|image| match Reference::read(image.file.to_vec()) {
        Ok(reference) => Some(reference),
        Err(error) => {
            tracing::info!("a reference image is not used: {error}");
            None
        }
    });
    Style { prompt: look.prompt.as_ref().map(|prompt| prompt.text.clone()).unwrap_or_default(), image }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_that_nobody_has_any_more_is_gone() {
        let model = Model {
            name: "mirage".to_owned(),
            generator: "restyle".to_owned(),
            size: video::Size::new(64, 48).unwrap(),
            fps: 25,
            per_second: meter::Rate::FREE,
        };
        let generator = video::builtin(&model.generator).unwrap();
        let pipeline = Arc::new(Pipeline::new(Arc::default(), model, generator));
        // Its generator has nothing yet, and calls when it has.
        pipeline.clone().run();
        let seen = Arc::downgrade(&pipeline);
        drop(pipeline);
        assert!(seen.upgrade().is_none());
    }
}
