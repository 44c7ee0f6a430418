//! The server's routes, one method for each.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::extension::{
    CancelQueuedResponse, ConversationModelResponse, ConversationStatusResponse, DeleteConversationResponse,
    McpStatusResponse, QueueExtras, QueueStateResponse, SetConversationModelRequest,
};
use wire::transport::{
    CompactRequest, CompactResponse, ConversationListResponse, ConversationMetricsResponse, CwdResponse,
    LastMessageResponse, ModelsResponse, OpenConversationResponse, QueueRequest, QueueResponse,
    ReasoningEffortResponse, SetCwdRequest, SetReasoningEffortRequest, SetTitleRequest, StopResponse,
    ThroughputPeriod, ThroughputResponse, TitleResponse, WarmRequest, WarmResponse,
};
use wire::{ConversationId, ConversationStatus, ReasoningEffort, TurnId};

use crate::http::{ANSWER, Twice};
use crate::{Answer, Client, ClientMessageId, Error, Events, Message, Pages, Sent, Stored, Taken, Turn};

/// How long an answer may take that waits for a turn: the server waits for 60 seconds at most.
const TURN: Duration = Duration::from_secs(90);

/// How long an answer may take that waits for a model.
const MODEL: Duration = Duration::from_secs(15 * 60);

const NOTHING: Option<&()> = None;

/// A part of the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    /// Only what comes after this seq.
    pub since: u64,
    /// Only what comes before this seq.
    pub before: Option<u64>,
    /// Only the newest so many of those.
    pub limit: Option<u64>,
}

#[derive(serde::Deserialize)]
struct History {
    chunks: Vec<Stored>,
}

#[derive(Serialize)]
struct Queueing<'q> {
    #[serde(flatten)]
    request: QueueRequest,
    #[serde(flatten)]
    extras: &'q QueueExtras,
}

/// Turns.
impl Client {
    /// Starts a turn. Sent twice, for whatever reason, it is started once.
    pub async fn chat(&self, message: &Message) -> Result<Sent, Error> {
        let request = self.request(Method::POST, &["chat"], &[], Some(message));
        let response = self.begin(request, Twice::if_safe(message.is_named())).await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(Sent::Queued(self.answer(response).await?)),
            _ => Ok(Sent::Turn(Events::of_turn(response, self.key()))),
        }
    }

    /// Starts a turn, or queues the message, and returns when the server has it. Sent twice, for whatever reason, it is
    /// taken once. Nobody has to listen: the turn is the server's.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached; with the code `turn-active` when a turn is running and the message
    /// does not say what to do then.
    pub async fn send(&self, message: &Message) -> Result<Taken, Error> {
        let mut turn = self.stream(message.clone());
        match turn.open().await? {
            Some(queued) => Ok(Taken::Queued(queued)),
            None => Ok(Taken::Turn(turn.id().await?)),
        }
    }

    /// Sends a message, and gives the events of its turn. The message goes out when the first one is asked for.
    pub fn stream(&self, message: Message) -> Turn {
        Turn::new(self, message)
    }

    pub(crate) async fn post_once(&self, message: &Message) -> Result<Sent, Error> {
        let request = self.request(Method::POST, &["chat"], &[], Some(message));
        let response = self.begin_once(request).await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(Sent::Queued(self.answer(response).await?)),
            _ => Ok(Sent::Turn(Events::of_turn(response, self.key()))),
        }
    }

    /// Everything that happens in a conversation: the turn in flight from its first event, then whatever comes. Ends with
    /// the connection; [`Watch`](crate::Watch) goes on.
    pub async fn watch(&self, id: &ConversationId) -> Result<Events, Error> {
        let response = self.begin(self.watching(id, None), Twice::Safe).await?;
        Ok(Events::of_conversation(response, id.clone(), self.key()))
    }

    /// As [`Client::watch`], from after the event of that id, and tried once.
    pub(crate) async fn watch_after(
        &self,
        id: &ConversationId,
        event: Option<&str>,
    ) -> Result<Events, Error> {
        let response = self.begin_once(self.watching(id, event)).await?;
        Ok(Events::of_conversation(response, id.clone(), self.key()))
    }

    fn watching(&self, id: &ConversationId, event: Option<&str>) -> RequestBuilder {
        let query = [("extensions", "true".to_owned())];
        let path = ["conversations", id.as_str(), "events"];
        let request = self.request(Method::GET, &path, &query, NOTHING);
        match event {
            Some(event) => request.header("last-event-id", event),
            None => request,
        }
    }

    /// The last answer: at once if no turn is running, else when it is over, or after a minute.
    pub async fn last(&self, id: &ConversationId) -> Result<Answer<LastMessageResponse>, Error> {
        let request = self.request(Method::GET, &["conversations", id.as_str(), "last"], &[], NOTHING);
        self.json(request.timeout(TURN), Twice::Safe).await
    }

    /// Waits until no turn runs in a conversation, and gives its last answer.
    pub async fn settled(&self, id: &ConversationId) -> Result<Answer<LastMessageResponse>, Error> {
        let list = self.conversations(&[], Some(id.as_str())).await?.value.conversations;
        if !list.iter().any(|conversation| conversation.id == *id) {
            return Err(Error::Unknown(id.to_string()));
        }
        loop {
            let last = self.last(id).await?;
            let now = self.status(id).await?.value;
            // A compaction is active, too, but it takes nothing from the answer.
            if !(now.is_active && now.status == ConversationStatus::Active) {
                return Ok(last);
            }
        }
    }

    /// Ends the running turn; what was said stays.
    pub async fn stop(&self, id: &ConversationId) -> Result<Answer<StopResponse>, Error> {
        self.post(id, "stop", NOTHING).await
    }

    /// Keeps a conversation in the provider's prompt cache.
    pub async fn warm(&self, id: &ConversationId) -> Result<Answer<WarmResponse>, Error> {
        let body = WarmRequest { conversation_id: id.clone(), model: None, cwd: None };
        let request = self.request(Method::POST, &["chat", "warm"], &[], Some(&body));
        self.json(request.timeout(MODEL), Twice::Unsafe).await
    }
}

