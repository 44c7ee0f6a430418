//! The server's routes, one method for each.

use std::time::Duration;

use reqwest::{Method, StatusCode};
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
use wire::{ConversationId, ConversationStatus, ReasoningEffort};

use super::{ANSWER, Answer, Client, ClientMessageId, Error, Events, Message, Sent, Stored};

/// How long an answer may take that waits for a turn: the server waits for 60 seconds at most.
const TURN: Duration = Duration::from_secs(90);

/// How long an answer may take that waits for a model.
const MODEL: Duration = Duration::from_secs(15 * 60);

const NOTHING: Option<&()> = None;

/// A part of the history.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    /// Only what comes after this seq.
    pub(crate) since: u64,
    /// Only what comes before this seq.
    pub(crate) before: Option<u64>,
    /// Only the newest so many of those.
    pub(crate) limit: Option<u64>,
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
    pub(crate) async fn chat(&self, message: &Message) -> Result<Sent, Error> {
        let response = self.send_safely(self.request(Method::POST, &["chat"], &[], Some(message))).await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(Sent::Queued(self.answer(response).await?)),
            _ => Ok(Sent::Turn(Events::of_turn(response))),
        }
    }

    /// Everything that happens in a conversation: the turn in flight from its first event, then whatever comes.
    pub(crate) async fn watch(&self, id: &ConversationId) -> Result<Events, Error> {
        let query = [("extensions", "true".to_owned())];
        let path = ["conversations", id.as_str(), "events"];
        let response = self.send(self.request(Method::GET, &path, &query, NOTHING)).await?;
        Ok(Events::of_conversation(response, id.clone()))
    }

    /// The last answer: at once if no turn is running, else when it is over, or after a minute.
    pub(crate) async fn last(&self, id: &ConversationId) -> Result<Answer<LastMessageResponse>, Error> {
        let request = self.request(Method::GET, &["conversations", id.as_str(), "last"], &[], NOTHING);
        self.answer(self.send(request.timeout(TURN)).await?).await
    }

    /// Waits until no turn runs in a conversation, and gives its last answer.
    pub(crate) async fn settled(&self, id: &ConversationId) -> Result<Answer<LastMessageResponse>, Error> {
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

    pub(crate) async fn stop(&self, id: &ConversationId) -> Result<Answer<StopResponse>, Error> {
        self.post(id, "stop", NOTHING).await
    }

    pub(crate) async fn warm(&self, id: &ConversationId) -> Result<Answer<WarmResponse>, Error> {
        let body = WarmRequest { conversation_id: id.clone(), model: None, cwd: None };
        let request = self.request(Method::POST, &["chat", "warm"], &[], Some(&body));
        self.answer(self.send(request.timeout(MODEL)).await?).await
    }
}

/// The queue.
impl Client {
    /// Steers the running turn, or starts one. Sent twice, it is queued once.
    pub(crate) async fn queue(
        &self,
        id: &ConversationId,
        text: &str,
        message: &ClientMessageId,
    ) -> Result<Answer<QueueResponse>, Error> {
        let extras =
            QueueExtras { client_message_id: Some(message.as_str().to_owned()), expected_turn_id: None };
        let body = Queueing { request: QueueRequest { text: text.to_owned() }, extras: &extras };
        let path = ["conversations", id.as_str(), "queue"];
        let request = self.request(Method::POST, &path, &[], Some(&body)).timeout(ANSWER);
        self.answer(self.send_safely(request).await?).await
    }

    /// What waits, oldest first.
    pub(crate) async fn queued(&self, id: &ConversationId) -> Result<Answer<QueueStateResponse>, Error> {
        self.read(id, "queue").await
    }

