//! The peer connection of one attempt: encoded pictures out, encoded pictures in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaData, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::camera::{Encoded, Lens};
use super::connection::Media;
use super::screen::Screen;

/// How often a keyframe is asked for while none comes.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Packets that are read before anything else is looked at.
const BATCH: usize = 32;

/// Packets of video that wait for one that is missing: more than any keyframe has.
const REORDER: usize = 512;

/// How many packets are kept to be sent again, and how long.
const RESEND_PACKETS: usize = 1024;
const RESEND_AGE: Duration = Duration::from_secs(3);

/// Bits per second, until the path is known.
const FIRST_BITRATE: u64 = 1_500_000;

/// What the connection says.
#[derive(Debug)]
pub(super) enum Said {
    /// The offer.
    Offer(String),
    /// Its state has changed.
    State(Media, String),
}

/// What it is told.
pub(super) enum Order {
    /// The server's answer.
    Answer(String),
    /// One more address of the server.
    Candidate(String),
}

/// What flows.
#[derive(Clone)]
pub(super) struct Streams {
    /// What is sent; none for a viewer.
    pub(super) lens: Option<Lens>,
    pub(super) screen: Screen,
}

/// Runs a connection until it ends, or is dropped. `server` is where the signaling goes: media are likely to go there,
/// too.
pub(super) async fn run(
    server: SocketAddr,
    streams: Streams,
    orders: mpsc::UnboundedReceiver<Order>,
    say: impl Fn(Said) + Send,
) {
    let failed = |error: String| say(Said::State(Media::Failed, error));
    match Flow::offer(server, streams).await {
        Ok((mut flow, offer)) => {
            say(Said::Offer(offer));
            match flow.run(orders, &say).await {
                Ok(()) => failed("the server has ended the media connection".to_owned()),
                Err(error) => failed(error),
            }
        }
        Err(error) => failed(error),
    }
}

struct Flow {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    video: Mid,
    pending: Option<SdpPendingOffer>,
    streams: Streams,
    is_connected: bool,
    /// What comes cannot be decoded until a keyframe does.
    is_stuck: bool,
    asked: Option<Instant>,
}

impl Flow {
    async fn offer(server: SocketAddr, streams: Streams) -> Result<(Self, String), String> {
        let socket = bind(server).await.map_err(|error| format!("no UDP socket can be had: {error}"))?;
        let local = socket.local_addr().map_err(|error| error.to_string())?;
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_vp8(true)
            .set_reordering_size_video(REORDER)
            .enable_bwe(Some(Bitrate::from(FIRST_BITRATE)))
            .build(Instant::now());
        let candidate = Candidate::host(local, "udp").map_err(|error| error.to_string())?;
        rtc.add_local_candidate(candidate);
        let direction = match streams.lens {
            Some(_) => Direction::SendRecv,
            None => Direction::RecvOnly,
        };
        let mut change = rtc.sdp_api();
        let video = change.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = change.apply().ok_or("there is nothing to offer")?;
        let flow = Self {
            rtc,
            socket,
            local,
            video,
            pending: Some(pending),
            streams,
            is_connected: false,
            is_stuck: true,
            asked: None,
        };
        Ok((flow, offer.to_sdp_string()))
    }

