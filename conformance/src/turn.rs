//! A turn as a client sees it: its events, while they come and all together.

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::check::{Outcome, ensure, failed};
use crate::contract::{self, Dialect};
use crate::grammar;
use crate::world::{PATIENCE, World};

/// All events of a turn, which keep to the grammar of turns.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) events: Vec<Value>,
}

impl Turn {
    pub(crate) fn new(events: Vec<Value>) -> Outcome<Self> {
        if let Err(problem) = grammar::verify(&events) {
            return failed(problem, kinds(&events).join(" "));
        }
        Ok(Self { events })
    }

    /// The types of the events; a run of deltas or of output counts once.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        kinds(&self.events)
    }

    pub(crate) fn of<'t>(&'t self, kind: &str) -> impl Iterator<Item = &'t Value> {
        self.events.iter().filter(move |event| event["type"] == kind)
    }

    /// The only event of that type.
    pub(crate) fn one(&self, kind: &str) -> Outcome<&Value> {
        let mut found = self.of(kind);
        match (found.next(), found.next()) {
            (Some(event), None) => Ok(event),
            _ => failed(format!("one {kind}"), self.kinds().join(" ")),
        }
    }

    pub(crate) fn done(&self) -> Outcome<&Value> {
        self.one("done")
    }

    pub(crate) fn reason(&self) -> Outcome<&str> {
        Ok(self.done()?["reason"].as_str().unwrap_or_default())
    }

    pub(crate) fn ended(&self, reason: &str) -> Outcome {
        let came = self.reason()?;
        ensure(came == reason, format!("done.reason {reason}"), came)
    }

    pub(crate) fn id(&self) -> &str {
        self.events.first().and_then(|event| event["turnId"].as_str()).unwrap_or_default()
    }

    /// All that was said.
    pub(crate) fn text(&self) -> String {
        self.of("text-delta").filter_map(|event| event["delta"].as_str()).collect()
    }

    pub(crate) fn position(&self, kind: &str) -> Outcome<usize> {
        match self.events.iter().position(|event| event["type"] == kind) {
            Some(position) => Ok(position),
            None => failed(format!("a {kind}"), self.kinds().join(" ")),
        }
    }

    /// The events with adjacent deltas of one kind as one: what every watcher gets, however it was cut.
    pub(crate) fn merged(&self) -> Vec<Value> {
        merged(&self.events)
    }
}

/// The types of events; a run of deltas or of output counts once.
pub(crate) fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = Vec::new();
    for event in events {
        let kind = event["type"].as_str().unwrap_or("?");
        let runs = matches!(kind, "text-delta" | "reasoning-delta" | "tool-output");
        if !runs || kinds.last() != Some(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Adjacent deltas (and pieces of output) of one kind as one, without what only counts events.
pub(crate) fn merged(events: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for event in events {
        let mut event = event.clone();
        if let Some(fields) = event.as_object_mut() {
            fields.remove("eventSeq");
            fields.remove("attempt");
        }
        let field = match event["type"].as_str() {
            Some("text-delta" | "reasoning-delta") => "delta",
            Some("tool-output") => "data",
            _ => "",
        };
        match merged.last_mut() {
            Some(last)
                if !field.is_empty()
                    && last["type"] == event["type"]
                    && last["toolCallId"] == event["toolCallId"]
                    && last["stream"] == event["stream"] =>
            {
                let joined = [&last[field], &event[field]].map(|part| part.as_str().unwrap_or_default());
                last[field] = Value::String(joined.concat());
            }
            _ => merged.push(event),
        }
    }
    merged
}

impl World {
    /// `POST /chat`, which was accepted.
    pub(crate) async fn chat(&self, body: Value) -> Outcome<Live> {
        let live = self.chat_any(body).await?;
        let status = live.response.status().as_u16();
        if status != 200 {
            let text = live.response.text().await.unwrap_or_default();
            return failed("200 for POST /chat", format!("{status} {text}"));
        }
        Ok(live)
    }

    /// `POST /chat`, whatever the answer.
    pub(crate) async fn chat_any(&self, body: Value) -> Outcome<Live> {
        let dialect = if body["extensions"] == true { Dialect::Extended } else { Dialect::Contract };
        let (response, _) = self.ask(Method::POST, "/chat").json(&body).open().await?;
        if let Some(id) = response.headers().get("x-conversation-id").and_then(|id| id.to_str().ok()) {
            self.owns(id.to_owned());
        }
        Ok(Live { response, dialect, pending: Vec::new(), seen: Vec::new() })
    }
}

/// A turn that streams over HTTP.
pub(crate) struct Live {
    pub(crate) response: Response,
    dialect: Dialect,
    pending: Vec<u8>,
    pub(crate) seen: Vec<Value>,
}

impl Live {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next event; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Outcome<Option<Value>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                let Ok(event) = serde_json::from_str::<Value>(&line) else {
                    return failed("one JSON object a line", line);
                };
                contract::event(&event, self.dialect)?;
                self.seen.push(event.clone());
                return Ok(Some(event));
            }
            match timeout(PATIENCE, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.pending.extend_from_slice(&bytes),
                Ok(Ok(None)) => {
                    let rest = String::from_utf8_lossy(&self.pending).into_owned();
                    ensure(rest.is_empty(), "a stream whose last line ends with \\n", rest)?;
                    return Ok(None);
                }
                Ok(Err(error)) => return failed("more of the stream", format!("{error:?}")),
                Err(_) => return failed("more of the stream", format!("nothing after {}", self.came())),
            }
        }
    }

    /// Reads up to the next event of that type.
    pub(crate) async fn until(&mut self, kind: &str) -> Outcome<Value> {
        while let Some(event) = self.next().await? {
            if event["type"] == kind {
                return Ok(event);
            }
        }
        failed(format!("a {kind}"), format!("the stream ended after {}", self.came()))
    }

    /// Reads to the end and takes all events, also those that were read before, as one turn.
    pub(crate) async fn rest(mut self) -> Outcome<Turn> {
        while self.next().await?.is_some() {}
        Turn::new(self.seen)
    }

    /// Reads to the end, whatever comes.
    pub(crate) async fn all(mut self) -> Outcome<Vec<Value>> {
        while self.next().await?.is_some() {}
        Ok(self.seen)
    }

    pub(crate) fn turn_id(&self) -> String {
        self.seen.first().and_then(|event| event["turnId"].as_str()).unwrap_or_default().to_owned()
    }

    fn came(&self) -> String {
        kinds(&self.seen).join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn adjacent_deltas_are_one_however_they_were_cut() {
        let text = |delta: &str| json!({"type": "text-delta", "delta": delta, "eventSeq": 4});
        let out = |id: &str, data: &str| json!({"type": "tool-output", "toolCallId": id, "data": data});
        let cut = [text("a"), text("b"), out("1", "x"), out("1", "y"), out("2", "z"), text("c")];
        let expected = json!([
            {"type": "text-delta", "delta": "ab"},
            {"type": "tool-output", "toolCallId": "1", "data": "xy"},
            {"type": "tool-output", "toolCallId": "2", "data": "z"},
            {"type": "text-delta", "delta": "c"},
        ]);
        assert_eq!(Value::from(merged(&cut)), expected);
        assert_eq!(kinds(&cut), ["text-delta", "tool-output", "text-delta"]);
    }
}
