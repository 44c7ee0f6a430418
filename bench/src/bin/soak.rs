//! Clients come and leave, and it is looked at what is left of them. See [`bench::soak`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use bench::soak::{self, GROWTH, Options, Report};
use clap::Parser;

/// Have realtime clients come and leave in all ways, and look for anything left of them.
#[derive(Parser)]
#[command(name = "soak")]
struct Args {
    /// For how long they come, after the warm-up.
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// How many come in a minute.
    #[arg(long, default_value_t = 100)]
    per_minute: u32,
    /// Decides who leaves how and when; a random one when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// The server.
    #[arg(long, default_value = bench::BINARY)]
    binary: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let directory = tempfile::Builder::new().prefix("dispatch-soak-").tempdir().context("no directory")?;
    let visits = args.minutes * args.per_minute;
    println!("seed {seed}, {visits} clients, data in {}", directory.path().display());
    let options = Options {
        binary: args.binary,
        directory: directory.path().to_owned(),
        visits,
        per_minute: args.per_minute,
        seed,
    };
    let began = Instant::now();
    let report = soak::run(&options, |line| println!("{:>4} s  {line}", began.elapsed().as_secs())).await;
    if let Ok(report) = &report {
        tell(report);
        if report.wrong.is_empty() {
            println!("Nothing was left.");
            return Ok(ExitCode::SUCCESS);
        }
        for wrong in &report.wrong {
            println!("WRONG: {wrong}");
        }
    }
    let kept = directory.keep();
    println!("seed {seed}; the server's data and log are kept in {}", kept.display());
    report.map(|_| ExitCode::FAILURE)
}

fn tell(report: &Report) {
    let ways: Vec<String> = report.visits.iter().map(|(way, count)| format!("{way:?} {count}")).collect();
    let (ticks, frames) = report.steady;
    println!("{} clients: {}", report.visits.values().sum::<u32>(), ways.join(", "));
    println!("{} sessions are settled", report.settled);
    println!("the one that stayed: {ticks} ticks and {frames} frames in {} s", report.stayed.as_secs());
    println!(
        "memory: {:.1} MB alone, {:.1} after the warm-up, {:.1} at the end, {:.1} when all have left; {:.1} more than \
         after the warm-up would be too much",
        megabytes(report.before.resident),
        megabytes(report.warm.resident),
        megabytes(report.after.resident),
        megabytes(report.empty.resident),
        megabytes(GROWTH),
    );
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
