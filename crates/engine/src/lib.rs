//! Conversations at run time.
//!
//! An [`Engine`] finds or starts the actor of a conversation when something is wanted of it; the actor drives one turn
//! after another and is gone when there is nothing to do, so that an idle conversation costs no memory. What a turn
//! says goes into the log first and then onto the conversation's [`live`] stream, where any number of watchers read it.
//!
//! A turn has a payer, a key of the ledger, and is charged step by step. It is paid by whoever started it, also for the
//! queued messages that it takes in; one that begins by itself, of what was queued, by whoever queued the first of it.
//! Summaries and the warming of prompt caches are charged to nobody.

mod actor;
mod catalog;
mod compaction;
mod driver;
mod error;
mod images;
pub mod live;
mod notice;
mod options;
mod payers;
mod prepare;
mod reads;
mod registry;
mod sync;
mod todo;
mod warming;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{Tool, ToolSource};
use meter::KeyId;
use store::{Attribute, ClientMessage, Global, Setting, Store, StoredRow, Window};
use tokio::sync::{broadcast, oneshot};
use wire::extension::{ImageInput, Todo, WhenActive};
use wire::transport::{ModelsResponse, WarmResponse};
use wire::{CompactionResult, ConversationId, ConversationStatus, QueuedMessage, ReasoningEffort, TurnId};

use actor::Command;
use images::Images;
use live::{After, Heard, Hub, Watch, Watcher};
use notice::Notices;
use prepare::Wishes;
use reads::Reads;
use registry::Registry;
use warming::Warmings;

pub use catalog::{Catalog, Credential};
pub use error::Error;
pub use notice::{Change, Notice, Part};
pub use options::Options;
pub use warming::{Warming, WarmingSettings};

/// A message that starts a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// What to say; not empty.
    pub text: String,
    /// What belongs to it.
    pub images: Vec<ImageInput>,
    /// `credential/model`, kept for later turns; else the conversation's last one, else the default.
    pub model: Option<String>,
    /// Where tools work, kept for later turns; relative to the server's own directory.
    pub cwd: Option<String>,
    /// For this turn only.
    pub effort: Option<ReasoningEffort>,
    /// The client's own id of the message: sent again, it starts nothing twice.
    pub client_message_id: Option<String>,
    /// What becomes of it while a turn runs. Where it is queued, only its text is.
    pub when_active: WhenActive,
    /// Whose key pays for the turn; none: the key `local`.
    pub payer: Option<KeyId>,
    /// How the turn is watched.
    pub watch: Watch,
}

/// A message for the running turn, or the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steer {
    /// What to say; not empty.
    pub text: String,
    /// The client's own id of the message: sent again, it is queued once.
    pub client_message_id: Option<String>,
    /// Only if this turn is running.
    pub expected_turn: Option<TurnId>,
    /// Whose key pays for a turn that it starts; none: the key `local`. A turn that takes it in goes on at the expense of
    /// whoever started it.
    pub payer: Option<KeyId>,
    /// How the turn is watched that it starts, if it starts one.
    pub watch: Watch,
}

/// A turn that has been started.
pub struct Started {
    /// The turn; its prompt is in the log.
    pub turn_id: TurnId,
    /// Watches the conversation from the turn's first event on.
    pub watcher: Watcher,
}

/// What became of a message.
pub enum Sent {
    /// It started a turn.
    Started(Started),
    /// A turn was running, and it was queued: the queue now.
    Queued(Vec<QueuedMessage>),
    /// A message with that id was taken in before, by this turn; nothing was done.
    Repeated(TurnId),
}

/// What became of a message for the queue.
pub struct Queued {
    /// The turn that it started, because none was running.
    pub started: Option<Started>,
    /// The queue now.
    pub queue: Vec<QueuedMessage>,
}

/// What became of the wish to take a message out of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Whether it was still there.
    pub cancelled: bool,
    /// The queue now.
    pub queue: Vec<QueuedMessage>,
}

/// The last thing that the model said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// Empty when there is nothing.
    pub text: String,
    /// The turn that was waited for and sealed meanwhile.
    pub turn_id: Option<TurnId>,
}

/// What models can call in every conversation, and where more comes from that depends on the conversation.
#[derive(Clone, Default)]
pub struct Toolbox {
    /// For all, in this order.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Asked in this order, once for each turn.
    pub sources: Vec<Arc<dyn ToolSource>>,
    /// Whether there is also `todo_write`, with which a model keeps the conversation's list of tasks.
    pub todos: bool,
}

