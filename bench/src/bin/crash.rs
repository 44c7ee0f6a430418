//! Kills the server at random moments and looks for anything lost. See [`bench::crash`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::crash::sessions;
use bench::crash::{self, Options, Starts};
use clap::Parser;
use tempfile::TempDir;

/// Kill the server with `kill -9` at random moments and look for anything lost.
#[derive(Parser)]
#[command(name = "crash")]
struct Args {
    /// With realtime sessions, and a look at what they cost, instead of conversations.
    #[arg(long)]
    sessions: bool,
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
    let ended = match args.sessions {
        false => crash::run(&options, |report| println!("{}", of_conversations(report, began.elapsed())))
            .await
            .map(|report| (of_conversations(&report, began.elapsed()), report.wrong)),
        true => sessions::run(&options, |report| println!("{}", of_sessions(report, began.elapsed())))
            .await
            .map(|report| (of_sessions(&report, began.elapsed()), report.wrong)),
    };
    match ended {
        Ok((line, wrong)) if wrong.is_empty() => {
            println!("{line}");
            println!("{}", if args.sessions { "Every second was billed once." } else { "Nothing was lost." });
            Ok(ExitCode::SUCCESS)
        }
        Ok((line, wrong)) => {
            println!("{line}");
            for wrong in wrong {
                println!("WRONG: {wrong}");
            }
            keep(directory, seed);
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            keep(directory, seed);
            Err(error)
        }
    }
}

fn keep(directory: TempDir, seed: u64) {
    println!("seed {seed}; the server's data and log are kept in {}", directory.keep().display());
}

fn of_conversations(report: &crash::Report, elapsed: Duration) -> String {
    format!(
        "{}; {} turns heard, {} of them cut, {} events; {} messages acknowledged; {}",
        rounds(report.rounds, &report.starts, elapsed),
        report.turns,
        report.cut_turns,
        report.events,
        report.messages,
        times(&report.starts),
    )
}

fn of_sessions(report: &sessions::Report, elapsed: Duration) -> String {
    format!(
        "{}; {} connections, {} gone on with, {} ended before the kill, {} refused; {} ticks seen, {} s billed: {} in \
         flight at a kill, {} when the client left; {}",
        rounds(report.rounds, &report.starts, elapsed),
        report.connections,
        report.gone_on,
        report.ended,
        report.refused,
        report.ticks,
        report.seconds,
        report.in_flight,
        report.left,
        times(&report.starts),
    )
}

fn rounds(rounds: u32, starts: &Starts, elapsed: Duration) -> String {
    format!("{rounds:>4} rounds in {:>4} s: {} kills during start-up", elapsed.as_secs(), starts.early_kills)
}

fn times(starts: &Starts) -> String {
    let (half, all) = starts.half_and_all();
    format!("start p50 {} ms, max {} ms", half.as_millis(), all.as_millis())
}
