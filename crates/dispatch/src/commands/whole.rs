//! `dispatch open`, `dispatch status`, `dispatch compact`, `dispatch delete`, `dispatch mcp`

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use wire::ConversationId;
use wire::extension::{McpServerInfo, McpServerState};
use wire::transport::{CompactRequest, CompactResponse};

use super::report;
use crate::cli::{Cli, Subject};
use crate::failure::Failure;
use crate::render::{Column, clean, grouped, short, table};
use client::Client;

pub(crate) async fn open(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.open(&id).await?;
    report(&subject.connection, &answer, &format!("asked every client to show {}", short(&id)))
}

pub(crate) async fn status(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.status(&id).await?;
    let status = answer.value.status;
    let compacting = answer.value.is_active && status != wire::ConversationStatus::Active;
    let besides = if compacting { ", being compacted" } else { "" };
    report(&subject.connection, &answer, &format!("{}{besides}", status.as_str()))
}

#[derive(Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// How many of the last messages stay as they are; default: 10
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,

    /// The model that writes the summary; default: the conversation's own
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,
}

pub(crate) async fn compact(options: Compact) -> Result<ExitCode, Failure> {
    let (client, id) = options.subject.find().await?;
    let wishes = CompactRequest { keep_last_n: options.keep, model_name: options.model };
    let answer = client.compact(&id, &wishes).await?;
    report(&options.subject.connection, &answer, &compacted(&answer.value))
}

/// What a compaction did, for people.
pub(super) fn compacted(done: &CompactResponse) -> String {
    format!(
        "compacted {}: {} messages became a summary, {} stayed; all of them are in the archive {}",
        short(&done.conversation_id),
        grouped(done.messages_summarized),
        grouped(done.messages_kept),
        short(&done.new_conversation_id)
    )
}

#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// Even while a turn is running, which is stopped
    #[arg(long)]
    force: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn delete(options: Delete) -> Result<ExitCode, Failure> {
    let asks = std::io::stdin().is_terminal();
    if !options.yes && !asks {
        let missing = "a conversation cannot be brought back: say that you mean it with --yes";
        Cli::command().error(ErrorKind::MissingRequiredArgument, missing).exit();
    }
    let (client, id) = options.subject.find().await?;
    if !options.yes && !confirmed(&client, &id).await? {
        return Err(Failure::new("nothing was deleted"));
    }
    let answer = client.delete(&id, options.force).await?;
    let said = if answer.value.deleted { "deleted" } else { "there was no conversation" };
    report(&options.subject.connection, &answer, &format!("{said} {}", short(&id)))
}

/// Asks the user.
async fn confirmed(client: &Client, id: &ConversationId) -> Result<bool, Failure> {
    let title = client.title(id).await?.value.title;
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "Delete {} ({}) with everything that was said in it? [y/N] ", short(id), clean(&title))?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

pub(crate) async fn mcp(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.mcp(&id).await?;
    let servers = &answer.value.servers;
    let text = if servers.is_empty() {
        format!("no MCP server is configured for {}", short(&id))
    } else {
        let columns = [
            Column::left("server"),
            Column::left("state"),
            Column::right("tools"),
            Column::left("configured in"),
            Column::left(""),
        ];
        table(&columns, &servers.iter().map(server).collect::<Vec<_>>())
    };
    report(&subject.connection, &answer, &text)
}

fn server(server: &McpServerInfo) -> [String; 5] {
    let state = match server.state {
        McpServerState::Connected => "connected",
        McpServerState::Starting => "starting",
        McpServerState::Error => "error",
        McpServerState::NotStarted => "not started",
        McpServerState::Disabled => "disabled",
    };
    let or_nothing = |text: &Option<String>| clean(text.as_deref().unwrap_or_default());
    [
        clean(&server.id),
        state.to_owned(),
        grouped(server.tool_count),
        or_nothing(&server.config_source),
        or_nothing(&server.error),
    ]
}
