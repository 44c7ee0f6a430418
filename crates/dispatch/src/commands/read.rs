//! `dispatch read`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use wire::transport::LastMessageResponse;
use wire::{Chunk, ConversationId, Role};

use super::send::print_last;
use crate::cli::Connection;
use crate::client::{Client, Stored};
use crate::failure::Failure;
use crate::render::{Screen, Target, transcript};

/// As many chunks as are read at a time, from the end of the history.
const PAGE: u64 = 200;

#[derive(Args)]
pub(crate) struct Options {
    /// The conversation
    id: String,

    /// The whole conversation instead of the last reply
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let client = options.connection.client()?;
    let id = client.conversation(&options.id).await?;
    client.settled(&id).await?;
    if options.all {
        let history = client.history(&id, 0, None, None).await?;
        print_all(&history, options.connection.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let reply = last_reply(&client, &id).await?;
    let last = LastMessageResponse { conversation_id: id, content: reply.text, turn_id: None };
    print_last(&last, options.connection.json)?;
    match reply.error {
        Some((message, code)) => Err(Failure::Said { message, code, details: Vec::new() }),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn print_all(history: &[Stored], json: bool) -> Result<(), Failure> {
    if json {
        let mut stdout = std::io::stdout().lock();
        for stored in history {
            writeln!(stdout, "{}", stored.json)?;
        }
        return Ok(());
    }
    let mut screen = Screen::whole(Target::stdout());
    Ok(transcript(&mut screen, history.iter().map(|stored| &stored.chunk))?)
}

/// What the model said last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reply {
    /// The last text of the last assistant message; empty when there is none.
    text: String,
    /// What went wrong after it.
    error: Option<(String, Option<String>)>,
}

async fn last_reply(client: &Client, id: &ConversationId) -> Result<Reply, Failure> {
    let mut reply = Reply::default();
    let mut within = false;
    let mut before = None;
    loop {
        let page = client.history(id, 0, before, Some(PAGE)).await?;
        for stored in page.iter().rev() {
            match (stored.chunk.role, &stored.chunk.chunk) {
                (Role::Assistant, Chunk::Text { text }) => {
                    reply.text.clone_from(text);
                    return Ok(reply);
                }
                (Role::Assistant, Chunk::Error { message, code }) => {
                    within = true;
                    reply.error.get_or_insert_with(|| (message.clone(), code.clone()));
                }
                (Role::Assistant, _) => within = true,
                // The message before the last assistant message, which had no text.
                (_, _) if within => return Ok(reply),
                (_, _) => {}
            }
        }
        match page.first() {
            Some(first) if first.chunk.seq > 1 => before = Some(first.chunk.seq),
            Some(_) | None => return Ok(reply),
        }
    }
}
