//! Checks whether a server keeps the conversation contract, over HTTP and WebSocket alone.

mod check;
mod contract;
mod grammar;
mod http;
mod report;
mod sections;
mod socket;
mod sse;
mod turn;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::check::{Check, Outcome};
use crate::report::{Row, Verdict};
use crate::world::{Server, World};

/// Checks whether a server keeps the conversation contract.
#[derive(Parser)]
#[command(name = "conformance")]
struct Args {
    /// Where the server answers: http://host:port
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// The separate WebSocket port, if it has one: ws://host:port
    #[arg(long)]
    ws: Option<String>,
    /// The key that the server wants
    #[arg(long, env = "CONFORMANCE_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The model for checks that any model can serve; without it the server's first
    #[arg(long)]
    model: Option<String>,
    /// A model that takes its time, for servers without the demo model
    #[arg(long)]
    slow_model: Option<String>,
    /// A configured credential whose provider cannot be reached
    #[arg(long)]
    broken_credential: Option<String>,
    /// Only checks whose ids begin like this
    #[arg(long)]
    only: Vec<String>,
    /// Show all claims and check nothing
    #[arg(long)]
    list: bool,
    /// How many checks run at a time
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// How many seconds a check may take
    #[arg(long, default_value_t = 150)]
    timeout: u64,
    /// Fail when fewer checks than this ran
    #[arg(long, default_value_t = 0)]
    at_least: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything that ran passed, and enough ran.
async fn run(args: Args) -> Result<bool> {
    let chosen = |check: &Check| {
        args.only.is_empty() || args.only.iter().any(|prefix| check.id.starts_with(prefix.as_str()))
    };
    let checks: Vec<Check> = sections::all().into_iter().filter(chosen).collect();
    if args.list {
        print!("{}", report::list(&checks));
        return Ok(true);
    }
    ensure!(!checks.is_empty(), "no check has such an id");
    let limit = Duration::from_secs(args.timeout);
    let jobs = args.jobs.max(1);
    let server = Arc::new(meet(args.url.as_deref().unwrap_or_default(), &args).await?);
    let (alone, together): (Vec<Check>, Vec<Check>) = checks.into_iter().partition(|check| check.alone);
    let running = |check: Check| tried(check, Arc::clone(&server), limit);
    let mut rows: Vec<Row> = stream::iter(together).map(running).buffer_unordered(jobs).collect().await;
    for check in alone {
        rows.push(running(check).await);
    }
    let summary = report::summary(&rows);
    print!("{summary}");
    let count = |wanted: fn(&Verdict) -> bool| rows.iter().filter(|row| wanted(&row.verdict)).count();
    let ran = count(|verdict| !matches!(verdict, Verdict::Skipped(_)));
    if ran < args.at_least {
        println!("conformance: only {ran} checks ran, at least {} must", args.at_least);
    }
    Ok(count(|verdict| matches!(verdict, Verdict::Failed { .. })) == 0 && ran >= args.at_least)
}

/// Runs a check as a task of its own, so that a defect in one is a failure of that one.
async fn tried(check: Check, server: Arc<Server>, limit: Duration) -> Row {
    let world = World::new(server);
    let task = tokio::spawn(tokio::time::timeout(limit, check.run(world.clone())));
    let outcome = match task.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => check::failed("an end of the check", format!("none in {} s", limit.as_secs())),
        Err(error) => check::failed("a check that runs", error),
    };
    let requests = world.requests();
    world.tidy().await;
    let row = Row::new(&check, outcome, requests);
    println!("{}", row.line());
    row
}

/// Finds out what the server has.
async fn meet(url: &str, args: &Args) -> Result<Server> {
    let url = url.trim_end_matches('/').to_owned();
    if !url.starts_with("http://") {
        bail!("{url} is not the address of a server: http://host:port (there is no TLS here)");
    }
    let mut server = Server {
        url,
        ws: args.ws.as_ref().map(|ws| ws.trim_end_matches('/').to_owned()),
        key: args.key.clone(),
        http: http::client()?,
        model: args.model.clone(),
        slow_model: args.slow_model.clone(),
        broken_credential: args.broken_credential.clone(),
        demo: None,
        demo_help: String::new(),
        run: format!("{:08x}", fastrand::u32(..)),
        ids: Arc::new(AtomicU64::new(0)),
    };
    let models = models(&World::new(Arc::new(server.clone()))).await;
    let models = models.map_err(|otherwise| anyhow::anyhow!("{otherwise:?}")).context("GET /models")?;
    server.demo = models.iter().find(|name| name.starts_with("demo/") || name.ends_with("/demo")).cloned();
    server.model = server.model.or_else(|| models.first().cloned());
    if server.demo.is_some() {
        let world = World::new(Arc::new(server.clone()));
        let help = world.script(&world.id(), "help").await;
        server.demo_help = help.map(|turn| turn.text()).unwrap_or_default();
    }
    Ok(server)
}

async fn models(world: &World) -> Outcome<Vec<String>> {
    let body = world.get("/models").await?.ok()?;
    let names = body["models"].as_array().cloned().unwrap_or_else(|| vec![json!(null)]);
    Ok(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
