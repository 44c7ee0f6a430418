//! `dispatch stop`, `dispatch close`, `dispatch queue`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::prompt::Prompt;
use crate::cli::Connection;
use crate::client::{Answer, short};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Stop {
    /// The conversation
    id: String,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn stop(options: Stop) -> Result<ExitCode, Failure> {
    let client = options.connection.client()?;
    let answer = client.stop(&client.conversation(&options.id).await?).await?;
    let said = if answer.value.aborted_turn { "stopped the turn of" } else { "no turn was running in" };
    report(&options.connection, &answer, &format!("{said} {}", short(&answer.value.conversation_id)))
}

#[derive(Args)]
pub(crate) struct Close {
    /// The conversation
    id: String,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn close(options: Close) -> Result<ExitCode, Failure> {
    let client = options.connection.client()?;
    let answer = client.close(&client.conversation(&options.id).await?).await?;
    let stopped = if answer.value.aborted_turn { "; its turn was stopped" } else { "" };
    report(&options.connection, &answer, &format!("closed {}{stopped}", short(&answer.value.conversation_id)))
}

#[derive(Args)]
pub(crate) struct Queue {
    /// The conversation
    id: String,

    #[command(flatten)]
    prompt: Prompt,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn queue(options: Queue) -> Result<ExitCode, Failure> {
    let text = options.prompt.text()?;
    let client = options.connection.client()?;
    enqueue(&options.connection, &client, &options.id, &text).await
}

/// Also what `dispatch send --queue` does.
pub(super) async fn enqueue(
    connection: &Connection,
    client: &crate::client::Client,
    id: &str,
    text: &str,
) -> Result<ExitCode, Failure> {
    let answer = client.queue(&client.conversation(id).await?, text).await?;
    let id = short(&answer.value.conversation_id);
    let said = match (answer.value.started_turn, answer.value.queue.len()) {
        (true, _) => format!("started a turn in {id}"),
        (false, 1) => format!("queued in {id}"),
        (false, waiting) => format!("queued in {id}; {waiting} messages wait"),
    };
    report(connection, &answer, &said)
}

fn report<T>(connection: &Connection, answer: &Answer<T>, text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = std::io::stdout().lock();
    if connection.json {
        writeln!(stdout, "{}", answer.json)?;
    } else {
        writeln!(stdout, "{text}")?;
    }
    Ok(ExitCode::SUCCESS)
}
