//! The actor of one conversation: takes commands one at a time and drives one turn after another.
//!
//! It exists while there is something to do. It owns the conversation's single flight (no second turn can begin, and no
//! compaction beside one) and its queue, of which the log has the original.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use kernel::{DoneReason, Message, Part as MessagePart, Start, Turn};
use meter::{KeyId, Payer};
use store::{BeginTurn, Begun, ClientMessage, Seal};
use tokio::sync::{mpsc, oneshot};
use wire::extension::{ImageChunk, MessageImage, WhenActive};
use wire::{
    AgentEvent, Chunk, CompactionResult, ConversationId, ConversationStatus, ErrorCode, QueuedMessage, TurnId,
};

use crate::compaction::{self, Wanted};
use crate::driver::{Driver, refusal};
use crate::live::{Recorded, Watch};
use crate::notice::{Notice, Part};
use crate::payers::{self, Payers};
use crate::prepare::{Choice, Prefix, Wishes, choose, prefix, shown};
use crate::{
    Cancelled, Error, Options, Prompt, Queued, Sent, Shared, SharedHub, Started, Steer, now_ms, warming,
};

/// What can be asked of a conversation.
pub(crate) enum Command {
    /// Start a turn, or what the prompt wants while one runs.
    Send { prompt: Prompt, reply: SendReply },
    /// Steer the running turn, or start one.
    Queue { steer: Steer, reply: oneshot::Sender<Result<Queued, Error>> },
    /// Take a message out of the queue.
    Cancel { message: String, reply: oneshot::Sender<Result<Cancelled, Error>> },
    /// End the running turn.
    Stop { reply: oneshot::Sender<bool> },
    /// End the running turn, drop the queue, mark as closed.
    Close { reply: oneshot::Sender<Result<bool, Error>> },
    /// Mark as not closed any more.
    Reopen { reply: oneshot::Sender<Result<bool, Error>> },
    /// Remove everything; `force`: even while a turn runs, which is ended first.
    Delete { force: bool, reply: oneshot::Sender<Result<bool, Error>> },
    /// Replace the older messages by a summary.
    Compact { wanted: Wanted, reply: oneshot::Sender<Result<CompactionResult, Error>> },
}

