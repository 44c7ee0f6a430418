//! Line by line in a terminal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use wire::transport::CompactRequest;
use wire::{AgentEvent, ConversationId, ReasoningEffort, TurnId};

use super::line::{HELP, Line};
use super::{Options, keyboard};
use crate::commands::queue::{listed, queued_message};
use crate::commands::turn::{End, Interrupts, Turn};
use crate::commands::whole::compacted;
use crate::failure::Failure;
use crate::render::{Screen, Target, clean, grouped, short};
use client::{Client, ClientMessageId, Event, Events, Heard, Message, Sent};

const PROMPT: &str = "› ";

/// How long the turn that is to take in what was queued may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let client = options.connection.client()?;
    let mut dialogue = Dialogue::start(client, options).await?;
    let mut editor = editor()?;
    let history = history_file();
    if let Some(history) = &history {
        // There is none the first time.
        let _ = editor.load_history(history);
    }
    let ended = dialogue.converse(&mut editor).await;
    if let Some(history) = &history {
        keep_history(&mut editor, history);
    }
    if let Some(id) = &dialogue.conversation {
        dialogue.screen.say(&format!("[conversation] {id}"))?;
    }
    ended.map(|()| ExitCode::SUCCESS)
}

type Lines = Editor<(), FileHistory>;

fn editor() -> Result<Lines, Failure> {
    let config = Config::builder().auto_add_history(true).build();
    Editor::with_config(config).map_err(|error| Failure::new(format!("the terminal cannot be used: {error}")))
}

