//! Shows what happens in a conversation, as one JSON object a line, through connections that come and go.
//!
//! ```sh
//! cargo run -p dispatch-client --example watch -- tour http://127.0.0.1:24203
//! ```

use client::wire::ConversationId;
use client::{Client, Seen, Watch};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let id = args.next().unwrap_or_else(|| "tour".to_owned());
    let server = args.next().unwrap_or_else(|| "http://127.0.0.1:24203".to_owned());
    let client = Client::new(&server, std::env::var("DISPATCH_API_KEY").ok().as_deref())?;

    let mut watch = Watch::new(&client, ConversationId::parse(&id)?);
    loop {
        match watch.next().await? {
            Seen::Event(event) => println!("{}", event.json),
            Seen::Gap => eprintln!("something was missed: the history has it"),
        }
    }
}
