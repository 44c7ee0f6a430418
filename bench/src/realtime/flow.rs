//! Media: the clip goes out, what comes back is put together.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaData, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time;

use super::mailbox::Mailbox;
use super::sent::{Handed, Sent};
use super::{Clip, Happening, Media, Received};

/// How often a keyframe is asked for while none comes.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Packets that are read before anything else is looked at.
const BATCH: usize = 32;

pub(super) struct Flow {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    through: Option<SocketAddr>,
    video: Mid,
    pending: Option<SdpPendingOffer>,
    is_sending: bool,
    clip: Arc<Clip>,
    sent: Arc<Sent>,
    /// The number of the next picture.
    next: u32,
    /// When the first picture was due, and when the next one is; none before media flow.
    pace: Option<(Instant, Instant)>,
    is_connected: bool,
    /// What comes cannot be decoded until a keyframe does.
    is_stuck: bool,
    asked: Option<Instant>,
    mailbox: Arc<Mailbox>,
}

impl Flow {
    /// With its description of what it wants.
    pub(super) async fn offer(
        local: IpAddr,
        direction: Direction,
        clip: Arc<Clip>,
        through: Option<SocketAddr>,
    ) -> Result<(Self, String)> {
        let socket = UdpSocket::bind((local, 0)).await.context("no UDP socket")?;
        let local = socket.local_addr()?;
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_vp8(true)
            // Room for the packets of any keyframe.
            .set_reordering_size_video(512)
            .build(Instant::now());
        if through.is_none() {
            rtc.add_local_candidate(Candidate::host(local, "udp")?);
        }
        let mut change = rtc.sdp_api();
        let video = change.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = change.apply().context("there is nothing to offer")?;
        let flow = Self {
            rtc,
            socket,
            local,
            through,
            video,
            pending: Some(pending),
            is_sending: direction.is_sending(),
            clip,
            sent: Arc::default(),
            next: 0,
            pace: None,
            is_connected: false,
            is_stuck: true,
            asked: None,
            mailbox: Arc::default(),
        };
        Ok((flow, offer.to_sdp_string()))
    }

    pub(super) fn sent(&self) -> Arc<Sent> {
        self.sent.clone()
    }

