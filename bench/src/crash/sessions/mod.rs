//! The same for realtime sessions: kills a server with `kill -9` at random moments and looks for seconds that were lost,
//! or charged twice.
//!
//! In each round clients come and go: video over WebRTC, connections that go on with the session of earlier ones, prompts,
//! goodbyes, sockets that vanish, sessions that the operator deletes, a key that runs out and is filled up. After the
//! kill the ledger is read from a copy of the database, the server is started again (and now and then killed during that,
//! too), and then it must hold that
//!
//! - the seconds of every connection are 1, 2, 3 …, each charged once, at its price, to its key;
//! - they are as many as its client saw ticks, or one more, if the server was killed or the client left: a second is
//!   charged before its tick goes out. If the server said how many they were, they are as many as it said;
//! - a connection that was settled stays as it was; all others are settled now, with a reason;
//! - nothing was charged by the recovery, or for a connection that no client had;
//! - the balance of every key is what was added less the price of its seconds, nothing of it is held, no balance was ever
//!   below zero, and what ran out had less than the price of a second;
//! - receipts, usage and the export file are sums of the same rows; the file has each of them once, in order, and those
//!   that it had, unchanged;
//! - the server has not panicked, and answers within a second of its start.
//!
//! In the last round no client is disturbed, so that every way of ending is seen to its end.

mod judge;
mod plan;
mod play;
mod rows;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use meter::{Credits, Event};
use tokio::time;
use wire::account::CreateKeyRequest;

use super::starts::{self, Starts};
use crate::client::Client;
use crate::crash::Options;
use crate::realtime::Clip;
use crate::server::{Launch, Server};
use judge::{Known, Shown};
use plan::{Model, Plan, Purse};
use play::Played;

/// After so many rounds there is a line.
const LINE: u32 = 10;

/// How long rows may take to the export file. Far more than they should need.
const EXPORT: Duration = Duration::from_secs(30);

/// What is added at the beginning to the keys that have enough.
const ENOUGH: &str = "1000000";

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rounds that were played to their end.
    pub rounds: u32,
    /// How the server was started again.
    pub starts: Starts,
    /// Connections that clients had.
    pub connections: usize,
    /// Those of them that went on with an earlier one.
    pub gone_on: usize,
    /// Those that ended before the kill.
    pub ended: usize,
    /// Attempts of keys that had run out.
    pub refused: usize,
    /// Prompts that were acknowledged.
    pub prompts: usize,
    /// Ticks that clients saw.
    pub ticks: u64,
    /// Seconds that were billed.
    pub seconds: u64,
    /// Those of them that were billed when the server was killed, and whose ticks nobody saw.
    pub in_flight: u64,
    /// The same, when the client left.
    pub left: u64,
    /// What must not be. The run ends with the first round that has any.
    pub wrong: Vec<String>,
}

/// Kills the server in as many rounds as were asked for, or until something is wrong.
///
/// # Errors
/// When the test itself cannot be carried out: no binary, no directory, a server that does not start.
pub async fn run(options: &Options, progress: impl Fn(&Report)) -> Result<Report> {
    let directory = options.directory.canonicalize().context("there is no such directory")?;
    let export = directory.join("usage.ndjson");
    let launch = Launch::in_directory(&options.binary, &directory, &config(&export)?)?;
    let size = video::Size::new(WIDTH, HEIGHT)?;
    let prices =
        Model::ALL.map(|model| (model.name().to_owned(), Credits::from_micros(model.price_micros())));
    let mut run = Run {
        launch,
        export,
        copy: directory.join("copy"),
        clip: Arc::new(Clip::new(size, FPS, 2)),
        keys: BTreeMap::new(),
        earlier: BTreeMap::new(),
        known: Known::new(prices),
        report: Report::default(),
    };
    let mut server = run.launch.start().await?;
    run.make_keys(&Client::new(server.url())?).await?;
    for round in 1..=options.rounds {
        server = run.round(&Plan::of(options.seed, round), round, server).await?;
        if !run.report.wrong.is_empty() {
            break;
        }
        if round % LINE == 0 {
            progress(&run.report);
        }
    }
    if run.report.wrong.is_empty() {
        let round = options.rounds + 1;
        server = run.round(&Plan::last(round), round, server).await?;
    }
    server.kill().await?;
    Ok(run.report)
}

const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;
const FPS: u32 = 15;

/// Two models at different prices, one of which does something to the pictures.
fn config(export: &Path) -> Result<String> {
    let export = export.to_str().context("the directory's name is not text")?;
    let model = |model: Model, generator: &str| {
        format!(
            "[[realtime.models]]\nname = \"{}\"\ngenerator = \"{generator}\"\nwidth = {WIDTH}\nheight = {HEIGHT}\n\
             fps = {FPS}\ncredits_per_second = {}\n",
            model.name(),
            Credits::from_micros(model.price_micros()),
        )
    };
    Ok(format!(
        "[realtime]\nmax_sessions = 64\nmax_sessions_per_key = 32\n{}{}[metering]\nexport_file = {export:?}\n",
        model(Model::Cheap, "passthrough"),
        model(Model::Dear, "restyle"),
    ))
}

