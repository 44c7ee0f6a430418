//! Says what is wrong with a ledger, given what clients saw and what the ledger was before.
//!
//! The rows are added up anew, from the events of the export file; everything else that the server shows has to be that
//! sum. How far a client's ticks may be off, and why, is in [`Parting`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meter::{Credits, Entry, Event};
use wire::account::{ApiKey, ConnectionReceipt, SessionReceipt, UsageRow};
use wire::realtime::EndReason;

/// The reason of a connection that a kill has ended.
const INTERRUPTED: &str = "interrupted";

/// What one client knows of one of its connections.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) connection: String,
    pub(super) key: String,
    pub(super) model: String,
    /// In the order in which they came.
    pub(super) ticks: Vec<u64>,
    /// From before it began until it was over.
    pub(super) lasted: Duration,
    pub(super) parting: Parting,
    /// For what the server may have ended it.
    pub(super) expects: Option<EndReason>,
    pub(super) bond: Bond,
    /// The connection's receipt, if the server said that it is settled.
    pub(super) settled: Option<ConnectionReceipt>,
}

/// How a client and a connection parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// The server was killed. A second is charged before its tick goes out, so one may be charged and not told.
    Cut,
    /// The client left. A second that was charged, or being charged, when it left has a tick that it did not get.
    Left,
    /// The server said that it is over, and how many seconds it had. They are what was charged, and what was told.
    Told { seconds: u64, reason: String },
}

/// To which session a connection belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bond {
    /// One of its own.
    Alone,
    /// That of an earlier connection.
    With(String),
    /// Not that of this earlier connection, whose session was ended for good.
    Without(String),
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) position: u64,
    pub(super) at: u64,
    pub(super) key: String,
    /// As events are named.
    pub(super) id: String,
    pub(super) change: Credits,
}

impl From<&Event> for Row {
    fn from(event: &Event) -> Self {
        Self {
            position: event.position,
            at: event.at,
            key: event.key.to_string(),
            id: event.id.clone(),
            change: event.entry.change(),
        }
    }
}

/// What there is to see after a kill.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// The ledger as the kill left it.
    pub(super) rows: Vec<Row>,
    /// What follows is as the server shows it after its next start. The lines of the export file:
    pub(super) events: Vec<Event>,
    pub(super) receipts: Vec<SessionReceipt>,
    pub(super) keys: Vec<ApiKey>,
    pub(super) usage: Vec<UsageRow>,
}

/// What adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Connections that a client knows.
    pub(super) connections: usize,
    /// Those of them that went on with the session of another.
    pub(super) gone_on: usize,
    /// Those that ended in order, by what the server or the client said.
    pub(super) ended: usize,
    /// Ticks that clients saw.
    pub(super) ticks: u64,
    /// Seconds in the ledger.
    pub(super) seconds: u64,
    /// Seconds in the ledger without a tick: in flight when the server was killed,
    pub(super) in_flight: u64,
    /// or when the client left.
    pub(super) left: u64,
}

/// All that was learnt since the ledger began.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Of a second, by model.
    prices: BTreeMap<String, Credits>,
    /// What was added, by the name of the addition: to which key, and how much.
    deposits: BTreeMap<String, (String, Credits)>,
    seen: BTreeMap<String, Seen>,
    /// How often a client asked for a connection and learnt nothing of it.
    lost: usize,
    /// As they were shown last.
    events: Vec<Event>,
}

impl Known {
    pub(super) fn new(prices: impl IntoIterator<Item = (String, Credits)>) -> Self {
        Self { prices: prices.into_iter().collect(), ..Self::default() }
    }

    /// Something was, or may have been, added to a balance.
    pub(super) fn deposit(&mut self, id: String, key: String, amount: Credits) {
        self.deposits.insert(id, (key, amount));
    }

    /// A client had that connection.
    pub(super) fn see(&mut self, seen: Seen) {
        self.seen.insert(seen.connection.clone(), seen);
    }

