//! Kills a server with `kill -9` at random moments, over and over on the same data, and looks for anything lost.
//!
//! In each round several conversations run at once with the demo model: prompts that reason, count, call tools, write
//! files; over HTTP and WebSocket; with messages queued in between, watchers that come at any time, and stops. After
//! the kill the server is started again (and now and then killed during that, too), and then it must hold that
//!
//! - the chunks of every conversation are numbered 1, 2, 3 …;
//! - every tool call has exactly one result;
//! - what any client heard of a turn is in the log, in the same order; all of the turn, and nothing else, if the client
//!   heard `turn-sealed`;
//! - what was in the log before is still there, unchanged;
//! - every turn that was heard has its metrics once, and they say what its events said;
//! - a message that was acknowledged is in the log once or still queued; one that was refused is nowhere;
//! - no conversation is active;
//! - the server has not panicked, and answers within a second of its start.
//!
//! The last round delivers what is still queued, so that this is seen to work too.
//!
//! The seed decides what is done; the moment of the kill is as exact as the machine's timers.

mod judge;
mod plan;
mod play;
pub mod sessions;
mod starts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{StreamExt, stream};
use tokio::time;
use wire::transport::ServerMessage;
use wire::{AgentEvent, ConversationId, ConversationStatus, Relayed};

use crate::client::{Client, Socket};
use crate::server::{Launch, Server};
use judge::{Fate, Given, Heard, Known};
use plan::Plan;
use play::Played;

pub use starts::Starts;

/// After so many rounds all conversations are read again, not only those that something was done with.
const SWEEP: u32 = 20;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `dispatch` binary.
    pub binary: PathBuf,
    /// Where the server's files go. Must be empty.
    pub directory: PathBuf,
    /// How often to kill.
    pub rounds: u32,
    /// Decides what is done in each round.
    pub seed: u64,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rounds that were played to their end.
    pub rounds: u32,
    /// How the server was started again.
    pub starts: Starts,
    /// Conversations that had something in them.
    pub conversations: usize,
    /// Chunks in all logs at the end.
    pub chunks: usize,
    /// Turns that clients heard of, once for each client.
    pub turns: usize,
    /// Those of them that the client did not hear the end of.
    pub cut_turns: usize,
    /// Events that clients heard.
    pub events: usize,
    /// Messages that were acknowledged: prompts and queued ones.
    pub messages: usize,
    /// What must not be. The run ends with the first round that has any.
    pub wrong: Vec<String>,
}

/// Kills the server in as many rounds as were asked for, or until something is wrong.
///
/// # Errors
/// When the test itself cannot be carried out: no binary, no directory, a server that does not start.
pub async fn run(options: &Options, progress: impl Fn(&Report)) -> Result<Report> {
    let launch = Launch::in_directory(&options.binary, &options.directory, CONFIG)?;
    let mut run = Run { launch, report: Report::default(), known: BTreeMap::new() };
    let mut server = run.launch.start().await?;
    for round in 1..=options.rounds {
        let plan = Plan::of(options.seed, round);
        let played = play::play(&plan, server).await.with_context(|| format!("round {round}"))?;
        server = run.restart(&plan).await.with_context(|| format!("the start after round {round}"))?;
        let sweep = round % SWEEP == 0;
        run.check(&server, played, sweep).await.with_context(|| format!("the check after round {round}"))?;
        run.report.rounds = round;
        if !run.report.wrong.is_empty() {
            run.report.wrong.insert(0, format!("after round {round}: {plan:?}"));
            break;
        }
        if sweep {
            progress(&run.report);
        }
    }
    if run.report.wrong.is_empty() {
        run.deliver_all(&server).await.context("delivering what is queued")?;
    }
    server.kill().await?;
    run.report.conversations = run.known.len();
    run.report.chunks = run.known.values().map(Known::chunks).sum();
    Ok(run.report)
}

/// The demo model, faster than people can read.
const CONFIG: &str = r#"
default_model = "demo/demo"

[[credentials]]
name = "demo"
kind = "demo"
token_delay = "2ms"
"#;

struct Run {
    launch: Launch,
    report: Report,
    known: BTreeMap<ConversationId, Known>,
}

