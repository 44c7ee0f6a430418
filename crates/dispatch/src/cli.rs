//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use wire::ConversationId;

use crate::commands::{
    chat, completions, config, control, keys, list, metrics, models, queue, read, send, sessions, settings,
    usage, whole,
};
use crate::failure::Failure;
use crate::serve;
use client::Client;

/// The name of the program, as users call it.
pub(crate) const NAME: &str = "dispatch";

/// A self-hosted server for AI agent conversations, and a client for it.
#[derive(Parser)]
#[command(
    name = NAME,
    version,
    arg_required_else_help = true,
    help_template = help_template(),
    after_help = "Start a server with `dispatch serve`, then talk to it with `dispatch chat`. Ids can be\n\
                  shortened to what makes them the only one. `dispatch COMMAND --help` has the options of a command;\n\
                  with --json it prints the server's own answer. Exit status: 0 done, 1 failed, 2 wrong usage, 130\n\
                  interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands as the help groups them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Talk", &["chat", "send", "read", "queue", "stop"]),
    ("Conversations", &["list", "status", "open", "compact", "close", "reopen", "delete"]),
    ("What a conversation goes by (without a value: show it)", &["title", "model", "effort", "cwd"]),
    ("Look behind it", &["metrics", "throughput", "warm", "mcp", "models"]),
    ("Keys and what is used", &["keys", "usage", "sessions"]),
    ("Server", &["serve", "config", "completions"]),
];

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Options),
    /// Talk to a model: in a terminal line by line, or once with --text, --file or standard input
    Chat(chat::Options),
    /// Send a message and print the last text of the answer
    Send(send::Options),
    /// Print a conversation's last reply, as soon as no turn is running
    Read(read::Options),
    /// Steer a running turn with a message, or start one; show what waits, or take it back
    Queue(queue::Options),
    /// Stop a running turn
    Stop(Subject),
    /// List conversations
    List(list::Options),
    /// Show whether a turn is running
    Status(Subject),
    /// Ask every client of the server to show a conversation
    Open(Subject),
    /// Replace the older part of a conversation by a summary; an archive keeps all of it
    Compact(whole::Compact),
    /// Close a conversation: it leaves the list, its history stays
    Close(Subject),
    /// Take a close back
    Reopen(Subject),
    /// Delete a conversation for good
    Delete(whole::Delete),
    /// Show or set the title
    Title(settings::Title),
    /// Show or set the model of later turns
    Model(settings::Model),
    /// Show or set how much the model reasons in later turns
    Effort(settings::Effort),
    /// Show or set the directory in which tools work
    Cwd(settings::Cwd),
    /// Show the tokens and times of each turn and step
    Metrics(Subject),
    /// Show how fast models were, in a day, a week or a month
    Throughput(metrics::Throughput),
    /// Keep a conversation in the provider's prompt cache
    Warm(Subject),
    /// Show how the MCP servers of a conversation's directory do
    Mcp(Subject),
    /// List the models
    Models(models::Options),
    /// Make, list and revoke keys, and add to their balances
    Keys(keys::Options),
    /// Show what was used, by day, key and model
    Usage(usage::Options),
    /// List realtime sessions, show what one cost, or end it
    Sessions(sessions::Options),
    /// Show the server's configuration as it is in force, without keys
    Config(config::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
}

impl Command {
    /// Which server the command is about; none for what needs no server that runs.
    fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Chat(options) => Some(&options.connection),
            Self::List(options) => Some(&options.connection),
            Self::Models(options) => Some(&options.connection),
            Self::Throughput(options) => Some(&options.connection),
            Self::Keys(options) => Some(&options.connection),
            Self::Usage(options) => Some(&options.connection),
            Self::Sessions(options) => Some(&options.connection),
            Self::Send(send::Options { subject, .. })
            | Self::Read(read::Options { subject, .. })
            | Self::Queue(queue::Options { subject, .. })
            | Self::Compact(whole::Compact { subject, .. })
            | Self::Delete(whole::Delete { subject, .. })
            | Self::Title(settings::Title { subject, .. })
            | Self::Model(settings::Model { subject, .. })
            | Self::Effort(settings::Effort { subject, .. })
            | Self::Cwd(settings::Cwd { subject, .. })
            | Self::Stop(subject)
            | Self::Status(subject)
            | Self::Open(subject)
            | Self::Close(subject)
            | Self::Reopen(subject)
            | Self::Metrics(subject)
            | Self::Warm(subject)
            | Self::Mcp(subject) => Some(&subject.connection),
            Self::Serve(_) | Self::Config(_) | Self::Completions(_) => None,
        }
    }
}

