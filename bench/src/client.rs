//! A client of the contract: as much of HTTP and WebSocket as killing and measuring need.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wire::account::{
    ApiKey, CreateKeyRequest, CreateKeyResponse, CreditKeyRequest, KeyListResponse, RealtimeMetricsResponse,
    SessionListResponse, SessionReceipt, UsageResponse, UsageRow,
};
use wire::extension::QueueStateResponse;
use wire::transport::{
    ChatRequest, ClientMessage, ConversationHistoryResponse, ConversationListResponse,
    ConversationMetricsResponse, QueueRequest, QueueResponse, StopResponse,
};
use wire::{ConversationId, ConversationMeta, StoredChunk, TurnMetrics};

/// The HTTP half. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// A client of the server at that URL.
    ///
    /// # Errors
    /// Never for lack of a server: nothing is connected yet.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        Ok(Self { http: http()?, url: url.into() })
    }

    /// Starts a turn; what comes back streams it.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn chat(&self, request: &ChatRequest) -> Result<EventLines> {
        let response = self.http.post(format!("{}/chat", self.url)).json(request).send().await?;
        Ok(EventLines::new(accepted(response).await?))
    }

    /// Queues a message.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn queue(&self, id: &ConversationId, text: &str) -> Result<QueueResponse> {
        let body = QueueRequest { text: text.to_owned() };
        self.post(&format!("conversations/{id}/queue"), Some(&body)).await
    }

    /// The texts that wait in the queue.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn waiting(&self, id: &ConversationId) -> Result<Vec<String>> {
        let list: QueueStateResponse = self.get(&format!("conversations/{id}/queue")).await?;
        Ok(list.queue.into_iter().map(|message| message.text).collect())
    }

    /// Stops the running turn.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn stop(&self, id: &ConversationId) -> Result<StopResponse> {
        self.post(&format!("conversations/{id}/stop"), None::<&()>).await
    }

    /// The whole history.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn history(&self, id: &ConversationId) -> Result<Vec<StoredChunk>> {
        let history: ConversationHistoryResponse = self.get(&format!("conversations/{id}")).await?;
        Ok(history.chunks)
    }

    /// The metrics of all sealed turns.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn metrics(&self, id: &ConversationId) -> Result<Vec<TurnMetrics>> {
        let metrics: ConversationMetricsResponse = self.get(&format!("conversations/{id}/metrics")).await?;
        Ok(metrics.turns)
    }

    /// All conversations.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn conversations(&self) -> Result<Vec<ConversationMeta>> {
        let list: ConversationListResponse = self.get("conversations").await?;
        Ok(list.conversations)
    }

    /// Makes a key with a balance of its own.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn create_key(&self, key: &CreateKeyRequest) -> Result<CreateKeyResponse> {
        self.post("v1/keys", Some(key)).await
    }

    /// Adds to a key's balance.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn credit_key(&self, key: &str, credit: &CreditKeyRequest) -> Result<ApiKey> {
        self.post(&format!("v1/keys/{key}/credit"), Some(credit)).await
    }

    /// All keys.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn keys(&self) -> Result<Vec<ApiKey>> {
        let list: KeyListResponse = self.get("v1/keys").await?;
        Ok(list.keys)
    }

    /// The newest realtime sessions, a thousand at most.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn sessions(&self) -> Result<Vec<SessionReceipt>> {
        let list: SessionListResponse = self.get("v1/sessions?limit=1000").await?;
        Ok(list.sessions)
    }

    /// What a realtime session cost, by its id or that of one of its connections.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn session(&self, id: &str) -> Result<SessionReceipt> {
        self.get(&format!("v1/sessions/{id}")).await
    }

    /// Ends a realtime session.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn end_session(&self, id: &str) -> Result<SessionReceipt> {
        let response = self.http.delete(format!("{}/v1/sessions/{id}", self.url)).send().await?;
        read(response).await.with_context(|| format!("DELETE /v1/sessions/{id}"))
    }

    /// What realtime sessions hold at this moment.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn realtime_metrics(&self) -> Result<RealtimeMetricsResponse> {
        self.get("metrics/realtime").await
    }

    /// What was used since that day, by day, key and model.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn usage(&self, from: &str) -> Result<Vec<UsageRow>> {
        let answer: UsageResponse = self.get(&format!("v1/usage?from={from}")).await?;
        Ok(answer.usage)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let response = self.http.get(format!("{}/{path}", self.url)).send().await?;
        read(response).await.with_context(|| format!("GET /{path}"))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Option<&impl serde::Serialize>) -> Result<T> {
        let request = self.http.post(format!("{}/{path}", self.url));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        read(request.send().await?).await.with_context(|| format!("POST /{path}"))
    }
}

async fn accepted(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    anyhow::bail!("{status}: {text}")
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T> {
    let bytes = accepted(response).await?.bytes().await?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// An HTTP client for servers on this machine: no TLS to speak of, no proxy, no time limit.
///
/// # Errors
/// When the client cannot be built.
pub fn http() -> Result<reqwest::Client> {
    // With certificates from nowhere none are looked for, which would take longer than many a measurement.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().tcp_nodelay(true).build()?)
}

/// A body of lines, read as it comes.
pub struct EventLines {
    response: Response,
    pending: Vec<u8>,
}

impl EventLines {
    /// Reads the body of that response.
    pub fn new(response: Response) -> Self {
        Self { response, pending: Vec::new() }
    }

    /// The complete lines that came with the next bytes; none when the body has ended as it should. A line that was
    /// cut off by the end of the connection is not handed out.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn more(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let Some(bytes) = self.response.chunk().await? else {
                ensure!(self.pending.is_empty(), "the body ended in the middle of a line");
                return Ok(None);
            };
            self.pending.extend_from_slice(&bytes);
            if let Some(end) = self.pending.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut self.pending, rest)));
            }
        }
    }
}

/// The WebSocket half.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached or does not upgrade.
    pub async fn connect(url: &str) -> Result<Self> {
        let connecting = tokio_tungstenite::connect_async(url);
        let (socket, _) = tokio::time::timeout(Duration::from_secs(30), connecting).await??;
        Ok(Self(socket))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<()> {
        Ok(self.0.send(Message::text(serde_json::to_string(message)?)).await?)
    }

    /// Watches a conversation.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn subscribe(&mut self, id: &ConversationId) -> Result<()> {
        self.send(&ClientMessage::ChatSubscribe { conversation_id: id.clone() }).await
    }

    /// The next text frame; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Utf8Bytes> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Some(text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
            }
        }
    }
}
