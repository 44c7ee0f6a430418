//! Plays a plan against a server until it is killed, and brings what the clients saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use meter::Credits;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;
use wire::account::{ConnectionReceipt, CreditKeyRequest};
use wire::realtime::{EndReason, ErrorType, ServerMessage};

use super::judge::{Bond, Parting, Seen};
use super::plan::{CLIENTS, Deposit, Ending, Kill, Model, Plan, Purse, Script, Visit};
use super::{Earlier, Key, Run};
use crate::client::Client;
use crate::realtime::{Clip, Happening, Options, Peer, Refused};
use crate::server::Server;

/// How long connections may take to find out that their server is gone, and sessions that nobody disturbs to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a kill waits for a tick.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How often it is asked whether a session is settled.
const ASKING: Duration = Duration::from_millis(20);

/// What became of one client in one round.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) client: usize,
    pub(super) seen: Vec<Seen>,
    /// Connections that were asked for, and of which nothing was learnt before the kill.
    pub(super) lost: usize,
    /// What was, or may have been, added to the client's key.
    pub(super) deposits: Vec<(String, Credits)>,
    pub(super) prompts: usize,
    pub(super) refused: usize,
    pub(super) earlier: Earlier,
    /// What must not be, whatever the ledger says.
    pub(super) wrong: Vec<String>,
}

/// Plays the plan and kills the server.
pub(super) async fn play(run: &Run, plan: &Plan, server: Server) -> Result<Vec<Played>> {
    let killed = Arc::new(AtomicBool::new(false));
    let client = Client::new(server.url())?;
    let (ticked, ticks) = watch::channel(None);
    let mut scripts = JoinSet::new();
    for script in plan.scripts.clone() {
        let purse = CLIENTS[script.client];
        let Some(key) = run.keys.get(&purse).cloned() else { continue };
        let played = Played {
            client: script.client,
            seen: Vec::new(),
            lost: 0,
            deposits: Vec::new(),
            prompts: 0,
            refused: 0,
            earlier: run.earlier.get(&script.client).cloned().unwrap_or_default(),
            wrong: Vec::new(),
        };
        let performer = Performer {
            client: client.clone(),
            url: server.url(),
            killed: killed.clone(),
            clip: run.clip.clone(),
            ticked: ticked.clone(),
            purse,
            key,
            played,
        };
        scripts.spawn(performer.perform(script));
    }
    let all = match until(plan.kill, ticks).await {
        Killing::Now => {
            killed.store(true, Ordering::SeqCst);
            server.kill().await?;
            time::timeout(PATIENCE, scripts.join_all()).await
        }
        Killing::AtTheEnd => {
            let all = time::timeout(PATIENCE, scripts.join_all()).await;
            server.kill().await?;
            all
        }
    };
    all.map_err(|_| anyhow::anyhow!("connections stay open, though their server or their session is gone"))
}

enum Killing {
    Now,
    AtTheEnd,
}

/// Waits until the server is to be killed, unless that has to wait for the scripts.
async fn until(kill: Kill, mut ticks: watch::Receiver<Option<Instant>>) -> Killing {
    match kill {
        Kill::AtTheEnd => return Killing::AtTheEnd,
        Kill::After(after) => time::sleep(after).await,
        Kill::WithASecond { from, later } => {
            time::sleep(from).await;
            ticks.mark_unchanged();
            let _ = time::timeout(LONGEST_WAIT, ticks.changed()).await;
            let tick = ticks.borrow().unwrap_or_else(Instant::now);
            let moment = tick + Duration::from_micros(1_000_000u64.saturating_add_signed(later));
            // Timers are only as exact as a millisecond.
            time::sleep_until((moment - Duration::from_millis(3)).into()).await;
            while Instant::now() < moment {
                tokio::task::yield_now().await;
            }
        }
    }
    Killing::Now
}

/// Whether a script goes on.
enum Then {
    GoOn,
    /// The server was killed, or something is wrong.
    Stop,
}

struct Performer {
    client: Client,
    url: String,
    killed: Arc<AtomicBool>,
    clip: Arc<Clip>,
    /// Hears of every tick.
    ticked: watch::Sender<Option<Instant>>,
    purse: Purse,
    key: Key,
    played: Played,
}

impl Performer {
    async fn perform(mut self, script: Script) -> Played {
        for (number, visit) in (1..).zip(script.visits) {
            let who = format!("visit {number} of client {}", script.client);
            match self.visit(&who, visit).await {
                Then::GoOn => {}
                Then::Stop => break,
            }
        }
        self.played
    }

