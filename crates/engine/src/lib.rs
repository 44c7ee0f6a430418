//! Conversations at run time.
//!
//! An [`Engine`] finds or starts the actor of a conversation when something is wanted of it; the actor drives one turn
//! after another and is gone when there is nothing to do, so that an idle conversation costs no memory. What a turn
//! says goes into the log first and then onto the conversation's [`live`] stream, where any number of watchers read it.

mod actor;
mod catalog;
mod driver;
mod error;
pub mod live;
mod options;
mod registry;
mod sync;

use std::sync::Arc;

use kernel::Tool;
use store::{Store, StoredRow, Window};
use tokio::sync::{broadcast, oneshot};
use wire::transport::ModelsResponse;
use wire::{ConversationId, ConversationStatus, QueuedMessage, ReasoningEffort, TurnId};

use actor::Command;
use live::{Hub, Watcher};
use registry::Registry;

pub use catalog::{Catalog, Credential};
pub use error::Error;
pub use options::Options;

/// A message that starts a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// What to say; not empty.
    pub text: String,
    /// `credential/model`, kept for later turns; else the conversation's last one, else the default.
    pub model: Option<String>,
    /// Where tools work, kept for later turns; relative to the server's own directory.
    pub cwd: Option<String>,
    /// For this turn only.
    pub effort: Option<ReasoningEffort>,
}

/// A turn that has been started.
pub struct Started {
    /// The turn; its prompt is in the log.
    pub turn_id: TurnId,
    /// Watches the conversation from the turn's first event on.
    pub watcher: Watcher,
}

/// What became of a message for the queue.
pub struct Queued {
    /// The turn that it started, because none was running.
    pub started: Option<Started>,
    /// The queue now.
    pub queue: Vec<QueuedMessage>,
}

/// A change that every client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// What it is now.
    pub status: ConversationStatus,
}

/// Conversations at run time. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What actors and the engine's handle have in common.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) specs: Arc<[kernel::ToolSpec]>,
    pub(crate) registry: Registry,
    pub(crate) statuses: broadcast::Sender<StatusChange>,
    pub(crate) stopping: tokio_util::sync::CancellationToken,
}

impl Engine {
    /// An engine over an opened log. Starts nothing.
    pub fn new(options: Options, store: Arc<dyn Store>, catalog: Catalog, tools: Vec<Arc<dyn Tool>>) -> Self {
        let specs = tools.iter().map(|tool| tool.spec().clone()).collect();
        let (statuses, _) = broadcast::channel(4096);
        let stopping = tokio_util::sync::CancellationToken::new();
        let registry = Registry::default();
        Self {
            shared: Arc::new(Shared { options, store, catalog, tools, specs, registry, statuses, stopping }),
        }
    }

    /// Starts a turn. Its prompt is in the log when this returns, and it runs to its end whoever watches.
    ///
    /// A model that nobody serves is not an error here: the turn starts, says so, and ends.
    pub async fn send(&self, conversation: &ConversationId, prompt: Prompt) -> Result<Started, Error> {
        self.ask(conversation, |reply| Command::Send { prompt, reply }).await?
    }

    /// Steers the running turn with a message, or starts a turn with it. Durable when it returns.
    pub async fn queue(&self, conversation: &ConversationId, text: String) -> Result<Queued, Error> {
        self.ask(conversation, |reply| Command::Queue { text, reply }).await?
    }

    /// Ends the running turn, if there is one, and says whether there was. What is queued stays queued.
    pub async fn stop(&self, conversation: &ConversationId) -> Result<bool, Error> {
        // Nothing is running where nobody is live: an idle conversation is not woken to be told to stop.
        match self.shared.registry.tell(conversation, |reply| Command::Stop { reply }) {
            Some(answer) => Ok(answer.await.unwrap_or(false)),
            None => Ok(false),
        }
    }

    /// Closes a conversation: ends its turn and empties its queue. Says whether a turn was running. Unknown ids are
    /// left unknown.
    pub async fn close(&self, conversation: &ConversationId) -> Result<bool, Error> {
        self.ask(conversation, |reply| Command::Close { reply }).await?
    }

    /// Watches a conversation: the turn in flight from its first event, then whatever comes.
    pub fn watch(&self, conversation: &ConversationId, extensions: bool) -> Watcher {
        self.shared.registry.hub(conversation).watch(extensions)
    }

    /// The whole conversation: sealed history, and a watcher that goes on exactly where it ends.
    pub async fn join(
        &self,
        conversation: &ConversationId,
        extensions: bool,
    ) -> Result<(Vec<StoredRow>, Watcher), Error> {
        let watcher = self.watch(conversation, extensions);
        let mut history = self.shared.store.chunks(conversation, Window::default()).await?;
        cut(&mut history, watcher.joined_at());
        Ok((history, watcher))
    }

    /// A part of the history. A turn in flight is not in it, up to the moment when its `turn-sealed` goes out.
    pub async fn history(
        &self,
        conversation: &ConversationId,
        mut window: Window,
    ) -> Result<Vec<StoredRow>, Error> {
        let in_flight =
            |shared: &Shared| shared.registry.live_hub(conversation).and_then(|hub| hub.in_flight_from());
        let before = in_flight(&self.shared);
        window.before = match (window.before, before) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut history = self.shared.store.chunks(conversation, window).await?;
        if before.is_none() {
            // A turn that began meanwhile may be on the disk already and not yet sealed for its watchers.
            cut(&mut history, in_flight(&self.shared));
        }
        Ok(history)
    }

    /// Whether a turn is running.
    pub fn is_active(&self, conversation: &ConversationId) -> bool {
        self.shared.registry.live_hub(conversation).is_some_and(|hub| hub.in_flight_from().is_some())
    }

    /// Changes of status from now on.
    pub fn statuses(&self) -> broadcast::Receiver<StatusChange> {
        self.shared.statuses.subscribe()
    }

    /// The log, for reads that need no engine.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The models of all credentials. One that cannot be asked is left out, and logged.
    pub async fn models(&self) -> ModelsResponse {
        self.shared.catalog.models().await
    }

    /// How many conversations have an actor, and how many have watchers: for tests and metrics.
    pub fn live(&self) -> (usize, usize) {
        self.shared.registry.counts()
    }

    /// Starts no more turns, stops those that run, and waits until they are sealed.
    pub async fn shut_down(&self) {
        self.shared.stopping.cancel();
        self.shared.registry.until_no_actors().await;
    }

    async fn ask<T>(
        &self,
        conversation: &ConversationId,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let answer = self.shared.registry.tell_or_start(conversation, command, |hub, commands| {
            actor::start(self.shared.clone(), conversation.clone(), hub, commands);
        });
        answer.await.map_err(|_| Error::ActorFailed)
    }
}

/// Keeps what comes before a seq.
fn cut(history: &mut Vec<StoredRow>, at: Option<u64>) {
    if let Some(at) = at {
        history.truncate(history.partition_point(|row| row.seq < at));
    }
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) type SharedHub = Arc<Hub>;
