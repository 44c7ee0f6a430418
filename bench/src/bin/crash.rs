//! Kills the server at random moments and looks for anything lost. See [`bench::crash`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use bench::crash::{self, Options, Report};
use clap::Parser;

/// Kill the server with `kill -9` at random moments and look for anything lost.
#[derive(Parser)]
#[command(name = "crash")]
struct Args {
    /// How often to kill it.
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// Decides what is done in each round; a random one when absent.
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
    let directory = tempfile::Builder::new().prefix("dispatch-crash-").tempdir().context("no directory")?;
    println!("seed {seed}, {} rounds, data in {}", args.rounds, directory.path().display());
    let options =
        Options { binary: args.binary, directory: directory.path().to_owned(), rounds: args.rounds, seed };
    let began = Instant::now();
    let report = crash::run(&options, |report| println!("{}", line(report, began))).await;
    match report {
        Ok(report) if report.wrong.is_empty() => {
            println!("{}", line(&report, began));
            println!("Nothing was lost.");
            Ok(ExitCode::SUCCESS)
        }
        Ok(report) => {
            println!("{}", line(&report, began));
            for wrong in &report.wrong {
                println!("WRONG: {wrong}");
            }
            let kept = directory.keep();
            println!("seed {seed}; the server's data and log are kept in {}", kept.display());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            let kept = directory.keep();
            println!("seed {seed}; the server's data and log are kept in {}", kept.display());
            Err(error)
        }
    }
}

fn line(report: &Report, began: Instant) -> String {
    let (half, all) = report.start_times();
    format!(
        "{:>4} rounds in {:>4} s: {} kills during start-up; {} turns heard, {} of them cut, {} events; {} messages \
         acknowledged; start p50 {} ms, max {} ms",
        report.rounds,
        began.elapsed().as_secs(),
        report.early_kills,
        report.turns,
        report.cut_turns,
        report.events,
        report.messages,
        half.as_millis(),
        all.as_millis(),
    )
}