/// The queue.
impl Client {
    /// Queues a text: it enters the running turn after its next tool results, or starts the next turn, or one now. Sent
    /// twice, it is queued once.
    pub async fn queue(
        &self,
        id: &ConversationId,
        text: &str,
        message: &ClientMessageId,
    ) -> Result<Answer<QueueResponse>, Error> {
        self.queue_for(id, text, message, None).await
    }

    /// As [`Client::queue`], if that turn is still running. Otherwise the server refuses, with the code `turn-mismatch`.
    pub async fn steer(
        &self,
        id: &ConversationId,
        turn: &TurnId,
        text: &str,
        message: &ClientMessageId,
    ) -> Result<Answer<QueueResponse>, Error> {
        self.queue_for(id, text, message, Some(turn.clone())).await
    }

    async fn queue_for(
        &self,
        id: &ConversationId,
        text: &str,
        message: &ClientMessageId,
        expected_turn_id: Option<TurnId>,
    ) -> Result<Answer<QueueResponse>, Error> {
        let extras = QueueExtras { client_message_id: Some(message.as_str().to_owned()), expected_turn_id };
        let body = Queueing { request: QueueRequest { text: text.to_owned() }, extras: &extras };
        let path = ["conversations", id.as_str(), "queue"];
        let request = self.request(Method::POST, &path, &[], Some(&body)).timeout(ANSWER);
        self.json(request, Twice::Safe).await
    }

    /// What waits, oldest first.
    pub async fn queued(&self, id: &ConversationId) -> Result<Answer<QueueStateResponse>, Error> {
        self.read(id, "queue").await
    }

    /// Takes a message out of the queue.
    pub async fn cancel(
        &self,
        id: &ConversationId,
        message: &str,
    ) -> Result<Answer<CancelQueuedResponse>, Error> {
        let path = ["conversations", id.as_str(), "queue", message];
        self.ask(Method::DELETE, &path, &[], NOTHING).await
    }
}

/// Whole conversations.
impl Client {
    /// The conversations with one of these statuses (none: with any) whose id begins like that.
    pub async fn conversations(
        &self,
        statuses: &[ConversationStatus],
        prefix: Option<&str>,
    ) -> Result<Answer<ConversationListResponse>, Error> {
        let statuses = statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(",");
        let mut query = Vec::new();
        if !statuses.is_empty() {
            query.push(("status", statuses));
        }
        if let Some(prefix) = prefix {
            query.push(("q", prefix.to_owned()));
        }
        self.ask(Method::GET, &["conversations"], &query, NOTHING).await
    }

    /// A part of the history, with images as images.
    pub async fn history(&self, id: &ConversationId, window: Window) -> Result<Vec<Stored>, Error> {
        let mut query = vec![("sinceSeq", window.since.to_string()), ("extensions", "true".to_owned())];
        query.extend(window.before.map(|before| ("beforeSeq", before.to_string())));
        query.extend(window.limit.map(|limit| ("limit", limit.to_string())));
        let path = ["conversations", id.as_str()];
        Ok(self.ask::<History>(Method::GET, &path, &query, NOTHING).await?.value.chunks)
    }

    /// The whole history in pages of so many chunks, the newest page first.
    pub fn pages(&self, id: &ConversationId, limit: u64) -> Pages {
        Pages::new(self, id.clone(), limit)
    }

    /// Whether a turn runs, and for how long.
    pub async fn status(&self, id: &ConversationId) -> Result<Answer<ConversationStatusResponse>, Error> {
        self.read(id, "status").await
    }

    /// Tokens and times of each turn and step.
    pub async fn metrics(&self, id: &ConversationId) -> Result<Answer<ConversationMetricsResponse>, Error> {
        self.read(id, "metrics").await
    }

    /// How the MCP servers of its directory do.
    pub async fn mcp(&self, id: &ConversationId) -> Result<Answer<McpStatusResponse>, Error> {
        self.read(id, "mcp").await
    }

