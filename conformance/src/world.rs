//! What a check has at hand: the server, ids of its own, and a record of what it asked.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::check::{Otherwise, Outcome, ensure, failed, skipped};
use crate::contract;
use crate::turn::{Live, Turn};

/// How long something may take that should take a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to listen for what must not come.
pub(crate) const SILENCE: Duration = Duration::from_millis(400);

/// The server under test.
#[derive(Clone)]
pub(crate) struct Server {
    /// `http://host:port`, no slash at the end.
    pub(crate) url: String,
    /// The separate WebSocket port, if the server has one.
    pub(crate) ws: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) http: reqwest::Client,
    /// Any model that answers.
    pub(crate) model: Option<String>,
    /// A model that answers for a while.
    pub(crate) slow_model: Option<String>,
    /// A credential whose provider cannot be reached.
    pub(crate) broken_credential: Option<String>,
    /// The built-in model that follows commands, if the server lists one.
    pub(crate) demo: Option<String>,
    /// What that model says it can do.
    pub(crate) demo_help: String,
    /// Part of every id, so that two runs on one server do not meet.
    pub(crate) run: String,
    pub(crate) ids: Arc<AtomicU64>,
}

/// One check's view of the server. Clones share the record.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) server: Arc<Server>,
    record: Arc<Mutex<Record>>,
}

#[derive(Default)]
struct Record {
    requests: Vec<String>,
    conversations: Vec<String>,
}