impl Cli {
    /// Whether failures are told as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.command.connection().is_some_and(|connection| connection.json)
    }

    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Serve(options) => serve::run(options),
            Command::Chat(options) => alone(chat::run(options)),
            Command::Send(options) => alone(send::run(options)),
            Command::Read(options) => alone(read::run(options)),
            Command::Queue(options) => alone(queue::run(options)),
            Command::Stop(subject) => alone(control::stop(subject)),
            Command::List(options) => alone(list::run(options)),
            Command::Status(subject) => alone(whole::status(subject)),
            Command::Open(subject) => alone(whole::open(subject)),
            Command::Compact(options) => alone(whole::compact(options)),
            Command::Close(subject) => alone(control::close(subject)),
            Command::Reopen(subject) => alone(control::reopen(subject)),
            Command::Delete(options) => alone(whole::delete(options)),
            Command::Title(options) => alone(settings::title(options)),
            Command::Model(options) => alone(settings::model(options)),
            Command::Effort(options) => alone(settings::effort(options)),
            Command::Cwd(options) => alone(settings::cwd(options)),
            Command::Metrics(subject) => alone(metrics::metrics(subject)),
            Command::Throughput(options) => alone(metrics::throughput(options)),
            Command::Warm(subject) => alone(control::warm(subject)),
            Command::Mcp(subject) => alone(whole::mcp(subject)),
            Command::Models(options) => alone(models::run(options)),
            Command::Keys(options) => alone(keys::run(options)),
            Command::Usage(options) => alone(usage::run(options)),
            Command::Sessions(options) => alone(sessions::run(options)),
            Command::Config(options) => config::run(&options),
            Command::Completions(options) => completions::run(&options),
        }
    }
}

/// The help of the whole program: clap has one list for all commands, which is too long for so many.
fn help_template() -> String {
    let commands = Command::augment_subcommands(clap::Command::new(NAME));
    let heading = *clap::builder::Styles::styled().get_header();
    let name_style = *clap::builder::Styles::styled().get_literal();
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (group, names) in GROUPS {
        text.push_str(&format!("\n{heading}{group}:{heading:#}\n"));
        for name in *names {
            let command = commands.find_subcommand(name);
            let about =
                command.and_then(clap::Command::get_about).map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {name_style}{name:<11}{name_style:#}  {about}\n"));
        }
    }
    text.push_str(&format!("\n{heading}Options:{heading:#}\n{{options}}{{after-help}}"));
    text
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
    #[arg(long, value_name = "URL", env = "DISPATCH_SERVER", global = true)]
    server: Option<String>,

    /// The key to the server, if it wants one
    #[arg(long, value_name = "KEY", env = "DISPATCH_API_KEY", hide_env_values = true, global = true)]
    api_key: Option<String>,

    /// Print JSON: one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Connection {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let given = self.server.as_deref().map(str::trim).filter(|server| !server.is_empty());
        let server = given.map_or_else(default_server, str::to_owned);
        Ok(Client::new(&server, self.api_key.as_deref())?.with_retries(client::Retries::ONCE_MORE))
    }
}

/// A conversation on a server: what most commands are about.
#[derive(Args, Clone, Debug)]
pub(crate) struct Subject {
    /// The conversation
    id: String,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

impl Subject {
    /// The server, and the whole id.
    pub(crate) async fn find(&self) -> Result<(Client, ConversationId), Failure> {
        let client = self.connection.client()?;
        let id = client.conversation(&self.id).await?;
        Ok((client, id))
    }
}

fn default_server() -> String {
    let port = std::env::var("BACKEND_PORT").ok().and_then(|port| port.parse::<u16>().ok());
    format!("http://127.0.0.1:{}", port.filter(|port| *port != 0).unwrap_or(crate::config::PORT))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_help_has_every_command_once() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = Cli::command();
        let mut all: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
        Cli::command().debug_assert();
    }
}