    async fn visit(&mut self, who: &str, visit: Visit) -> Then {
        let Visit { model, goes_on, deposit, prompts, ending } = visit;
        if self.purse == Purse::Scant
            && let Err(error) = self.deposit(&deposit, model).await
        {
            return self.broken(who, &error);
        }
        let (query, bond) = match (&self.played.earlier, goes_on) {
            (Earlier::Open(id), true) => (Some(id), Bond::With(id.clone())),
            (Earlier::Deleted(id), true) => (Some(id), Bond::Without(id.clone())),
            (Earlier::Open(_) | Earlier::Deleted(_) | Earlier::Unsure, _) => (None, Bond::Alone),
        };
        let options = self.options(model, query);
        // Until something else is known: the server may have opened a connection that goes on with that session.
        self.played.earlier = Earlier::Unsure;
        let began = Instant::now();
        let peer = match Peer::produce(options).await {
            Ok(peer) => peer,
            Err(error) => {
                self.played.lost += 1;
                return self.broken(who, &error);
            }
        };
        let mut stay = Stay::new(prompts, ending, self.ticked.clone());
        stay.spend(peer, &self.client, &self.killed).await;
        self.played.prompts += stay.acknowledged;
        self.played.wrong.extend(stay.wrong.drain(..).map(|wrong| format!("{who}: {wrong}")));
        if stay.connection.is_empty() {
            self.played.wrong.push(format!("{who}: the server never said the connection's id"));
            return Then::Stop;
        }
        let mut seen = Seen {
            connection: stay.connection,
            key: self.key.id.clone(),
            model: model.name().to_owned(),
            ticks: stay.ticks,
            lasted: began.elapsed(),
            parting: match (stay.told, stay.left) {
                (Some((seconds, reason)), _) => Parting::Told { seconds, reason },
                (None, true) => Parting::Left,
                (None, false) => Parting::Cut,
            },
            expects: match (self.purse, ending) {
                (Purse::Scant, _) => Some(EndReason::InsufficientCredits),
                (Purse::First | Purse::Second, Ending::Deleted(_)) => {
                    stay.deleting.then_some(EndReason::DeletedByOperator)
                }
                (Purse::First | Purse::Second, Ending::Stays | Ending::Closes(_) | Ending::Vanishes(_)) => {
                    None
                }
            },
            bond,
            settled: None,
        };
        if seen.parting == Parting::Cut && !self.is_killed() {
            let said = stay.closed.unwrap_or_default();
            self.played.wrong.push(format!("{who}: {} ended without a word: {said}", seen.connection));
        }
        seen.settled = self.until_settled(&seen).await;
        self.played.earlier = match (stay.deleting, stay.deleted) {
            (false, _) => Earlier::Open(seen.connection.clone()),
            (true, true) => Earlier::Deleted(seen.connection.clone()),
            (true, false) => Earlier::Unsure,
        };
        let ran_out = matches!(&seen.parting, Parting::Told { reason, .. }
            if reason == EndReason::InsufficientCredits.as_str());
        self.played.seen.push(seen);
        if ran_out {
            return self.knock(who, model).await;
        }
        if self.is_killed() { Then::Stop } else { Then::GoOn }
    }

    fn options(&self, model: Model, session: Option<&String>) -> Options {
        Options {
            url: self.url.clone(),
            key: self.key.secret.clone(),
            model: model.name().to_owned(),
            query: session.map(|id| ("session".to_owned(), id.clone())).into_iter().collect(),
            clip: self.clip.clone(),
            through: None,
        }
    }

    async fn deposit(&mut self, deposit: &Deposit, model: Model) -> Result<()> {
        let price = Credits::from_micros(model.price_micros());
        let mut keys = self.client.keys().await?.into_iter();
        let key = keys.find(|key| key.id == self.key.id).context("the key is gone")?;
        if key.balance.parse::<Credits>()?.checked_sub(key.held.parse()?) >= Some(price) {
            return Ok(());
        }
        let amount = price
            .checked_mul(deposit.seconds)
            .and_then(|amount| amount.checked_add(Credits::from_micros(deposit.micros)))
            .unwrap_or_default();
        self.played.deposits.push((deposit.id.clone(), amount));
        add(&self.client, &self.key.id, &deposit.id, amount).await
    }

    /// A key that has just run out opens nothing.
    async fn knock(&mut self, who: &str, model: Model) -> Then {
        match Peer::produce(self.options(model, None)).await {
            Ok(_) => {
                self.played.lost += 1;
                self.played.wrong.push(format!("{who}: a key that has run out opened another connection"));
                Then::Stop
            }
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(refused)
                    if refused.error_type.as_deref() == Some(ErrorType::InsufficientCredits.as_str()) =>
                {
                    self.played.refused += 1;
                    Then::GoOn
                }
                Some(_) | None => self.broken(who, &error),
            },
        }
    }

    /// What the server says of the connection when it is settled; none if it is killed before.
    async fn until_settled(&mut self, seen: &Seen) -> Option<ConnectionReceipt> {
        while !self.is_killed() {
            match self.client.session(&seen.connection).await {
                Ok(receipt) => {
                    let mut connections = receipt.connections.into_iter();
                    let own = connections.find(|connection| connection.connection == seen.connection);
                    match own {
                        Some(own) if own.ended_at.is_some() => return Some(own),
                        Some(_) => {}
                        None => {
                            self.played.wrong.push(format!("{}: it is not in its receipt", seen.connection));
                            return None;
                        }
                    }
                }
                Err(error) => {
                    self.broken(&seen.connection, &error);
                    return None;
                }
            }
            time::sleep(ASKING).await;
        }
        None
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// A failure is a problem unless the server was killed by then.
    fn broken(&mut self, who: &str, error: &anyhow::Error) -> Then {
        if !self.is_killed() {
            self.played.wrong.push(format!("{who}: {error:#}, before the server was killed"));
        }
        Then::Stop
    }
}