impl World {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server, record: Arc::default() }
    }

    /// The id of a conversation that nobody has heard of.
    pub(crate) fn id(&self) -> String {
        self.id_like("")
    }

    /// The same, with that text in it.
    pub(crate) fn id_like(&self, text: &str) -> String {
        let number = self.server.ids.fetch_add(1, Ordering::Relaxed);
        self.owns(format!("conformance-{}-{number}{text}", self.server.run))
    }

    /// Has the conversation stopped when the check is over.
    pub(crate) fn owns(&self, id: String) -> String {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).conversations.push(id.clone());
        id
    }

    /// Notes what was asked, for the report of a failure.
    pub(crate) fn note(&self, request: String) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).requests.push(request);
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// Ends what the check may have left running.
    pub(crate) async fn tidy(&self) {
        let ids = self.record.lock().unwrap_or_else(PoisonError::into_inner).conversations.clone();
        for id in ids {
            // A server that cannot stop a turn is told so by other checks.
            let _ = self.post_nothing(at(&id, "/stop")).await;
        }
    }

    /// A model that answers, whichever.
    pub(crate) fn model(&self) -> Outcome<&str> {
        match (&self.server.model, &self.server.demo) {
            (Some(model), _) | (None, Some(model)) => Ok(model),
            (None, None) => skipped("the server lists no model, and none was named with --model"),
        }
    }

    /// The model that does what it is told.
    pub(crate) fn demo(&self) -> Outcome<&str> {
        match &self.server.demo {
            Some(model) => Ok(model),
            None => skipped("needs scripted turns: the server lists no demo model"),
        }
    }

    /// The demo, if it can call any tool with any input.
    pub(crate) fn demo_with_call(&self) -> Outcome<&str> {
        let demo = self.demo()?;
        if self.server.demo_help.contains("call <tool>") {
            return Ok(demo);
        }
        skipped("the demo model has no command `call <tool> <json>`")
    }

    /// A name of a model whose provider cannot be reached.
    pub(crate) fn broken_model(&self) -> Outcome<String> {
        match &self.server.broken_credential {
            Some(credential) => Ok(format!("{credential}/any")),
            None => skipped("needs a credential without a provider: --broken-credential"),
        }
    }

    /// A turn of any model, to its end.
    pub(crate) async fn talk(&self, id: &str) -> Outcome<Turn> {
        let model = self.model()?;
        self.chat(json!({"conversationId": id, "message": "say hello", "model": model})).await?.rest().await
    }

    /// Turns of any model with messages of some length, so that there is something to sum up.
    pub(crate) async fn talk_at_length(&self, id: &str, turns: usize) -> Outcome {
        let model = self.model()?;
        let message = format!("say {}", "the same long sentence over and over, ".repeat(12).trim_end());
        for _ in 0..turns {
            let body = json!({"conversationId": id, "message": message, "model": model});
            self.chat(body).await?.rest().await?;
        }
        Ok(())
    }

    /// A turn of the demo, to its end.
    pub(crate) async fn script(&self, id: &str, message: &str) -> Outcome<Turn> {
        self.start(id, message).await?.rest().await
    }

    /// A turn of the demo.
    pub(crate) async fn start(&self, id: &str, message: &str) -> Outcome<Live> {
        let model = self.demo()?;
        self.chat(json!({"conversationId": id, "message": message, "model": model})).await
    }

    /// A message and a model that keep a turn running until it is stopped.
    pub(crate) fn long(&self) -> Outcome<(&'static str, &str)> {
        match (&self.server.demo, &self.server.slow_model) {
            (Some(demo), _) => Ok(("count to 2000 slowly", demo)),
            (None, Some(model)) => Ok(("Write a story of five thousand words.", model)),
            (None, None) => skipped("needs a turn that runs for a while: no demo model, and no --slow-model"),
        }
    }

    /// A turn that has begun to answer and goes on until it is stopped.
    pub(crate) async fn running(&self, id: &str) -> Outcome<Live> {
        let (message, model) = self.long()?;
        let mut live = self.chat(json!({"conversationId": id, "message": message, "model": model})).await?;
        live.until("text-delta").await?;
        Ok(live)
    }

    /// Ends a turn, and reads it to its end.
    pub(crate) async fn stop(&self, id: &str, live: Live) -> Outcome<Turn> {
        let expected = json!({"conversationId": id, "abortedTurn": true});
        self.post_nothing(at(id, "/stop")).await?.is(expected)?;
        live.rest().await
    }

    /// All chunks of a conversation, which are numbered from 1.
    pub(crate) async fn history(&self, id: &str) -> Outcome<Vec<Value>> {
        let chunks = self.page(id, "").await?.chunks;
        for (place, chunk) in chunks.iter().enumerate() {
            ensure(chunk["seq"] == json!(place + 1), format!("seq {}", place + 1), chunk)?;
        }
        Ok(chunks)
    }

    /// What a query of the history gives.
    pub(crate) async fn page(&self, id: &str, query: &str) -> Outcome<Page> {
        let body = self.get(at(id, query)).await?.ok()?;
        let shape =
            if query.contains("extensions=true") { &contract::EXTENDED_HISTORY } else { &contract::HISTORY };
        shape.verify(&body)?;
        let chunks = body["chunks"].as_array().cloned().unwrap_or_default();
        let numbers: Vec<u64> = chunks.iter().filter_map(|chunk| chunk["seq"].as_u64()).collect();
        let follows = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        ensure(follows, "chunks in the order of their seqs, without a gap", format!("{numbers:?}"))?;
        Ok(Page { chunks, latest: body["latestSeq"].as_u64().unwrap_or_default() })
    }

    /// The conversation's entry in the list.
    pub(crate) async fn meta(&self, id: &str) -> Outcome<Option<Value>> {
        let body = self.get(format!("/conversations?q={}", encoded(id))).await?.ok()?;
        contract::LIST.verify(&body)?;
        let all = body["conversations"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().find(|meta| meta["id"] == id))
    }

    /// The entry of a conversation that must be there.
    pub(crate) async fn listed(&self, id: &str) -> Outcome<Value> {
        match self.meta(id).await? {
            Some(meta) => Ok(meta),
            None => failed(format!("{id} in GET /conversations"), "it is not there"),
        }
    }

    /// Waits until the conversation has that status.
    pub(crate) async fn until_status(&self, id: &str, status: &str) -> Outcome<Value> {
        self.until(&format!("status {status}"), || async {
            Ok(self.meta(id).await?.filter(|meta| meta["status"] == status))
        })
        .await
    }

    /// Tries again and again until there is something.
    pub(crate) async fn until<T, F, Trying>(&self, what: &str, mut attempt: F) -> Outcome<T>
    where
        F: FnMut() -> Trying,
        Trying: Future<Output = Outcome<Option<T>>>,
    {
        let start = Instant::now();
        loop {
            if let Some(found) = attempt().await? {
                return Ok(found);
            }
            if start.elapsed() > PATIENCE {
                return failed(what, format!("nothing of it in {} s", PATIENCE.as_secs()));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A directory of its own on the server's machine, made by the server's shell: its absolute path.
    pub(crate) async fn directory(&self) -> Outcome<String> {
        let (id, name) = (self.id(), self.id());
        let turn = self.script(&id, &format!("run `mkdir {name} && cd {name} && pwd`")).await?;
        let result = turn.one("tool-result")?;
        let path = result["content"].as_str().unwrap_or_default().lines().find(|line| line.ends_with(&name));
        match path.filter(|path| path.starts_with('/')) {
            Some(path) => Ok(path.to_owned()),
            None => Err(Otherwise::Skipped(format!("the server's shell made no directory: {result}"))),
        }
    }
}

/// A part of a conversation's history.
pub(crate) struct Page {
    pub(crate) chunks: Vec<Value>,
    pub(crate) latest: u64,
}

impl Page {
    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.chunks.iter().filter_map(|chunk| chunk["seq"].as_u64()).collect()
    }
}

/// The path of something that belongs to a conversation.
pub(crate) fn at(id: &str, rest: &str) -> String {
    format!("/conversations/{}{rest}", encoded(id))
}

/// As `encodeURIComponent` does it.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_encoded_as_browsers_do_it() {
        assert_eq!(at(" ä/b?c#d%", "/title"), "/conversations/%20%C3%A4%2Fb%3Fc%23d%25/title");
        assert_eq!(encoded("a-b_c.d!e~f*g'h(i)"), "a-b_c.d!e~f*g'h(i)");
    }
}
