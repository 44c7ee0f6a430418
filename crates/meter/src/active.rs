//! The clock of a connection.

use std::time::{Duration, Instant};

/// How long a connection has generated: the rules of when a second starts, pauses and ends.
///
/// The clock starts with the first produced frame. From a produced frame on it runs until the next one, but no longer
/// than [`ActiveTime::LONGEST_GAP`]; then it stands still until there is one. Whatever the order of the calls and of
/// their times, it never runs backwards and never faster than time.
#[derive(Clone, Debug, Default)]
pub struct ActiveTime {
    /// Counted up to `since`, or up to the pause.
    counted: Duration,
    /// The last produced frame; none before the first one and during a pause that was asked for.
    since: Option<Instant>,
}

impl ActiveTime {
    /// How long the clock runs on without a frame. Longer than any pace of frames that is a moving picture, and short
    /// enough that a generator that is stuck costs less than a second.
    pub const LONGEST_GAP: Duration = Duration::from_millis(500);

    /// A frame was produced.
    pub fn on_frame(&mut self, now: Instant) {
        self.counted = self.at(now);
        self.since = Some(self.since.map_or(now, |since| since.max(now)));
    }

    /// The generation pauses at once: its media are gone, or are being negotiated anew. The next frame ends that.
    pub fn pause(&mut self, now: Instant) {
        self.counted = self.at(now);
        self.since = None;
    }

    /// What is counted by then.
    pub fn at(&self, now: Instant) -> Duration {
        self.counted + self.since.map_or(Duration::ZERO, |since| self.run(since, now))
    }

    /// The whole seconds that are counted by then.
    pub fn seconds(&self, now: Instant) -> u64 {
        self.at(now).as_secs()
    }

    /// When that many whole seconds will be counted without any further frame; none if that takes another frame.
    pub fn when(&self, seconds: u64) -> Option<Instant> {
        let since = self.since?;
        let missing = Duration::from_secs(seconds).saturating_sub(self.counted);
        (missing <= Self::LONGEST_GAP).then(|| since + missing)
    }

    fn run(&self, since: Instant, now: Instant) -> Duration {
        now.saturating_duration_since(since).min(Self::LONGEST_GAP)
    }
}