impl Run {
    async fn restart(&mut self, plan: &Plan) -> Result<Server> {
        let (server, late) = self.report.starts.again(&self.launch, &plan.early_kills).await?;
        self.report.wrong.extend(late);
        Ok(server)
    }

    /// Looks at the conversations that something was done with, or at all.
    async fn check(&mut self, server: &Server, played: Vec<Played>, sweep: bool) -> Result<()> {
        let client = Client::new(server.url())?;
        for meta in client.conversations().await? {
            if meta.status == ConversationStatus::Active {
                self.report.wrong.push(format!("{} is active after a start", meta.id));
            }
        }
        let mut heard: BTreeMap<ConversationId, Vec<Heard>> = BTreeMap::new();
        for Played { id, heard: parts, given, wrong } in played {
            let Some(id) = id else { continue };
            self.report.wrong.extend(wrong.into_iter().map(|wrong| format!("{id}: {wrong}")));
            self.report.messages += given.iter().filter(|given| given.fate == Fate::Accepted).count();
            for part in &parts {
                let events = &part.events;
                let count = |kind: &str| events.iter().filter(|event| event.kind() == kind).count();
                self.report.events += events.len();
                self.report.turns += count("user-message");
                self.report.cut_turns += count("user-message").saturating_sub(count("turn-sealed"));
            }
            self.known.entry(id.clone()).or_default().give(given);
            heard.insert(id, parts);
        }
        for (id, known) in &mut self.known {
            let Some(heard) = heard.get(id).map(Vec::as_slice).or(sweep.then_some(&[])) else { continue };
            let (log, metrics, queue) =
                tokio::try_join!(client.history(id), client.metrics(id), client.waiting(id))?;
            let mut wrong = known.judge(log, metrics, heard);
            wrong.extend(known.judge_queue(&queue));
            self.report.wrong.extend(wrong.into_iter().map(|wrong| format!("{id}: {wrong}")));
        }
        self.report.wrong.extend(starts::complaints(&self.launch));
        Ok(())
    }

    /// Goes on with every conversation once more, which brings what is still queued, and looks at all of them.
    async fn deliver_all(&mut self, server: &Server) -> Result<()> {
        let client = Client::new(server.url())?;
        let ids: Vec<ConversationId> = self.known.keys().cloned().collect();
        let played: Vec<Result<Played>> = stream::iter(ids)
            .map(|id| go_on(server.ws_url(), client.clone(), id))
            .buffer_unordered(8)
            .collect()
            .await;
        let played = played.into_iter().collect::<Result<Vec<Played>>>()?;
        self.check(server, played, true).await
    }
}

/// Queues a message in an idle conversation and listens until nothing more happens in it.
async fn go_on(ws_url: String, client: Client, id: ConversationId) -> Result<Played> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let mut socket = Socket::connect(&ws_url).await?;
    socket.subscribe(&id).await?;
    let text = "say <last>".to_owned();
    let started = client.queue(&id, &text).await?.started_turn;
    let mut wrong = Vec::new();
    if !started {
        wrong.push("a message for an idle conversation started no turn".to_owned());
    }
    let mut heard = Heard { who: "the last client".to_owned(), events: Vec::new() };
    let listening = async {
        let mut idle = false;
        while let Some(frame) = socket.next().await {
            let message = serde_json::from_str(&frame)?;
            if let ServerMessage::ConversationStatusChanged { conversation_id, status } = &message {
                idle |= *conversation_id == id && *status == ConversationStatus::Idle;
            }
            if let ServerMessage::ChatDelta { event: Relayed::Known(event) } = message {
                heard.events.push(event);
            }
            // Between a turn and one that is made of what was queued meanwhile, there is no `idle`.
            if idle && matches!(heard.events.last(), Some(AgentEvent::TurnSealed { .. })) {
                return Ok(());
            }
        }
        anyhow::bail!("the connection ended")
    };
    match time::timeout(PATIENCE, listening).await {
        Ok(listened) => listened?,
        Err(_) => wrong.push(format!("the last turn has not ended after {} s", PATIENCE.as_secs())),
    }
    let given = vec![Given { text, fate: Fate::Accepted }];
    Ok(Played { id: Some(id), heard: vec![heard], given, wrong })
}