    /// Takes a message out of the queue.
    pub(crate) async fn cancel(
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
    pub(crate) async fn conversations(
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
    pub(crate) async fn history(&self, id: &ConversationId, window: Window) -> Result<Vec<Stored>, Error> {
        let mut query = vec![("sinceSeq", window.since.to_string()), ("extensions", "true".to_owned())];
        query.extend(window.before.map(|before| ("beforeSeq", before.to_string())));
        query.extend(window.limit.map(|limit| ("limit", limit.to_string())));
        let path = ["conversations", id.as_str()];
        Ok(self.ask::<History>(Method::GET, &path, &query, NOTHING).await?.value.chunks)
    }

    pub(crate) async fn status(
        &self,
        id: &ConversationId,
    ) -> Result<Answer<ConversationStatusResponse>, Error> {
        self.read(id, "status").await
    }

    pub(crate) async fn metrics(
        &self,
        id: &ConversationId,
    ) -> Result<Answer<ConversationMetricsResponse>, Error> {
        self.read(id, "metrics").await
    }

    pub(crate) async fn mcp(&self, id: &ConversationId) -> Result<Answer<McpStatusResponse>, Error> {
        self.read(id, "mcp").await
    }

    pub(crate) async fn open(&self, id: &ConversationId) -> Result<Answer<OpenConversationResponse>, Error> {
        self.post(id, "open", NOTHING).await
    }

    pub(crate) async fn close(&self, id: &ConversationId) -> Result<Answer<StopResponse>, Error> {
        self.post(id, "close", NOTHING).await
    }

    /// Replaces the older part of the history by a summary, which a model writes.
    pub(crate) async fn compact(
        &self,
        id: &ConversationId,
        wishes: &CompactRequest,
    ) -> Result<Answer<CompactResponse>, Error> {
        let path = ["conversations", id.as_str(), "compact"];
        let request = self.request(Method::POST, &path, &[], Some(wishes));
        self.answer(self.send(request.timeout(MODEL)).await?).await
    }

    /// Removes a conversation; with `force` even while a turn is running, which is stopped.
    pub(crate) async fn delete(
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
    pub(crate) async fn title(&self, id: &ConversationId) -> Result<Answer<TitleResponse>, Error> {
        self.read(id, "title").await
    }

    pub(crate) async fn set_title(
        &self,
        id: &ConversationId,
        title: &str,
    ) -> Result<Answer<TitleResponse>, Error> {
        self.put(id, "title", &SetTitleRequest { title: title.to_owned() }).await
    }

    pub(crate) async fn model(
        &self,
        id: &ConversationId,
    ) -> Result<Answer<ConversationModelResponse>, Error> {
        self.read(id, "model").await
    }

    /// None: the server's default.
    pub(crate) async fn set_model(
        &self,
        id: &ConversationId,
        model: Option<String>,
    ) -> Result<Answer<ConversationModelResponse>, Error> {
        self.put(id, "model", &SetConversationModelRequest { model }).await
    }

    pub(crate) async fn effort(&self, id: &ConversationId) -> Result<Answer<ReasoningEffortResponse>, Error> {
        self.read(id, "reasoning-effort").await
    }

    pub(crate) async fn set_effort(
        &self,
        id: &ConversationId,
        reasoning_effort: ReasoningEffort,
    ) -> Result<Answer<ReasoningEffortResponse>, Error> {
        self.put(id, "reasoning-effort", &SetReasoningEffortRequest { reasoning_effort }).await
    }

    pub(crate) async fn cwd(&self, id: &ConversationId) -> Result<Answer<CwdResponse>, Error> {
        self.read(id, "cwd").await
    }

    pub(crate) async fn set_cwd(
        &self,
        id: &ConversationId,
        cwd: String,
    ) -> Result<Answer<CwdResponse>, Error> {
        self.put(id, "cwd", &SetCwdRequest { cwd }).await
    }

    pub(crate) async fn clear_cwd(&self, id: &ConversationId) -> Result<Answer<CwdResponse>, Error> {
        self.ask(Method::DELETE, &["conversations", id.as_str(), "cwd"], &[], NOTHING).await
    }
}

/// The server itself.
impl Client {
    pub(crate) async fn models(&self) -> Result<Answer<ModelsResponse>, Error> {
        self.ask(Method::GET, &["models"], &[], NOTHING).await
    }

    /// `date` is `YYYY-MM-DD`, or `YYYY-MM` for a month.
    pub(crate) async fn throughput(
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
