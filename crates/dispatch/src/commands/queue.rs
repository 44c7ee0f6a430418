//! `dispatch queue`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use wire::transport::QueueResponse;
use wire::{ConversationId, QueuedMessage};

use super::prompt::Prompt;
use super::{print_json, report};
use crate::cli::{Connection, Subject};
use crate::failure::Failure;
use crate::render::{ago, clean, now, short, short_text};
use client::{Answer, Client, ClientMessageId};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) subject: Subject,

    #[command(flatten)]
    prompt: Prompt,

    /// Show what waits instead
    #[arg(long, conflicts_with_all = ["text", "file"])]
    list: bool,

    /// Take this message out instead; its id can be shortened
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["text", "file", "list"])]
    cancel: Option<String>,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let connection = &options.subject.connection;
    if options.list {
        let (client, id) = options.subject.find().await?;
        let waiting = client.queued(&id).await?;
        return report(connection, &waiting, &listed(&id, &waiting.value.queue));
    }
    if let Some(message) = &options.cancel {
        let (client, id) = options.subject.find().await?;
        return cancel(connection, &client, &id, message).await;
    }
    let text = options.prompt.text()?;
    let (client, id) = options.subject.find().await?;
    enqueue(connection, &client, &id, &text).await
}

/// Also what `dispatch send --queue` does.
pub(super) async fn enqueue(
    connection: &Connection,
    client: &Client,
    id: &ConversationId,
    text: &str,
) -> Result<ExitCode, Failure> {
    tell_queued(connection, &client.queue(id, text, &ClientMessageId::mint()).await?)
}

pub(super) fn tell_queued(
    connection: &Connection,
    answer: &Answer<QueueResponse>,
) -> Result<ExitCode, Failure> {
    let id = short(&answer.value.conversation_id);
    let said = match (answer.value.started_turn, answer.value.queue.len()) {
        (true, _) => format!("started a turn in {id}"),
        (false, 0 | 1) => format!("queued in {id}"),
        (false, waiting) => format!("queued in {id}; {waiting} messages wait"),
    };
    report(connection, answer, &said)
}

/// What waits, for people.
pub(super) fn listed(id: &ConversationId, queue: &[QueuedMessage]) -> String {
    let now = now();
    let line = |message: &QueuedMessage| {
        let since = now.saturating_sub(Duration::from_millis(message.queued_at));
        format!("{}  {:>12}  {}", short_text(&message.id), ago(since), clean(&message.text))
    };
    match queue {
        [] => format!("nothing waits in {}", short(id)),
        queue => queue.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

async fn cancel(
    connection: &Connection,
    client: &Client,
    id: &ConversationId,
    message: &str,
) -> Result<ExitCode, Failure> {
    let message = queued_message(client, id, message).await?.id;
    let answer = client.cancel(id, &message).await?;
    if connection.json {
        print_json(&answer)?;
    }
    match (answer.value.cancelled, connection.json) {
        (true, true) => Ok(ExitCode::SUCCESS),
        (true, false) => report(connection, &answer, &format!("took {} out", short_text(&message))),
        // Between the look and the attempt a turn took it in.
        (false, _) => Err(not_queued(id, &message)),
    }
}

/// The message that waits and is meant: the one whose id begins like that, if there is just one.
pub(super) async fn queued_message(
    client: &Client,
    id: &ConversationId,
    prefix: &str,
) -> Result<QueuedMessage, Failure> {
    let queue = client.queued(id).await?.value.queue;
    let found: Vec<&QueuedMessage> = queue.iter().filter(|message| message.id.starts_with(prefix)).collect();
    match found[..] {
        [only] => Ok(only.clone()),
        [] => Err(not_queued(id, prefix)),
        _ => Err(Failure::Said {
            message: format!("the ids of {} messages begin with `{prefix}`; write more of it", found.len()),
            code: Some("ambiguous-message".to_owned()),
            details: found
                .iter()
                .map(|message| format!("{}  {}", short_text(&message.id), clean(&message.text)))
                .collect(),
        }),
    }
}

fn not_queued(id: &ConversationId, message: &str) -> Failure {
    let message = format!(
        "no message that begins with `{}` waits in {}: a turn has taken it in, or it never was there",
        short_text(message),
        short(id)
    );
    Failure::coded(message, "not-queued")
}