    /// So many clients asked for a connection, and the server was killed before they learnt its name.
    pub(super) fn lose(&mut self, lost: usize) {
        self.lost += lost;
    }

    /// Connections that none of these receipts has.
    pub(super) fn unlisted(&self, receipts: &[SessionReceipt]) -> Vec<String> {
        let listed: BTreeSet<&String> =
            receipts.iter().flat_map(|receipt| &receipt.connections).map(|shown| &shown.connection).collect();
        self.seen.keys().filter(|name| !listed.contains(name)).cloned().collect()
    }

    /// How many rows the ledger has, if no second is missing: those are added up from the receipts.
    pub(super) fn rows(&self, receipts: &[SessionReceipt]) -> u64 {
        let connections = receipts.iter().flat_map(|receipt| &receipt.connections);
        connections.map(|connection| connection.seconds + 1).sum::<u64>() + self.deposits.len() as u64
    }

    /// Compares what is shown after a start with what was known and seen. Every string is something that must not be.
    pub(super) fn judge(&mut self, shown: Shown) -> Vec<String> {
        let mut wrong = Vec::new();
        let Shown { rows, events, receipts, keys, usage } = shown;
        exported(&self.events, &rows, &events, &mut wrong);
        self.events = events;
        let ledger = self.add_up(&mut wrong);
        self.judge_receipts(&ledger, &receipts, &mut wrong);
        for seen in self.seen.values() {
            let mut say = |what| wrong.push(format!("{}: {what}", seen.connection));
            match ledger.connections.get(&seen.connection) {
                Some(charged) => seen.judge(charged, &ledger, &mut say),
                None => say("it is not in the ledger".to_owned()),
            }
        }
        self.judge_strangers(&ledger, &mut wrong);
        self.judge_keys(&ledger, &keys, &mut wrong);
        judge_usage(&ledger, &usage, &mut wrong);
        wrong
    }

    /// What adds up, as it was last judged.
    pub(super) fn tally(&self) -> Tally {
        let ledger = self.add_up(&mut Vec::new());
        let mut tally = Tally { connections: self.seen.len(), ..Tally::default() };
        tally.seconds = ledger.connections.values().map(|charged| charged.seconds).sum();
        for seen in self.seen.values() {
            let ticks = seen.ticks.len() as u64;
            let charged = ledger.connections.get(&seen.connection).map_or(ticks, |charged| charged.seconds);
            let more = charged.saturating_sub(ticks);
            tally.ticks += ticks;
            tally.gone_on += usize::from(matches!(seen.bond, Bond::With(_)));
            match seen.parting {
                Parting::Cut => tally.in_flight += more,
                Parting::Left => tally.left += more,
                Parting::Told { .. } => {}
            }
            tally.ended += usize::from(seen.parting != Parting::Cut);
        }
        tally
    }

