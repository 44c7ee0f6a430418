//! Many WebSockets that watch one conversation.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::mpsc;
use wire::transport::ServerMessage;
use wire::{AgentEvent, Relayed};

use crate::figure::{Figure, Samples, Target};
use crate::floor::Floor;
use crate::provider;
use crate::raw::{Frames, Socket};
use crate::world::{self, Turn, World, text_of};

const TOKENS: usize = 50;
const INTERVAL: Duration = Duration::from_millis(5);
const RUNS: usize = 20;

/// What a watcher got of one turn, and when it had the last of it.
type Watched = (Instant, Frames);

pub(crate) async fn measure(world: &World) -> Result<Vec<Figure>> {
    world.provider.pace(TOKENS, INTERVAL);
    let mut figures = Vec::new();
    for watchers in [100, 500] {
        let served = served(world, watchers).await?;
        let bare = bare(watchers, RUNS).await?;
        let what = format!("provider's end → turn-sealed at the last of {watchers} watchers");
        let figure = Figure::new(what, "ms", &served).beside(&bare);
        figures.push(if watchers == 500 { figure.target(Target::Median(60.0)) } else { figure });
    }
    Ok(figures)
}

async fn served(world: &World, watchers: usize) -> Result<Samples> {
    let server = world.fresh(&format!("watchers-{watchers}")).start().await?;
    let client = world::client(&server)?;
    let (done, mut watched) = mpsc::unbounded_channel();
    for _ in 0..watchers {
        let mut socket = Socket::connect(&server.ws_url()).await?;
        socket.send(r#"{"type":"chat.subscribe","conversationId":"watched"}"#).await?;
        // Frames are taken in their order: after the answer to this one the subscription stands.
        socket.send(r#"{"type":"subscribe","surfaceId":"fence"}"#).await?;
        socket.until(r#""surfaceId":"fence""#).await?;
        watch(socket, done.clone());
    }
    let text = provider::text(TOKENS);
    let mut times = Vec::new();
    for run in 0..=RUNS {
        Turn::run(&client, "watched").await?.said(&text)?;
        let end = world.provider.last().await?.ended;
        let all = all_of(watchers, &mut watched).await?;
        for (_, frames) in &all {
            let heard = text_of(&events(frames)?);
            ensure!(heard == text, "a watcher heard {heard:?} instead of {text:?}");
        }
        if run > 0 {
            let last = all.iter().map(|(at, _)| *at).max().context("no watchers")?;
            times.push(last.saturating_duration_since(end));
        }
    }
    server.kill().await?;
    Ok(Samples::times(times))
}

/// The same frames to the same number of sockets, by a server that does nothing else.
async fn bare(watchers: usize, runs: usize) -> Result<Samples> {
    let floor = Floor::start(TOKENS, INTERVAL)?;
    let (done, mut watched) = mpsc::unbounded_channel();
    for _ in 0..watchers {
        watch(Socket::connect(floor.url()).await?, done.clone());
    }
    let mut times = Vec::new();
    for run in 0..=runs {
        let end = floor.play(watchers).await?;
        let all = all_of(watchers, &mut watched).await?;
        if run > 0 {
            let last = all.iter().map(|(at, _)| *at).max().context("no watchers")?;
            times.push(last.saturating_duration_since(end));
        }
    }
    Ok(Samples::times(times))
}

/// Takes frames as fast as they come, and hands them on when a turn is over.
fn watch(mut socket: Socket, done: mpsc::UnboundedSender<Watched>) {
    tokio::spawn(async move {
        while let Ok(watched) = socket.until(r#""type":"turn-sealed""#).await {
            if done.send(watched).is_err() {
                return;
            }
        }
    });
}

async fn all_of(watchers: usize, watched: &mut mpsc::UnboundedReceiver<Watched>) -> Result<Vec<Watched>> {
    let mut all = Vec::with_capacity(watchers);
    let collecting = async {
        while all.len() < watchers {
            all.push(watched.recv().await.context("the watchers are gone")?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), collecting)
        .await
        .context("some watchers have not heard the end of the turn")??;
    Ok(all)
}

fn events(frames: &Frames) -> Result<Vec<AgentEvent>> {
    let mut events = Vec::new();
    for text in frames.texts()? {
        let message =
            serde_json::from_str(text).with_context(|| format!("not a frame of the contract: {text}"))?;
        if let ServerMessage::ChatDelta { event: Relayed::Known(event) } = message {
            events.push(event);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_watcher_of_the_bare_server_hears_the_end() {
        let times = bare(20, 2).await.unwrap();
        assert_eq!(times.len(), 2);
    }
}
