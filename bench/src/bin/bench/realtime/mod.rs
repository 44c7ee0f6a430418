//! Realtime sessions beside an aiortc server that does the same to the same pictures, measured with the same client.
//!
//! The client sends pictures that were encoded beforehand, and looks only afterwards at what came back, so that neither
//! its encoding nor its decoding is in any figure. The servers are loaded in turns. The rate of the other server's
//! encoder is set to what Dispatch was seen to send; a quarter of it would be its own choice.

mod aiortc;
mod load;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::realtime::Clip;
use bench::server::{Launch, Server};
use video::Size;

use aiortc::Aiortc;
pub(crate) use aiortc::Environment;
use load::{Load, Window};

use crate::figure::{Figure, Samples, Target};
use crate::world::World;

/// Streams at once whose share of the server's time is measured besides that of a single one.
const SOME: usize = 4;
/// How often the servers take turns.
const ROUNDS: usize = 3;
/// What passes before anything counts: rates have to settle.
const SETTLE: Duration = Duration::from_secs(5);
const LENGTH: Duration = Duration::from_secs(12);

/// A machine holds so many streams as long as so many of their pictures come back,
const RETURNED: f64 = 0.95;
/// and 95 of 100 within this time, in milliseconds.
const IN_TIME: f64 = 200.0;
const SETTLE_MANY: Duration = Duration::from_secs(3);
const LENGTH_MANY: Duration = Duration::from_secs(6);

/// Pictures of which size, how many a second, and the model that Dispatch has for them.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    model: &'static str,
    size: (u32, u32),
    fps: u32,
    weight: Weight,
}

/// What a case is about.
#[derive(Clone, Copy)]
enum Weight {
    Latency,
    Time,
}

const LARGE: Case = Case {
    name: "1280x720, 25 a second",
    model: "large",
    size: (1280, 720),
    fps: 25,
    weight: Weight::Latency,
};
const SMALL: Case =
    Case { name: "640x360, 30 a second", model: "small", size: (640, 360), fps: 30, weight: Weight::Time };

/// Longer than any picture is under way, or its number would be taken for that of a later one.
const CLIP_SECONDS: u32 = 4;

impl Case {
    fn clip(self) -> Result<Arc<Clip>> {
        let size = Size::new(self.size.0, self.size.1).context("a size that there is not")?;
        Ok(Arc::new(Clip::new(size, self.fps, CLIP_SECONDS)))
    }
}

pub(crate) async fn measure(world: &World, binary: &Path, environment: &Environment) -> Result<Vec<Figure>> {
    let models = [LARGE, SMALL].map(|Case { model, size: (width, height), fps, .. }| {
        format!(
            "[[realtime.models]]\nname = \"{model}\"\ngenerator = \"restyle\"\nwidth = {width}\nheight = {height}\nfps = {fps}\n"
        )
    });
    let config = format!("[realtime]\nmax_sessions = 500\nmax_sessions_per_key = 500\n{}", models.concat());
    let launch = Launch::in_directory(binary, &world.directory().join("realtime"), &config)?;
    let mut figures = Vec::new();
    let mut rate = 0.0;
    for case in [LARGE, SMALL] {
        let (measured, bits) = few_streams(&launch, environment, case).await?;
        figures.extend(measured);
        rate = bits;
    }
    figures.push(many_streams(&launch, environment, SMALL, rate).await?);
    Ok(figures)
}

/// With the bits per second that Dispatch sends.
async fn few_streams(launch: &Launch, environment: &Environment, case: Case) -> Result<(Vec<Figure>, f64)> {
    let clip = case.clip()?;
    let dispatch = launch.start().await?;
    eprintln!("realtime: {} …", case.name);
    let rate = stretch(&dispatch.url(), dispatch.pid(), 1, case, &clip).await?.bits_per_second();
    let servers = Servers { aiortc: Aiortc::start(environment, rate).await?, dispatch };
    let one = servers.take_turns(1, case, &clip).await?;
    let latency = one.figure(case, "sent until it is back", "ms", |window| window.latencies.clone());
    let time =
        one.figure(case, "the server's time, of a processor", "%", |window| vec![window.processor_percent()]);
    let mut figures = match case.weight {
        Weight::Latency => vec![latency.target(Target::Part(0.25)), time],
        Weight::Time => {
            let some = servers.take_turns(SOME, case, &clip).await?;
            let each = some.figure(case, &format!("the same, of each of {SOME} streams"), "%", |window| {
                vec![window.processor_percent() / SOME as f64]
            });
            vec![latency, time.target(Target::Part(0.5)), each]
        }
    };
    figures.push(one.figure(case, "pictures that come back", "%", |window| vec![window.returned() * 100.0]));
    figures.push(one.figure(case, "what it sends", "kb", |window| vec![window.bits_per_second() / 1000.0]));
    servers.end().await?;
    Ok((figures, rate))
}