    /// The sums of all events.
    fn add_up(&self, wrong: &mut Vec<String>) -> Ledger {
        let mut ledger = Ledger::default();
        for event in &self.events {
            let mut say = |what: String| wrong.push(format!("row {}, {}: {what}", event.position, event.id));
            if event.id != event.entry.id() {
                say(format!("it should be {}", event.entry.id()));
            }
            let key = event.key.as_str();
            let balance = ledger.balances.entry(key.to_owned()).or_default();
            match balance.checked_add(event.entry.change()) {
                Some(sum) => *balance = sum,
                None => say("the balance is beyond what can be counted".to_owned()),
            }
            let balance = *balance;
            if balance < Credits::ZERO {
                say(format!("{key} has {balance} after it"));
            }
            match &event.entry {
                Entry::Second { session, connection, n, model, credits } => {
                    let charged = ledger.connection(connection.as_str(), session.as_str(), key, model);
                    let next = charged.seconds + 1;
                    if *n != next {
                        say(format!("second {n} where {next} should be"));
                    }
                    if charged.reason.is_some() {
                        say("a second after the connection's end".to_owned());
                    }
                    if self.prices.get(model) != Some(credits) {
                        say(format!("a second of {model} for {credits}"));
                    }
                    if !charged.is_of(session.as_str(), key, model) {
                        say("the connection has changed its session, key or model".to_owned());
                    }
                    charged.seconds += 1;
                    charged.credits = sum(charged.credits, *credits);
                }
                Entry::Ended { session, connection, model, reason, seconds, credits } => {
                    let charged = ledger.connection(connection.as_str(), session.as_str(), key, model);
                    if charged.reason.replace(reason.clone()).is_some() {
                        say("a second end".to_owned());
                    }
                    if !charged.is_of(session.as_str(), key, model) {
                        say("the connection has changed its session, key or model".to_owned());
                    }
                    let charged = (charged.seconds, charged.credits);
                    if charged != (*seconds, *credits) {
                        say(format!(
                            "ended with {seconds} s for {credits}; the rows before have {charged:?}"
                        ));
                    }
                    let price = self.prices.get(model).copied().unwrap_or_default();
                    if reason == EndReason::InsufficientCredits.as_str() && balance >= price {
                        say(format!("{key} had {balance}, enough for another second"));
                    }
                }
                Entry::Credit { deposit, credits, .. } => {
                    let known = self.deposits.get(deposit.as_str());
                    if known != Some(&(key.to_owned(), *credits)) {
                        say(format!("{credits} were added to {key}, and should be {known:?}"));
                    }
                    *ledger.added.entry(key.to_owned()).or_default() += 1;
                }
                Entry::Step { .. } => say("nobody took a step".to_owned()),
            }
        }
        ledger
    }

    fn judge_receipts(&self, ledger: &Ledger, receipts: &[SessionReceipt], wrong: &mut Vec<String>) {
        let mut shown = BTreeSet::new();
        for receipt in receipts {
            let mut say = |what: String| wrong.push(format!("session {}: {what}", receipt.session));
            if !receipt.settled || receipt.reason.is_none() {
                say("it is live after a start".to_owned());
            }
            let mut total = (0, Credits::ZERO);
            for connection in &receipt.connections {
                let name = &connection.connection;
                if !shown.insert(name) {
                    say(format!("{name} is shown twice"));
                }
                if connection.ended_at.is_none() {
                    say(format!("{name} is open after a start"));
                }
                let says = (connection.seconds, connection.credits.as_str(), connection.reason.as_deref());
                let Some(charged) = ledger.connections.get(name) else {
                    say(format!("{name} is shown as {says:?} and is not in the ledger"));
                    continue;
                };
                let credits = charged.credits.to_string();
                let is = (charged.seconds, credits.as_str(), charged.reason.as_deref());
                if says != is {
                    say(format!("{name} is shown as {says:?}; the rows say {is:?}"));
                }
                if !charged.is_of(&receipt.session, &receipt.key, &connection.model) {
                    say(format!("{name} is of {charged:?} in the ledger"));
                }
                total = (total.0 + charged.seconds, sum(total.1, charged.credits));
            }
            if (receipt.seconds, receipt.credits.clone()) != (total.0, total.1.to_string()) {
                say(format!("{} s for {}; its rows say {total:?}", receipt.seconds, receipt.credits));
            }
        }
        for missing in ledger.connections.keys().filter(|name| !shown.contains(name)) {
            wrong.push(format!("{missing}: it is in the ledger, and no receipt has it"));
        }
    }

    /// Connections that no client knows: of those the server said nothing, and so no picture went out either.
    fn judge_strangers(&self, ledger: &Ledger, wrong: &mut Vec<String>) {
        let strangers: Vec<_> =
            ledger.connections.iter().filter(|(name, _)| !self.seen.contains_key(*name)).collect();
        if strangers.len() > self.lost {
            let lost = self.lost;
            wrong.push(format!("{} connections that no client had, where {lost} could be", strangers.len()));
        }
        for (name, charged) in strangers {
            if charged.seconds > 0 {
                wrong.push(format!("{name}: {} s are charged that no client had", charged.seconds));
            }
        }
    }

