//! Sums over rows of the ledger.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{ConnectionId, Credits, Day, Entry, Event, KeyId, SessionId};

/// What a connection cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReceipt {
    /// The connection.
    pub connection: ConnectionId,
    /// The model.
    pub model: String,
    /// Milliseconds since the Unix epoch.
    pub opened_at: u64,
    /// Milliseconds since the Unix epoch; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Why it ended; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many seconds are charged.
    pub seconds: u64,
    /// What they cost.
    pub credits: Credits,
}

/// What a logical session cost: all its connections, whether or not anybody was listening when they ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The logical session.
    pub session: SessionId,
    /// Who pays.
    pub key: KeyId,
    /// In the order in which they were opened.
    pub connections: Vec<ConnectionReceipt>,
    /// The seconds of all of them.
    pub seconds: u64,
    /// What they cost.
    pub credits: Credits,
    /// Whether no connection is open.
    pub settled: bool,
    /// Why the last connection ended; absent while one is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Receipt {
    /// Adds connections up. None if the sum is beyond what can be counted.
    pub fn of(session: SessionId, key: KeyId, connections: Vec<ConnectionReceipt>) -> Option<Self> {
        let seconds =
            connections.iter().try_fold(0u64, |sum, connection| sum.checked_add(connection.seconds))?;
        let credits = Credits::checked_sum(connections.iter().map(|connection| connection.credits))?;
        let settled = connections.iter().all(|connection| connection.ended_at.is_some());
        let last = connections.iter().max_by_key(|connection| connection.ended_at);
        let reason = last.filter(|_| settled).and_then(|last| last.reason.clone());
        Some(Self { session, key, connections, seconds, credits, settled, reason })
    }
}

/// What a key used of a model on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DailyUsage {
    /// In UTC.
    pub day: Day,
    /// Who paid.
    pub key: KeyId,
    /// The model; empty if nobody chose one.
    pub model: String,
    /// Seconds of generation.
    pub seconds: u64,
    /// Steps of turns.
    pub steps: u64,
    /// Tokens of prompts, those from a cache included.
    pub input_tokens: u64,
    /// Tokens of prompts that were read from a cache.
    pub cached_tokens: u64,
    /// Tokens that the model produced.
    pub output_tokens: u64,
    /// What all that cost.
    pub credits: Credits,
}

/// Seconds and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub seconds: u64,
    /// What they cost.
    pub credits: Credits,
}

/// The bill as whoever receives the events makes it out: their sum, each counted once however often it comes.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    seen: HashSet<String>,
    balances: BTreeMap<KeyId, Credits>,
    sessions: BTreeMap<SessionId, Total>,
}

impl Bill {
    /// Takes an event in, and says whether it was new. None if a sum would be beyond what can be counted; then nothing
    /// is changed.
    pub fn add(&mut self, event: &Event) -> Option<bool> {
        if self.seen.contains(&event.id) {
            return Some(false);
        }
        let balance = self.balance(&event.key).checked_add(event.entry.change())?;
        if let Entry::Second { session, credits, .. } = &event.entry {
            let Total { seconds, credits: before } = self.session(session);
            let total = Total { seconds: seconds.checked_add(1)?, credits: before.checked_add(*credits)? };
            self.sessions.insert(session.clone(), total);
        }
        self.balances.insert(event.key.clone(), balance);
        Some(self.seen.insert(event.id.clone()))
    }

    /// A key's balance.
    pub fn balance(&self, key: &KeyId) -> Credits {
        self.balances.get(key).copied().unwrap_or_default()
    }

    /// What a session cost.
    pub fn session(&self, session: &SessionId) -> Total {
        self.sessions.get(session).copied().unwrap_or_default()
    }
}