/// Where what was typed is kept, besides the conversations themselves.
fn history_file() -> Option<PathBuf> {
    let directory = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state =
        directory("XDG_STATE_HOME").or_else(|| directory("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("dispatch").join("history"))
}

fn keep_history(editor: &mut Lines, file: &std::path::Path) {
    let kept = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    // A history that cannot be kept is no reason to complain at the end of a conversation.
    let _ = kept.map(|()| editor.save_history(file));
}

/// A conversation, or one that is yet to be.
struct Dialogue {
    client: Client,
    screen: Screen,
    interrupts: Interrupts,
    options: Options,
    model: Option<String>,
    effort: Option<ReasoningEffort>,
    conversation: Option<ConversationId>,
    /// Where its older messages were, when last looked at.
    archive: Option<ConversationId>,
    /// What was queued from here and is not known to have reached a model.
    waiting: Vec<ClientMessageId>,
    /// What happens after the turn that is watched: there as long as something waits, so that nothing of it is missed.
    later: Option<Events>,
}

impl Dialogue {
    async fn start(client: Client, options: Options) -> Result<Self, Failure> {
        let mut screen = Screen::whole(Target::stdout());
        let conversation = match &options.conversation {
            Some(id) => {
                let id = client.conversation(id).await?;
                screen.say(&format!("Dispatch at {}, conversation {}", client.server(), short(&id)))?;
                Some(id)
            }
            None => {
                // Says at once if nobody is there, or if the key is wrong.
                client.conversations(&[], Some("-")).await?;
                screen.say(&format!("Dispatch at {}, a new conversation", client.server()))?;
                None
            }
        };
        screen.say("/help shows what can be typed here besides messages.")?;
        let archive = match &conversation {
            Some(id) => archive(&client, id).await?,
            None => None,
        };
        Ok(Self {
            model: options.choices.model.clone(),
            effort: options.choices.effort,
            interrupts: Interrupts::new()?,
            client,
            screen,
            options,
            conversation,
            archive,
            waiting: Vec::new(),
            later: None,
        })
    }

    /// Until the user leaves.
    async fn converse(&mut self, editor: &mut Lines) -> Result<(), Failure> {
        let mut wants_to_leave = false;
        loop {
            self.screen.finish()?;
            let line = match editor.readline(PROMPT) {
                Ok(line) => line,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(ReadlineError::Interrupted) if wants_to_leave => return Ok(()),
                Err(ReadlineError::Interrupted) => {
                    wants_to_leave = true;
                    self.screen.say("Ctrl-C again or Ctrl-D leaves.")?;
                    continue;
                }
                Err(error) => return Err(Failure::new(format!("the terminal cannot be read: {error}"))),
            };
            wants_to_leave = false;
            if Line::read(&line) == Line::Quit {
                return Ok(());
            }
            let done = self.obey(&line).await;
            self.later = None;
            self.tell(done)?;
        }
    }

    /// Shows a failure that is no reason to leave.
    fn tell(&mut self, done: Result<(), Failure>) -> Result<(), Failure> {
        let Err(Failure::Said { message, code, details }) = done else { return done };
        self.screen.error(&message, code.as_deref())?;
        Ok(details.iter().try_for_each(|line| self.screen.say(line))?)
    }

    async fn obey(&mut self, line: &str) -> Result<(), Failure> {
        match Line::read(line) {
            Line::Nothing | Line::Quit => Ok(()),
            Line::Help => Ok(self.screen.say(HELP)?),
            Line::Models => self.list_models().await,
            Line::Model(model) => {
                self.model = Some(model.to_owned());
                Ok(self.screen.say(&format!("The next message goes to {model}."))?)
            }
            Line::Effort(level) => self.set_effort(level),
            Line::Title(title) => self.title(title).await,
            Line::Compact => self.compact().await,
            Line::New => {
                (self.conversation, self.archive) = (None, None);
                self.waiting.clear();
                Ok(self.screen.say("The next message starts a new conversation.")?)
            }
            Line::Waiting => self.list_waiting().await,
            Line::Queue(text) => self.queue(text).await,
            Line::Cancel(message) => self.cancel(message).await,
            Line::Unknown(command) => {
                Err(Failure::new(format!("there is no command {command}; /help shows what there is")))
            }
            Line::Message(text) => self.send(text).await,
        }
    }

    /// The conversation, if there is one already.
    fn here(&self) -> Result<ConversationId, Failure> {
        self.conversation
            .clone()
            .ok_or_else(|| Failure::new("there is no conversation yet: say something first"))
    }

    async fn list_models(&mut self) -> Result<(), Failure> {
        let models = self.interrupts.unless(self.client.models()).await?.value;
        for name in &models.models {
            let window = models.model_info.as_ref().and_then(|info| info.get(name)?.context_window);
            let window = window.map(|window| format!("  context {}", grouped(window))).unwrap_or_default();
            self.screen.say(&format!("{}{window}", clean(name)))?;
        }
        Ok(())
    }

    fn set_effort(&mut self, level: &str) -> Result<(), Failure> {
        let Some(effort) = ReasoningEffort::parse(level) else {
            let levels = ReasoningEffort::ALL.map(ReasoningEffort::as_str).join(", ");
            return Err(Failure::new(format!("the effort is one of: {levels}")));
        };
        self.effort = Some(effort);
        Ok(self.screen.say(&format!("The next message is answered with effort {}.", effort.as_str()))?)
    }

    async fn title(&mut self, title: Option<&str>) -> Result<(), Failure> {
        let id = self.here()?;
        let answer = match title {
            Some(title) => self.interrupts.unless(self.client.set_title(&id, title)).await?,
            None => self.interrupts.unless(self.client.title(&id)).await?,
        };
        Ok(self.screen.say(&answer.value.title)?)
    }

    async fn compact(&mut self) -> Result<(), Failure> {
        let id = self.here()?;
        self.screen.say("A model writes the summary.")?;
        let wishes = CompactRequest { keep_last_n: None, model_name: self.model.clone() };
        let done = self.interrupts.unless(self.client.compact(&id, &wishes)).await?.value;
        self.screen.say(&compacted(&done))?;
        self.archive = Some(done.new_conversation_id);
        Ok(())
    }

    async fn list_waiting(&mut self) -> Result<(), Failure> {
        let id = self.here()?;
        let queue = self.client.queued(&id).await?.value.queue;
        Ok(self.screen.say(&listed(&id, &queue))?)
    }

    async fn cancel(&mut self, message: &str) -> Result<(), Failure> {
        let id = self.here()?;
        let message = queued_message(&self.client, &id, message).await?;
        if !self.client.cancel(&id, &message.id).await?.value.cancelled {
            return Err(Failure::new("too late: a turn has just taken it in"));
        }
        if let Some(cancelled) = &message.client_message_id {
            self.waiting.retain(|waiting| waiting.as_str() != cancelled);
        }
        Ok(self.screen.say(&format!("taken back: {}", message.text))?)
    }

    async fn send(&mut self, text: &str) -> Result<(), Failure> {
        self.note_compaction().await?;
        let mut message = Message::new(self.conversation.clone(), text.to_owned()).with_extensions();
        message.request.model.clone_from(&self.model);
        message.request.cwd = self.options.choices.cwd_or_own(&self.client)?;
        message.request.reasoning_effort = self.effort;
        if !self.waiting.is_empty() {
            self.listen().await?;
        }
        let sent = self.interrupts.unless(self.client.chat(&message)).await?;
        self.conversation = message.request.conversation_id;
        let Sent::Turn(events) = sent else {
            return Ok(self.screen.say("It waits for the turn that is running.")?);
        };
        let mut turn = Turn::new(&self.client, events)?;
        let watched = self.attend(&mut turn).await?;
        if turn.was_over() {
            let last = self.client.settled(&self.here()?).await?;
            self.screen.text(&last.value.content)?;
        }
        match (turn.end(), self.later.take()) {
            (_, _) if self.waiting.is_empty() => {}
            (End::Interrupted | End::Stopped, _) | (_, None) => self.say_that_it_waits()?,
            (_, Some(later)) => self.catch_up(later, watched).await?,
        }
        self.note_compaction().await
    }

    /// Shows a turn that was started from here, and gives it what is typed meanwhile.
    async fn attend(&mut self, turn: &mut Turn) -> Result<Option<TurnId>, Failure> {
        let mut watched = None;
        loop {
            tokio::select! {
                event = turn.next() => {
                    let Some(event) = event? else { return Ok(watched) };
                    if watched.is_none() {
                        watched = event.of_turn().and_then(AgentEvent::turn_id).cloned();
                    }
                    self.show(&event)?;
                }
                typed = keyboard::line() => {
                    let done = self.obey_while_running(&typed?, turn.is_stopping()).await;
                    self.tell(done)?;
                }
            }
        }
    }

    /// A message for a turn that was started elsewhere.
    async fn queue(&mut self, text: &str) -> Result<(), Failure> {
        if self.conversation.is_none() {
            return self.send(text).await;
        }
        self.give(text).await?;
        if let Some(later) = self.later.take() {
            self.catch_up(later, None).await?;
        }
        self.note_compaction().await
    }

    /// Shows what happens until all that was queued has reached a model, except for the turn that was watched already.
    async fn catch_up(&mut self, later: Events, watched: Option<TurnId>) -> Result<(), Failure> {
        let mut turn = Turn::new(&self.client, later)?;
        self.screen.say("Waiting for the answer to what was queued.")?;
        loop {
            tokio::select! {
                event = turn.next() => {
                    let Some(event) = event? else { return Ok(()) };
                    let known = event.of_turn();
                    if watched.is_some() && known.and_then(AgentEvent::turn_id) == watched.as_ref() {
                        continue;
                    }
                    if let Some(AgentEvent::UserMessage { text, .. }) = known {
                        self.screen.user(text)?;
                    }
                    self.show(&event)?;
                }
                typed = keyboard::line() => {
                    let done = self.obey_while_running(&typed?, turn.is_stopping()).await;
                    self.tell(done)?;
                }
                () = tokio::time::sleep(PATIENCE), if !turn.is_running() => {
                    self.waiting.clear();
                    let id = short(&self.here()?);
                    return Ok(self.screen.say(&format!("There is none yet; dispatch read {id} shows it later."))?);
                }
            }
            match turn.end() {
                _ if turn.is_running() => {}
                _ if self.waiting.is_empty() => return Ok(()),
                End::Interrupted | End::Stopped => return self.say_that_it_waits(),
                End::Done | End::Failed => {}
            }
        }
    }

    /// What is typed while a turn runs.
    async fn obey_while_running(&mut self, line: &str, stopping: bool) -> Result<(), Failure> {
        match Line::read(line) {
            Line::Nothing => Ok(()),
            Line::Message(text) | Line::Queue(text) if !stopping => self.give(text).await,
            Line::Waiting => self.list_waiting().await,
            Line::Cancel(message) => self.cancel(message).await,
            _ => Ok(self.screen.say("Not while a turn is running; Ctrl-C stops it.")?),
        }
    }

    /// Queues a message.
    async fn give(&mut self, text: &str) -> Result<(), Failure> {
        let id = self.here()?;
        self.listen().await?;
        let message = ClientMessageId::mint();
        self.client.queue(&id, text, &message).await?;
        self.waiting.push(message);
        Ok(self.screen.say(&format!("queued: {text}"))?)
    }

    /// Makes sure that nothing of what comes after the turn that is watched will be missed.
    async fn listen(&mut self) -> Result<(), Failure> {
        if self.later.is_none() {
            self.later = Some(self.client.watch(&self.here()?).await?);
        }
        Ok(())
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        match &event.heard {
            Heard::Turn(event) => {
                self.screen.event(event)?;
                self.waiting.retain(|waiting| !took_in(event, waiting));
            }
            Heard::Extension(event) => self.screen.extension(event)?,
            Heard::Unknown => {}
        }
        Ok(())
    }

    fn say_that_it_waits(&mut self) -> Result<(), Failure> {
        Ok(self.screen.say("What was queued waits for your next message.")?)
    }

    /// Says so if the server has compacted the conversation since the last look.
    async fn note_compaction(&mut self) -> Result<(), Failure> {
        let Some(id) = self.conversation.clone() else { return Ok(()) };
        let now = self.interrupts.unless(archive(&self.client, &id)).await?;
        if now != self.archive
            && let Some(archive) = &now
        {
            let archive = short(archive);
            self.screen.say(&format!(
                "The older messages became a summary; all of them are in the archive {archive}."
            ))?;
        }
        self.archive = now;
        Ok(())
    }
}

/// The archive of what a conversation's summary stands for.
async fn archive(client: &Client, id: &ConversationId) -> Result<Option<ConversationId>, client::Error> {
    let list = client.conversations(&[], Some(id.as_str())).await?.value.conversations;
    Ok(list.into_iter().find(|known| known.id == *id).and_then(|known| known.compacted_from))
}

/// Whether a message reached the model with this event.
fn took_in(event: &AgentEvent, message: &ClientMessageId) -> bool {
    match event {
        AgentEvent::UserMessage { client_message_id, client_message_ids, .. }
        | AgentEvent::Steering { client_message_id, client_message_ids, .. } => client_message_id
            .iter()
            .chain(client_message_ids.iter().flatten())
            .any(|id| id == message.as_str()),
        _ => false,
    }
}