struct Run {
    launch: Launch,
    /// The export file.
    export: PathBuf,
    /// Where the database is copied to.
    copy: PathBuf,
    clip: Arc<Clip>,
    keys: BTreeMap<Purse, Key>,
    /// By client.
    earlier: BTreeMap<usize, Earlier>,
    known: Known,
    report: Report,
}

#[derive(Clone, Debug)]
struct Key {
    id: String,
    secret: String,
}

/// The last connection of a client, in this round or one before.
#[derive(Clone, Debug, Default)]
enum Earlier {
    /// There was none, or nobody knows what became of it.
    #[default]
    Unsure,
    /// One can go on with its session.
    Open(String),
    /// One cannot.
    Deleted(String),
}

impl Run {
    async fn make_keys(&mut self, client: &Client) -> Result<()> {
        for purse in Purse::ALL {
            let new = CreateKeyRequest { name: Some(purse.name().to_owned()), ..CreateKeyRequest::default() };
            let made = client.create_key(&new).await?;
            let id = made.key.id;
            if purse != Purse::Scant {
                let (deposit, amount) = (format!("first-{}", purse.name()), ENOUGH.parse()?);
                play::add(client, &id, &deposit, amount).await?;
                self.known.deposit(deposit, id.clone(), amount);
            }
            self.keys.insert(purse, Key { id, secret: made.secret });
        }
        Ok(())
    }

    /// Plays a plan to the kill, starts the server again, and looks at everything.
    async fn round(&mut self, plan: &Plan, round: u32, server: Server) -> Result<Server> {
        let played = play::play(self, plan, server).await.with_context(|| format!("round {round}"))?;
        let rows = rows::left_in(&self.launch.data, &self.copy)?;
        let (server, late) = self
            .report
            .starts
            .again(&self.launch, &plan.early_kills)
            .await
            .with_context(|| format!("the start after round {round}"))?;
        self.report.wrong.extend(late);
        self.take_in(&server, played).await.with_context(|| format!("after round {round}"))?;
        let shown =
            self.look(&server, rows).await.with_context(|| format!("the check after round {round}"))?;
        self.report.wrong.extend(self.known.judge(shown));
        self.report.wrong.extend(starts::complaints(&self.launch));
        if !self.report.wrong.is_empty() {
            self.report.wrong.insert(0, format!("after round {round}: {plan:?}"));
        }
        self.report.rounds = round;
        self.count();
        Ok(server)
    }

    /// Remembers what was seen, and adds once more to balances what may have been added.
    async fn take_in(&mut self, server: &Server, played: Vec<Played>) -> Result<()> {
        let client = Client::new(server.url())?;
        for Played { client: number, seen, lost, deposits, prompts, refused, earlier, wrong } in played {
            self.report.wrong.extend(wrong);
            self.report.prompts += prompts;
            self.report.refused += refused;
            self.earlier.insert(number, earlier);
            self.known.lose(lost);
            let Some(key) = self.keys.get(&plan::CLIENTS[number]) else { continue };
            for (deposit, amount) in deposits {
                play::add(&client, &key.id, &deposit, amount).await?;
                self.known.deposit(deposit, key.id.clone(), amount);
            }
            for seen in seen {
                self.known.see(seen);
            }
        }
        Ok(())
    }

    /// All that there is to see, once the export has caught up.
    async fn look(&self, server: &Server, rows: Vec<judge::Row>) -> Result<Shown> {
        let client = Client::new(server.url())?;
        let mut receipts = client.sessions().await?;
        // The list is of the newest.
        for connection in self.known.unlisted(&receipts) {
            let listed = |id: &str| receipts.iter().any(|receipt| receipt.session == id);
            let receipt = client.session(&connection).await?;
            if !listed(&receipt.session) {
                receipts.push(receipt);
            }
        }
        let expected = self.known.rows(&receipts);
        let caught_up = async {
            loop {
                let events = self.exported()?;
                if events.len() as u64 >= expected {
                    return anyhow::Ok(events);
                }
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        let events = match time::timeout(EXPORT, caught_up).await {
            Ok(events) => events?,
            Err(_) => self.exported()?,
        };
        let (keys, usage) = tokio::try_join!(client.keys(), client.usage("2000-01-01"))?;
        Ok(Shown { rows, events, receipts, keys, usage })
    }

    /// The whole lines of the export file.
    fn exported(&self) -> Result<Vec<Event>> {
        let text = fs::read_to_string(&self.export)
            .with_context(|| format!("cannot read {}", self.export.display()))?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let event = |line| {
            serde_json::from_str(line).with_context(|| format!("the export file has the line {line:?}"))
        };
        whole.lines().map(event).collect()
    }

    fn count(&mut self) {
        let judge::Tally { connections, gone_on, ended, ticks, seconds, in_flight, left } =
            self.known.tally();
        let report = &mut self.report;
        (report.connections, report.gone_on, report.ended) = (connections, gone_on, ended);
        (report.ticks, report.seconds) = (ticks, seconds);
        (report.in_flight, report.left) = (in_flight, left);
    }
}
