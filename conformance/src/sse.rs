//! The events of a conversation as server-sent events.

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::check::{Outcome, ensure, failed};
use crate::contract::{self, Dialect};
use crate::world::{PATIENCE, World, at};

/// One block of the stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Block {
    Event { id: String, data: Value },
    Comment,
}

pub(crate) struct Events {
    response: Response,
    pending: Vec<u8>,
}

impl World {
    /// Opens `GET …/events`, after the event of that id if there is one.
    pub(crate) async fn events(&self, id: &str, last: Option<&str>) -> Outcome<Events> {
        let mut asking = self.ask(Method::GET, at(id, "/events")).header("accept", "text/event-stream");
        if let Some(last) = last {
            asking = asking.header("last-event-id", last);
        }
        let (response, _) = asking.open().await?;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        ensure(
            status == 200 && kind.starts_with("text/event-stream"),
            "200 text/event-stream",
            format!("{status} {kind}"),
        )?;
        Ok(Events { response, pending: Vec::new() })
    }
}

impl Events {
    /// The next event; comments are passed over.
    pub(crate) async fn next(&mut self) -> Outcome<(String, Value)> {
        loop {
            if let Block::Event { id, data } = self.block().await? {
                return Ok((id, data));
            }
        }
    }

    /// Events up to the next one of that type.
    pub(crate) async fn until(&mut self, kind: &str) -> Outcome<Vec<(String, Value)>> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await?;
            let last = event.1["type"] == kind;
            events.push(event);
            if last {
                return Ok(events);
            }
        }
    }

    pub(crate) async fn block(&mut self) -> Outcome<Block> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.pending.drain(..end + 2).collect();
                if let Some(block) = parsed(&String::from_utf8_lossy(&block))? {
                    return Ok(block);
                }
                continue;
            }
            match timeout(PATIENCE * 2, self.response.chunk()).await {
                // A line may end with a carriage return as well.
                Ok(Ok(Some(bytes))) => self.pending.extend(bytes.iter().filter(|byte| **byte != b'\r')),
                Ok(Ok(None)) => return failed("a stream that stays open", "its end"),
                Ok(Err(error)) => return failed("a stream that stays open", format!("{error:?}")),
                Err(_) => return failed("more of the stream", "nothing in time"),
            }
        }
    }
}

fn parsed(block: &str) -> Outcome<Option<Block>> {
    let (mut id, mut data, mut comment) = (String::new(), Vec::new(), false);
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => comment |= !line.is_empty(),
            "id" => id = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    if data.is_empty() {
        return Ok(comment.then_some(Block::Comment));
    }
    let data = data.join("\n");
    let Ok(data) = serde_json::from_str::<Value>(&data) else { return failed("JSON as data", data) };
    contract::event(&data, Dialect::Contract)?;
    Ok(Some(Block::Event { id, data }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_events_comments_or_nothing() {
        let event = json!({"type": "turn-sealed", "conversationId": "c", "turnId": "t"});
        let block = format!("id: t:3\ndata: {event}\n\n");
        assert_eq!(parsed(&block).unwrap(), Some(Block::Event { id: "t:3".to_owned(), data: event }));
        assert_eq!(parsed(": still here\n\n").unwrap(), Some(Block::Comment));
        assert_eq!(parsed("retry: 5\n\n").unwrap(), None);
        assert!(parsed("data: {\n\n").is_err());
    }
}
