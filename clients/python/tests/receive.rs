//! Watches a session, as `receive.py` does: for the comparison in `cost.py`.
//!
//! ```sh
//! receive http://127.0.0.1:24203 KEY TOKEN [rgb]
//! ```
//!
//! Prints a line for each hundred pictures. With `rgb` it converts them, as the Python client has to.

use std::error::Error;

use client::Client;
use client::realtime::{Options, Watching};
use futures_util::StreamExt;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().ok_or_else(|| format!("{what} is missing"));
    let client = Client::new(&next("the server")?, Some(&next("the key")?))?;
    let token = next("the token")?.parse()?;
    let converts = args.next().is_some_and(|word| word == "rgb");
    let watching = Watching::connect(&client, &token, Options::default()).await?;
    let mut frames = watching.frames();
    let (mut count, mut rgb) = (0_u64, Vec::new());
    while let Some(frame) = frames.next().await {
        if converts {
            frame.to_rgb(&mut rgb);
        }
        count += 1;
        if count.is_multiple_of(100) {
            println!("{count} pictures of {}", frame.size());
        }
    }
    Ok(())
}
