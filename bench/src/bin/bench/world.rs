//! What every part of the measurement needs.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bench::client::{Client, EventLines};
use bench::server::{Launch, Server};
use tempfile::TempDir;
use wire::transport::ChatRequest;
use wire::{AgentEvent, ConversationId};

use crate::provider::Provider;

/// A server's files, and the provider that it talks to.
pub(crate) struct World {
    pub(crate) launch: Launch,
    pub(crate) provider: Provider,
    directory: TempDir,
}

impl World {
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let provider = Provider::start()?;
        let directory =
            tempfile::Builder::new().prefix("dispatch-bench-").tempdir().context("no directory")?;
        let config = format!(
            r#"
            default_model = "fixed/weather"

            [[credentials]]
            name = "fixed"
            kind = "openai"
            base_url = "{}"
            models = ["weather"]
            "#,
            provider.url()
        );
        let launch = Launch::in_directory(binary, directory.path(), &config)?;
        Ok(Self { launch, provider, directory })
    }

    /// Where the servers' data is: `TMPDIR` decides on which disk.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new server over data of its own.
    pub(crate) fn fresh(&self, name: &str) -> Launch {
        self.launch.with_data(self.directory.path().join(name))
    }
}

/// A turn over HTTP.
pub(crate) struct Turn {
    pub(crate) sent: Instant,
    pub(crate) first_text: Option<Instant>,
    pub(crate) ended: Instant,
    body: Vec<u8>,
}

impl Turn {
    /// Runs a turn to its end. Nothing is parsed meanwhile: that would be measured too.
    pub(crate) async fn run(client: &Client, conversation: &str) -> Result<Self> {
        let request = ChatRequest {
            message: "hello".to_owned(),
            conversation_id: Some(ConversationId::new(conversation)),
            ..ChatRequest::default()
        };
        let sent = Instant::now();
        Self::read(sent, client.chat(&request).await?, "\"text-delta\"").await
    }

    /// The same without a server between.
    pub(crate) async fn bare(http: &reqwest::Client, provider: &Provider) -> Result<Self> {
        let request =
            http.post(format!("{}/chat/completions", provider.url())).json(&crate::provider::request());
        let sent = Instant::now();
        Self::read(sent, EventLines::new(request.send().await?), "token0").await
    }

    async fn read(sent: Instant, mut lines: EventLines, text: &str) -> Result<Self> {
        let (mut first_text, mut body) = (None, Vec::new());
        while let Some(more) = lines.more().await? {
            if first_text.is_none() && String::from_utf8_lossy(&more).contains(text) {
                first_text = Some(Instant::now());
            }
            body.extend_from_slice(&more);
        }
        Ok(Self { sent, first_text, ended: Instant::now(), body })
    }

    /// All that was received.
    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The whole answer; an error unless the turn was sealed.
    pub(crate) fn text(&self) -> Result<String> {
        let lines = self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events: Vec<AgentEvent> = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
        let sealed = matches!(events.last(), Some(AgentEvent::TurnSealed { .. }));
        ensure!(sealed, "the turn was not sealed: {}", String::from_utf8_lossy(&self.body));
        Ok(text_of(&events))
    }

    /// Checks that the answer is whole.
    pub(crate) fn said(&self, text: &str) -> Result<()> {
        let heard = self.text()?;
        ensure!(heard == text, "a client heard {heard:?} instead of {text:?}");
        Ok(())
    }
}

/// All text of a turn.
pub(crate) fn text_of(events: &[AgentEvent]) -> String {
    let deltas = events.iter().filter_map(|event| {
        if let AgentEvent::TextDelta { delta, .. } = event { Some(delta.as_str()) } else { None }
    });
    deltas.collect()
}

/// A client of that server.
pub(crate) fn client(server: &Server) -> Result<Client> {
    Client::new(server.url())
}
