//! Everything that this client does, against a server that it starts, kills and starts again.
//!
//! ```sh
//! cargo run --release -p dispatch-client --example scenario -- target/release/dispatch
//! ```
//!
//! Prints a line for each thing that is so, and ends with an error if something is not. With one more argument, only parts
//! with that in their name.

mod check;
mod conversation;
#[path = "../support/film.rs"]
mod film;
mod realtime;
#[path = "../support/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use check::Checks;
use server::Server;

const CONFIG: &str = r#"
[[realtime.models]]
name = "small"
width = 320
height = 180
fps = 15
credits_per_second = 1
"#;

enum Part {
    Conversation,
    Session,
    RunsOut,
    IsEnded,
    IsCut,
}

const PARTS: [(&str, Part); 5] = [
    ("a conversation", Part::Conversation),
    ("a session that is changed, watched and lost with its server", Part::Session),
    ("a session that runs out of credits", Part::RunsOut),
    ("a session that is ended by the operator", Part::IsEnded),
    ("a session whose socket is cut", Part::IsCut),
];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let binary = std::env::args().nth(1).unwrap_or_else(|| "target/release/dispatch".to_owned());
    let mut server = Server::start(&PathBuf::from(binary), CONFIG).await?;
    let mut checks = Checks::default();
    let wanted = std::env::args().nth(2).unwrap_or_default();
    for (name, part) in PARTS {
        if !name.contains(&wanted) {
            continue;
        }
        let result = match part {
            Part::Conversation => conversation::run(&mut server, &mut checks).await,
            Part::Session => realtime::run(&mut server, &mut checks).await,
            Part::RunsOut => realtime::runs_out(&server, &mut checks).await,
            Part::IsEnded => realtime::is_ended(&server, &mut checks).await,
            Part::IsCut => realtime::is_cut(&server, &mut checks).await,
        };
        if let Err(error) = result {
            checks.failed(&format!("{name} goes through to its end: {error:#}"));
        }
    }
    Ok(checks.summary())
}