/// Adds to a balance, once, however often it is called.
pub(super) async fn add(client: &Client, key: &str, deposit: &str, amount: Credits) -> Result<()> {
    let credit =
        CreditKeyRequest { credits: amount.to_string(), deposit_id: Some(deposit.to_owned()), note: None };
    client.credit_key(key, &credit).await.map(|_| ())
}

/// One connection, from its answer to its end.
struct Stay {
    ending: Ending,
    /// The earliest last.
    prompts: Vec<Duration>,
    connection: String,
    ticks: Vec<u64>,
    ticked: watch::Sender<Option<Instant>>,
    acknowledged: usize,
    /// What `generation_ended` said.
    told: Option<(u64, String)>,
    left: bool,
    /// Whether the operator asked for its end,
    deleting: bool,
    /// and was told that there is no way back.
    deleted: bool,
    /// How the WebSocket ended.
    closed: Option<String>,
    wrong: Vec<String>,
}

impl Stay {
    fn new(mut prompts: Vec<Duration>, ending: Ending, ticked: watch::Sender<Option<Instant>>) -> Self {
        prompts.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            ending,
            prompts,
            connection: String::new(),
            ticks: Vec::new(),
            ticked,
            acknowledged: 0,
            told: None,
            left: false,
            deleting: false,
            deleted: false,
            closed: None,
            wrong: Vec::new(),
        }
    }

    async fn spend(&mut self, mut peer: Peer, operator: &Client, killed: &AtomicBool) {
        let began = Instant::now();
        loop {
            let leaves = match self.ending {
                Ending::Stays => None,
                Ending::Closes(after) | Ending::Vanishes(after) => Some(after),
                Ending::Deleted(after) => (!self.deleting).then_some(after),
            };
            tokio::select! {
                biased;
                happening = peer.next() => match happening {
                    Some(Happening::Message(message)) => self.hear(message),
                    Some(Happening::Media(_) | Happening::Frame(_)) => {}
                    Some(Happening::Closed { code, reason }) => {
                        self.closed = Some(format!("{code:?} {reason}"));
                        return;
                    }
                    None => return,
                },
                () = at(began, leaves) => match self.ending {
                    Ending::Closes(_) => {
                        self.left = true;
                        peer.close().await;
                        return;
                    }
                    Ending::Vanishes(_) => {
                        self.left = true;
                        drop(peer);
                        return;
                    }
                    Ending::Deleted(_) | Ending::Stays => {
                        self.deleting = true;
                        match operator.end_session(&self.connection).await {
                            Ok(_) => self.deleted = true,
                            Err(_) if killed.load(Ordering::SeqCst) => {}
                            Err(error) => self.wrong.push(format!("the session is not ended: {error:#}")),
                        }
                    }
                },
                () = at(began, self.prompts.last().copied()) => {
                    self.prompts.pop();
                    let prompt = format!("Watercolour, picture {}", self.prompts.len());
                    peer.send(json!({"type": "prompt", "prompt": prompt, "enhance_prompt": false})).await;
                }
            }
        }
    }

    fn hear(&mut self, message: Value) {
        let text = message.to_string();
        match serde_json::from_value(message) {
            Ok(ServerMessage::SessionId { session_id, .. }) => self.connection = session_id,
            Ok(ServerMessage::GenerationTick { seconds, .. }) => {
                if self.told.is_some() {
                    self.wrong.push(format!("after `generation_ended` came {text}"));
                }
                self.ticks.push(seconds);
                self.ticked.send_replace(Some(Instant::now()));
            }
            Ok(ServerMessage::GenerationEnded { seconds, reason }) => {
                if self.told.replace((seconds, reason)).is_some() {
                    self.wrong.push(format!("a second `generation_ended`: {text}"));
                }
            }
            Ok(ServerMessage::PromptAck { success: true, .. }) => self.acknowledged += 1,
            Ok(ServerMessage::Answer { .. } | ServerMessage::GenerationStarted) => {}
            // Part of an end that was told.
            Ok(ServerMessage::Error { .. }) if self.told.is_some() => {}
            Ok(_) => self.wrong.push(format!("heard {text}")),
            Err(error) => self.wrong.push(format!("{error} in {text}")),
        }
    }
}

/// That long after it began; never, if there is no such time.
async fn at(began: Instant, after: Option<Duration>) {
    match after {
        Some(after) => time::sleep_until((began + after).into()).await,
        None => std::future::pending().await,
    }
}
