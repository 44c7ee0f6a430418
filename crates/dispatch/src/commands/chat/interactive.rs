//! Line by line in a terminal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use wire::transport::ChatRequest;
use wire::{AgentEvent, Chunk, ConversationId, Role};

use super::{Options, keyboard};
use crate::client::{Client, Stored, short};
use crate::commands::turn::{End, Interrupts, Turn};
use crate::failure::Failure;
use crate::render::{Screen, Target, clean, grouped, transcript};

const PROMPT: &str = "› ";

/// How often, and how many times, a turn is looked for that has to come.
const PACE: Duration = Duration::from_millis(200);
const PATIENCE: usize = 25;

const HELP: &str = "\
/model NAME   answer with this model from now on; without a name, list the models
/new          start a new conversation
/queue TEXT   give this to the turn that is running, wherever it was started
/help         this
/quit         leave; so do Ctrl-D, and Ctrl-C twice
Pasted text may have several lines. While a turn runs, Ctrl-C stops it, and a line that you type is given to it. A
message that begins with a slash needs a space before it.";

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
    conversation: Option<ConversationId>,
    /// The last seq that is known to have been shown.
    seen: u64,
    /// How many messages of users were shown after that one.
    heard: usize,
    /// What was queued from here and is not known to have reached a model.
    waiting: Vec<String>,
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'l> {
    Nothing,
    Help,
    Models,
    Model(&'l str),
    New,
    Queue(&'l str),
    Quit,
    Unknown(&'l str),
    Message(&'l str),
}

impl<'l> Line<'l> {
    fn read(line: &'l str) -> Self {
        if !line.starts_with('/') {
            return if line.trim().is_empty() { Self::Nothing } else { Self::Message(line.trim()) };
        }
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (command, rest.trim()) {
            ("/help", _) => Self::Help,
            ("/model", "") => Self::Models,
            ("/model", model) => Self::Model(model),
            ("/new", _) => Self::New,
            ("/queue", text) if !text.is_empty() => Self::Queue(text),
            ("/quit" | "/exit", _) => Self::Quit,
            (command, _) => Self::Unknown(command),
        }
    }
}

impl Dialogue {
    async fn start(client: Client, options: Options) -> Result<Self, Failure> {
        let mut screen = Screen::whole(Target::stdout());
        let (conversation, seen) = match &options.conversation {
            Some(id) => {
                let id = client.conversation(id).await?;
                let seen = last_seq(&client, &id).await?;
                screen.say(&format!("Dispatch at {}, conversation {}", client.server(), short(&id)))?;
                (Some(id), seen)
            }
            None => {
                // Says at once if nobody is there, or if the key is wrong.
                client.conversations(&[], Some("-")).await?;
                screen.say(&format!("Dispatch at {}, a new conversation", client.server()))?;
                (None, 0)
            }
        };
        screen.say("/help shows what can be typed here besides messages.")?;
        let interrupts = Interrupts::new()?;
        let model = options.choices.model.clone();
        Ok(Self {
            client,
            screen,
            interrupts,
            options,
            model,
            conversation,
            seen,
            heard: 0,
            waiting: Vec::new(),
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
            match self.obey(&line).await {
                Err(Failure::Said { message, code, details }) => {
                    self.screen.error(&message, code.as_deref())?;
                    for line in details {
                        self.screen.say(&line)?;
                    }
                }
                done => done?,
            }
        }
    }

    async fn obey(&mut self, line: &str) -> Result<(), Failure> {
        match Line::read(line) {
            Line::Nothing | Line::Quit => {}
            Line::Help => self.screen.say(HELP)?,
            Line::Models => self.list_models().await?,
            Line::Model(model) => {
                self.model = Some(model.to_owned());
                self.screen.say(&format!("The next message goes to {model}."))?;
            }
            Line::New => {
                self.conversation = None;
                (self.seen, self.heard) = (0, 0);
                self.waiting.clear();
                self.screen.say("The next message starts a new conversation.")?;
            }
            Line::Queue(text) => self.queue(text).await?,
            Line::Unknown(command) => {
                let message = format!("there is no command {command}; /help shows what there is");
                self.screen.error(&message, None)?;
            }
            Line::Message(text) => self.send(text).await?,
        }
        Ok(())
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

    async fn send(&mut self, text: &str) -> Result<(), Failure> {
        let request = ChatRequest {
            message: text.to_owned(),
            conversation_id: self.conversation.clone(),
            model: self.model.clone(),
            cwd: self.options.choices.cwd_or_own(&self.client)?,
            reasoning_effort: self.options.choices.effort,
        };
        let client = self.client.clone();
        let events = self.interrupts.unless(client.chat(&request)).await?;
        let mut turn = Turn::new(&client, events, &mut self.interrupts);
        self.conversation = turn.conversation().cloned().or(self.conversation.take());
        let leaving = loop {
            let typed = tokio::select! {
                event = turn.next() => match event {
                    Ok(Some(event)) => {
                        if let Some(event) = &event.event {
                            self.screen.event(event)?;
                            self.heard += usize::from(is_of_user(event));
                            if let AgentEvent::Steering { text, .. } = event {
                                self.waiting.retain(|waiting| !text.contains(waiting.as_str()));
                            }
                        }
                        continue;
                    }
                    Ok(None) => break None,
                    Err(failure) => break Some(failure),
                },
                typed = keyboard::line() => typed?,
            };
            match (Line::read(&typed), turn.conversation()) {
                (Line::Nothing, _) => {}
                (Line::Message(text) | Line::Queue(text), Some(id)) if !turn.is_stopping() => {
                    match client.queue(id, text).await {
                        Ok(_) => {
                            self.waiting.push(text.to_owned());
                            self.screen.say(&format!("queued: {text}"))?;
                        }
                        Err(error) => self.screen.error(&error.to_string(), None)?,
                    }
                }
                _ => self.screen.say("Not while a turn is running; Ctrl-C stops it.")?,
            }
        };
        if let Some(failure) = leaving {
            return Err(failure);
        }
        match (turn.end(), self.waiting.is_empty()) {
            (End::Interrupted | End::Stopped, false) => {
                self.screen.say("What was queued waits for your next message.")?;
                Ok(())
            }
            _ => self.catch_up().await,
        }
    }

    /// A message for a turn that was started elsewhere.
    async fn queue(&mut self, text: &str) -> Result<(), Failure> {
        let Some(id) = self.conversation.clone() else { return self.send(text).await };
        (self.seen, self.heard) = (last_seq(&self.client, &id).await?, 0);
        self.client.queue(&id, text).await?;
        self.screen.say(&format!("queued: {text}"))?;
        self.waiting.push(text.to_owned());
        self.catch_up().await
    }

    /// Shows the turn that took in what had been queued and was not part of the turn that was watched.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let Some(id) = self.conversation.clone() else { return Ok(()) };
        if !self.waiting.is_empty() {
            self.screen.say("Waiting for the answer to what was queued.")?;
            let client = self.client.clone();
            let carried = tokio::select! {
                carried = carried(&client, &id, self.seen, self.heard) => carried?,
                () = self.interrupts.next() => {
                    client.stop(&id).await?;
                    carried(&client, &id, self.seen, self.heard).await?
                }
            };
            transcript(&mut self.screen, carried.iter().map(|stored| &stored.chunk))?;
            if carried.is_empty() {
                self.screen
                    .say(&format!("There is none yet; dispatch read {} shows it later.", short(&id)))?;
            }
            self.waiting.clear();
        }
        (self.seen, self.heard) = (last_seq(&self.client, &id).await?, 0);
        Ok(())
    }
}

async fn last_seq(client: &Client, id: &ConversationId) -> Result<u64, Failure> {
    let last = client.history(id, 0, None, Some(1)).await?;
    Ok(last.last().map_or(0, |stored| stored.chunk.seq))
}

fn is_of_user(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::UserMessage { .. } | AgentEvent::Steering { .. })
}

/// The history from the message on that comes after the `heard` first ones of users after `seen`, as soon as no turn is
/// running any more. Empty if there is no such message for some seconds.
async fn carried(
    client: &Client,
    id: &ConversationId,
    seen: u64,
    heard: usize,
) -> Result<Vec<Stored>, Failure> {
    let is_of_user = |stored: &&Stored| {
        stored.chunk.role == Role::User && matches!(stored.chunk.chunk, Chunk::Text { .. })
    };
    for _ in 0..PATIENCE {
        client.settled(id).await?;
        let chunks = client.history(id, seen, None, None).await?;
        if let Some(first) = chunks.iter().filter(is_of_user).nth(heard).map(|stored| stored.chunk.seq) {
            return Ok(chunks.into_iter().filter(|stored| stored.chunk.seq >= first).collect());
        }
        // Between two turns there is a moment without one.
        tokio::time::sleep(PACE).await;
    }
    Ok(Vec::new())
}
