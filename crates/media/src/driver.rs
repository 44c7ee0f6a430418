//! The task of a peer: it owns the str0m machine, and is the only one to touch it.
//!
//! The machine's contract: after every input its output is polled until it names the time at which it wants to be woken.
//! The loop that does so is [`Driver::serve`].

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::format::Codec as Format;
use str0m::media::{Frequency, KeyframeRequestKind, MediaData, MediaTime, Mid, Pt};
use str0m::net::{DatagramRecv, Protocol, Receive, Transmit};
use str0m::{Input, Output, Rtc};
use tokio::sync::mpsc;
use tracing::{debug, trace};

use crate::candidate;
use crate::estimate::Estimate;
use crate::events::{Mailbox, Reason, Statistics};
use crate::frame::{AudioPacket, ReceivedAudio, ReceivedVideo, VideoFrame};
use crate::gate::Gate;
use crate::peer::{Outgoing, Outlet, Request};
use crate::routes::{Packet, Registration, Transport};
use crate::run::Run;
use crate::settings::{Bitrates, Codec};
use crate::tcp::Connections;
use crate::udp::Udp;

/// How old the oldest packet that the pacer holds back may be before frames are dropped.
const HELD_BACK: Duration = Duration::from_millis(400);
/// The part of what a path carries that new video may take. The pacer sends hardly faster than the path carries, so what
/// is sent again, and keyframes, would otherwise make a queue that never goes away; and where the estimate falls, it does so
/// for the pacer sooner than for who is told of it.
const FOR_VIDEO: f64 = 0.85;
/// How often it is told that the peer was heard.
const HEARD: Duration = Duration::from_millis(250);
/// How often in a row the machine may want to be woken at once before others get their turn.
const SPINS: u32 = 64;

/// The ways out.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) udp: Vec<Arc<Udp>>,
    pub(crate) tcp: Arc<Connections>,
}

impl Links {
    /// The socket of that address's family.
    fn udp_for(&self, destination: SocketAddr) -> Option<&Udp> {
        let socket = self.udp.iter().find(|socket| socket.local().is_ipv4() == destination.is_ipv4());
        socket.map(AsRef::as_ref)
    }
}

/// What the task has to know of the offer and the settings.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) codec: Codec,
    pub(crate) video: Mid,
    pub(crate) audio: Option<Mid>,
    pub(crate) has_feedback: bool,
    pub(crate) bitrates: Bitrates,
    pub(crate) connect: Duration,
    pub(crate) silence: Duration,
}

/// The queues into the task, and the entry in the tables that fills the first of them.
pub(crate) struct Inputs {
    pub(crate) registration: Registration,
    pub(crate) packets: mpsc::Receiver<Packet>,
    pub(crate) media: mpsc::Receiver<Outgoing>,
    pub(crate) requests: mpsc::Receiver<Request>,
}

/// The task.
pub(crate) struct Driver {
    rtc: Rtc,
    terms: Terms,
    links: Arc<Links>,
    registration: Registration,
    packets: mpsc::Receiver<Packet>,
    media: mpsc::Receiver<Outgoing>,
    requests: mpsc::Receiver<Request>,
    /// What goes out before the task waits.
    run: Run,
    /// The local address to which the last packet of each of the peer's addresses came.
    via: Vec<(SocketAddr, Option<IpAddr>)>,
    born: Instant,
    heard: Instant,
    told_heard: Option<Instant>,
    is_connected: bool,
    closed_by_peer: bool,
    /// Whether the pacer held back too much when last looked at, or has got more since.
    look_at_pacer: bool,
    candidates: usize,
    gate: Gate,
    estimate: Estimate,
    statistics: Statistics,
    /// The figures of another second are in.
    figures_due: bool,
    /// Last, so that all else is gone when the owner hears of the end.
    farewell: Farewell,
}

/// Tells the end, even if the task panics.
struct Farewell {
    outlet: Arc<Outlet>,
    mailbox: Arc<Mailbox>,
    reason: Option<Reason>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.outlet.ended();
        let reason = self.reason.take().unwrap_or_else(|| Reason::Failed("its task panicked".to_owned()));
        debug!(?reason, "a peer ended");
        self.mailbox.put(|waiting| waiting.end(reason));
    }
}

