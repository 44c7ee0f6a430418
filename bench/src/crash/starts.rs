//! The server's starts: killed in the middle of some, timed in the others.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use tokio::time;

use crate::server::{Launch, Server, StartTime};

/// The longest that a start may take, not counting the time for which the machine had no processor for it.
const LONGEST: Duration = Duration::from_secs(1);

/// How the server was started again after each kill.
#[derive(Clone, Debug, Default)]
pub struct Starts {
    /// Kills during a start-up, besides those of the rounds.
    pub early_kills: usize,
    /// Of each start that came to its end, how long it took.
    pub times: Vec<StartTime>,
}

impl Starts {
    /// Half of the starts, and all of them, took no longer than that.
    pub fn half_and_all(&self) -> (Duration, Duration) {
        let mut took: Vec<Duration> = self.times.iter().map(|start| start.took).collect();
        took.sort_unstable();
        let at = |index: usize| took.get(index).copied().unwrap_or_default();
        (at(took.len() / 2), at(took.len().saturating_sub(1)))
    }

    /// Kills the server that long after each of some starts, and then starts it. The text is what must not be.
    pub(super) async fn again(
        &mut self,
        launch: &Launch,
        early_kills: &[Duration],
    ) -> Result<(Server, Option<String>)> {
        for after in early_kills {
            let starting = launch.spawn()?;
            time::sleep(*after).await;
            starting.kill().await?;
            self.early_kills += 1;
        }
        let server = launch.start().await?;
        self.times.push(server.start);
        let StartTime { took, waited } = server.start;
        let late = (took.saturating_sub(waited) > LONGEST).then(|| {
            format!(
                "the start took {} ms, of which {} ms were spent waiting for a processor",
                took.as_millis(),
                waited.as_millis()
            )
        });
        Ok((server, late))
    }
}

/// When to kill starts before the one that counts: mostly in the middle of their recovery, and mostly not at all.
pub(super) fn early_kills(rng: &mut Rng) -> Vec<Duration> {
    (0..if rng.u32(..4) == 0 { rng.u32(1..=2) } else { 0 })
        .map(|_| Duration::from_micros(if rng.bool() { rng.u64(..60_000) } else { rng.u64(..10_000) }))
        .collect()
}

/// What the server's log says that no log should.
pub(super) fn complaints(launch: &Launch) -> Vec<String> {
    let log = fs::read_to_string(&launch.log).unwrap_or_default();
    log.lines()
        .filter(|line| line.contains("panicked at") || line.contains("a defect"))
        .map(|line| format!("the server's log says: {line}"))
        .collect()
}
