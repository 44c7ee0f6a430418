//! `dispatch send`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use wire::extension::WhenActive;
use wire::transport::LastMessageResponse;
use wire::{AgentEvent, ConversationId, TurnId};

use super::image::Images;
use super::prompt::Prompt;
use super::queue::{enqueue, tell_queued};
use super::read::print_reply;
use super::show_everywhere;
use super::turn::{End, Turn, follow};
use crate::cli::Subject;
use crate::failure::{Failure, sentence};
use client::{Event, Message, Sent};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) subject: Subject,

    #[command(flatten)]
    prompt: Prompt,

    #[command(flatten)]
    images: Images,

    /// Do not wait for an answer: steer the running turn, or start one
    #[arg(long, conflicts_with_all = ["model", "cwd", "effort", "files", "interrupt"])]
    queue: bool,

    /// Stop the turn that is running, if there is one, and go on with this
    #[arg(long)]
    interrupt: bool,

    /// Ask every client of the server to show the conversation
    #[arg(long)]
    open: bool,

    #[command(flatten)]
    choices: super::chat::Choices,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let connection = &options.subject.connection;
    let text = options.prompt.text()?;
    let images = options.images.load()?;
    let (client, id) = options.subject.find().await?;
    if options.queue {
        let queued = enqueue(connection, &client, &id, &text).await?;
        if options.open {
            show_everywhere(&client, &id).await;
        }
        return Ok(queued);
    }
    let mut message = Message::new(Some(id.clone()), text);
    message.request.model.clone_from(&options.choices.model);
    message.request.cwd = options.choices.cwd(&client)?;
    message.request.reasoning_effort = options.choices.effort;
    message.extras.images = images;
    message.extras.when_active = options.interrupt.then_some(WhenActive::Interrupt);
    let sent = client.chat(&message).await?;
    if options.open {
        show_everywhere(&client, &id).await;
    }
    let mut turn = match sent {
        Sent::Turn(events) => Turn::new(&client, events)?,
        Sent::Queued(queued) => return tell_queued(connection, &queued),
    };
    let mut last = LastText::default();
    let end = follow(&mut turn, |event| hear(&mut last, event)).await?;
    if turn.was_over() {
        return print_reply(&client, &id, connection.json).await;
    }
    last.print(&id, connection.json)?;
    match end {
        End::Done => Ok(ExitCode::SUCCESS),
        End::Failed => Err(Failure::Told),
        End::Stopped => Err(Failure::new("the turn was stopped")),
        End::Interrupted => Err(Failure::Interrupted),
    }
}

fn hear(last: &mut LastText, event: &Event) -> std::io::Result<()> {
    let Some(event) = event.of_turn() else { return Ok(()) };
    last.hear(event);
    if let AgentEvent::Error { message, code, .. } = event {
        writeln!(std::io::stderr(), "{}", sentence(message, code.as_deref()))?;
    }
    Ok(())
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