    fn judge_keys(&self, ledger: &Ledger, keys: &[ApiKey], wrong: &mut Vec<String>) {
        let named: BTreeSet<&String> = keys.iter().map(|key| &key.id).collect();
        for missing in ledger.balances.keys().filter(|key| !named.contains(key)) {
            wrong.push(format!("{missing}: there are rows of it, and no such key"));
        }
        for key in keys {
            let added = self.deposits.values().filter(|(id, _)| *id == key.id);
            let (count, added) =
                added.fold((0, Credits::ZERO), |(count, all), (_, amount)| (count + 1, sum(all, *amount)));
            let used = ledger.connections.values().filter(|charged| charged.key == key.id).fold(
                Credits::ZERO,
                |all, charged| {
                    let price = self.prices.get(&charged.model).copied().unwrap_or_default();
                    sum(all, price.checked_mul(charged.seconds).unwrap_or_default())
                },
            );
            let is = added.checked_sub(used).unwrap_or_default().to_string();
            if key.balance != is {
                wrong.push(format!("{} has {}; {added} less {used} is {is}", key.id, key.balance));
            }
            if key.held != "0" {
                wrong.push(format!("{} holds {} after a start", key.id, key.held));
            }
            let rows = ledger.added.get(&key.id).copied().unwrap_or_default();
            if rows != count {
                wrong.push(format!("{} was added to {rows} times, not {count} times", key.id));
            }
        }
    }
}

impl Seen {
    fn judge(&self, charged: &Charged, ledger: &Ledger, say: &mut impl FnMut(String)) {
        let ticks = self.ticks.len() as u64;
        if !self.ticks.iter().copied().eq(1..=ticks) {
            say(format!("its ticks were {:?}", self.ticks));
        }
        if ticks > self.lasted.as_secs() {
            say(format!("{ticks} ticks in {:?}", self.lasted));
        }
        if charged.key != self.key || charged.model != self.model {
            say(format!("it is {charged:?}, and was opened by {} for {}", self.key, self.model));
        }
        let may_be_unseen = match self.parting {
            Parting::Cut | Parting::Left => 1,
            Parting::Told { .. } => 0,
        };
        if charged.seconds < ticks || charged.seconds > ticks + may_be_unseen {
            say(format!("{ticks} ticks were seen and {} s are charged: {:?}", charged.seconds, self.parting));
        }
        if let Parting::Told { seconds, reason } = &self.parting {
            if (*seconds, Some(reason)) != (charged.seconds, charged.reason.as_ref()) {
                say(format!("it was told {seconds} s, {reason}; the rows say {charged:?}"));
            }
            if self.expects.map(EndReason::as_str) != Some(reason) {
                say(format!("it was ended for {reason}"));
            }
        }
        let expected = self.expects.map(EndReason::as_str);
        let reason = charged.reason.as_deref();
        let fits = match self.parting {
            Parting::Cut => reason == Some(INTERRUPTED),
            // The server may be killed before it has noticed.
            Parting::Left => [INTERRUPTED, EndReason::Disconnect.as_str()].map(Some).contains(&reason),
            Parting::Told { .. } => false,
        };
        if !fits && (reason.is_none() || reason != expected) {
            say(format!("it ended with {reason:?}: {:?}", self.parting));
        }
        if let Some(settled) = &self.settled {
            let credits = charged.credits.to_string();
            let was = (settled.seconds, &settled.credits, settled.reason.as_deref());
            if was != (charged.seconds, &credits, reason) {
                say(format!("it was settled with {was:?}, and now the rows say {charged:?}"));
            }
        }
        let session = |name: &String| ledger.connections.get(name).map(|charged| &charged.session);
        match &self.bond {
            Bond::Alone if charged.session == self.connection => {}
            Bond::With(other) if session(other) == Some(&charged.session) => {}
            Bond::Without(other) if session(other) != Some(&charged.session) => {}
            bond => say(format!("it is of session {}, and should be {bond:?}", charged.session)),
        }
    }
}

