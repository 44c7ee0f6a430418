//! What it costs to watch a session: the processor time of a viewer that receives and decodes 640x360 at 30 pictures a
//! second. Whoever sends them is another process, so that making and encoding pictures is not counted.
//!
//! ```sh
//! cargo run --release -p dispatch-client --example cost -- target/release/dispatch
//! ```
//!
//! Ends with an error above 10 % of a core.

// Not all that the scenario needs.
#[allow(dead_code)]
#[path = "support/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use client::Client;
use client::realtime::{Camera, Options, Session, Start, SubscribeToken, Watching};
use client::video::{CLOCK, Pool, Size};
use futures_util::StreamExt;
use server::Server;
use tokio::io::{AsyncBufReadExt, BufReader};

const CONFIG: &str = r#"
[[realtime.models]]
name = "plain"
generator = "passthrough"
width = 640
height = 360
fps = 30
"#;

const FPS: u32 = 30;
const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);

/// In percent of a core.
const TARGET: f64 = 10.0;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [what, url, key] if what == "produce" => produce(url, key).await.map(|()| ExitCode::SUCCESS),
        _ => measure(args.first().map_or("target/release/dispatch", String::as_str)).await,
    }
}

async fn measure(binary: &str) -> Result<ExitCode> {
    let server = Server::start(&PathBuf::from(binary), CONFIG).await?;
    let client = server.client()?;
    let mut producer = tokio::process::Command::new(std::env::current_exe()?)
        .args(["produce", &server.url(), "the-key-of-the-operator"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(producer.stdout.take().context("it has no output")?).lines();
    let token = lines.next_line().await?.context("there is no session")?;
    let token: SubscribeToken = token.parse()?;

    let watching = Watching::connect(&client, &token, Options::default()).await?;
    let mut frames = watching.frames();
    let (begun, mut warm) = (Instant::now(), None);
    let mut count = 0_u32;
    while let Some(frame) = tokio::time::timeout(server::PATIENCE, frames.next()).await? {
        ensure!(frame.size() == Size::new(640, 360)?, "the pictures have {}", frame.size());
        let (since, time) = match warm {
            Some(warm) => warm,
            None if begun.elapsed() >= WARM_UP => *warm.insert((Instant::now(), processor_time()?)),
            None => continue,
        };
        if since.elapsed() >= MEASURED {
            let (seconds, spent) = (since.elapsed().as_secs_f64(), processor_time()? - time);
            let percent = spent.as_secs_f64() / seconds * 100.0;
            let rate = f64::from(count) / seconds;
            println!(
                "640x360, {rate:.1} pictures a second: {percent:.1} % of a core to receive and decode them"
            );
            let is_fast = rate > f64::from(FPS) * 0.9;
            if !is_fast {
                println!("that is too few: the server or the machine is too slow for this to say anything");
            }
            return Ok(if is_fast && percent <= TARGET { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        count += 1;
    }
    anyhow::bail!("the session has ended")
}

/// Sends moving pictures until somebody ends it.
async fn produce(url: &str, key: &str) -> Result<()> {
    let client = Client::new(url, Some(key))?;
    let camera = Camera::new(FPS)?;
    let start = Start { model: "plain".to_owned(), camera: camera.clone(), options: Options::default() };
    let session = Session::connect(&client, start).await?;
    println!("{}", session.subscribe_token().context("there is no token")?);
    let (pool, size, begun) = (Pool::new(), Size::new(640, 360)?, Instant::now());
    let mut every = tokio::time::interval(Duration::from_secs(1) / FPS);
    loop {
        every.tick().await;
        let time = begun.elapsed();
        let mut frame = pool.frame(size, (time.as_secs_f64() * CLOCK as f64) as u64);
        draw(&mut frame, (time.as_millis() / 20) as usize);
        camera.show(frame);
    }
}

/// Waves and grain that move, with more to encode than a camera before a wall has.
fn draw(frame: &mut client::video::Frame, at: usize) {
    for (number, plane) in frame.planes_mut().into_iter().enumerate() {
        for (y, row) in plane.into_rows().enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                let wave = ((x + at) ^ (y + 2 * at)) & 0x3f;
                let slope = (x * 96) / 640 + (y * 64) / 360;
                *pixel = (if number == 0 { 40 + wave + slope } else { 96 + wave / 2 + slope / 4 }) as u8;
            }
        }
    }
}

/// What this process has used of all cores so far.
fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("this needs Linux")?;
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat is strange")?;
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // The kernel tells it in hundredths of a second.
    Ok(Duration::from_millis(ticks * 10))
}
