//! What conversations that nobody uses cost, and a server that nobody uses.

use std::time::Duration;

use anyhow::Result;
use bench::client::Client;
use bench::server::Server;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time;

use crate::figure::{Figure, Samples, Target};
use crate::world::{self, Turn, World};

const CONVERSATIONS: u32 = 2000;
/// Caches fill and allocators take what they need, whatever comes later.
const WARM_UP: u32 = 500;
const TOKENS: usize = 5;
const AT_ONCE: usize = 8;

pub(crate) async fn measure(world: &World) -> Result<Vec<Figure>> {
    world.provider.pace(TOKENS, Duration::ZERO);
    let server = world.fresh("memory").start().await?;
    let client = world::client(&server)?;
    converse(&client, "warm", WARM_UP).await?;
    let before = settled(&server).await?;
    converse(&client, "idle", CONVERSATIONS).await?;
    let after = settled(&server).await?;
    server.kill().await?;
    let each = (after - before) / f64::from(CONVERSATIONS);
    let what = format!("memory per idle conversation, of {CONVERSATIONS}");
    Ok(vec![
        Figure::new(what, "kB", &Samples::new([each / 1000.0])).target(Target::Median(2.0)),
        Figure::new("resident after as many turns", "MB", &Samples::new([after / 1e6])),
    ])
}

/// One turn in each of so many conversations.
pub(crate) async fn converse(client: &Client, name: &str, conversations: u32) -> Result<()> {
    let turns = stream::iter(0..conversations)
        .map(|n| async move { Turn::run(client, &format!("{name}-{n}")).await?.text().map(drop) });
    turns.buffer_unordered(AT_ONCE).try_collect().await
}

/// Resident bytes once they have stopped changing.
async fn settled(server: &Server) -> Result<f64> {
    let mut last = server.resident_bytes()?;
    loop {
        time::sleep(Duration::from_secs(2)).await;
        let now = server.resident_bytes()?;
        if now.abs_diff(last) < 64 << 10 {
            return Ok(now as f64);
        }
        last = now;
    }
}