/// Starts an actor for a conversation. The first command is already waiting.
pub(crate) fn start(
    shared: Arc<Shared>,
    id: ConversationId,
    hub: SharedHub,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    tokio::spawn(async move {
        let mut actor = Actor {
            shared,
            id,
            hub,
            commands,
            queue: Vec::new(),
            payers: Payers::default(),
            unable: Vec::new(),
            turn: None,
            closed: false,
            late: false,
            waiting: VecDeque::new(),
            deletions: Vec::new(),
        };
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
    /// Who pays for that.
    payers: Payers,
    /// Keys that were to begin a turn by themselves and could not: what they queued waits for somebody else.
    unable: Vec<KeyId>,
    /// The turn in flight.
    turn: Option<TurnId>,
    /// Closed while something ran: it must not become idle when that ends.
    closed: bool,
    /// Something was queued after the turn was stopped: somebody wants to go on.
    late: bool,
    /// Messages that start turns as soon as what runs now is over, in their order.
    waiting: VecDeque<Waiting>,
    /// Who waits for the conversation to be removed.
    deletions: Vec<oneshot::Sender<Result<bool, Error>>>,
}

type SendReply = oneshot::Sender<Result<Sent, Error>>;

/// A message that starts a turn when what runs now is over.
struct Waiting {
    prompt: Prompt,
    /// Who sent it; more than one when it was sent again with the same id.
    replies: Vec<SendReply>,
}

/// A turn that is about to begin.
struct Beginning {
    prompt: Prompt,
    /// The queued messages that the prompt begins with.
    carries: Vec<QueuedMessage>,
    reply: Option<Reply>,
}

enum Reply {
    Send(Vec<SendReply>),
    Queue(oneshot::Sender<Result<Queued, Error>>),
}

impl Reply {
    fn give(self, answer: Result<Started, Error>) {
        // Who asked may have gone away; the turn runs all the same.
        match self {
            Self::Send(replies) => {
                let again = answer.as_ref().map(|started| started.turn_id.clone()).map_err(Clone::clone);
                let mut replies = replies.into_iter();
                if let Some(first) = replies.next() {
                    let _ = first.send(answer.map(Sent::Started));
                }
                for reply in replies {
                    let _ = reply.send(again.clone().map(Sent::Repeated));
                }
            }
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
        match Payers::of_queue(&self.shared, &self.id, &self.queue).await {
            Ok(payers) => self.payers = payers,
            Err(error) => tracing::error!(conversation = %self.id, "{error}"),
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
                let reply = Some(Reply::Send(vec![reply]));
                self.converse(Beginning { prompt, carries: Vec::new(), reply }).await;
            }
            Command::Queue { steer, reply } => {
                if steer.expected_turn.is_some() {
                    return drop(reply.send(Err(Error::TurnMismatch)));
                }
                // What was left in the queue comes along, before it.
                let Steer { text, client_message_id, payer, watch, expected_turn: _ } = steer;
                let prompt = Prompt { text, client_message_id, payer, watch, ..Prompt::default() };
                let carries = self.queue.clone();
                self.converse(Beginning { prompt, carries, reply: Some(Reply::Queue(reply)) }).await;
            }
            Command::Cancel { message, reply } => drop(reply.send(self.cancel(message).await)),
            Command::Stop { reply } => drop(reply.send(false)),
            Command::Close { reply } => drop(reply.send(self.close().await.map(|()| false))),
            Command::Reopen { reply } => drop(reply.send(self.reopen().await)),
            Command::Delete { reply, .. } => {
                self.deletions.push(reply);
                self.delete_if_asked().await;
            }
            Command::Compact { wanted, reply } => {
                let result = self.compact(&wanted).await;
                let _ = reply.send(result);
                self.go_on().await;
            }
        }
    }

    /// A turn made of all that is queued, but for what those have queued who can begin none.
    fn carry(&self, effort: Option<wire::ReasoningEffort>) -> Option<Beginning> {
        let is_able = |message: &&QueuedMessage| !self.unable.contains(&self.payers.of(&message.id));
        let carries: Vec<QueuedMessage> = self.queue.iter().filter(is_able).cloned().collect();
        let payer = Some(self.payers.of(&carries.first()?.id));
        Some(Beginning { prompt: Prompt { effort, payer, ..Prompt::default() }, carries, reply: None })
    }

    /// What is to run after something else ran.
    async fn go_on(&mut self) {
        if let Some(next) = self.next_beginning(self.late, None) {
            self.converse(next).await;
        }
    }

    fn next_beginning(&mut self, carry: bool, effort: Option<wire::ReasoningEffort>) -> Option<Beginning> {
        if let Some(Waiting { prompt, replies }) = self.waiting.pop_front() {
            return Some(Beginning { prompt, carries: Vec::new(), reply: Some(Reply::Send(replies)) });
        }
        if carry && !self.closed { self.carry(effort) } else { None }
    }

    /// Runs a turn, and further ones while the queue asks for them.
    async fn converse(&mut self, first: Beginning) {
        let mut next = Some(first);
        let mut last = None;
        while let Some(mut beginning) = next.take() {
            let reply = beginning.reply.take();
            if self.shared.stopping.is_cancelled() {
                if let Some(reply) = reply {
                    reply.give(Err(Error::ShuttingDown));
                }
                break;
            }
            let effort = beginning.prompt.effort;
            let from_outside = reply.is_some();
            if last.is_some() && !from_outside && self.shared.options.legacy_clients {
                // Clients of the first contract read the history between two turns.
                tokio::time::sleep(Options::LEGACY_PAUSE).await;
            }
            let payer = beginning.prompt.payer.clone();
            let (mut driver, mut turn) = match self.begin(beginning, reply).await {
                Ok(begun) => begun,
                Err(error) => {
                    let goes_on = !from_outside && is_refused(&error);
                    self.unable.extend(payer.filter(|_| goes_on));
                    next = self.next_beginning(goes_on, effort);
                    continue;
                }
            };
            if !self.waiting.is_empty() {
                driver.stop(&mut turn);
            }
            let ended = driver.drive(self, &mut turn).await;
            self.turn = None;
            last = Some(ended);
            self.delete_if_asked().await;
            let wanted = ended.reason != DoneReason::Aborted || self.late;
            next = self.next_beginning(ended.sealed && wanted, effort);
        }
        self.unable.clear();
        let Some(ended) = last else { return };
        if self.closed {
            return;
        }
        self.announce(ConversationStatus::Idle);
        self.shared.notices.changed(&self.id, Part::Settings);
        if ended.sealed
            && ended.reason == DoneReason::Stop
            && compaction::is_due(&self.shared, &self.id, ended.context_size).await
        {
            self.compact_by_itself().await;
        }
        warming::arm(&self.shared, &self.id);
    }

    async fn compact_by_itself(&mut self) {
        match self.compact(&Wanted::default()).await {
            Ok(result) => tracing::info!(
                conversation = %self.id,
                archive = %result.new_conversation_id,
                "compacted: {} messages became a summary, {} stayed",
                result.messages_summarized,
                result.messages_kept
            ),
            Err(error) => tracing::warn!(conversation = %self.id, "{error}"),
        }
        // Boxed: a turn can lead to a compaction, and a compaction to the next turn.
        Box::pin(self.go_on()).await;
    }

    /// Compacts, while commands are answered. Messages that would start a turn wait for the end of it.
    async fn compact(&mut self, wanted: &Wanted) -> Result<CompactionResult, Error> {
        self.closed = false;
        self.late = false;
        let shared = self.shared.clone();
        let id = self.id.clone();
        let _busy = shared.busy(&id);
        let planning = compaction::plan(&shared, &id, wanted);
        tokio::pin!(planning);
        let stopped = |why: &str| Err(Error::CompactionRefused(why.to_owned()));
        let plan = loop {
            tokio::select! {
                biased;
                plan = &mut planning => break plan?,
                command = self.commands.recv() => match command {
                    Some(Command::Send { prompt, reply }) => match prompt.when_active {
                        WhenActive::Reject => self.wait(prompt, reply),
                        WhenActive::Queue => self.queue_prompt(prompt, reply, true).await,
                        WhenActive::Interrupt => {
                            if self.interrupts(prompt, reply).await {
                                return stopped("it was interrupted by a message");
                            }
                        }
                    },
                    Some(Command::Queue { steer, reply }) => self.steer(steer, reply, true).await,
                    Some(Command::Cancel { message, reply }) => drop(reply.send(self.cancel(message).await)),
                    Some(Command::Stop { reply }) => {
                        let _ = reply.send(false);
                        return stopped("it was stopped");
                    }
                    Some(Command::Close { reply }) => {
                        let _ = reply.send(self.close().await.map(|()| false));
                        return stopped("the conversation was closed");
                    }
                    Some(Command::Reopen { reply }) => drop(reply.send(self.reopen().await)),
                    Some(Command::Delete { force: false, reply }) => {
                        drop(reply.send(Err(Error::ConversationActive)));
                    }
                    Some(Command::Delete { force: true, reply }) => {
                        self.deletions.push(reply);
                        self.delete_if_asked().await;
                        return stopped("the conversation was deleted");
                    }
                    Some(Command::Compact { reply, .. }) => {
                        let why = "it is being compacted already".to_owned();
                        let _ = reply.send(Err(Error::CompactionRefused(why)));
                    }
                    None => return stopped("the server is stopping"),
                },
                () = shared.stopping.cancelled() => return Err(Error::ShuttingDown),
            }
        };
        compaction::carry_out(&shared, &id, plan).await
    }

    /// Writes the prompt and makes the turn; says why not to whoever asked.
    async fn begin(&mut self, beginning: Beginning, reply: Option<Reply>) -> Result<(Driver, Turn), Error> {
        let Beginning { mut prompt, carries, .. } = beginning;
        let watch = std::mem::take(&mut prompt.watch);
        let client_message_ids = message_ids(&prompt, &carries);
        // What was queued comes first, in its order.
        let texts = carries.iter().map(|message| message.text.as_str());
        let texts: Vec<&str> =
            texts.chain((!prompt.text.is_empty()).then_some(prompt.text.as_str())).collect();
        prompt.text = texts.join("\n\n");
        match self.open(&prompt, carries).await {
            Ok(opened) => {
                self.closed = false;
                self.late = false;
                self.turn = Some(opened.turn_id.clone());
                warming::turn_started(&self.shared, &self.id);
                self.shared.reads.turn_begins(&self.id);
                self.hub.begin(opened.turn_id.clone(), opened.begun.seq);
                if let Some(reply) = reply {
                    let watcher = self.hub.watch(Watch { after: None, ..watch });
                    reply.give(Ok(Started { turn_id: opened.turn_id.clone(), watcher }));
                }
                self.announce(ConversationStatus::Active);
                Ok(self.set_out(prompt.text, client_message_ids, opened).await)
            }
            Err(error) => {
                if is_refused(&error) {
                    tracing::info!(conversation = %self.id, "no turn begins: {error}");
                } else if error != Error::Store(store::Error::Repeated) {
                    tracing::error!(conversation = %self.id, "no turn can begin: {error}");
                }
                if let Some(reply) = reply {
                    reply.give(Err(error.clone()));
                }
                Err(error)
            }
        }
    }

    async fn open(&mut self, prompt: &Prompt, carries: Vec<QueuedMessage>) -> Result<Opened, Error> {
        let wishes = Wishes { model: prompt.model.clone(), cwd: prompt.cwd.clone(), effort: prompt.effort };
        let choice = choose(&self.shared, &self.id, &wishes).await?;
        let checked = self.shared.images.check(&prompt.images)?;
        let images = self.shared.images.keep(&self.id, checked).await?;
        let at = now_ms();
        let turn_id = new_turn_id(at);
        let carried: Vec<String> = carries.into_iter().map(|message| message.id).collect();
        let begin = BeginTurn {
            conversation: self.id.clone(),
            turn: turn_id.clone(),
            text: prompt.text.clone(),
            images: images.clone(),
            client_message_id: prompt.client_message_id.clone(),
            carries: carried.clone(),
            at,
            // A model that nobody serves is not kept: the next message would fail as well.
            model: prompt
                .model
                .as_ref()
                .filter(|_| choice.resolved.is_some())
                .and_then(|_| choice.model.clone()),
            answered_by: choice.resolved.as_ref().and_then(|_| choice.model.clone()),
            cwd: choice.new_cwd.clone(),
        };
        let payer = Payer {
            key: prompt.payer.clone().unwrap_or_else(KeyId::local),
            price: payers::price(&self.shared, &choice),
        };
        let begun = match self.shared.store.begin_paid_turn(begin, payer).await {
            Ok(begun) => begun,
            Err(error) => {
                self.shared.images.forget(&self.id, &images).await;
                return Err(error.into());
            }
        };
        self.delivered(&carried);
        Ok(Opened { turn_id, begun, choice, images })
    }

    /// The turn machine for a prompt that is in the log. What stands in its way now is said by the turn itself.
    async fn set_out(
        &self,
        text: String,
        client_message_ids: Vec<Option<String>>,
        opened: Opened,
    ) -> (Driver, Turn) {
        let Opened { turn_id, begun, choice, images } = opened;
        let (mut provider, model) = choice.provider();
        let mut parts: Vec<MessagePart> = vec![Chunk::Text { text: text.clone() }.into()];
        let told = images.iter().cloned().map(told).collect();
        parts.extend(images.into_iter().map(|image| Chunk::Image(image).into()));
        let prompt = Arc::new(Message { role: wire::Role::User, parts });
        let prepared = async {
            let prefix = prefix(&self.shared, &self.id, &choice, begun.seq - 1).await?;
            let prompt = shown(&self.shared, &choice, vec![prompt.clone()]).await?.pop();
            Ok::<_, Error>((prefix, prompt))
        };
        let (prefix, prompt) = match prepared.await {
            Ok((prefix, shown)) => (prefix, shown.unwrap_or(prompt)),
            Err(error) => {
                provider = refusal(format!("the history cannot be read: {error}"), error.code());
                let empty =
                    Prefix { system: None, tools: Vec::new(), specs: Arc::from([]), history: Vec::new() };
                (empty, prompt)
            }
        };
        let start = Start {
            conversation_id: self.id.clone(),
            turn_id: turn_id.clone(),
            text,
            images: told,
            prompt,
            client_message_ids,
            history: prefix.history,
            model,
            system: prefix.system,
            tools: prefix.specs,
            effort: choice.effort,
            next_seq: begun.next_seq,
            next_message: begun.message + 1,
            jitter_seed: fastrand::u64(..),
        };
        let turn = Turn::new(Instant::now(), start, self.shared.options.turn.clone());
        (Driver::new(turn_id, provider, prefix.tools, choice.cwd), turn)
    }

    /// Does with a message what it wants while a turn runs. Says whether the turn is to be stopped for it.
    pub(crate) async fn on_send_while_active(
        &mut self,
        prompt: Prompt,
        reply: SendReply,
        stopped: bool,
    ) -> bool {
        match self.sent_before(&prompt).await {
            Ok(None) => {}
            Ok(Some(sent)) => {
                let _ = reply.send(Ok(sent));
                return false;
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                return false;
            }
        }
        match prompt.when_active {
            WhenActive::Reject => {
                let _ = reply.send(Err(Error::TurnActive));
                false
            }
            WhenActive::Queue => {
                self.queue_prompt(prompt, reply, stopped).await;
                false
            }
            WhenActive::Interrupt => self.interrupts(prompt, reply).await,
        }
    }

    /// Has a message take the place of what runs, if it can. Says whether that is to be stopped for it.
    async fn interrupts(&mut self, prompt: Prompt, reply: SendReply) -> bool {
        if let Err(error) = self.admit(prompt.payer.as_ref(), prompt.model.clone()).await {
            let _ = reply.send(Err(error));
            return false;
        }
        self.wait(prompt, reply);
        true
    }

    async fn admit(&self, payer: Option<&KeyId>, model: Option<String>) -> Result<(), Error> {
        match payer {
            Some(key) => payers::admit(&self.shared, &self.id, key, model).await,
            None => Ok(()),
        }
    }

    /// What became of a message with the same id that came before, also a moment ago.
    async fn sent_before(&self, prompt: &Prompt) -> Result<Option<Sent>, Error> {
        let Some(id) = prompt.client_message_id.clone() else { return Ok(None) };
        Ok(match self.shared.store.client_message(&self.id, id).await? {
            None => None,
            Some(ClientMessage::Delivered(turn)) => Some(Sent::Repeated(turn)),
            Some(ClientMessage::Queued) => Some(Sent::Queued(self.queue.clone())),
        })
    }

    /// Has a message start a turn as soon as what runs now is over.
    fn wait(&mut self, prompt: Prompt, reply: SendReply) {
        let same = |waiting: &&mut Waiting| {
            prompt.client_message_id.is_some() && waiting.prompt.client_message_id == prompt.client_message_id
        };
        match self.waiting.iter_mut().find(same) {
            Some(waiting) => waiting.replies.push(reply),
            None => self.waiting.push_back(Waiting { prompt, replies: vec![reply] }),
        }
    }

    /// Lets go of what waits: the conversation is closed.
    fn turn_away(&mut self) {
        for reply in self.waiting.drain(..).flat_map(|waiting| waiting.replies) {
            let _ = reply.send(Err(Error::ClosedMeanwhile));
        }
    }

    async fn queue_prompt(&mut self, prompt: Prompt, reply: SendReply, late: bool) {
        let answer = if prompt.images.is_empty() {
            self.enqueue(prompt.text, prompt.client_message_id, prompt.payer, late).await
        } else {
            Err(Error::Invalid(
                "a message with images cannot be queued: interrupt the turn, or wait".to_owned(),
            ))
        };
        let _ = reply.send(answer.map(Sent::Queued));
    }

    /// Queues a message while something runs. `late`: what runs will not take it any more.
    pub(crate) async fn steer(
        &mut self,
        steer: Steer,
        reply: oneshot::Sender<Result<Queued, Error>>,
        late: bool,
    ) {
        let meant = steer.expected_turn.is_none() || steer.expected_turn == self.turn;
        let answer = if meant {
            self.enqueue(steer.text, steer.client_message_id, steer.payer, late)
                .await
                .map(|queue| Queued { started: None, queue })
        } else {
            Err(Error::TurnMismatch)
        };
        let _ = reply.send(answer);
    }

    async fn enqueue(
        &mut self,
        text: String,
        client_message_id: Option<String>,
        payer: Option<KeyId>,
        late: bool,
    ) -> Result<Vec<QueuedMessage>, Error> {
        self.admit(payer.as_ref(), None).await?;
        let id = uuid::Uuid::new_v4().to_string();
        if let Some(payer) = &payer {
            self.payers.keep(&self.shared, &self.id, &self.queue, (&id, payer)).await?;
        }
        let message = QueuedMessage { id, text, queued_at: now_ms(), client_message_id };
        match self.shared.store.enqueue(&self.id, message).await {
            Ok(queue) => {
                self.queue = queue;
                self.late |= late;
                self.shared.notices.changed(&self.id, Part::Queue);
            }
            // It was taken in before: nothing is to be done twice.
            Err(store::Error::Repeated) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.queue.clone())
    }

    /// Takes a message out of the queue.
    pub(crate) async fn cancel(&mut self, message: String) -> Result<Cancelled, Error> {
        let removed = match self.queue.iter().any(|queued| queued.id == message) {
            true => self.shared.store.dequeue(&self.id, vec![message]).await?,
            false => Vec::new(),
        };
        let removed: Vec<String> = removed.into_iter().map(|message| message.id).collect();
        self.delivered(&removed);
        Ok(Cancelled { cancelled: !removed.is_empty(), queue: self.queue.clone() })
    }

    /// Marks the conversation as closed.
    pub(crate) async fn close(&mut self) -> Result<(), Error> {
        let exists = self.shared.store.close(&self.id).await?;
        let dropped: Vec<String> = self.queue.iter().map(|message| message.id.clone()).collect();
        self.delivered(&dropped);
        self.closed = true;
        self.turn_away();
        if exists {
            self.announce(ConversationStatus::Closed);
            warming::closed(&self.shared, &self.id).await?;
        }
        Ok(())
    }

    /// Marks the conversation as not closed any more. A turn that was stopped with the close may still be ending.
    pub(crate) async fn reopen(&mut self) -> Result<bool, Error> {
        let was_closed = self.shared.store.reopen(&self.id).await?;
        if was_closed {
            self.closed = false;
            let runs = self.turn.is_some();
            self.announce(if runs { ConversationStatus::Active } else { ConversationStatus::Idle });
        }
        Ok(was_closed)
    }

    /// Wants the conversation to be removed when its turn is over.
    pub(crate) fn delete_later(&mut self, reply: oneshot::Sender<Result<bool, Error>>) {
        self.deletions.push(reply);
        self.turn_away();
    }

    async fn delete_if_asked(&mut self) {
        if self.deletions.is_empty() {
            return;
        }
        let answer = self.delete().await;
        for reply in self.deletions.drain(..) {
            let _ = reply.send(answer.clone());
        }
    }

    async fn delete(&mut self) -> Result<bool, Error> {
        let known = self.shared.store.conversation(&self.id).await?;
        let deleted = self.shared.store.delete(&self.id).await?;
        self.shared.warmings.forget(&self.id);
        self.queue.clear();
        self.closed = true;
        // The archive shows the same images.
        if known.is_some_and(|known| known.meta.compacted_from.is_none()) {
            self.shared.images.delete(&self.id).await;
        }
        if deleted {
            self.announce(ConversationStatus::Closed);
            self.shared.notices.tell(Notice::Deleted { conversation_id: self.id.clone() });
        }
        Ok(deleted)
    }

    /// These messages are no longer in the queue.
    pub(crate) fn delivered(&mut self, ids: &[String]) {
        if !ids.is_empty() {
            self.queue.retain(|message| !ids.contains(&message.id));
            self.shared.notices.changed(&self.id, Part::Queue);
        }
    }

    fn announce(&self, status: ConversationStatus) {
        self.shared.notices.tell(Notice::Status { conversation_id: self.id.clone(), status });
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
    choice: Choice,
    images: Vec<ImageChunk>,
}

/// An image as watchers are told of it.
fn told(image: ImageChunk) -> MessageImage {
    let ImageChunk { url, mime_type } = image;
    MessageImage { url, mime_type }
}

/// The clients' own ids of the messages that a prompt is made of.
fn message_ids(prompt: &Prompt, carries: &[QueuedMessage]) -> Vec<Option<String>> {
    let carried = carries.iter().map(|message| message.client_message_id.clone());
    carried.chain((!prompt.text.is_empty()).then(|| prompt.client_message_id.clone())).collect()
}

/// Whether the rules of the ledger allow no turn, as opposed to a failure.
fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Store(store::Error::InsufficientCredits | store::Error::NoSuchKey))
}

fn new_turn_id(at: u64) -> TurnId {
    let suffix: String = std::iter::repeat_with(|| fastrand::digit(36)).take(6).collect();
    TurnId::new(format!("turn-{at}-{suffix}"))
}
