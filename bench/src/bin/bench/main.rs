//! Measures the server from outside, beside the same load without it.
//!
//! The provider is a real HTTP server on loopback that answers at a fixed pace; it notes when a request came, when its
//! first token left and when its answer was over. The load generator notes when it asked and what it got when. Both are
//! in this process, and share the machine's processors with the server: under heavy load the figures tell what all of
//! it together can do, and the column `bare` what of it is not the server's. Realtime sessions stand beside another
//! server instead, see [`realtime`].

mod figure;
mod floor;
mod latency;
mod memory;
mod provider;
mod raw;
mod realtime;
mod start;
mod turns;
mod watchers;
mod world;

use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use figure::{Beside, Figure};
use world::World;

/// Measure the server beside the same load without it. TMPDIR says on which disk.
#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// What to measure; everything when absent, realtime sessions only where Python has what their comparison needs.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// The server.
    #[arg(long, default_value = bench::BINARY)]
    binary: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Starting and what is resident then.
    Start,
    /// One turn at a time.
    Latency,
    /// Many turns at once.
    Turns,
    /// Many WebSockets that watch one conversation.
    Watchers,
    /// Idle conversations.
    Memory,
    /// Realtime sessions, beside an aiortc server.
    Realtime,
}

// One thread for the load generator, one for the provider: what is left is for the server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let world = World::new(&args.binary)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if !args.json {
        println!(
            "{cores} processors, shared by the server, the provider and the load generator.\n\
             bare: the same load on the provider directly (for watchers: on a server that only passes frames on).\n\
             added: the difference of the medians. A target with + is for that.\n\
             aiortc: the same load on another server. ratio: of the medians. A target with x is for that.\n\
             The data is in {}, which is removed at the end; TMPDIR can name another disk.\n",
            world.directory().display()
        );
    }
    let parts = if args.parts.is_empty() { Part::value_variants() } else { &args.parts };
    let (mut figures, mut beside_aiortc): (Vec<Figure>, Vec<Figure>) = (Vec::new(), Vec::new());
    for part in parts {
        let measured = match part {
            Part::Start => start::measure(&world).await,
            Part::Latency => latency::measure(&world).await,
            Part::Turns => turns::measure(&world).await,
            Part::Watchers => watchers::measure(&world).await,
            Part::Memory => memory::measure(&world).await,
            Part::Realtime => match realtime::Environment::prepare().await {
                Ok(environment) => {
                    let measured = realtime::measure(&world, &args.binary, &environment).await;
                    beside_aiortc.extend(measured.context("measuring Realtime")?);
                    continue;
                }
                Err(error) if args.parts.is_empty() => {
                    eprintln!("realtime is left out, for lack of something to stand beside: {error:#}");
                    continue;
                }
                Err(error) => Err(error),
            },
        };
        figures.extend(measured.with_context(|| format!("measuring {part:?}"))?);
    }
    if args.json {
        figures.extend(beside_aiortc);
        println!(
            "{}",
            serde_json::to_string_pretty(&serde_json::json!({"processors": cores, "figures": figures}))?
        );
        return Ok(());
    }
    for (figures, beside) in [(figures, Beside::Bare), (beside_aiortc, Beside::Aiortc)] {
        if !figures.is_empty() {
            println!("{}", figure::table(&figures, beside));
        }
    }
    Ok(())
}
