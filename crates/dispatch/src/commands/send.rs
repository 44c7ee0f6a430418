//! `dispatch send`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use wire::transport::{ChatRequest, LastMessageResponse};
use wire::{AgentEvent, ConversationId, TurnId};

use super::control::enqueue;
use super::prompt::Prompt;
use super::turn::{End, Interrupts, Turn, follow};
use crate::cli::Connection;
use crate::failure::{Failure, sentence};
use crate::render::{Screen, Target};

#[derive(Args)]
pub(crate) struct Options {
    /// The conversation
    id: String,

    #[command(flatten)]
    prompt: Prompt,

    /// Do not wait for an answer: steer the running turn, or start one
    #[arg(long, conflicts_with_all = ["model", "cwd", "effort"])]
    queue: bool,

    #[command(flatten)]
    choices: super::chat::Choices,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let text = options.prompt.text()?;
    let client = options.connection.client()?;
    if options.queue {
        return enqueue(&options.connection, &client, &options.id, &text).await;
    }
    let id = client.conversation(&options.id).await?;
    let request = ChatRequest {
        message: text,
        conversation_id: Some(id.clone()),
        model: options.choices.model.clone(),
        cwd: options.choices.cwd(&client)?,
        reasoning_effort: options.choices.effort,
    };
    let events = client.chat(&request).await?;
    let mut interrupts = Interrupts::new()?;
    let mut turn = Turn::new(&client, events, &mut interrupts);
    let mut last = LastText::default();
    let end = follow(&mut turn, |event| {
        let Some(event) = &event.event else { return Ok(()) };
        last.hear(event);
        if let AgentEvent::Error { message, code, .. } = event {
            writeln!(std::io::stderr(), "{}", sentence(message, code.as_deref()))?;
        }
        Ok(())
    })
    .await?;
    last.print(&id, options.connection.json)?;
    match end {
        End::Done => Ok(ExitCode::SUCCESS),
        End::Failed => Err(Failure::Told),
        End::Stopped => Err(Failure::new("the turn was stopped")),
        End::Interrupted => Err(Failure::Interrupted),
    }
}

/// Prints an answer, by itself.
pub(super) fn print_last(last: &LastMessageResponse, json: bool) -> Result<(), Failure> {
    if json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(last).unwrap_or_default())?;
        return Ok(());
    }
    let mut screen = Screen::apart(Target::stdout(), Target::stderr(), false);
    screen.text(&last.content)?;
    Ok(screen.finish()?)
}

/// The last text of a turn.
#[derive(Default)]
struct LastText {
    text: String,
    /// What comes next is another text.
    over: bool,
    turn: Option<TurnId>,
}

impl LastText {
    fn hear(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::TextDelta { delta, .. } => {
                if std::mem::take(&mut self.over) {
                    self.text.clear();
                }
                self.text.push_str(delta);
            }
            AgentEvent::ReasoningDelta { .. }
            | AgentEvent::ToolCall { .. }
            | AgentEvent::StepComplete { .. } => {
                self.over = true;
            }
            AgentEvent::TurnStart { turn_id, .. } => self.turn = Some(turn_id.clone()),
            _ => {}
        }
    }

    fn print(self, id: &ConversationId, json: bool) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        if json {
            let last =
                LastMessageResponse { conversation_id: id.clone(), content: self.text, turn_id: self.turn };
            writeln!(stdout, "{}", serde_json::to_string(&last).unwrap_or_default())?;
        } else if !self.text.is_empty() {
            let end = if self.text.ends_with('\n') { "" } else { "\n" };
            write!(stdout, "{}{end}", self.text)?;
        }
        Ok(())
    }
}
