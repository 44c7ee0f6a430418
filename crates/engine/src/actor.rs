//! The actor of one conversation: takes commands one at a time and drives one turn after another.
//!
//! It exists while there is something to do. It owns the conversation's single flight (no second turn can begin) and
//! its queue, of which the log has the original.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use kernel::{DoneReason, Message, Start, Turn, reconcile};
use store::{BeginTurn, Begun, Seal};
use tokio::sync::{mpsc, oneshot};
use wire::{
    AgentEvent, ConversationId, ConversationStatus, ErrorCode, QueuedMessage, ReasoningEffort, TurnId,
};

use crate::catalog::Resolved;
use crate::driver::{Driver, refusal};
use crate::live::Recorded;
use crate::{Error, Prompt, Queued, Shared, SharedHub, Started, StatusChange, now_ms};

/// What can be asked of a conversation.
pub(crate) enum Command {
    /// Start a turn.
    Send { prompt: Prompt, reply: oneshot::Sender<Result<Started, Error>> },
    /// Steer the running turn, or start one.
    Queue { text: String, reply: oneshot::Sender<Result<Queued, Error>> },
    /// End the running turn.
    Stop { reply: oneshot::Sender<bool> },
    /// End the running turn, drop the queue, mark as closed.
    Close { reply: oneshot::Sender<Result<bool, Error>> },
}

/// Starts an actor for a conversation. The first command is already waiting.
pub(crate) fn start(
    shared: Arc<Shared>,
    id: ConversationId,
    hub: SharedHub,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    tokio::spawn(async move {
        let mut actor =
            Actor { shared, id, hub, commands, queue: Vec::new(), turn: None, closed: false, late: false };
        // A defect that panics ends this conversation's turn and nothing else.
        if AssertUnwindSafe(actor.run()).catch_unwind().await.is_err() {
            actor.rescue().await;
        }
    });
}

/// A conversation while something happens in it.
pub(crate) struct Actor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: ConversationId,
    pub(crate) hub: SharedHub,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// What waits to be delivered, as the log has it.
    pub(crate) queue: Vec<QueuedMessage>,
    /// The turn in flight.
    turn: Option<TurnId>,
    /// Closed while the turn ran: it must not become idle when it ends.
    closed: bool,
    /// Something was queued after the turn was stopped: somebody wants to go on.
    late: bool,
}

/// A turn that is about to begin.
struct Beginning {
    prompt: Prompt,
    /// The queued messages that the prompt consists of.
    carries: Vec<String>,
    reply: Option<Reply>,
}

enum Reply {
    Send(oneshot::Sender<Result<Started, Error>>),
    Queue(oneshot::Sender<Result<Queued, Error>>),
}

impl Reply {
    fn give(self, answer: Result<Started, Error>) {
        // Who asked may have gone away; the turn runs all the same.
        match self {
            Self::Send(reply) => drop(reply.send(answer)),
            Self::Queue(reply) => {
                drop(reply.send(answer.map(|started| Queued { started: Some(started), queue: Vec::new() })));
            }
        }
    }
}

