//! Sends a message and shows the answer as it comes.
//!
//! ```sh
//! cargo run -p dispatch-client --example chat -- "say hello" http://127.0.0.1:24203
//! ```

use std::io::Write;

use client::wire::AgentEvent;
use client::{Client, Message, Seen};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let text = args.next().unwrap_or_else(|| "say hello".to_owned());
    let server = args.next().unwrap_or_else(|| "http://127.0.0.1:24203".to_owned());
    let client = Client::new(&server, std::env::var("DISPATCH_API_KEY").ok().as_deref())?;

    let mut turn = client.stream(Message::new(None, text));
    while let Some(seen) = turn.next().await? {
        match seen {
            Seen::Event(event) => match event.of_turn() {
                Some(AgentEvent::TextDelta { delta, .. }) => print!("{delta}"),
                Some(AgentEvent::ToolCall { tool_name, .. }) => println!("[{tool_name}]"),
                Some(AgentEvent::Error { message, .. }) => println!("[{message}]"),
                _ => {}
            },
            Seen::Gap => println!("[something was missed]"),
        }
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}
