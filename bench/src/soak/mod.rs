//! Clients come and leave in all the ways that there are, for as long as one wants, beside one that stays; then it is
//! looked at what is left of them.
//!
//! It is looked at from outside: before anybody comes; with the one that stays alone; after a **warm-up**, in which every
//! way to leave was taken and all that is made once was made; when the last but one client has left; and when that one
//! has, too. Each time it is waited until those who left are gone. Then it must hold that
//!
//! - nothing is left: no session, media connection, route, task, file descriptor, UDP socket or thread more than after the
//!   warm-up, and of the first four, at the very end, no more than before anybody came;
//! - the memory that is occupied has grown by [`GROWTH`] at most. What may grow is what the server keeps on purpose, such
//!   as the ids of the last few thousand sessions, and what an allocator does not give back;
//! - every session is settled, with a reason;
//! - the session that stays had its ticks 1, 2, 3 …, was not interrupted, and its receipt says the same;
//! - every client got what it waited for, and the server has not panicked.

mod held;
mod visit;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use video::Size;

use crate::client::Client;
use crate::realtime::{Clip, Options as PeerOptions};
use crate::server::{Launch, Server};
use visit::{Place, Steady};

pub use held::Held;
pub use visit::Way;

/// By how much the occupied memory may grow after the warm-up, however many come after it: what three or four sessions
/// take.
pub const GROWTH: u64 = 24 << 20;

/// How long those who left may take to be gone: a silent client takes five seconds, an idle thread ten, and the rest is for
/// a busy machine.
const GONE: Duration = Duration::from_secs(30);

/// How many warm up: each way twice, or a tenth of those who come afterwards.
fn warm_up(visits: u32) -> u32 {
    (visits / 10).max(2 * Way::ALL.len() as u32)
}

/// What to try.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub binary: PathBuf,
    /// An empty directory for its data and log.
    pub directory: PathBuf,
    /// How many clients come, after the warm-up.
    pub visits: u32,
    /// How many come in a minute.
    pub per_minute: u32,
    /// Decides who comes when and how it leaves.
    pub seed: u64,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many left in which way, the warm-up included.
    pub visits: BTreeMap<Way, u32>,
    /// Before anybody came.
    pub fresh: Held,
    /// With the one that stays alone.
    pub before: Held,
    /// After the warm-up.
    pub warm: Held,
    /// When the last other client has left.
    pub after: Held,
    /// When the one that stayed has left, too.
    pub empty: Held,
    /// The ticks and frames of the one that stayed.
    pub steady: (u64, u64),
    /// How long it stayed.
    pub stayed: Duration,
    /// Sessions that are in the list, settled.
    pub settled: usize,
    /// What must not be.
    pub wrong: Vec<String>,
}

/// Carries it out. `progress` gets a line now and then.
///
/// # Errors
/// When it cannot be carried out: no binary, no directory, a server that does not start.
pub async fn run(options: &Options, progress: impl Fn(String)) -> Result<Report> {
    let launch = Launch::in_directory(&options.binary, &options.directory, CONFIG)?;
    let server = launch.start().await?;
    let client = Client::new(server.url())?;
    let data = launch.data.canonicalize().context("the server has no data")?;
    let observer = Observer { server, client, data };
    let clip = Arc::new(Clip::new(Size::new(WIDTH, HEIGHT)?, FPS, 2));
    let peer = PeerOptions {
        url: observer.server.url(),
        key: "any".to_owned(),
        model: "small".to_owned(),
        query: Vec::new(),
        clip,
        through: None,
    };
    let fresh = observer.look().await?;
    progress(format!("fresh:   {fresh}"));
    let media = visit::media(&peer).await?;
    let steady = Steady::begin(peer.clone()).await?;
    let session = steady.session();
    let place = Place { options: peer, client: observer.client.clone(), media, steady: session.clone() };
    let (began, leave) = (Instant::now(), Arc::new(Notify::new()));
    let staying = tokio::spawn(steady.stay(leave.clone()));

    let mut wrong = Vec::new();
    let before = observer.look().await?;
    progress(format!("alone:   {before}"));
    let mut crowd = Crowd { place, options, came: 0, visits: BTreeMap::new(), wrong: Vec::new() };
    crowd.come(warm_up(options.visits), &observer, &progress).await?;
    // What is made once may be more than before; what belongs to those who left is not.
    let warm = observer.until(|now| now.realtime_is_within(&before)).await?;
    progress(format!("warm:    {warm}"));
    crowd.come(options.visits, &observer, &progress).await?;
    let after = observer.until(|now| now.more_than(&warm).is_empty()).await?;
    progress(format!("after:   {after}"));
    wrong.append(&mut crowd.wrong);
    wrong.extend(after.more_than(&warm));
    if after.resident > warm.resident + GROWTH {
        wrong.push(format!(
            "memory: {} bytes after the warm-up, {} afterwards",
            warm.resident, after.resident
        ));
    }

    leave.notify_one();
    let mut steady = staying.await.context("the client that stays")?;
    let stayed = began.elapsed();
    wrong.extend(steady.wrong.drain(..).map(|wrong| format!("the session that stays: {wrong}")));
    let figures = (steady.ticks, steady.frames);
    if let Err(error) = steady.leave().await {
        wrong.push(format!("the session that stays: {error:#}"));
    }
    let empty = observer.until(|now| now.realtime_is_within(&fresh)).await?;
    progress(format!("empty:   {empty}"));
    if !empty.realtime_is_within(&fresh) {
        wrong.push(format!("everybody has left, and there is still {empty}"));
    }

    let sessions = observer.client.sessions().await?;
    for open in sessions.iter().filter(|session| !session.settled || session.reason.is_none()) {
        wrong.push(format!("a session is not settled: {open:?}"));
    }
    let receipt = observer.client.session(&session).await?;
    // A second can be charged when the client has left and is not told any more.
    if !(figures.0..=figures.0 + 1).contains(&receipt.seconds) {
        wrong.push(format!("{} ticks, and {} seconds are billed", figures.0, receipt.seconds));
    }
    let log = fs::read_to_string(&launch.log).context("the server's log")?;
    wrong.extend(log.lines().filter(|line| line.contains("panicked")).map(|line| format!("log: {line}")));
    observer.server.kill().await?;
    let settled = sessions.iter().filter(|session| session.settled).count();
    let visits = crowd.visits;
    Ok(Report { visits, fresh, before, warm, after, empty, steady: figures, stayed, settled, wrong })
}