    pub(super) fn accept(&mut self, answer: &str) -> Result<()> {
        let pending = self.pending.take().context("an offer is answered once")?;
        let answer = match self.through {
            Some(_) => without_candidates(answer),
            None => answer.to_owned(),
        };
        let answer = SdpAnswer::from_sdp_string(&answer).context("the answer is no description")?;
        self.rtc.sdp_api().accept_answer(pending, answer).context("the answer does not fit")?;
        if let Some(through) = self.through {
            self.rtc.add_local_candidate(Candidate::host(self.local, "udp")?);
            self.rtc.add_remote_candidate(Candidate::host(through, "udp")?);
        }
        // As browsers do, it sends again whatever is asked for.
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.video, None) {
            stream.set_rtx_cache(1024, Duration::from_secs(3), None);
        }
        Ok(())
    }

    /// Until it is stopped, or the other end says goodbye.
    pub(super) async fn serve(mut self, mailbox: Arc<Mailbox>, stop: Arc<Notify>) {
        self.mailbox = mailbox;
        tokio::select! {
            // Whatever the error is, media do not flow any more.
            _ = self.run() => {}
            () = stop.notified() => {
                let _ = self.rtc.close();
                let _ = self.drain();
            }
        }
        self.connected(false);
    }

    async fn run(&mut self) -> Result<(), RtcError> {
        let mut buffer = vec![0; 2048];
        loop {
            let Some(wake) = self.drain()? else { return Ok(()) };
            let now = Instant::now();
            if self.pace.is_some_and(|(_, due)| due <= now) {
                self.send_picture(now)?;
                continue;
            }
            let due = self.pace.filter(|_| self.is_connected).map_or(wake, |(_, due)| due.min(wake));
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    // An unreachable port is an error of the next call, and of no importance.
                    let Ok((length, source)) = received else { continue };
                    self.receive(source, &buffer[..length])?;
                    for _ in 1..BATCH {
                        let Ok((length, source)) = self.socket.try_recv_from(&mut buffer) else { break };
                        if self.drain()?.is_none() {
                            return Ok(());
                        }
                        self.receive(source, &buffer[..length])?;
                    }
                }
                () = time::sleep_until(due.into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                }
            }
        }
    }

    fn receive(&mut self, source: SocketAddr, packet: &[u8]) -> Result<(), RtcError> {
        match Receive::new(Protocol::Udp, source, self.local, packet) {
            Ok(receive) => self.rtc.handle_input(Input::Receive(Instant::now(), receive)),
            Err(_) => Ok(()),
        }
    }

    fn send_picture(&mut self, now: Instant) -> Result<(), RtcError> {
        let Some((begun, due)) = self.pace.filter(|_| self.is_connected) else {
            self.pace = None;
            return Ok(());
        };
        let interval = Duration::from_secs(1) / self.clip.fps();
        // After a pause it goes on, as a camera does, instead of catching up.
        let next = if now > due + 3 * interval { now + interval } else { due + interval };
        self.pace = Some((begun, next));
        self.rtc.handle_input(Input::Timeout(now))?;
        if self.drain()?.is_none() {
            return Ok(());
        }
        let time = due.saturating_duration_since(begun).as_nanos() * 90_000 / 1_000_000_000;
        let Some(writer) = self.rtc.writer(self.video) else { return Ok(()) };
        let payload =
            writer.payload_params().find(|found| found.spec().codec == Codec::Vp8).map(|found| found.pt());
        let Some(payload) = payload else { return Ok(()) };
        let number = self.next;
        let data = self.clip.picture(number).data.clone();
        self.next = (number + 1) % self.clip.len();
        self.sent.add(Handed { number, at: Instant::now(), bytes: data.len() });
        writer.write(payload, now, MediaTime::from_90khz(time as u64), data)
    }

    /// Polls the machine to the end. When it wants to be woken; none when it is over.
    fn drain(&mut self) -> Result<Option<Instant>, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(wake) => return Ok(self.rtc.is_alive().then_some(wake)),
                Output::Transmit(transmit) => {
                    // What does not go out is a packet that was lost.
                    let _ = self.socket.try_send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(event) => self.happened(event),
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected(true),
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Disconnected => self.connected(false),
                // The first time that is not enough: keys are exchanged afterwards.
                IceConnectionState::Connected | IceConnectionState::Completed if self.rtc.is_connected() => {
                    self.connected(true);
                }
                _ => {}
            },
            Event::Closed => self.connected(false),
            Event::MediaData(data) if data.mid == self.video => self.received(data),
            Event::KeyframeRequest(_) => self.next = self.clip.keyframe_from(self.next),
            _ => {}
        }
    }

    fn connected(&mut self, is: bool) {
        if self.is_connected == is {
            return;
        }
        self.is_connected = is;
        let now = Instant::now();
        if is && self.is_sending {
            let begun = self.pace.map_or(now, |(begun, _)| begun);
            self.pace = Some((begun, now));
            self.next = self.clip.keyframe_from(self.next);
        }
        self.mailbox.put(Happening::Media(if is { Media::Connected } else { Media::Lost }));
    }

    fn received(&mut self, data: MediaData) {
        let keyframe = data.is_keyframe();
        self.is_stuck = !keyframe && (self.is_stuck || !data.contiguous);
        let now = Instant::now();
        if self.is_stuck && self.asked.is_none_or(|asked| now - asked >= ASK_EVERY) {
            self.asked = Some(now);
            if let Some(mut writer) = self.rtc.writer(self.video) {
                // It is asked for again if this comes to nothing.
                let _ = writer.request_keyframe(None, KeyframeRequestKind::Pli);
            }
        }
        self.mailbox.put(Happening::Frame(Received {
            keyframe,
            contiguous: keyframe || data.contiguous,
            time: data.time.numer(),
            at: now,
            data: data.data,
        }));
    }
}

fn without_candidates(answer: &str) -> String {
    answer.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate:")).collect()
}
