//! A client for tests: offers, connects, sends synthetic frames, and keeps what it gets.
#![allow(dead_code, unreachable_pub)]

pub mod offers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Answer, Event, Events, Fanout, Peer, Port, Role, Settings, VideoFrame};
use str0m::bwe::BweKind;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec as Format;
use str0m::media::{Direction, Frequency, KeyframeRequestKind, MediaData, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event as Happened, Input, Output, Rtc};
use tokio::net::UdpSocket;

/// How long anything may take before a test gives up. Far more than it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn port(settings: Settings) -> Port {
    Port::bind(settings).await.unwrap()
}

/// A port on 127.0.0.1.
pub async fn local_port() -> Port {
    port(local()).await
}

pub fn local() -> Settings {
    Settings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Settings::default() }
}

/// What looks like a VP8 frame: it has the header of one, a number by which to know it again, and so many bytes.
pub fn vp8(number: u32, keyframe: bool, length: usize) -> Vec<u8> {
    let mut frame =
        if keyframe { vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00] } else { vec![0x11, 0, 0] };
    frame.extend(number.to_be_bytes());
    let mut random = fastrand::Rng::with_seed(u64::from(number));
    frame.resize_with(length.max(frame.len()), || random.u8(..));
    frame
}

/// The number of such a frame.
pub fn number(frame: &[u8]) -> u32 {
    let at = if frame[0] & 1 == 0 { 10 } else { 3 };
    u32::from_be_bytes(frame[at..at + 4].try_into().unwrap())
}

pub fn video_frame(number: u32, keyframe: bool, length: usize) -> VideoFrame {
    VideoFrame { data: vp8(number, keyframe, length).into(), keyframe, time: u64::from(number) * 3000 }
}

/// The server's answer, as if it had named another address than its own.
pub fn elsewhere(answer: &str, server: SocketAddr, address: SocketAddr) -> String {
    let (server, port) = (format!(" {} typ", server.port()), format!(" {} typ", address.port()));
    let lines = answer.split_inclusive("\r\n");
    let changed: String = lines
        .map(|line| match line.starts_with("a=candidate:") {
            true => line.replace(&server, &port),
            false => line.to_owned(),
        })
        .collect();
    assert_ne!(changed, answer, "the answer has a candidate");
    changed
}

/// Sends back what comes, and to all of the fan-out, until the connection ends. Returns the events but for media.
pub async fn echo(peer: Peer, mut events: Events, fanout: Arc<Fanout>) -> Vec<Event> {
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Video(video) => {
                let _ = peer.write_video(video.frame.clone());
                fanout.write_video(&video.frame);
            }
            Event::Audio(audio) => {
                let _ = peer.write_audio(audio.packet.clone());
                fanout.write_audio(&audio.packet);
            }
            Event::KeyframeRequested => peer.request_keyframe(),
            other => told.push(other),
        }
    }
    told
}

/// Waits for an event that satisfies.
pub async fn event(events: &mut Events, what: &str, mut is: impl FnMut(&Event) -> bool) -> Event {
    let wait = async {
        while let Some(event) = events.next().await {
            if is(&event) {
                return event;
            }
        }
        panic!("the connection ended before {what}");
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} never came"))
}

/// How a client offers.
pub struct Kind {
    pub video: Direction,
    pub audio: Option<Direction>,
    /// The audio's m-line comes first.
    pub audio_first: bool,
    /// Which formats it has, in its order of preference.
    pub formats: Vec<Format>,
}

impl Kind {
    pub fn producer() -> Self {
        Self { video: Direction::SendRecv, audio: None, audio_first: false, formats: vec![Format::Vp8] }
    }

    pub fn viewer() -> Self {
        Self { video: Direction::RecvOnly, ..Self::producer() }
    }
}

pub struct Client {
    pub rtc: Rtc,
    pub socket: UdpSocket,
    pub address: SocketAddr,
    pub video: Mid,
    pub audio: Option<Mid>,
    pub offer: String,
    pending: Option<SdpPendingOffer>,
    pub connected: bool,
    pub closed: bool,
    pub frames: Vec<MediaData>,
    pub sound: Vec<MediaData>,
    pub keyframe_requests: usize,
    pub remb: Vec<u64>,
    /// The next frame's number.
    pub next: u32,
    pub frame_length: usize,
    pub keyframe_wanted: bool,
    sent_at: Instant,
}

