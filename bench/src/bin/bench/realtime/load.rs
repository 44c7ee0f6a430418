//! Streams that run at once, and what came back of them in a stretch of time.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bench::realtime::{Clip, Happening, Look, Options, Peer, Received, Screen, Sent, Stamp};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{self, JoinHandle};
use tokio::time;

/// How long a stream may take until its first picture is back.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long pictures may still come after the time in which they were sent. Later ones count as lost.
const LATE: Duration = Duration::from_secs(1);
/// Linux counts processor time in hundredths of a second, whatever its own clock is.
const TICKS: f64 = 100.0;

/// Streams of one server, which inverts them.
pub(super) struct Load {
    url: String,
    pid: u32,
    model: String,
    clip: Arc<Clip>,
    streams: Vec<Stream>,
}

/// What came back in a stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// In milliseconds.
    pub(super) latencies: Vec<f64>,
    sent: usize,
    bytes: usize,
    length: Duration,
    /// What the server used.
    processor: Duration,
}

impl Window {
    /// The part of the pictures that came back.
    pub(super) fn returned(&self) -> f64 {
        self.latencies.len() as f64 / self.sent as f64
    }

    pub(super) fn processor_percent(&self) -> f64 {
        self.processor.as_secs_f64() / self.length.as_secs_f64() * 100.0
    }

    /// Of all streams together, as received.
    pub(super) fn bits_per_second(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.length.as_secs_f64()
    }
}

impl Load {
    pub(super) fn new(url: &str, pid: u32, model: &str, clip: Arc<Clip>) -> Self {
        Self { url: url.to_owned(), pid, model: model.to_owned(), clip, streams: Vec::new() }
    }

    /// Opens streams until there are so many.
    ///
    /// # Errors
    /// When the server does not want to, or no picture comes back.
    pub(super) async fn grow(&mut self, count: usize) -> Result<()> {
        while self.streams.len() < count {
            let options = Options {
                url: self.url.clone(),
                key: "any".to_owned(),
                model: self.model.clone(),
                query: Vec::new(),
                clip: self.clip.clone(),
                through: None,
            };
            self.streams.push(Stream::open(options).await?);
        }
        Ok(())
    }

    /// Waits, then measures for that long.
    ///
    /// # Errors
    /// When a stream has ended, or comes back as it was.
    pub(super) async fn window(&mut self, settle: Duration, length: Duration) -> Result<Window> {
        time::sleep(settle).await;
        let (begin, before) = (Instant::now(), processor(self.pid)?);
        time::sleep(length).await;
        let (end, after) = (Instant::now(), processor(self.pid)?);
        time::sleep(LATE).await;
        let mut window = Window {
            latencies: Vec::new(),
            sent: 0,
            bytes: 0,
            length: end - begin,
            processor: after.saturating_sub(before),
        };
        for stream in &mut self.streams {
            ensure!(!stream.task.is_finished(), "a stream ended in the middle of a measurement");
            window.sent += stream.sent.since(begin).iter().filter(|sent| sent.at < end).count();
            for (frame, stamp) in stream.look().await? {
                if (begin..end).contains(&frame.at) {
                    window.bytes += frame.data.len();
                }
                let Some(sent) = stream.sent.before(stamp.number, frame.at) else { continue };
                if (begin..end).contains(&sent) {
                    ensure!(stamp.look == Look::Inverted, "a picture was not inverted: {stamp:?}");
                    window.latencies.push((frame.at - sent).as_secs_f64() * 1000.0);
                }
            }
        }
        Ok(window)
    }

    /// Closes all streams in order.
    pub(super) async fn end(self) {
        for mut stream in self.streams {
            stream.stop.notify_one();
            let _ = time::timeout(PATIENCE, &mut stream.task).await;
        }
    }
}

/// One session.
struct Stream {
    sent: Arc<Sent>,
    /// What came and was not looked at yet.
    frames: Arc<Mutex<VecDeque<Received>>>,
    screen: Option<Screen>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Stream {
    async fn open(options: Options) -> Result<Self> {
        let mut peer = Peer::produce(options).await?;
        peer.send(json!({"type": "prompt", "prompt": "invert", "enhance_prompt": false})).await;
        let frames = Arc::new(Mutex::new(VecDeque::new()));
        let first = async {
            loop {
                match peer.next().await {
                    Some(Happening::Frame(frame)) => return Ok(frame),
                    Some(Happening::Message(_) | Happening::Media(_)) => {}
                    Some(Happening::Closed { code, reason }) => bail!("closed with {code:?}: {reason}"),
                    None => bail!("closed"),
                }
            }
        };
        let first = time::timeout(PATIENCE, first).await.context("no picture comes back")??;
        locked(&frames).push_back(first);
        let (sent, stop) = (peer.sent(), Arc::new(Notify::new()));
        let task = tokio::spawn(take(peer, frames.clone(), stop.clone()));
        Ok(Self { sent, frames, screen: Some(Screen::new()), stop, task })
    }

    /// What came since the last look and can be read.
    async fn look(&mut self) -> Result<Vec<(Received, Stamp)>> {
        let frames = std::mem::take(&mut *locked(&self.frames));
        let mut screen = self.screen.take().unwrap_or_default();
        // Not beside the streams, which go on meanwhile.
        let (screen, seen) = task::spawn_blocking(move || {
            let read = |frame: Received| screen.read(&frame).map(|stamp| (frame, stamp));
            let seen = frames.into_iter().filter_map(read).collect();
            (screen, seen)
        })
        .await?;
        self.screen = Some(screen);
        Ok(seen)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(mut peer: Peer, frames: Arc<Mutex<VecDeque<Received>>>, stop: Arc<Notify>) {
    loop {
        tokio::select! {
            happening = peer.next() => match happening {
                Some(Happening::Frame(frame)) => locked(&frames).push_back(frame),
                Some(Happening::Message(_) | Happening::Media(_)) => {}
                Some(Happening::Closed { .. }) | None => return,
            },
            () = stop.notified() => break,
        }
    }
    peer.close().await;
}

fn locked(frames: &Mutex<VecDeque<Received>>) -> std::sync::MutexGuard<'_, VecDeque<Received>> {
    frames.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a process used so far, of all processors together.
fn processor(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name is in brackets and may hold anything; user and system time are the 12th and 13th word after it.
    let words = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: Vec<f64> = words.skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    ensure!(ticks.len() == 2, "{path} is not as expected");
    Ok(Duration::from_secs_f64(ticks.iter().sum::<f64>() / TICKS))
}
