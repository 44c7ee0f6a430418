//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::client::Client;
use crate::commands;
use crate::failure::Failure;
use crate::serve;

/// The name of the program, as users call it.
pub(crate) const NAME: &str = "dispatch";

/// A self-hosted server for AI agent conversations, and a client for it.
#[derive(Parser)]
#[command(
    name = NAME,
    version,
    arg_required_else_help = true,
    after_help = "Start a server with `dispatch serve`, then talk to it with `dispatch chat`. Ids of conversations can \
                  be shortened to what makes them the only one. Exit status: 0 done, 1 failed, 2 wrong usage, 130 \
                  interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Options),
    /// Talk to a model: in a terminal line by line, or once with --text, --file or standard input
    Chat(commands::chat::Options),
    /// Send a message and print the last text of the answer
    Send(commands::send::Options),
    /// Print a conversation's last reply, as soon as no turn is running
    Read(commands::read::Options),
    /// List conversations
    List(commands::list::Options),
    /// List the models
    Models(commands::models::Options),
    /// Steer a running turn with a message, or start one
    Queue(commands::control::Queue),
    /// Stop a running turn
    Stop(commands::control::Stop),
    /// Close a conversation: it leaves the list, its history stays
    Close(commands::control::Close),
    /// Show the server's configuration as it is in force, without keys
    Config(commands::config::Options),
    /// Print a completion script for a shell
    Completions(commands::completions::Options),
}

impl Cli {
    /// Whether failures are told as JSON.
    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            Command::Chat(options) => options.connection.json,
            Command::Send(options) => options.connection.json,
            Command::Read(options) => options.connection.json,
            Command::List(options) => options.connection.json,
            Command::Models(options) => options.connection.json,
            Command::Queue(options) => options.connection.json,
            Command::Stop(options) => options.connection.json,
            Command::Close(options) => options.connection.json,
            Command::Serve(_) | Command::Config(_) | Command::Completions(_) => false,
        }
    }

    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Serve(options) => serve::run(options),
            Command::Chat(options) => alone(commands::chat::run(options)),
            Command::Send(options) => alone(commands::send::run(options)),
            Command::Read(options) => alone(commands::read::run(options)),
            Command::List(options) => alone(commands::list::run(options)),
            Command::Models(options) => alone(commands::models::run(options)),
            Command::Queue(options) => alone(commands::control::queue(options)),
            Command::Stop(options) => alone(commands::control::stop(options)),
            Command::Close(options) => alone(commands::control::close(options)),
            Command::Config(options) => commands::config::run(&options),
            Command::Completions(options) => commands::completions::run(&options),
        }
    }
}

/// `dispatch credential/model …` is `dispatch chat --model credential/model …`, as in the original client.
pub(crate) fn with_chat(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let model = arguments.get(1).and_then(|first| first.to_str());
    if model.is_some_and(|first| first.contains('/') && !first.starts_with('-')) {
        arguments.splice(1..1, ["chat".into(), "--model".into()]);
    }
    arguments
}

/// Runs a client command: one task is enough for it.
fn alone(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// Which server, and how to answer: for every command that talks to one.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// The server; default: this machine, port BACKEND_PORT or 24203
    #[arg(long, value_name = "URL", env = "DISPATCH_SERVER")]
    server: Option<String>,

    /// The key to the server, if it wants one
    #[arg(long, value_name = "KEY", env = "DISPATCH_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Print JSON: one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl Connection {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let given = self.server.as_deref().map(str::trim).filter(|server| !server.is_empty());
        let server = given.map_or_else(default_server, str::to_owned);
        Ok(Client::new(&server, self.api_key.as_deref())?)
    }
}

fn default_server() -> String {
    let port = std::env::var("BACKEND_PORT").ok().and_then(|port| port.parse::<u16>().ok());
    format!("http://127.0.0.1:{}", port.filter(|port| *port != 0).unwrap_or(crate::config::PORT))
}
