//! One message, and its answer as it comes.

use std::io::Write;
use std::process::ExitCode;

use super::Options;
use crate::commands::queue::tell_queued;
use crate::commands::read::print_reply;
use crate::commands::show_everywhere;
use crate::commands::turn::{End, Turn, follow};
use crate::failure::Failure;
use crate::render::{Screen, Target};
use client::{Event, Heard, Message, Sent};

pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let text = options.prompt.text()?;
    let images = options.images.load()?;
    let client = options.connection.client()?;
    let conversation = match &options.conversation {
        Some(id) => Some(client.conversation(id).await?),
        None => None,
    };
    let json = options.connection.json;
    let mut message = Message::new(conversation, text);
    message.request.model.clone_from(&options.choices.model);
    message.request.cwd = options.choices.cwd_or_own(&client)?;
    message.request.reasoning_effort = options.choices.effort;
    message.extras.images = images;
    if !json {
        // Programs get the contract, people what helps them.
        message = message.with_extensions();
    }
    let sent = client.chat(&message).await?;
    let id = message.request.conversation_id.as_ref();
    if let (true, Some(id)) = (options.open, id) {
        show_everywhere(&client, id).await;
    }
    let mut turn = match sent {
        Sent::Turn(events) => Turn::new(&client, events)?,
        Sent::Queued(queued) => return tell_queued(&options.connection, &queued),
    };
    let mut screen = Screen::apart(Target::stdout(), Target::stderr(), options.show_reasoning);
    let ended = follow(&mut turn, |event| if json { print(event) } else { show(&mut screen, event) }).await;
    screen.finish()?;
    let missed = match id {
        Some(id) if turn.was_over() && ended.is_ok() && !json => {
            print_reply(&client, id, json).await.map(drop)
        }
        Some(_) | None => Ok(()),
    };
    if let Some(id) = turn.conversation() {
        writeln!(std::io::stderr(), "[conversation] {id}")?;
    }
    missed?;
    match ended? {
        End::Done => Ok(ExitCode::SUCCESS),
        // The screen has shown it, or the events say it.
        End::Failed | End::Stopped => Err(Failure::Told),
        End::Interrupted => Err(Failure::Interrupted),
    }
}

fn print(event: &Event) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", event.json)?;
    stdout.flush()
}

fn show(screen: &mut Screen, event: &Event) -> std::io::Result<()> {
    match &event.heard {
        Heard::Turn(event) => screen.event(event),
        Heard::Extension(event) => screen.extension(event),
        Heard::Unknown => Ok(()),
    }
}