impl From<Vec<Arc<dyn Tool>>> for Toolbox {
    fn from(tools: Vec<Arc<dyn Tool>>) -> Self {
        Self { tools, ..Self::default() }
    }
}

/// The name of the tool that [`Toolbox::todos`] is about.
pub const TODO_WRITE: &str = todo::NAME;

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
    pub(crate) sources: Vec<Arc<dyn ToolSource>>,
    pub(crate) images: Images,
    pub(crate) registry: Registry,
    pub(crate) notices: Notices,
    pub(crate) warmings: Warmings,
    pub(crate) reads: Reads,
    /// Conversations that are being compacted.
    compacting: Mutex<HashSet<ConversationId>>,
    pub(crate) stopping: tokio_util::sync::CancellationToken,
}

impl Shared {
    /// Whether something runs in a conversation: a turn, or a compaction.
    pub(crate) fn is_busy(&self, id: &ConversationId) -> bool {
        self.registry.live_hub(id).is_some_and(|hub| hub.in_flight_from().is_some())
            || self.compacting.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// A compaction runs until this is dropped.
    pub(crate) fn busy<'a>(&'a self, id: &'a ConversationId) -> impl Drop + 'a {
        self.compacting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Busy { shared: self, id }
    }
}

struct Busy<'a> {
    shared: &'a Shared,
    id: &'a ConversationId,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.shared.compacting.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

impl Engine {
    /// An engine over an opened log. Starts nothing; see [`Engine::resume`].
    pub fn new(
        options: Options,
        store: Arc<dyn Store>,
        catalog: Catalog,
        toolbox: impl Into<Toolbox>,
    ) -> Self {
        let Toolbox { mut tools, sources, todos } = toolbox.into();
        let notices = Notices::new();
        if todos {
            tools.push(Arc::new(todo::TodoWrite { store: store.clone(), notices: notices.clone() }));
        }
        let shared = Shared {
            specs: tools.iter().map(|tool| tool.spec().clone()).collect(),
            images: Images::new(options.images.clone()),
            registry: Registry::new(options.spill.clone()),
            reads: Reads::new(options.legacy_clients),
            warmings: Warmings::default(),
            compacting: Mutex::default(),
            stopping: tokio_util::sync::CancellationToken::new(),
            options,
            store,
            catalog,
            tools,
            sources,
            notices,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes up again what goes on by itself: the warming of prompt caches that was switched on.
    pub async fn resume(&self) -> Result<(), Error> {
        warming::resume(&self.shared).await
    }

    /// Starts a turn, or does with the message what it wants while one runs. Where a turn is started, its prompt is in
    /// the log when this returns, and it runs to its end whoever watches.
    ///
    /// A model that nobody serves is not an error here: the turn starts, says so, and ends. A key that has nothing left
    /// for a model that costs something is one, and then nothing is done: no turn is begun or stopped, nothing queued.
    pub async fn send(&self, conversation: &ConversationId, prompt: Prompt) -> Result<Sent, Error> {
        // Said before anything else: a bad image does not interrupt a turn.
        self.shared.images.check(&prompt.images)?;
        let client_message_id = prompt.client_message_id.clone();
        if let Some(sent) = self.sent_before(conversation, client_message_id.as_deref()).await? {
            return Ok(sent);
        }
        match self.ask(conversation, |reply| Command::Send { prompt, reply }).await? {
            Err(Error::Store(store::Error::Repeated)) => {
                let sent = self.sent_before(conversation, client_message_id.as_deref()).await?;
                sent.ok_or(Error::Store(store::Error::Repeated))
            }
            answer => answer,
        }
    }

    async fn sent_before(
        &self,
        conversation: &ConversationId,
        client_message_id: Option<&str>,
    ) -> Result<Option<Sent>, Error> {
        let Some(id) = client_message_id else { return Ok(None) };
        Ok(match self.shared.store.client_message(conversation, id.to_owned()).await? {
            None => None,
            Some(ClientMessage::Delivered(turn)) => Some(Sent::Repeated(turn)),
            Some(ClientMessage::Queued) => Some(Sent::Queued(self.shared.store.queue(conversation).await?)),
        })
    }

    /// Steers the running turn with a message, or starts a turn with it. Durable when it returns.
    pub async fn queue(&self, conversation: &ConversationId, steer: Steer) -> Result<Queued, Error> {
        let client_message_id = steer.client_message_id.clone();
        if self.sent_before(conversation, client_message_id.as_deref()).await?.is_some() {
            return Ok(Queued { started: None, queue: self.queued(conversation).await? });
        }
        match self.ask(conversation, |reply| Command::Queue { steer, reply }).await? {
            Err(Error::Store(store::Error::Repeated)) => {
                Ok(Queued { started: None, queue: self.queued(conversation).await? })
            }
            answer => answer,
        }
    }

    /// What waits to be taken in, oldest first.
    pub async fn queued(&self, conversation: &ConversationId) -> Result<Vec<QueuedMessage>, Error> {
        Ok(self.shared.store.queue(conversation).await?)
    }

    /// Takes a message out of the queue, if it is still there.
    pub async fn cancel_queued(
        &self,
        conversation: &ConversationId,
        message: String,
    ) -> Result<Cancelled, Error> {
        self.ask(conversation, |reply| Command::Cancel { message, reply }).await?
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

    /// Takes a close back: the conversation is idle again. Says whether it was closed.
    pub async fn reopen(&self, conversation: &ConversationId) -> Result<bool, Error> {
        self.ask(conversation, |reply| Command::Reopen { reply }).await?
    }

    /// Removes a conversation with everything that is kept for it, and says whether there was one. While a turn runs
    /// that is refused, or with `force` done as soon as the turn is stopped and sealed.
    pub async fn delete(&self, conversation: &ConversationId, force: bool) -> Result<bool, Error> {
        self.ask(conversation, |reply| Command::Delete { force, reply }).await?
    }

    /// Asks every client to show a conversation. Does not touch it.
    pub fn open(&self, conversation: &ConversationId) {
        self.shared.notices.tell(Notice::Opened { conversation_id: conversation.clone() });
    }

    /// Watches a conversation: the turn in flight from its first event, or from where the watch says, then whatever
    /// comes.
    pub fn watch(&self, conversation: &ConversationId, watch: Watch) -> Watcher {
        self.shared.registry.hub(conversation).watch(watch)
    }

    /// Watches a turn from its beginning if it runs; if it is over, hears that it is sealed.
    pub fn watch_turn(&self, conversation: &ConversationId, turn: TurnId, watch: Watch) -> Watcher {
        let after = Some(After { turn, event_seq: 0 });
        self.watch(conversation, Watch { after, ..watch })
    }

    /// The whole conversation: sealed history, and a watcher that goes on exactly where it ends.
    pub async fn join(
        &self,
        conversation: &ConversationId,
        watch: Watch,
    ) -> Result<(Vec<StoredRow>, Watcher), Error> {
        let watcher = self.watch(conversation, watch);
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
        let _read = self.shared.reads.begin(conversation);
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

    /// The last thing that the model said. While a turn runs, waits for its end of any kind, but no longer than that.
    pub async fn last(&self, conversation: &ConversationId, patience: Duration) -> Result<Last, Error> {
        let mut turn_id = None;
        let hub = self.shared.registry.hub(conversation);
        let mut watcher = hub.watch(Watch::default());
        // Asked after the watcher has joined: whatever runs now, it hears the end of.
        if hub.in_flight_from().is_some() {
            let wait = async {
                loop {
                    match watcher.next().await {
                        Heard::Frame(frame) if frame.event().starts_with(br#"{"type":"turn-sealed""#) => {
                            turn_id = Some(TurnId::clone(&frame.position().turn));
                        }
                        Heard::Frame(_) => {}
                        Heard::TurnOver => return,
                    }
                }
            };
            // Having waited long enough is not an error: the history has what there is.
            let _ = tokio::time::timeout(patience, wait).await;
        }
        let text = self.shared.store.last_text(conversation).await?.unwrap_or_default();
        Ok(Last { text, turn_id })
    }

    /// Whether something runs in a conversation: a turn, or a compaction.
    pub fn is_active(&self, conversation: &ConversationId) -> bool {
        self.shared.is_busy(conversation)
    }

    /// The conversations in which a turn runs.
    pub fn active(&self) -> Vec<ConversationId> {
        self.shared.registry.in_flight()
    }

    /// Where a conversation stands; idle if it does not exist.
    pub async fn status(&self, conversation: &ConversationId) -> Result<ConversationStatus, Error> {
        let known = self.shared.store.conversation(conversation).await?;
        Ok(known.map_or(ConversationStatus::Idle, |known| known.meta.status))
    }

    /// Replaces the older part of a conversation by a summary: all but the last `keep` messages, 10 where nobody says.
    /// The model is the conversation's own where nobody says.
    pub async fn compact(
        &self,
        conversation: &ConversationId,
        keep: Option<usize>,
        model: Option<String>,
    ) -> Result<CompactionResult, Error> {
        let wanted = compaction::Wanted { keep, model };
        self.ask(conversation, |reply| Command::Compact { wanted, reply }).await?
    }

    /// Percent of the model's context window at which a conversation is compacted by itself; 0: never.
    pub async fn compact_percent(&self, conversation: &ConversationId) -> Result<u64, Error> {
        compaction::percent(&self.shared, conversation).await
    }

    /// Sets that.
    pub async fn set_compact_percent(
        &self,
        conversation: &ConversationId,
        percent: u64,
    ) -> Result<(), Error> {
        let value = Some(percent.to_string());
        let write = self.shared.store.set_attribute(conversation, now_ms(), Attribute::CompactPercent, value);
        write.await?;
        self.shared.notices.changed(conversation, Part::Settings);
        Ok(())
    }

    /// Changes a setting of a conversation; later turns go by it.
    pub async fn set(&self, conversation: &ConversationId, setting: Setting) -> Result<(), Error> {
        let setting = match setting {
            Setting::Model(Some(model)) => Setting::Model(Some(self.shared.catalog.real_name(model))),
            other => other,
        };
        let title = match &setting {
            Setting::Title(title) => Some(title.clone()),
            Setting::Cwd(_) | Setting::Effort(_) | Setting::Model(_) => None,
        };
        self.shared.store.set(conversation, now_ms(), setting).await?;
        if let Some(title) = title {
            self.shared.notices.tell(Notice::Titled { conversation_id: conversation.clone(), title });
        }
        self.shared.notices.changed(conversation, Part::Settings);
        Ok(())
    }

    /// Whether a configured credential serves models of that name, or it is an alias of one that does.
    pub fn serves(&self, model: &str) -> bool {
        self.shared.catalog.serves(model)
    }

    /// Warms the provider's prompt cache of a conversation once, now.
    pub async fn warm(
        &self,
        conversation: &ConversationId,
        model: Option<String>,
        cwd: Option<String>,
    ) -> Result<WarmResponse, Error> {
        warming::warm(&self.shared, conversation, Wishes { model, cwd, effort: None }).await
    }

    /// How the prompt cache of a conversation is kept warm.
    pub async fn warming(&self, conversation: &ConversationId) -> Result<Warming, Error> {
        warming::state(&self.shared, conversation).await
    }

    /// Changes that. An interval that is too short becomes the shortest.
    pub async fn set_warming(
        &self,
        conversation: &ConversationId,
        settings: WarmingSettings,
    ) -> Result<(), Error> {
        warming::set(&self.shared, conversation, settings).await
    }

    /// The list of tasks that the model keeps.
    pub async fn todos(&self, conversation: &ConversationId) -> Result<Vec<Todo>, Error> {
        todo::read(self.shared.store.as_ref(), conversation).await
    }

    /// The template of the system prompt; empty where there is none.
    pub async fn system_prompt(&self) -> Result<String, Error> {
        Ok(prepare::template(&self.shared).await?.unwrap_or_default())
    }

    /// Sets the template, for conversations that begin from now on; an empty one means no system prompt.
    pub async fn set_system_prompt(&self, template: String) -> Result<(), Error> {
        Ok(self.shared.store.set_global(Global::SystemPrompt, Some(template)).await?)
    }

    /// An image that came with a message of a conversation: its bytes and its type, if there is one of that name.
    pub async fn image(&self, conversation: &ConversationId, file: &str) -> Option<(Vec<u8>, &'static str)> {
        self.shared.images.read(conversation, file).await
    }

    /// The directory in which the tools of a conversation work, absolute.
    pub async fn cwd(&self, conversation: &ConversationId) -> Result<std::path::PathBuf, Error> {
        let known = self.shared.store.conversation(conversation).await?;
        let cwd = known.and_then(|known| known.cwd).unwrap_or_default();
        Ok(self.shared.options.cwd.join(cwd))
    }

    /// The names of the tools that every conversation has.
    pub fn tools(&self) -> Vec<String> {
        self.shared.specs.iter().map(|spec| spec.name.clone()).collect()
    }

    /// What every client is told, from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.shared.notices.notices()
    }

    /// What changes beside the streams, from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.notices.changes()
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
        self.shared.warmings.stop();
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
