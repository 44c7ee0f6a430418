//! One message, and its answer as it comes.

use std::io::Write;
use std::process::ExitCode;

use wire::transport::ChatRequest;

use super::Options;
use crate::commands::turn::{End, Interrupts, Turn, follow};
use crate::failure::Failure;
use crate::render::{Screen, Target};

pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let message = options.prompt.text()?;
    let client = options.connection.client()?;
    let conversation_id = match &options.conversation {
        Some(id) => Some(client.conversation(id).await?),
        None => None,
    };
    let request = ChatRequest {
        message,
        conversation_id,
        model: options.choices.model.clone(),
        cwd: options.choices.cwd_or_own(&client)?,
        reasoning_effort: options.choices.effort,
    };
    let events = client.chat(&request).await?;
    let mut interrupts = Interrupts::new()?;
    let mut turn = Turn::new(&client, events, &mut interrupts);
    let mut screen = Screen::apart(Target::stdout(), Target::stderr(), options.show_reasoning);
    let json = options.connection.json;
    let ended = follow(&mut turn, |event| match &event.event {
        _ if json => {
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{}", event.json)?;
            stdout.flush()
        }
        Some(event) => screen.event(event),
        None => Ok(()),
    })
    .await;
    screen.finish()?;
    if let Some(id) = turn.conversation() {
        writeln!(std::io::stderr(), "[conversation] {id}")?;
    }
    match ended? {
        End::Done => Ok(ExitCode::SUCCESS),
        // The screen has shown it, or the events say it.
        End::Failed | End::Stopped => Err(Failure::Told),
        End::Interrupted => Err(Failure::Interrupted),
    }
}
