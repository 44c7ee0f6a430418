//! What happens in a round, chosen by the seed alone.

use std::time::Duration;

use fastrand::Rng;
use wire::ConversationId;

use super::starts::early_kills;

/// How many conversations there are at a time.
const SLOTS: u32 = 8;

/// After so many rounds a slot gets a new conversation: a history that only grows makes every round slower.
const ROUNDS_EACH: u32 = 10;

/// One round: from a start of the server to its end.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Starts before the one that counts: each is killed after that time, mostly in the middle of its recovery.
    pub(super) early_kills: Vec<Duration>,
    /// What is done, all at once.
    pub(super) scripts: Vec<Script>,
    /// When the server is killed, counted from the first thing done.
    pub(super) kill_after: Duration,
}

/// What is done with one conversation.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) id: ConversationId,
    /// Sent one after the other, each when the turn before it is over.
    pub(super) prompts: Vec<Prompt>,
    pub(super) queued: Vec<Queued>,
    /// When further clients begin to watch.
    pub(super) watchers: Vec<Duration>,
    pub(super) stop: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) way: Way,
}

#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) after: Duration,
    pub(super) text: String,
}

/// How a prompt gets to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Http,
    Socket,
}

impl Plan {
    pub(super) fn of(seed: u64, round: u32) -> Self {
        let mut rng = Rng::with_seed(seed ^ u64::from(round).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let early_kills = early_kills(&mut rng);
        let kill_after = Duration::from_micros(match rng.u32(..4) {
            0 => rng.u64(0..50_000),
            1 | 2 => rng.u64(50_000..700_000),
            _ => rng.u64(700_000..1_500_000),
        });
        let mut slots: Vec<u32> = (0..SLOTS).collect();
        rng.shuffle(&mut slots);
        slots.truncate(rng.usize(3..=6));
        let scripts = slots.into_iter().map(|slot| Script::of(&mut rng, round, slot, kill_after)).collect();
        Self { early_kills, scripts, kill_after }
    }
}

impl Script {
    fn of(rng: &mut Rng, round: u32, slot: u32, kill_after: Duration) -> Self {
        let mut marks = (1..).map(|n| format!("<{round}-{slot}-{n}>"));
        let mut mark = || marks.next().unwrap_or_default();
        let mut at = |most: u32| -> Vec<Duration> {
            (0..rng.u32(0..=most)).map(|_| kill_after.mul_f64(rng.f64())).collect()
        };
        let (watchers, queue_times, stops) = (at(3), at(3), at(9));
        let prompts = (0..4)
            .map(|_| Prompt {
                text: format!("{}\nsay {}", commands(rng), mark()),
                way: if rng.bool() { Way::Http } else { Way::Socket },
            })
            .collect();
        let queued = queue_times
            .into_iter()
            .map(|after| Queued {
                after,
                text: format!("{} {}", if rng.bool() { "say" } else { "run echo" }, mark()),
            })
            .collect();
        Self {
            // Slots change at different rounds, so that old and new conversations are always mixed.
            id: ConversationId::new(format!("crash-{slot}-{}", (round + slot) / ROUNDS_EACH)),
            prompts,
            queued,
            watchers,
            stop: (stops.len() == 9).then(|| stops[0]),
        }
    }
}

/// A prompt for the demo model without its last line, which names the message.
fn commands(rng: &mut Rng) -> String {
    let lines = (0..rng.u32(1..=4)).map(|_| match rng.u32(..10) {
        0 => format!("count to {}", rng.u32(20..200)),
        1 | 2 => format!("think about the number {} then count to {}", rng.u32(..), rng.u32(5..40)),
        3 | 4 => format!(
            "run `for i in $(seq {}); do echo line $i; sleep 0.0{}; done`",
            rng.u32(2..12),
            rng.u32(1..4)
        ),
        5 | 6 => format!(
            "run `echo one; sleep 0.{}` and run `sleep 0.0{}; echo two; exit {}`",
            rng.u32(0..3),
            rng.u32(0..9),
            rng.u32(0..2)
        ),
        7 => {
            let name = rng.u32(..5);
            format!(
                "write note-{name}.txt: {}\nread note-{name}.txt and run ls",
                "word ".repeat(rng.usize(1..200))
            )
        }
        8 => format!("run `seq {}`", rng.u32(100..4000)),
        _ => format!("fail after {} words", rng.u32(1..20)),
    });
    lines.collect::<Vec<_>>().join("\n")
}