impl Client {
    pub async fn new(kind: Kind, address: &str) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut config =
            Rtc::builder().clear_codecs().enable_opus(true, false).set_reordering_size_video(512);
        for format in &kind.formats {
            config = match format {
                Format::Vp8 => config.enable_vp8(true),
                Format::H264 => config.enable_h264(true),
                Format::Vp9 => config.enable_vp9(true),
                _ => unreachable!(),
            };
        }
        let mut rtc = config.build(Instant::now());
        let mut change = rtc.sdp_api();
        let mut audio = None;
        let mut add_audio = |change: &mut str0m::change::SdpApi<'_>| {
            audio = kind.audio.map(|way| change.add_media(MediaKind::Audio, way, None, None, None));
        };
        if kind.audio_first {
            add_audio(&mut change);
        }
        let video = change.add_media(MediaKind::Video, kind.video, None, None, None);
        if !kind.audio_first {
            add_audio(&mut change);
        }
        let (offer, pending) = change.apply().unwrap();
        Self {
            rtc,
            socket,
            address,
            video,
            audio,
            offer: offer.to_sdp_string(),
            pending: Some(pending),
            connected: false,
            closed: false,
            frames: Vec::new(),
            sound: Vec::new(),
            keyframe_requests: 0,
            remb: Vec::new(),
            next: 0,
            frame_length: 4000,
            keyframe_wanted: true,
            sent_at: Instant::now(),
        }
    }

    /// Where the client can be reached, as it would tell the server.
    pub fn candidate(&self) -> String {
        Candidate::host(self.address, "udp").unwrap().to_sdp_string()
    }

    /// Takes the server's answer. The client's own address is told to nobody: the server learns it from the checks.
    pub fn accept(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
        self.rtc.add_local_candidate(Candidate::host(self.address, "udp").unwrap());
        // As browsers do, it sends again whatever is asked for.
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.video, None) {
            stream.set_rtx_cache(1024, Duration::from_secs(3), None);
        }
    }

    /// Offers to a port, and takes its answer.
    pub fn connect(&mut self, port: &Port, role: Role) -> (Peer, Events) {
        let Answer { peer, events, sdp } = port.answer(&self.offer, role).unwrap();
        self.accept(&sdp);
        (peer, events)
    }

    /// Runs until something is so.
    pub async fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        self.until_sending(what, None, is).await;
    }

    /// Runs, sending a frame every so often, until something is so.
    pub async fn until_sending(&mut self, what: &str, every: Option<Duration>, is: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(Instant::now() < deadline, "{what} never happened");
            self.step(every).await;
        }
    }

    /// Runs for a time.
    pub async fn run(&mut self, time: Duration, every: Option<Duration>) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step(every).await;
        }
    }

    async fn step(&mut self, every: Option<Duration>) {
        let wake = self.drain().await;
        let mut wait = wake.saturating_duration_since(Instant::now()).min(Duration::from_millis(20));
        if let Some(every) = every.filter(|_| self.connected) {
            if self.sent_at.elapsed() >= every {
                self.sent_at = Instant::now();
                self.send_frame();
                return;
            }
            wait = wait.min(every - self.sent_at.elapsed().min(every));
        }
        let mut buffer = [0; 2048];
        match tokio::time::timeout(wait, self.socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, source))) => {
                let receive = Receive::new(Protocol::Udp, source, self.address, &buffer[..length]);
                if let Ok(receive) = receive {
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                }
            }
            Ok(Err(_)) | Err(_) => self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap(),
        }
    }

    pub fn send_frame(&mut self) {
        let number = self.next;
        self.next += 1;
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        self.write(vp8(number, keyframe, self.frame_length), Format::Vp8, u64::from(number) * 3000);
    }

    pub fn write(&mut self, data: Vec<u8>, format: Format, time: u64) {
        let (mid, time) = match format {
            Format::Opus => (self.audio.unwrap(), MediaTime::new(time, Frequency::FORTY_EIGHT_KHZ)),
            _ => (self.video, MediaTime::from_90khz(time)),
        };
        let writer = self.rtc.writer(mid).unwrap();
        let pt = writer.payload_params().find(|found| found.spec().codec == format).unwrap().pt();
        writer.write(pt, Instant::now(), time, data).unwrap();
    }

    pub fn request_keyframe(&mut self) {
        self.rtc.writer(self.video).unwrap().request_keyframe(None, KeyframeRequestKind::Pli).unwrap();
    }

    /// Says goodbye.
    pub async fn close(&mut self) {
        self.rtc.close().unwrap();
        self.drain().await;
    }

    pub fn numbers(&self) -> Vec<u32> {
        self.frames.iter().map(|frame| number(&frame.data)).collect()
    }

    async fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(wake) => return wake,
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination).await;
                }
                Output::Event(event) => self.happened(event),
            }
        }
    }

    fn happened(&mut self, event: Happened) {
        match event {
            Happened::Connected => self.connected = true,
            Happened::Closed => self.closed = true,
            Happened::MediaData(data) if data.mid == self.video => {
                let is_gap = !data.contiguous && !data.is_keyframe();
                self.frames.push(data);
                if is_gap {
                    self.request_keyframe();
                }
            }
            Happened::MediaData(data) => self.sound.push(data),
            Happened::KeyframeRequest(_) => {
                self.keyframe_requests += 1;
                self.keyframe_wanted = true;
            }
            Happened::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                self.remb.push(estimate.as_u64());
            }
            _ => {}
        }
    }
}