/// The sums of the rows.
#[derive(Debug, Default)]
struct Ledger {
    connections: BTreeMap<String, Charged>,
    /// By key.
    balances: BTreeMap<String, Credits>,
    /// How many times something was added, by key.
    added: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Charged {
    session: String,
    key: String,
    model: String,
    seconds: u64,
    credits: Credits,
    reason: Option<String>,
}

impl Ledger {
    fn connection(&mut self, name: &str, session: &str, key: &str, model: &str) -> &mut Charged {
        self.connections.entry(name.to_owned()).or_insert_with(|| Charged {
            session: session.to_owned(),
            key: key.to_owned(),
            model: model.to_owned(),
            seconds: 0,
            credits: Credits::ZERO,
            reason: None,
        })
    }
}

impl Charged {
    fn is_of(&self, session: &str, key: &str, model: &str) -> bool {
        self.session == session && self.key == key && self.model == model
    }
}

/// Compares the export file with what it was, and with the rows that the kill left: the same, and then nothing but the
/// ends of what was cut, and deposits of which nobody knew whether they had arrived.
fn exported(before: &[Event], rows: &[Row], events: &[Event], wrong: &mut Vec<String>) {
    if let Some((position, event)) = (1..).zip(events).find(|(position, event)| event.position != *position) {
        wrong
            .push(format!("the export has row {}, {}, where {position} should be", event.position, event.id));
    }
    let mut ids = BTreeSet::new();
    for event in events.iter().filter(|event| !ids.insert(&event.id)) {
        wrong.push(format!("the export has {} twice", event.id));
    }
    if let Some(at) = (0..before.len()).find(|at| events.get(*at) != before.get(*at)) {
        wrong.push(format!("the export has changed: {:?} is {:?}", before[at], events.get(at)));
    }
    let exported: Vec<Row> = events.iter().map(Row::from).collect();
    if let Some(at) = (0..rows.len()).find(|at| exported.get(*at) != rows.get(*at)) {
        wrong.push(format!("the ledger had {:?}; the export has {:?}", rows[at], exported.get(at)));
    }
    for event in events.iter().skip(rows.len()) {
        let is_fine = match &event.entry {
            Entry::Ended { reason, .. } => reason == INTERRUPTED,
            Entry::Credit { .. } => true,
            Entry::Second { .. } | Entry::Step { .. } => false,
        };
        if !is_fine {
            wrong.push(format!("{event:?} was added after the kill"));
        }
    }
}

/// Compares the usage of all days with the rows.
fn judge_usage(ledger: &Ledger, usage: &[UsageRow], wrong: &mut Vec<String>) {
    let mut used: BTreeMap<(&str, &str), (u64, Credits)> = BTreeMap::new();
    for charged in ledger.connections.values().filter(|charged| charged.seconds > 0) {
        let (seconds, credits) = used.entry((&charged.key, &charged.model)).or_default();
        *seconds += charged.seconds;
        *credits = sum(*credits, charged.credits);
    }
    let mut shown: BTreeMap<(&str, &str), (u64, Credits)> = BTreeMap::new();
    for row in usage {
        let (seconds, credits) = shown.entry((&row.key, &row.model)).or_default();
        *seconds += row.seconds;
        match row.credits.parse() {
            Ok(more) => *credits = sum(*credits, more),
            Err(error) => wrong.push(format!("the usage has {:?}: {error}", row.credits)),
        }
    }
    if used != shown {
        wrong.push(format!("the usage is {shown:?}; the rows say {used:?}"));
    }
}

/// What these tests add up is far from the limits.
fn sum(a: Credits, b: Credits) -> Credits {
    a.checked_add(b).unwrap_or(Credits::from_micros(i64::MAX))
}

#[cfg(test)]
mod tests;
