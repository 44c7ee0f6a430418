//! `dispatch list`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use wire::ConversationStatus;

use crate::cli::Connection;
use crate::failure::Failure;
use crate::render::{ago, clean, now, short};

#[derive(Args)]
pub(crate) struct Options {
    /// Only conversations whose id begins with this
    prefix: Option<String>,

    /// Only conversations with this status; several with commas between
    #[arg(long, value_delimiter = ',', value_parser = status, default_value = "active,idle", conflicts_with = "all")]
    status: Vec<ConversationStatus>,

    /// Closed ones too
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

fn status(name: &str) -> Result<ConversationStatus, &'static str> {
    ConversationStatus::parse(name.trim()).ok_or("it is active, idle or closed")
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let statuses = if options.all { &[] } else { &options.status[..] };
    let client = options.connection.client()?;
    let list = client.conversations(statuses, options.prefix.as_deref()).await?;
    let mut stdout = std::io::stdout().lock();
    if options.connection.json {
        writeln!(stdout, "{}", list.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = now();
    for conversation in &list.value.conversations {
        let since = now.saturating_sub(Duration::from_millis(conversation.last_activity_at));
        let (id, title) = (short(&conversation.id), clean(&conversation.title));
        writeln!(stdout, "{id:8}  {:6}  {:>12}  {title}", conversation.status.as_str(), ago(since))?;
    }
    Ok(ExitCode::SUCCESS)
}
