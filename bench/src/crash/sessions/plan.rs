//! What happens in a round, chosen by the seed alone.

use std::time::Duration;

use fastrand::Rng;

use crate::crash::starts::early_kills;

/// One round: from a start of the server to its end.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Starts before the one that counts: each is killed after that time.
    pub(super) early_kills: Vec<Duration>,
    /// What is done, all at once.
    pub(super) scripts: Vec<Script>,
    pub(super) kill: Kill,
}

/// When the server is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// That long after the first thing done.
    After(Duration),
    /// When the next second is being charged after the first tick from then on, or so many microseconds later: a moment
    /// of a second that chance alone hardly ever finds.
    WithASecond { from: Duration, later: i64 },
    /// When everything is done and settled.
    AtTheEnd,
}

/// One client, who comes and goes.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) client: usize,
    /// One after the other.
    pub(super) visits: Vec<Visit>,
}

/// A connection of a client.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) model: Model,
    /// Whether it goes on with the session of the client's last connection.
    pub(super) goes_on: bool,
    /// What is added to the key's balance before, if the key is the scant one and has not even one second.
    pub(super) deposit: Deposit,
    /// When a prompt is set.
    pub(super) prompts: Vec<Duration>,
    pub(super) ending: Ending,
}

/// An addition to a balance: so many seconds of the model, and a little that is worth none.
#[derive(Clone, Debug)]
pub(super) struct Deposit {
    pub(super) id: String,
    pub(super) seconds: u64,
    pub(super) micros: i64,
}

/// How a connection ends, if the server is not killed before and the key does not run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It does not.
    Stays,
    /// The client says goodbye.
    Closes(Duration),
    /// The client's sockets vanish.
    Vanishes(Duration),
    /// The operator ends the session.
    Deleted(Duration),
}

/// Both at prices that no float has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Cheap,
    Dear,
}

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purse {
    /// Has enough.
    First,
    /// Has enough.
    Second,
    /// Has a few seconds at a time.
    Scant,
}

/// The purses of the clients. Two of them have the same.
pub(super) const CLIENTS: [Purse; 4] = [Purse::First, Purse::First, Purse::Second, Purse::Scant];

impl Model {
    pub(super) const ALL: [Self; 2] = [Self::Cheap, Self::Dear];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cheap => "cheap",
            Self::Dear => "dear",
        }
    }

    /// Of a second, in millionths of a credit.
    pub(super) fn price_micros(self) -> i64 {
        match self {
            Self::Cheap => 250_001,
            Self::Dear => 333_333,
        }
    }
}

impl Purse {
    pub(super) const ALL: [Self; 3] = [Self::First, Self::Second, Self::Scant];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Scant => "scant",
        }
    }
}

impl Plan {
    pub(super) fn of(seed: u64, round: u32) -> Self {
        let mut rng = Rng::with_seed(seed ^ u64::from(round).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kill = match rng.u32(..6) {
            // While connections are being made.
            0 => Kill::After(Duration::from_micros(rng.u64(0..1_000_000))),
            1..4 => Kill::After(Duration::from_micros(rng.u64(1_000_000..6_000_000))),
            _ => Kill::WithASecond {
                from: Duration::from_micros(rng.u64(1_000_000..4_000_000)),
                later: rng.i64(-3_000..1_000),
            },
        };
        let mut clients: Vec<usize> = (0..CLIENTS.len()).collect();
        rng.shuffle(&mut clients);
        clients.truncate(rng.usize(3..=CLIENTS.len()));
        Self {
            early_kills: early_kills(&mut rng),
            scripts: clients.into_iter().map(|client| Script::of(&mut rng, round, client)).collect(),
            kill,
        }
    }

    /// Every client comes once more, every way of ending is seen to its end, and then the server is killed.
    pub(super) fn last(round: u32) -> Self {
        let at = Duration::from_millis;
        let endings = [
            Ending::Closes(at(2_300)),
            Ending::Vanishes(at(1_700)),
            Ending::Deleted(at(2_100)),
            Ending::Stays,
        ];
        let scripts = (0..CLIENTS.len()).zip(endings).map(|(client, ending)| {
            let deposit = Deposit { id: format!("{round}-{client}-last"), seconds: 2, micros: 1 };
            let model = Model::Dear;
            let visit = Visit { model, goes_on: true, deposit, prompts: vec![at(900)], ending };
            Script { client, visits: vec![visit] }
        });
        Self { early_kills: Vec::new(), scripts: scripts.collect(), kill: Kill::AtTheEnd }
    }
}

impl Script {
    fn of(rng: &mut Rng, round: u32, client: usize) -> Self {
        let last = rng.usize(0..=2);
        let visits = (0..=last).map(|number| {
            let after = Duration::from_millis(rng.u64(200..4_200));
            let ending = match rng.u32(..3) {
                _ if number == last => Ending::Stays,
                0 => Ending::Closes(after),
                1 if CLIENTS[client] != Purse::Scant => Ending::Deleted(after),
                _ => Ending::Vanishes(after),
            };
            Visit {
                model: if rng.bool() { Model::Cheap } else { Model::Dear },
                goes_on: rng.bool(),
                deposit: Deposit {
                    id: format!("{round}-{client}-{number}"),
                    seconds: rng.u64(1..=3),
                    micros: rng.i64(0..2),
                },
                prompts: (0..rng.u32(0..=2)).map(|_| Duration::from_millis(rng.u64(0..4_000))).collect(),
                ending,
            }
        });
        Self { client, visits: visits.collect() }
    }
}
