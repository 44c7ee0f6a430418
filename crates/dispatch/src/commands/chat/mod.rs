//! `dispatch chat`

mod interactive;
mod keyboard;
mod line;
mod once;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use wire::ReasoningEffort;

use super::image::Images;
use super::prompt::Prompt;
use crate::cli::Connection;
use crate::failure::Failure;
use client::Client;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    prompt: Prompt,

    #[command(flatten)]
    images: Images,

    /// Go on with this conversation instead of a new one
    #[arg(long, short, value_name = "ID")]
    conversation: Option<String>,

    #[command(flatten)]
    choices: Choices,

    /// Show what the model thinks, too (with --text, --file or standard input)
    #[arg(long)]
    show_reasoning: bool,

    /// Ask every client of the server to show the conversation
    #[arg(long)]
    open: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// How a turn is to be done.
#[derive(Args, Debug)]
pub(crate) struct Choices {
    /// The model, credential/model; default: the conversation's last one, else the server's
    #[arg(long, short, value_name = "MODEL")]
    pub(super) model: Option<String>,

    /// The directory for tools, kept for later turns
    #[arg(long, value_name = "DIR")]
    pub(super) cwd: Option<PathBuf>,

    /// How much to reason
    #[arg(long, value_name = "EFFORT", value_parser = effort_parser())]
    pub(super) effort: Option<ReasoningEffort>,
}

/// The levels of effort, by name.
pub(super) fn effort_parser() -> impl TypedValueParser<Value = ReasoningEffort> {
    PossibleValuesParser::new(ReasoningEffort::ALL.map(ReasoningEffort::as_str))
        .try_map(|name| ReasoningEffort::parse(&name).ok_or("no such effort"))
}

impl Choices {
    /// The directory to send: on this machine, an absolute one.
    pub(super) fn cwd(&self, client: &Client) -> Result<Option<String>, Failure> {
        self.cwd.clone().map(|cwd| directory(client, cwd)).transpose()
    }

    /// As [`Choices::cwd`]; without one, the caller's own, which means something only on the same machine.
    fn cwd_or_own(&self, client: &Client) -> Result<Option<String>, Failure> {
        match self.cwd(client)? {
            None if client.is_local() => text(std::env::current_dir()?).map(Some),
            cwd => Ok(cwd),
        }
    }
}

/// A directory for tools: on this machine, an absolute one.
pub(super) fn directory(client: &Client, path: PathBuf) -> Result<String, Failure> {
    text(if client.is_local() { std::path::absolute(path)? } else { path })
}

fn text(path: PathBuf) -> Result<String, Failure> {
    path.into_os_string()
        .into_string()
        .map_err(|path| Failure::new(format!("{} is not text (UTF-8)", path.display())))
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let in_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if options.prompt.is_given() || options.images.is_given() || options.connection.json || !in_terminal {
        once::run(options).await
    } else {
        interactive::run(options).await
    }
}
