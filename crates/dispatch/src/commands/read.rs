//! `dispatch read`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use wire::transport::LastMessageResponse;
use wire::{Chunk, ConversationId, Role};

use super::print_json;
use crate::cli::Subject;
use crate::failure::Failure;
use crate::render::{Screen, Target, transcript};
use client::{Answer, Client, Stored, Window};

/// As many chunks as are read at a time, from the end of the history.
const PAGE: u64 = 200;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// The whole conversation instead of the last reply
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let json = options.subject.connection.json;
    let (client, id) = options.subject.find().await?;
    if !options.all {
        return print_reply(&client, &id, json).await;
    }
    client.settled(&id).await?;
    let history = client.history(&id, Window::default()).await?;
    if json {
        let mut stdout = std::io::stdout().lock();
        history.iter().try_for_each(|stored| writeln!(stdout, "{}", stored.json))?;
    } else {
        let mut screen = Screen::whole(Target::stdout());
        transcript(&mut screen, history.iter().map(|stored| &stored.chunk))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the last answer as soon as no turn is running. What went wrong after it is a failure.
pub(super) async fn print_reply(
    client: &Client,
    id: &ConversationId,
    json: bool,
) -> Result<ExitCode, Failure> {
    let last = client.settled(id).await?;
    if json {
        print_json(&last)?;
    } else {
        print_text(&last)?;
    }
    match last_error(client, id).await? {
        Some((message, code)) => Err(Failure::Said { message, code, details: Vec::new() }),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn print_text(last: &Answer<LastMessageResponse>) -> Result<(), Failure> {
    let mut screen = Screen::apart(Target::stdout(), Target::stderr(), false);
    screen.text(&last.value.content)?;
    Ok(screen.finish()?)
}

/// A sentence and a code.
type Told = (String, Option<String>);

/// What went wrong in the last assistant message after its last text.
async fn last_error(client: &Client, id: &ConversationId) -> Result<Option<Told>, Failure> {
    let mut error = None;
    let mut within = false;
    let mut before = None;
    loop {
        let page = client.history(id, Window { since: 0, before, limit: Some(PAGE) }).await?;
        for Stored { chunk: stored, .. } in page.iter().rev() {
            match (stored.role, &stored.chunk) {
                (Role::Assistant, Chunk::Text { .. }) => return Ok(error),
                (Role::Assistant, Chunk::Error { message, code }) => {
                    within = true;
                    error.get_or_insert_with(|| (message.clone(), code.clone()));
                }
                (Role::Assistant, _) => within = true,
                // The message before the last assistant message, which had no text.
                (_, _) if within => return Ok(error),
                (_, _) => {}
            }
        }
        match page.first() {
            Some(first) if first.chunk.seq > 1 => before = Some(first.chunk.seq),
            Some(_) | None => return Ok(error),
        }
    }
}