impl Driver {
    pub(crate) fn new(
        rtc: Rtc,
        terms: Terms,
        links: Arc<Links>,
        inputs: Inputs,
        outlet: Arc<Outlet>,
        mailbox: Arc<Mailbox>,
        now: Instant,
    ) -> Self {
        let Bitrates { start, max } = terms.bitrates;
        Self {
            rtc,
            terms,
            links,
            registration: inputs.registration,
            packets: inputs.packets,
            media: inputs.media,
            requests: inputs.requests,
            run: Run::default(),
            via: Vec::new(),
            born: now,
            heard: now,
            told_heard: None,
            is_connected: false,
            closed_by_peer: false,
            look_at_pacer: false,
            candidates: 0,
            gate: Gate::default(),
            estimate: Estimate::new(start, max),
            statistics: Statistics::default(),
            figures_due: false,
            farewell: Farewell { outlet, mailbox, reason: None },
        }
    }

    pub(crate) async fn run(mut self) {
        self.farewell.reason = Some(self.serve().await);
        self.send_run();
        for source in self.registration.sources(Transport::Tcp) {
            self.links.tcp.end(source);
        }
    }

    async fn serve(&mut self) -> Reason {
        let mut timer = pin!(tokio::time::sleep_until(self.born.into()));
        let mut spins = 0;
        loop {
            let mut wake = match self.drain() {
                Ok(wake) => wake,
                Err(reason) => return reason,
            };
            let now = Instant::now();
            if let Some(reason) = self.overdue(now) {
                return reason;
            }
            if wake <= now && spins < SPINS {
                spins += 1;
                if let Err(reason) = self.advance(now) {
                    return reason;
                }
                continue;
            }
            spins = 0;
            if self.look_at_pacer {
                self.observe_pacer();
                wake = match self.drain() {
                    Ok(wake) => wake,
                    Err(reason) => return reason,
                };
            }
            self.send_run();
            timer.as_mut().reset(wake.min(self.deadline()).into());
            let outlet = &self.farewell.outlet;
            let done = tokio::select! {
                () = outlet.closing.notified() => return self.close(),
                request = self.requests.recv() => match request {
                    Some(request) => self.answer(request),
                    None => return self.close(),
                },
                media = self.media.recv() => match media {
                    Some(media) => self.write(media),
                    None => return self.close(),
                },
                packet = self.packets.recv() => match packet {
                    Some(packet) => {
                        self.receive(&packet);
                        Ok(())
                    }
                    None => {
                        self.close();
                        return Reason::PortClosed;
                    }
                },
                () = timer.as_mut() => self.advance(Instant::now()),
            };
            if let Err(reason) = done {
                return reason;
            }
        }
    }

    /// When the peer counts as gone if nothing comes.
    fn deadline(&self) -> Instant {
        if self.is_connected { self.heard + self.terms.silence } else { self.born + self.terms.connect }
    }

    fn overdue(&self, now: Instant) -> Option<Reason> {
        // On a machine that is too busy, the packets may be here and this task late.
        if now < self.deadline() || !self.packets.is_empty() {
            return None;
        }
        Some(if self.is_connected { Reason::Silent } else { Reason::NeverConnected })
    }

    fn advance(&mut self, now: Instant) -> Result<(), Reason> {
        self.rtc.handle_input(Input::Timeout(now)).map_err(|error| Reason::Failed(error.to_string()))
    }

    fn close(&mut self) -> Reason {
        // Whatever goes wrong now, it is over.
        let _ = self.rtc.close();
        let _ = self.drain();
        Reason::Here
    }