    async fn run(
        &mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        say: &(impl Fn(Said) + Send),
    ) -> Result<(), String> {
        let mut buffer = vec![0; 2048];
        let mut may_be_told = true;
        loop {
            let Some(wake) = self.drain(say).map_err(text)? else { return Ok(()) };
            tokio::select! {
                order = orders.recv(), if may_be_told => match order {
                    Some(order) => self.obey(order)?,
                    None => may_be_told = false,
                },
                encoded = next(&mut self.streams.lens), if self.is_connected => {
                    self.write(encoded).map_err(text)?;
                }
                received = self.socket.recv_from(&mut buffer) => {
                    // That a port cannot be reached is told by the next call, and of no importance.
                    let Ok((length, source)) = received else { continue };
                    self.receive(source, &buffer[..length]).map_err(text)?;
                    for _ in 1..BATCH {
                        let Ok((length, source)) = self.socket.try_recv_from(&mut buffer) else { break };
                        if self.drain(say).map_err(text)?.is_none() {
                            return Ok(());
                        }
                        self.receive(source, &buffer[..length]).map_err(text)?;
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now())).map_err(text)?;
                }
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Answer(sdp) => {
                let Some(pending) = self.pending.take() else { return Ok(()) };
                let answer = SdpAnswer::from_sdp_string(&sdp)
                    .map_err(|error| format!("the server's answer is no description: {error}"))?;
                self.rtc
                    .sdp_api()
                    .accept_answer(pending, answer)
                    .map_err(|error| format!("the server's answer does not fit: {error}"))?;
                // As browsers do, it sends again whatever is asked for.
                if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.video, None) {
                    stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, None);
                }
            }
            Order::Candidate(candidate) => {
                // One that cannot be used (a name, another transport) is for other clients.
                if let Ok(candidate) = Candidate::from_sdp_string(&candidate) {
                    self.rtc.add_remote_candidate(candidate);
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, source: SocketAddr, packet: &[u8]) -> Result<(), RtcError> {
        match Receive::new(Protocol::Udp, source, self.local, packet) {
            Ok(receive) => self.rtc.handle_input(Input::Receive(Instant::now(), receive)),
            // Not of a kind that is spoken here.
            Err(_) => Ok(()),
        }
    }

    fn write(&mut self, encoded: Encoded) -> Result<(), RtcError> {
        let now = Instant::now();
        self.rtc.handle_input(Input::Timeout(now))?;
        let Some(writer) = self.rtc.writer(self.video) else { return Ok(()) };
        let vp8 = writer.payload_params().find(|found| found.spec().codec == Codec::Vp8);
        let Some(payload) = vp8.map(|found| found.pt()) else { return Ok(()) };
        writer.write(payload, now, MediaTime::from_90khz(encoded.time), encoded.data)
    }

    /// Polls the machine to the end. When it wants to be woken; none when it is over.
    fn drain(&mut self, say: &impl Fn(Said)) -> Result<Option<Instant>, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(wake) => return Ok(self.rtc.is_alive().then_some(wake)),
                Output::Transmit(transmit) => {
                    // What does not go out is a packet that was lost.
                    let _ = self.socket.try_send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(event) => self.happened(event, say),
            }
        }
    }

    fn happened(&mut self, event: Event, say: &impl Fn(Said)) {
        match event {
            Event::Connected => self.connected(true, say),
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Disconnected => self.connected(false, say),
                // The first time that is not enough: keys are exchanged afterwards.
                IceConnectionState::Connected | IceConnectionState::Completed if self.rtc.is_connected() => {
                    self.connected(true, say);
                }
                _ => {}
            },
            Event::MediaData(data) if data.mid == self.video => self.received(data),
            Event::KeyframeRequest(_) => {
                if let Some(lens) = &self.streams.lens {
                    lens.request_keyframe();
                }
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. }) => {
                if let Some(lens) = &self.streams.lens {
                    lens.set_bitrate(estimate.as_u64());
                }
            }
            _ => {}
        }
    }

    fn connected(&mut self, is: bool, say: &impl Fn(Said)) {
        if self.is_connected == is {
            return;
        }
        self.is_connected = is;
        if is {
            if let Some(lens) = &mut self.streams.lens {
                lens.begin();
            }
            say(Said::State(Media::Connected, String::new()));
        } else {
            say(Said::State(Media::Interrupted, String::new()));
        }
    }

    fn received(&mut self, data: MediaData) {
        let is_keyframe = data.is_keyframe();
        self.is_stuck = !is_keyframe && (self.is_stuck || !data.contiguous);
        if self.is_stuck || self.streams.screen.needs_keyframe() {
            self.ask_for_keyframe();
        }
        let is_whole = is_keyframe || data.contiguous;
        self.streams.screen.push(
            data.data,
            data.time.rebase(str0m::media::Frequency::NINETY_KHZ).numer(),
            is_whole,
        );
    }

    fn ask_for_keyframe(&mut self) {
        let now = Instant::now();
        if self.asked.is_some_and(|asked| now - asked < ASK_EVERY) {
            return;
        }
        self.asked = Some(now);
        if let Some(mut writer) = self.rtc.writer(self.video) {
            // It is asked for again if this comes to nothing.
            let _ = writer.request_keyframe(None, KeyframeRequestKind::Pli);
        }
    }
}

/// A socket at the address from which that server is reached.
async fn bind(server: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = UdpSocket::bind((any, 0)).await?;
    // Sends nothing: it only asks which way packets would take.
    probe.connect(server).await?;
    UdpSocket::bind((probe.local_addr()?.ip(), 0)).await
}

async fn next(lens: &mut Option<Lens>) -> Encoded {
    match lens {
        Some(lens) => lens.next().await,
        None => std::future::pending().await,
    }
}

fn text(error: RtcError) -> String {
    format!("media cannot go on: {error}")
}
