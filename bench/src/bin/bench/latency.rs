//! One turn at a time: what the server adds to a provider's own time.

use std::time::Duration;

use anyhow::{Context, Result};
use bench::client;

use crate::figure::{Figure, Samples, Target};
use crate::provider;
use crate::world::{self, Turn, World};

const RUNS: usize = 300;
/// Not counted: connections are opened and pages are touched for the first time.
const WARM_UP: usize = 30;
const TOKENS: usize = 20;
const INTERVAL: Duration = Duration::from_millis(5);

/// Three spans of one turn.
#[derive(Default)]
struct Spans {
    request: Vec<Duration>,
    first_token: Vec<Duration>,
    end: Vec<Duration>,
}

impl Spans {
    fn add(&mut self, turn: &Turn, marks: provider::Marks) -> Result<()> {
        let first_text = turn.first_text.context("no text came")?;
        self.request.push(marks.arrived.saturating_duration_since(turn.sent));
        self.first_token.push(first_text.saturating_duration_since(marks.first_token));
        self.end.push(turn.ended.saturating_duration_since(marks.ended));
        Ok(())
    }
}

pub(crate) async fn measure(world: &World) -> Result<Vec<Figure>> {
    world.provider.pace(TOKENS, INTERVAL);
    let server = world.fresh("latency").start().await?;
    let client = world::client(&server)?;
    let http = client::http()?;
    let text = provider::text(TOKENS);
    let (mut served, mut bare) = (Spans::default(), Spans::default());
    for run in 0..WARM_UP + RUNS {
        // In turns, so that whatever else the machine does meets both.
        let turn = Turn::run(&client, &format!("latency-{run}")).await?;
        let turn_marks = world.provider.last().await?;
        turn.said(&text)?;
        let direct = Turn::bare(&http, &world.provider).await?;
        let direct_marks = world.provider.last().await?;
        if run >= WARM_UP {
            served.add(&turn, turn_marks)?;
            bare.add(&direct, direct_marks)?;
        }
    }
    server.kill().await?;
    let figure = |what: &str, served: Vec<Duration>, bare: Vec<Duration>, target: Target| {
        Figure::new(what, "ms", &Samples::times(served)).beside(&Samples::times(bare)).target(target)
    };
    Ok(vec![
        figure("POST /chat sent → provider called", served.request, bare.request, Target::Median(2.0)),
        figure("first token sent → received", served.first_token, bare.first_token, Target::Added(0.5)),
        figure("provider's end → turn-sealed received", served.end, bare.end, Target::Median(3.0)),
    ])
}