    /// Polls the machine to the end, and returns when it wants to be woken.
    fn drain(&mut self) -> Result<Instant, Reason> {
        loop {
            match self.rtc.poll_output() {
                // Telling the figures may be an input, so that there is more to poll.
                Ok(Output::Timeout(_)) if std::mem::take(&mut self.figures_due) => self.tell_figures(),
                Ok(Output::Timeout(wake)) if self.rtc.is_alive() && !self.closed_by_peer => return Ok(wake),
                Ok(Output::Timeout(_)) if self.closed_by_peer => return Err(Reason::ByPeer),
                Ok(Output::Timeout(_)) => return Err(Reason::Here),
                Ok(Output::Transmit(transmit)) => self.transmit(&transmit),
                Ok(Output::Event(event)) => self.happened(event),
                Err(error) => return Err(Reason::Failed(error.to_string())),
            }
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let Transmit { destination, ref contents, .. } = *transmit;
        match transmit.proto {
            Protocol::Udp => {
                let via = self.via.iter().find(|(source, _)| *source == destination);
                let from = via.and_then(|(_, to)| *to);
                let most = self.links.udp_for(destination).map_or(1, Udp::most_at_once);
                if !self.run.fits(destination, from, contents.len(), most) {
                    self.send_run();
                }
                self.run.push(destination, from, contents);
            }
            Protocol::Tcp => {
                self.statistics.unsent += u64::from(!self.links.tcp.send(destination, contents));
            }
            Protocol::SslTcp | Protocol::Tls => self.statistics.unsent += 1,
        }
    }

    fn send_run(&mut self) {
        let socket = self.run.destination().and_then(|destination| self.links.udp_for(destination));
        self.statistics.unsent += self.run.send(socket) as u64;
    }

    fn receive(&mut self, packet: &Packet) {
        let Ok(contents) = DatagramRecv::try_from(&packet.contents[..]) else {
            return;
        };
        let proto = match packet.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let Packet { at, transport, source, destination, to, .. } = *packet;
        let input = Input::Receive(at, Receive { proto, source, destination, contents });
        if !self.registration.has(transport, source) {
            // An address is the peer's once it proved to know the password.
            if !self.rtc.accepts(&input) || !self.registration.claim(transport, source) {
                return;
            }
            debug!(%source, ?transport, "a peer sends from a new address");
        }
        match self.via.iter_mut().find(|(known, _)| *known == source) {
            Some((_, known)) => *known = to,
            None if transport == Transport::Udp => {
                self.via.retain(|(known, _)| self.registration.has(transport, *known));
                self.via.push((source, to));
            }
            None => {}
        }
        self.heard = self.heard.max(at);
        if self.is_connected && self.told_heard.is_none_or(|told| at.duration_since(told) >= HEARD) {
            self.told_heard = Some(at);
            self.farewell.mailbox.put(|waiting| waiting.heard());
        }
        if let Err(error) = self.rtc.handle_input(input) {
            // Anybody on the way can send rubbish under the peer's address: that ends nothing.
            trace!(%error, "a packet was not understood");
        }
    }

    fn answer(&mut self, request: Request) -> Result<(), Reason> {
        match request {
            Request::Keyframe => self.request_keyframe(),
            Request::Candidate(candidate) => {
                self.candidates += 1;
                if self.candidates <= candidate::MOST {
                    self.rtc.add_remote_candidate(candidate);
                }
            }
        }
        Ok(())
    }

    fn request_keyframe(&mut self) {
        let Some(mut writer) = self.rtc.writer(self.terms.video) else { return };
        let kind = [KeyframeRequestKind::Pli, KeyframeRequestKind::Fir]
            .into_iter()
            .find(|&kind| writer.is_request_keyframe_possible(kind));
        if let Some(kind) = kind
            && let Err(error) = writer.request_keyframe(None, kind)
        {
            trace!(%error, "no keyframe could be asked for");
        }
    }

    fn write(&mut self, media: Outgoing) -> Result<(), Reason> {
        let now = Instant::now();
        self.advance(now)?;
        // The machine takes one input at a time.
        self.drain()?;
        let (mid, format) = match (&media, self.terms.audio) {
            (Outgoing::Video(_), _) => (self.terms.video, format(self.terms.codec)),
            (Outgoing::Audio(_), Some(audio)) => (audio, Format::Opus),
            (Outgoing::Audio(_), None) => return Ok(()),
        };
        let is_sending = self.rtc.media(mid).is_some_and(|media| media.direction().is_sending());
        let Some(writer) = self.rtc.writer(mid).filter(|_| is_sending) else { return Ok(()) };
        let payload: Option<Pt> = writer
            .payload_params()
            .find(|parameters| parameters.spec().codec == format)
            .map(|found| found.pt());
        let Some(payload) = payload else { return Ok(()) };
        let written = match media {
            Outgoing::Video(VideoFrame { data, time, .. }) => {
                self.look_at_pacer = self.terms.has_feedback;
                writer.write(payload, now, MediaTime::from_90khz(time), data)
            }
            Outgoing::Audio(AudioPacket { data, time }) => {
                writer.write(payload, now, MediaTime::new(time, Frequency::FORTY_EIGHT_KHZ), data)
            }
        };
        if let Err(error) = written {
            // Data that cannot be cut into packets are the encoder's fault, not the connection's.
            debug!(%error, "a frame could not be sent");
        }
        Ok(())
    }

    /// Finds out whether the pacer is behind, so that the handles stop sending until it is not. To be called when all
    /// that may go out has gone out.
    fn observe_pacer(&mut self) {
        let now = Instant::now();
        let mut machine = self.rtc.direct_api();
        let oldest = machine
            .stream_tx_by_mid(self.terms.video, None)
            .and_then(|stream| stream.queue_info()?.first_unsent());
        let is_behind = oldest.is_some_and(|since| now.saturating_duration_since(since) > HELD_BACK);
        self.farewell.outlet.congested(is_behind);
        self.look_at_pacer = oldest.is_some();
    }

    fn happened(&mut self, event: str0m::Event) {
        use str0m::Event as Happened;
        match event {
            Happened::Connected => {
                self.is_connected = true;
                self.heard = Instant::now();
                self.farewell.mailbox.put(|waiting| waiting.connected());
                self.farewell.outlet.connected();
            }
            Happened::Closed => self.closed_by_peer = true,
            Happened::MediaData(data) if data.mid == self.terms.video => self.video(data),
            Happened::MediaData(data) if Some(data.mid) == self.terms.audio => {
                let packet = AudioPacket { data: data.data, time: data.time.numer() };
                let received = ReceivedAudio { packet, arrived: data.network_time };
                self.farewell.mailbox.put(|waiting| waiting.audio(received));
            }
            Happened::KeyframeRequest(request) if request.mid == self.terms.video => {
                self.farewell.outlet.keyframe_requested();
            }
            Happened::EgressBitrateEstimate(estimate) => self.bandwidth(&estimate),
            // The figures of the whole connection come before those of its media, which are the better ones.
            Happened::PeerStats(figures) => {
                let by_checks = figures.selected_candidate_pair.and_then(|pair| pair.current_round_trip_time);
                self.statistics.round_trip = figures.rtt.or(by_checks);
                self.statistics.loss_out = figures.egress_loss_fraction;
                self.statistics.loss_in = figures.ingress_loss_fraction;
                self.statistics.bytes_out = figures.peer_bytes_tx;
                self.statistics.bytes_in = figures.peer_bytes_rx;
                self.figures_due = self.is_connected;
            }
            Happened::MediaIngressStats(figures) if figures.mid == self.terms.video => {
                self.statistics.loss_in = figures.loss.or(self.statistics.loss_in);
                self.statistics.jitter_in =
                    Some(Duration::from_secs_f64(f64::from(figures.jitter) / 90_000.0));
            }
            Happened::MediaEgressStats(figures) if figures.mid == self.terms.video => {
                self.statistics.loss_out = figures.loss.or(self.statistics.loss_out);
                self.statistics.round_trip = figures.rtt.or(self.statistics.round_trip);
            }
            other => trace!(?other, "of no interest"),
        }
    }

    fn video(&mut self, data: MediaData) {
        self.statistics.frames_in += 1;
        let keyframe = data.is_keyframe();
        if !data.contiguous && !keyframe {
            self.gate.lost();
        }
        let lost = if self.gate.pass(keyframe) {
            let frame = VideoFrame { data: data.data, keyframe, time: data.time.numer() };
            let received = ReceivedVideo { frame, arrived: data.network_time };
            self.farewell.mailbox.put_video(received).err()
        } else {
            Some(1)
        };
        let Some(lost) = lost else { return };
        self.statistics.dropped_in += lost as u64;
        self.gate.lost();
        if self.gate.ask(Instant::now()) {
            self.request_keyframe();
        }
    }

    fn bandwidth(&self, estimate: &BweKind) {
        let estimate = match estimate {
            BweKind::Twcc { estimate, .. } => estimate,
            // Of two estimates, that by the reports on every packet is the better one.
            BweKind::Remb { .. } if self.terms.has_feedback => return,
            BweKind::Remb { estimate, .. } => estimate,
            _ => return,
        };
        let for_video = (estimate.as_f64() * FOR_VIDEO) as u64;
        let bits_per_second = for_video.min(u64::from(self.terms.bitrates.max));
        self.farewell.mailbox.put(|waiting| waiting.bandwidth(bits_per_second));
    }

    /// Tells the figures, and a sender that is to be steered by them what it may send.
    fn tell_figures(&mut self) {
        let outlet = &self.farewell.outlet;
        self.statistics.frames_out = outlet.frames.load(Ordering::Relaxed);
        self.statistics.dropped_out = outlet.dropped.load(Ordering::Relaxed);
        let figures = self.statistics;
        self.farewell.mailbox.put(|waiting| waiting.statistics(figures));
        if !self.terms.has_feedback {
            let wanted = Bitrate::from(self.estimate.after(figures.loss_in.unwrap_or(0.0)));
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(self.terms.video, None) {
                stream.request_remb(wanted);
            }
        }
    }
}

fn format(codec: Codec) -> Format {
    match codec {
        Codec::Vp8 => Format::Vp8,
        Codec::H264 => Format::H264,
    }
}