async fn many_streams(launch: &Launch, environment: &Environment, case: Case, rate: f64) -> Result<Figure> {
    let clip = case.clip()?;
    let dispatch = launch.start().await?;
    let ours = held("dispatch", &dispatch.url(), dispatch.pid(), case, &clip).await?;
    dispatch.kill().await?;
    let aiortc = Aiortc::start(environment, rate).await?;
    let theirs = held("aiortc", &aiortc.url, aiortc.pid, case, &clip).await?;
    aiortc.kill().await?;
    let figure = Figure::new(format!("{}: streams that are held", case.name), "", &Samples::new([ours]));
    Ok(figure.beside_aiortc(&Samples::new([theirs])))
}

/// Both at once, of which one is loaded.
struct Servers {
    dispatch: Server,
    aiortc: Aiortc,
}

impl Servers {
    async fn take_turns(&self, count: usize, case: Case, clip: &Arc<Clip>) -> Result<Rounds> {
        let mut rounds = Rounds { ours: Vec::new(), theirs: Vec::new() };
        for _ in 0..ROUNDS {
            rounds.ours.push(stretch(&self.dispatch.url(), self.dispatch.pid(), count, case, clip).await?);
            rounds.theirs.push(stretch(&self.aiortc.url, self.aiortc.pid, count, case, clip).await?);
        }
        Ok(rounds)
    }

    async fn end(self) -> Result<()> {
        self.dispatch.kill().await?;
        self.aiortc.kill().await
    }
}

/// The same load on both, in turns.
struct Rounds {
    ours: Vec<Window>,
    theirs: Vec<Window>,
}

impl Rounds {
    fn figure(&self, case: Case, what: &str, unit: &'static str, values: fn(&Window) -> Vec<f64>) -> Figure {
        let samples = |windows: &[Window]| Samples::new(windows.iter().flat_map(values));
        Figure::new(format!("{}: {what}", case.name), unit, &samples(&self.ours))
            .beside_aiortc(&samples(&self.theirs))
    }
}

async fn stretch(url: &str, pid: u32, count: usize, case: Case, clip: &Arc<Clip>) -> Result<Window> {
    let mut load = Load::new(url, pid, case.model, clip.clone());
    load.grow(count).await?;
    let window = load.window(SETTLE, LENGTH).await?;
    load.end().await;
    Ok(window)
}

/// The most streams at once of which the pictures come back, and in time.
async fn held(name: &str, url: &str, pid: u32, case: Case, clip: &Arc<Clip>) -> Result<f64> {
    let mut load = Load::new(url, pid, case.model, clip.clone());
    let mut held = 0;
    for count in (1..8).chain((8..).step_by(2)) {
        if load.grow(count).await.is_err() {
            break;
        }
        let mut is_held = false;
        // Something else may have come in between once.
        for _ in 0..2 {
            let window = load.window(SETTLE_MANY, LENGTH_MANY).await?;
            let (returned, late) = (window.returned(), Samples::new(window.latencies.clone()).percentile(95));
            is_held = returned >= RETURNED && late <= IN_TIME;
            eprintln!(
                "realtime: {name}, {count} streams: {:.1} % back, 95 of 100 in {late:.0} ms, {:.0} % of a processor",
                returned * 100.0,
                window.processor_percent(),
            );
            if is_held {
                break;
            }
        }
        if !is_held {
            break;
        }
        held = count;
    }
    load.end().await;
    if held == 0 {
        bail!("{name} does not hold one stream");
    }
    Ok(held as f64)
}