    /// Asks every client to show a conversation.
    pub async fn open(&self, id: &ConversationId) -> Result<Answer<OpenConversationResponse>, Error> {
        self.post(id, "open", NOTHING).await
    }

    /// Takes a conversation off the list; its history stays.
    pub async fn close(&self, id: &ConversationId) -> Result<Answer<StopResponse>, Error> {
        self.post(id, "close", NOTHING).await
    }

    /// Takes that back.
    pub async fn reopen(&self, id: &ConversationId) -> Result<Answer<ConversationStatusResponse>, Error> {
        self.post(id, "reopen", NOTHING).await
    }

    /// Replaces the older part of the history by a summary, which a model writes.
    pub async fn compact(
        &self,
        id: &ConversationId,
        wishes: &CompactRequest,
    ) -> Result<Answer<CompactResponse>, Error> {
        let path = ["conversations", id.as_str(), "compact"];
        let request = self.request(Method::POST, &path, &[], Some(wishes));
        self.json(request.timeout(MODEL), Twice::Unsafe).await
    }

    /// Removes a conversation; with `force` even while a turn is running, which is stopped.
    pub async fn delete(
        &self,
        id: &ConversationId,
        force: bool,
    ) -> Result<Answer<DeleteConversationResponse>, Error> {
        let query = [("force", force.to_string())];
        self.ask(Method::DELETE, &["conversations", id.as_str()], &query, NOTHING).await
    }
}

/// What a conversation goes by.
impl Client {
    /// The title.
    pub async fn title(&self, id: &ConversationId) -> Result<Answer<TitleResponse>, Error> {
        self.read(id, "title").await
    }

    /// Sets the title.
    pub async fn set_title(&self, id: &ConversationId, title: &str) -> Result<Answer<TitleResponse>, Error> {
        self.put(id, "title", &SetTitleRequest { title: title.to_owned() }).await
    }

    /// The model of later turns.
    pub async fn model(&self, id: &ConversationId) -> Result<Answer<ConversationModelResponse>, Error> {
        self.read(id, "model").await
    }

    /// None: the server's default.
    pub async fn set_model(
        &self,
        id: &ConversationId,
        model: Option<String>,
    ) -> Result<Answer<ConversationModelResponse>, Error> {
        self.put(id, "model", &SetConversationModelRequest { model }).await
    }

    /// How much the model reasons in later turns.
    pub async fn effort(&self, id: &ConversationId) -> Result<Answer<ReasoningEffortResponse>, Error> {
        self.read(id, "reasoning-effort").await
    }

    /// Sets how much the model reasons in later turns.
    pub async fn set_effort(
        &self,
        id: &ConversationId,
        reasoning_effort: ReasoningEffort,
    ) -> Result<Answer<ReasoningEffortResponse>, Error> {
        self.put(id, "reasoning-effort", &SetReasoningEffortRequest { reasoning_effort }).await
    }

    /// The directory in which tools work.
    pub async fn cwd(&self, id: &ConversationId) -> Result<Answer<CwdResponse>, Error> {
        self.read(id, "cwd").await
    }

    /// Sets the directory in which tools work.
    pub async fn set_cwd(&self, id: &ConversationId, cwd: String) -> Result<Answer<CwdResponse>, Error> {
        self.put(id, "cwd", &SetCwdRequest { cwd }).await
    }

    /// Goes back to the server's own directory.
    pub async fn clear_cwd(&self, id: &ConversationId) -> Result<Answer<CwdResponse>, Error> {
        self.ask(Method::DELETE, &["conversations", id.as_str(), "cwd"], &[], NOTHING).await
    }
}

/// The server itself.
impl Client {
    /// The models of all credentials.
    pub async fn models(&self) -> Result<Answer<ModelsResponse>, Error> {
        self.ask(Method::GET, &["models"], &[], NOTHING).await
    }

    /// `date` is `YYYY-MM-DD`, or `YYYY-MM` for a month.
    pub async fn throughput(
        &self,
        period: ThroughputPeriod,
        date: &str,
    ) -> Result<Answer<ThroughputResponse>, Error> {
        let period = match period {
            ThroughputPeriod::Day => "day",
            ThroughputPeriod::Week => "week",
            ThroughputPeriod::Month => "month",
        };
        let query = [("period", period.to_owned()), ("date", date.to_owned())];
        self.ask(Method::GET, &["metrics", "throughput"], &query, NOTHING).await
    }
}

impl Client {
    async fn read<T: DeserializeOwned>(&self, id: &ConversationId, part: &str) -> Result<Answer<T>, Error> {
        self.ask(Method::GET, &["conversations", id.as_str(), part], &[], NOTHING).await
    }

    async fn put<T: DeserializeOwned>(
        &self,
        id: &ConversationId,
        part: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        self.ask(Method::PUT, &["conversations", id.as_str(), part], &[], Some(body)).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        id: &ConversationId,
        part: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Error> {
        self.ask(Method::POST, &["conversations", id.as_str(), part], &[], body).await
    }
}
