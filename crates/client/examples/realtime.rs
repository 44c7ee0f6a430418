//! Sends moving pictures to a realtime session and says what comes back. They are drawn, or come from a file of the format
//! Y4M, if one is named.
//!
//! ```sh
//! cargo run --release -p dispatch-client --example realtime -- http://127.0.0.1:24203 any cartoon clip.y4m
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use client::Client;
use client::realtime::{Camera, Film, Look, Options, Session, Start};
use client::video::{CLOCK, Pool, Size};
use futures_util::StreamExt;

const FPS: u32 = 25;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or_else(|| "http://127.0.0.1:24203".to_owned());
    let key = args.next().unwrap_or_default();
    let prompt = args.next().unwrap_or_else(|| "cartoon".to_owned());

    let client = Client::new(&server, Some(&key))?;
    let camera = match args.next() {
        Some(path) => {
            let mut film = Film::open(path).await?;
            let camera = Camera::new(film.fps())?;
            let shown = camera.clone();
            tokio::spawn(async move { film.play_over_and_over(&shown).await });
            camera
        }
        None => {
            let camera = Camera::new(FPS)?;
            tokio::spawn(draw(camera.clone(), Size::new(640, 360)?));
            camera
        }
    };

    let options = Options { look: Some(Look::prompt(&prompt)), ..Options::default() };
    let session = Session::connect(&client, Start { model: "mirage".to_owned(), camera, options }).await?;
    session.on(|event| println!("{event:?}"));
    let mut frames = session.frames();
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    let mut count = 0;
    while let Ok(Some(frame)) = tokio::time::timeout_at(until, frames.next()).await {
        count += 1;
        if count == 1 {
            println!("the first picture has {}", frame.size());
        }
    }
    if count == 0 {
        return Err("no picture came back".into());
    }
    session.disconnect().await;
    let receipt = session.receipt().await?;
    println!("{count} pictures came back; {} seconds cost {} credits", receipt.seconds, receipt.credits);
    Ok(())
}

/// A bar that moves over grey.
async fn draw(camera: Camera, size: Size) {
    let (pool, begun) = (Pool::new(), Instant::now());
    let mut every = tokio::time::interval(Duration::from_secs(1) / FPS);
    loop {
        every.tick().await;
        let time = begun.elapsed();
        let mut frame = pool.frame(size, (time.as_secs_f64() * CLOCK as f64) as u64);
        let at = (time.as_millis() / 10) as usize % size.width() as usize;
        let [luma, blue, red] = frame.planes_mut();
        for row in luma.into_rows() {
            row.fill(110);
            let end = (at + 40).min(row.len());
            row[at..end].fill(220);
        }
        for mut plane in [blue, red] {
            plane.clear(128);
        }
        camera.show(frame);
    }
}