impl Actor {
    async fn run(&mut self) {
        match self.shared.store.queue(&self.id).await {
            Ok(queue) => self.queue = queue,
            Err(error) => tracing::error!(conversation = %self.id, "the queue cannot be read: {error}"),
        }
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.on_idle(command).await,
                Err(_) => {
                    if self.shared.registry.leave(&self.id, &self.commands) {
                        return;
                    }
                }
            }
        }
    }

    async fn on_idle(&mut self, command: Command) {
        match command {
            Command::Send { prompt, reply } => {
                let reply = Some(Reply::Send(reply));
                self.converse(Beginning { prompt, carries: Vec::new(), reply }).await;
            }
            Command::Queue { text, reply } => {
                // What was left in the queue comes along, in its order.
                let mut beginning = self.carry(Prompt::default());
                if beginning.carries.is_empty() {
                    beginning.prompt.text = text;
                } else {
                    beginning.prompt.text.push_str("\n\n");
                    beginning.prompt.text.push_str(&text);
                }
                beginning.reply = Some(Reply::Queue(reply));
                self.converse(beginning).await;
            }
            Command::Stop { reply } => drop(reply.send(false)),
            Command::Close { reply } => drop(reply.send(self.close().await.map(|()| false))),
        }
    }

    /// A turn made of all that is queued.
    fn carry(&self, prompt: Prompt) -> Beginning {
        let text = self.queue.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n\n");
        let carries = self.queue.iter().map(|message| message.id.clone()).collect();
        Beginning { prompt: Prompt { text, ..prompt }, carries, reply: None }
    }

    /// Runs a turn, and further ones while the queue asks for them.
    async fn converse(&mut self, first: Beginning) {
        let mut next = Some(first);
        let mut began = false;
        while let Some(mut beginning) = next.take() {
            let reply = beginning.reply.take();
            if self.shared.stopping.is_cancelled() {
                if let Some(reply) = reply {
                    reply.give(Err(Error::ShuttingDown));
                }
                break;
            }
            let effort = beginning.prompt.effort;
            let (mut driver, mut turn) = match self.begin(beginning, reply).await {
                Some(begun) => begun,
                None => break,
            };
            began = true;
            let ended = driver.drive(self, &mut turn).await;
            self.turn = None;
            let wanted = ended.reason != DoneReason::Aborted || self.late;
            if ended.sealed && wanted && !self.closed && !self.queue.is_empty() {
                next = Some(self.carry(Prompt { effort, ..Prompt::default() }));
            }
        }
        if began && !self.closed {
            self.announce(ConversationStatus::Idle);
        }
    }

    /// Writes the prompt and makes the turn; says why not to whoever asked.
    async fn begin(&mut self, beginning: Beginning, reply: Option<Reply>) -> Option<(Driver, Turn)> {
        let Beginning { prompt, carries, .. } = beginning;
        match self.open(&prompt, carries).await {
            Ok(opened) => {
                self.closed = false;
                self.late = false;
                self.turn = Some(opened.turn_id.clone());
                self.hub.begin(opened.begun.seq);
                let watcher = self.hub.watch(false);
                if let Some(reply) = reply {
                    reply.give(Ok(Started { turn_id: opened.turn_id.clone(), watcher }));
                }
                self.announce(ConversationStatus::Active);
                Some(self.set_out(prompt, opened).await)
            }
            Err(error) => {
                tracing::error!(conversation = %self.id, "no turn can begin: {error}");
                if let Some(reply) = reply {
                    reply.give(Err(error));
                }
                None
            }
        }
    }

    async fn open(&mut self, prompt: &Prompt, carries: Vec<String>) -> Result<Opened, Error> {
        let known = self.shared.store.conversation(&self.id).await?;
        let (stored_model, stored_cwd, stored_effort) =
            known.map(|known| (known.model, known.cwd, known.effort)).unwrap_or_default();
        let model = match prompt.model.clone().or(stored_model) {
            Some(model) => Some(model),
            None => self.shared.catalog.default_model().await,
        };
        let resolved = model.as_deref().and_then(|model| self.shared.catalog.resolve(model));
        let given_cwd = prompt.cwd.as_deref().filter(|cwd| !cwd.is_empty()).map(|cwd| self.absolute(cwd));
        let cwd = match (&given_cwd, stored_cwd) {
            (Some(cwd), _) => cwd.clone(),
            (None, Some(cwd)) => self.absolute(&cwd),
            (None, None) => self.shared.options.cwd.clone(),
        };
        let at = now_ms();
        let turn_id = new_turn_id(at);
        let delivered = carries.clone();
        let begun = self
            .shared
            .store
            .begin_turn(BeginTurn {
                conversation: self.id.clone(),
                turn: turn_id.clone(),
                text: prompt.text.clone(),
                carries,
                at,
                // A model that nobody serves is not kept: the next message would fail as well.
                model: prompt.model.clone().filter(|_| resolved.is_some()),
                cwd: given_cwd.map(|cwd| cwd.to_string_lossy().into_owned()),
            })
            .await?;
        self.delivered(&delivered);
        let effort = prompt.effort.or(stored_effort).unwrap_or_default();
        Ok(Opened { turn_id, begun, model, resolved, cwd, effort })
    }

    /// The turn machine for a prompt that is in the log. What stands in its way now is said by the turn itself.
    async fn set_out(&self, prompt: Prompt, opened: Opened) -> (Driver, Turn) {
        let Opened { turn_id, begun, model, resolved, cwd, effort } = opened;
        let (mut provider, model) = match resolved {
            Some(Resolved { provider, model }) => (provider, model),
            None => {
                let message = match model {
                    Some(model) => format!("unknown model: {model}"),
                    None => "no model: no configured credential lists one".to_owned(),
                };
                (refusal(message, ErrorCode::UnknownModel), String::new())
            }
        };
        let history = match self.history_before(begun.seq).await {
            Ok(history) => history,
            Err(error) => {
                provider = refusal(format!("the history cannot be read: {error}"), error.code());
                Vec::new()
            }
        };
        let start = Start {
            conversation_id: self.id.clone(),
            turn_id: turn_id.clone(),
            text: prompt.text,
            history: reconcile(history),
            model,
            system: None,
            tools: self.shared.specs.clone(),
            effort,
            next_seq: begun.seq + 1,
            next_message: begun.message + 1,
            jitter_seed: fastrand::u64(..),
        };
        let turn = Turn::new(Instant::now(), start, self.shared.options.turn.clone());
        (Driver::new(turn_id, provider, cwd), turn)
    }

    async fn history_before(&self, prompt: u64) -> Result<Vec<Arc<Message>>, store::Error> {
        if prompt <= 1 {
            return Ok(Vec::new());
        }
        let history = self.shared.store.messages(&self.id, prompt - 1).await?;
        Ok(history.into_iter().map(Arc::new).collect())
    }

    /// Queues a message while a turn runs. `stopped`: the turn will not take it any more.
    pub(crate) async fn enqueue(&mut self, text: String, stopped: bool) -> Result<Queued, Error> {
        let message = QueuedMessage { id: uuid::Uuid::new_v4().to_string(), text, queued_at: now_ms() };
        self.queue = self.shared.store.enqueue(&self.id, message).await?;
        self.late |= stopped;
        Ok(Queued { started: None, queue: self.queue.clone() })
    }

    /// Marks the conversation as closed.
    pub(crate) async fn close(&mut self) -> Result<(), Error> {
        let exists = self.shared.store.close(&self.id).await?;
        self.queue.clear();
        self.closed = true;
        if exists {
            self.announce(ConversationStatus::Closed);
        }
        Ok(())
    }

    /// These messages are in the log now.
    pub(crate) fn delivered(&mut self, ids: &[String]) {
        self.queue.retain(|message| !ids.contains(&message.id));
    }

    fn announce(&self, status: ConversationStatus) {
        // Nobody listening is fine.
        let _ = self.shared.statuses.send(StatusChange { conversation_id: self.id.clone(), status });
    }

    fn absolute(&self, cwd: &str) -> PathBuf {
        self.shared.options.cwd.join(cwd)
    }

    /// After a panic: whoever watches is told, the turn is sealed, the next message starts a new actor.
    async fn rescue(&mut self) {
        tracing::error!(conversation = %self.id, "a defect ended this conversation's turn; other turns go on");
        if let Some(turn_id) = self.turn.take() {
            let seal = Seal {
                conversation: self.id.clone(),
                turn: turn_id.clone(),
                at: now_ms(),
                reason: DoneReason::Error.as_str().to_owned(),
                duration_ms: 0,
                context_size: None,
            };
            let sealed = self.shared.store.seal(seal).await;
            let (conversation_id, turn_id) = (self.id.clone(), turn_id);
            let mut events = vec![
                AgentEvent::Error {
                    conversation_id: conversation_id.clone(),
                    turn_id: turn_id.clone(),
                    message: "the turn was ended by a defect of the server; its log has more".to_owned(),
                    code: Some(ErrorCode::Internal.as_str().to_owned()),
                },
                AgentEvent::Done {
                    conversation_id: conversation_id.clone(),
                    turn_id: turn_id.clone(),
                    reason: DoneReason::Error.as_str().to_owned(),
                    duration_ms: None,
                    usage: None,
                    context_size: None,
                },
            ];
            match sealed {
                Ok(_) => events.push(AgentEvent::TurnSealed { conversation_id, turn_id }),
                Err(error) => tracing::error!(conversation = %self.id, "the turn cannot be sealed: {error}"),
            }
            self.hub.end(events.iter().map(Recorded::from));
            if !self.closed {
                self.announce(ConversationStatus::Idle);
            }
        }
        self.shared.registry.drop_failed(&self.id, &mut self.commands);
    }
}

/// A turn whose prompt is in the log.
struct Opened {
    turn_id: TurnId,
    begun: Begun,
    /// `credential/model`, as wanted.
    model: Option<String>,
    resolved: Option<Resolved>,
    cwd: PathBuf,
    effort: ReasoningEffort,
}

fn new_turn_id(at: u64) -> TurnId {
    let suffix: String = std::iter::repeat_with(|| fastrand::digit(36)).take(6).collect();
    TurnId::new(format!("turn-{at}-{suffix}"))
}
