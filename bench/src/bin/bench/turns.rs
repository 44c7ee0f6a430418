//! Many turns at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use bench::client;
use futures_util::future::try_join_all;

use crate::figure::{Figure, Samples, Target};
use crate::provider;
use crate::world::{self, Turn, World};

const TOKENS: usize = 50;
const INTERVAL: Duration = Duration::from_millis(5);
const RUNS: usize = 10;

pub(crate) async fn measure(world: &World) -> Result<Vec<Figure>> {
    world.provider.pace(TOKENS, INTERVAL);
    let server = world.fresh("turns").start().await?;
    let client = world::client(&server)?;
    let http = client::http()?;
    let text = provider::text(TOKENS);
    let mut figures = Vec::new();
    for at_once in [1, 8, 32, 256] {
        let (mut served, mut bare) = (Vec::new(), Vec::new());
        for run in 0..=RUNS {
            let ids: Vec<String> = (0..at_once).map(|turn| format!("turns-{at_once}-{run}-{turn}")).collect();
            let began = Instant::now();
            let turns = try_join_all(ids.iter().map(|id| Turn::run(&client, id))).await?;
            let took = began.elapsed();
            turns.iter().try_for_each(|turn| turn.said(&text))?;
            let began = Instant::now();
            try_join_all((0..at_once).map(|_| Turn::bare(&http, &world.provider))).await?;
            let took_bare = began.elapsed();
            // The first time is for opening connections.
            if run > 0 {
                served.push(took);
                bare.push(took_bare);
            }
        }
        let what = format!("{at_once} turns at once, {TOKENS} tokens, one every {} ms", INTERVAL.as_millis());
        let figure = Figure::new(what, "ms", &Samples::times(served)).beside(&Samples::times(bare));
        figures.push(if at_once == 32 { figure.target(Target::Median(320.0)) } else { figure });
    }
    server.kill().await?;
    Ok(figures)
}
