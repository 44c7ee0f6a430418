//! A server, networks in front of it, and what a client saw of a session.
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::client::Client;
use bench::realtime::{Clip, Happening, Look, Media, Options, Peer, Received, Sent, Stamp};
use bench::server::{Launch, Server};
use serde_json::Value;
use tempfile::TempDir;
use video::{Codec, Decoder, Pool, Size};
use weather::udp::{Network, Proxy};
use wire::account::SessionReceipt;

/// Far more than anything takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pictures are small, so that a busy machine keeps up.
const WIDTH: u32 = 320;
const HEIGHT: u32 = 192;
pub const FPS: u32 = 20;

/// The server of this build, with one model, `small`.
pub struct House {
    pub server: Server,
    pub client: Client,
    clip: Arc<Clip>,
    /// Gone with this.
    _directory: TempDir,
}

impl House {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!(
            "[realtime]\nmax_sessions = 64\nmax_sessions_per_key = 64\n\
             [[realtime.models]]\nname = \"small\"\nwidth = {WIDTH}\nheight = {HEIGHT}\nfps = {FPS}\n"
        );
        let binary = bench::binary_of_this_build().unwrap();
        let server = Launch::in_directory(&binary, directory.path(), &config).unwrap().start().await.unwrap();
        let client = Client::new(server.url()).unwrap();
        let clip = Arc::new(Clip::new(Size::new(WIDTH, HEIGHT).unwrap(), FPS, 10));
        Self { server, client, clip, _directory: directory }
    }

    /// For a client with nothing in between.
    pub fn options(&self) -> Options {
        Options {
            url: self.server.url(),
            key: "any".to_owned(),
            model: "small".to_owned(),
            query: Vec::new(),
            clip: self.clip.clone(),
            through: None,
        }
    }

    /// A network between clients and the server's media port.
    pub async fn network(&self, network: Network, seed: u64) -> Arc<Proxy> {
        // The first message of a session says where media arrive.
        let mut peer = Peer::produce(self.options()).await.unwrap();
        let Some(Happening::Message(hello)) = peer.next().await else { panic!("nothing was said") };
        assert_eq!(hello["type"], "session_id", "{hello}");
        let (ip, port) = (hello["server_ip"].as_str().unwrap(), hello["server_port"].as_u64().unwrap());
        peer.close().await;
        let server = format!("{ip}:{port}").parse().unwrap();
        Arc::new(Proxy::start(server, network, seed).await.unwrap())
    }

    /// A client behind it.
    pub async fn behind(&self, proxy: &Proxy) -> Peer {
        Peer::produce(Options { through: Some(proxy.address()), ..self.options() }).await.unwrap()
    }

    /// The receipt of a session, once nothing of it is open.
    pub async fn settled(&self, id: &str) -> SessionReceipt {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let receipt = self.client.session(id).await.unwrap();
            if receipt.settled {
                return receipt;
            }
            assert!(Instant::now() < deadline, "it is not settled: {receipt:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What a client saw.
#[derive(Default)]
pub struct Seen {
    /// The kinds of all messages but ticks, in order.
    pub said: Vec<String>,
    /// The seconds of the ticks, and when they came.
    pub ticks: Vec<(u64, Instant)>,
    pub frames: Vec<Received>,
    pub media: Vec<(Media, Instant)>,
    /// What `generation_ended` said.
    pub ended: Option<Value>,
    /// The code of the close frame, and when it came.
    pub closed: Option<(Option<u16>, Instant)>,
    /// Its reason, or why there was none.
    pub reason: String,
}

impl Seen {
    /// Takes in what happens until something is so, or the connection ends.
    pub async fn until(&mut self, peer: &mut Peer, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is(self) {
            match tokio::time::timeout_at(deadline, peer.next()).await {
                Ok(Some(happening)) => self.take(happening),
                Ok(None) => panic!("it ended before {what}: {self}"),
                Err(_) => panic!("{what} never happened: {self}"),
            }
        }
    }

    /// Takes in what happens in that time.
    pub async fn during(&mut self, peer: &mut Peer, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(Some(happening)) = tokio::time::timeout_at(end, peer.next()).await {
            self.take(happening);
        }
        tokio::time::sleep_until(end).await;
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Message(message) => {
                let kind = message["type"].as_str().unwrap_or_default().to_owned();
                match kind.as_str() {
                    "generation_tick" => {
                        self.ticks.push((message["seconds"].as_u64().unwrap(), Instant::now()));
                        return;
                    }
                    "generation_ended" => self.ended = Some(message),
                    _ => {}
                }
                self.said.push(kind);
            }
            Happening::Media(media) => self.media.push((media, Instant::now())),
            Happening::Frame(frame) => self.frames.push(frame),
            Happening::Closed { code, reason } => {
                self.closed = Some((code, Instant::now()));
                self.reason = reason;
            }
        }
    }

    /// The ticks are 1, 2, 3 … and were all that came.
    #[track_caller]
    pub fn assert_ticks_are_gapless(&self) {
        let seconds: Vec<u64> = self.ticks.iter().map(|(seconds, _)| *seconds).collect();
        assert_eq!(seconds, (1..=seconds.len() as u64).collect::<Vec<_>>());
    }

    /// No frame is older than the one before.
    #[track_caller]
    pub fn assert_frames_are_in_order(&self) {
        let times: Vec<u64> = self.frames.iter().map(|frame| frame.time).collect();
        assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    }

    /// It was negotiated once, went live, goes on, and nothing else was said.
    #[track_caller]
    pub fn assert_all_went_well(&self) {
        assert_eq!(self.said, ["session_id", "answer", "generation_started"], "{self}");
        assert_eq!(self.media.len(), 1, "{self}");
        self.assert_ticks_are_gapless();
        self.assert_frames_are_in_order();
    }

    /// The last second that was told.
    pub fn seconds(&self) -> u64 {
        self.ticks.last().map_or(0, |(seconds, _)| *seconds)
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { said, ticks, frames, media, ended, closed, reason } = self;
        let media: Vec<_> = media.iter().map(|(media, _)| media).collect();
        let closed = closed.map(|(code, _)| code);
        let (ticks, frames) = (ticks.len(), frames.len());
        write!(
            f,
            "{ticks} ticks, {frames} frames, said {said:?}, media {media:?}, ended {ended:?}, closed {closed:?} \
             ({reason})"
        )
    }
}

/// What came back of the pictures that a client sent.
#[derive(Clone, Copy, Debug)]
pub struct Returned {
    /// The part of them, 0 to 1.
    pub share: f64,
    /// The median of the times that those of the first quarter took, from the client to the client.
    pub first: Duration,
    /// That of the last quarter.
    pub last: Duration,
}

impl Returned {
    pub fn of(seen: &Seen, sent: &Sent) -> Self {
        let shown = decoded(&seen.frames);
        assert!(shown.iter().all(|shown| shown.stamp.look == Look::Plain));
        let taken: Vec<(Instant, Duration)> = shown
            .iter()
            .map(|shown| {
                let at = sent.before(shown.stamp.number, shown.at).expect("it was sent before it came");
                (at, shown.at - at)
            })
            .collect();
        // Those of the last second may be under way.
        let (begin, end) = (taken[0].0, shown[shown.len() - 1].at - Duration::from_secs(1));
        let back = taken.iter().filter(|(at, _)| *at < end).count();
        let all = sent.since(begin).iter().filter(|sent| sent.at < end).count();
        let quarter = taken.len() / 4;
        let median = |taken: &[(Instant, Duration)]| {
            let mut delays: Vec<Duration> = taken.iter().map(|(_, delay)| *delay).collect();
            delays.sort_unstable();
            delays[delays.len() / 2]
        };
        Self {
            share: back as f64 / all as f64,
            first: median(&taken[..quarter]),
            last: median(&taken[taken.len() - quarter..]),
        }
    }

    #[track_caller]
    pub fn assert_no_delay_builds_up(&self) {
        assert!(self.last < self.first + Duration::from_millis(250), "{self:?}");
    }
}

/// A picture that a client saw.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub stamp: Stamp,
    pub at: Instant,
    pub keyframe: bool,
}

/// What a decoder makes of frames. Those that build on a missing one are left out, as browsers do it; any other that it
/// cannot make sense of fails the test.
pub fn decoded(frames: &[Received]) -> Vec<Shown> {
    let mut decoder = Decoder::new(Codec::Vp8, Pool::new());
    let mut shown = Vec::new();
    let mut stuck = true;
    for (index, frame) in frames.iter().enumerate() {
        stuck = !frame.keyframe && (stuck || !frame.contiguous);
        if stuck {
            continue;
        }
        let picture = decoder.decode(&frame.data, frame.time);
        let picture = picture.unwrap_or_else(|error| panic!("frame {index} does not decode: {error}"));
        let picture = picture.unwrap_or_else(|| panic!("frame {index} is no picture"));
        let stamp = Stamp::read(&picture).unwrap_or_else(|| panic!("frame {index} is damaged"));
        shown.push(Shown { stamp, at: frame.at, keyframe: frame.keyframe });
    }
    shown
}