/// The pictures are small: it is the coming and leaving that is tried.
const WIDTH: u32 = 320;
const HEIGHT: u32 = 192;
const FPS: u32 = 15;

const CONFIG: &str = "[realtime]\nmax_sessions = 500\nmax_sessions_per_key = 500\n\
                      [[realtime.models]]\nname = \"small\"\nwidth = 320\nheight = 192\nfps = 15\n";

/// Those who come and leave.
struct Crowd<'a> {
    place: Place,
    options: &'a Options,
    came: u32,
    visits: BTreeMap<Way, u32>,
    wrong: Vec<String>,
}

impl Crowd<'_> {
    /// So many come, each at its time, and all have left at the end.
    async fn come(&mut self, count: u32, observer: &Observer, progress: &impl Fn(String)) -> Result<()> {
        let interval = Duration::from_secs(60) / self.options.per_minute.max(1);
        let (began, mut running) = (Instant::now(), JoinSet::new());
        let mut said = began;
        for number in 0..count {
            sleep_until(began + interval * number).await;
            let random = fastrand::Rng::with_seed(self.options.seed ^ (u64::from(self.came) << 32));
            // Every way as often as the others, in an order that is none.
            let ways = Way::ALL.len();
            let mut order: Vec<Way> = Way::ALL.to_vec();
            let round = u64::from(self.came) / ways as u64;
            fastrand::Rng::with_seed(self.options.seed ^ round).shuffle(&mut order);
            let way = order[self.came as usize % ways];
            self.came += 1;
            *self.visits.entry(way).or_default() += 1;
            let place = self.place.clone();
            running.spawn(async move { (way, place.visit(way, random).await) });
            while let Some(ended) = running.try_join_next() {
                self.ended(ended?);
            }
            if said.elapsed() >= Duration::from_secs(60) {
                said = Instant::now();
                let held = observer.look().await?;
                progress(format!("{:>4} came: {held}", self.came));
            }
        }
        while let Some(ended) = running.join_next().await {
            self.ended(ended?);
        }
        Ok(())
    }

    fn ended(&mut self, (way, result): (Way, Result<()>)) {
        if let Err(error) = result {
            self.wrong.push(format!("a client ({way:?}): {error:#}"));
        }
    }
}

/// Who looks at the server.
struct Observer {
    server: Server,
    client: Client,
    /// Where the server keeps its data.
    data: PathBuf,
}

impl Observer {
    async fn look(&self) -> Result<Held> {
        Held::by(&self.server, &self.data, &self.client).await
    }

    /// Looks until something is so, or those who left have had time enough to be gone.
    async fn until(&self, is: impl Fn(&Held) -> bool) -> Result<Held> {
        let deadline = Instant::now() + GONE;
        loop {
            let held = self.look().await?;
            if is(&held) || Instant::now() > deadline {
                return Ok(held);
            }
            sleep(Duration::from_millis(250)).await;
        }
    }
}
