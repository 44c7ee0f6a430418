//! The stream of a turn: one JSON object a line.

use bytes::{Buf, BytesMut};
use reqwest::Response;
use wire::{AgentEvent, ConversationId, Relayed};

use super::Error;

/// One event, as it came and as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// One line.
    pub(crate) json: String,
    /// None for an event that is newer than this program.
    pub(crate) event: Option<AgentEvent>,
}

/// The events of a turn, as they arrive.
pub(crate) struct Events {
    response: Response,
    conversation: Option<ConversationId>,
    lines: Lines,
    turn_is_over: bool,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        let id = response.headers().get("x-conversation-id").and_then(|id| id.to_str().ok());
        let conversation = id.and_then(|id| ConversationId::parse(id).ok());
        Self { response, conversation, lines: Lines::default(), turn_is_over: false }
    }

    /// The conversation, as soon as it is known.
    pub(crate) fn conversation(&self) -> Option<&ConversationId> {
        self.conversation.as_ref()
    }

    /// The next event; none at the end of the turn. A stream that ends before its turn is an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(line) = self.lines.next() {
                let event = parse(&line)?;
                if let Some(known) = &event.event {
                    self.conversation.get_or_insert_with(|| known.conversation_id().clone());
                    self.turn_is_over |= ends_a_turn(known);
                }
                return Ok(Some(event));
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.lines.push(&bytes),
                Ok(None) if self.turn_is_over => return Ok(None),
                Ok(None) => {
                    return Err(Error::Broken { reason: "it ended before the turn did".to_owned() });
                }
                Err(error) => return Err(Error::Broken { reason: super::error::root(&error) }),
            }
        }
    }
}

/// Whether a stream may end after this event. A turn that was refused, or that could not be sealed, ends with an error.
fn ends_a_turn(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::TurnSealed { .. } | AgentEvent::Error { .. })
}

fn parse(line: &str) -> Result<Event, Error> {
    let relayed = serde_json::from_str::<Relayed<AgentEvent>>(line)
        .map_err(|error| Error::Broken { reason: format!("what it sent is not an event: {error}") })?;
    Ok(Event { json: line.to_owned(), event: relayed.known() })
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines {
    bytes: BytesMut,
    /// How many of the bytes are known to have no end of a line.
    searched: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line that is complete, without its end; empty ones are left out.
    fn next(&mut self) -> Option<String> {
        while let Some(end) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
            let line = self.bytes.split_to(self.searched + end);
            self.bytes.advance(1);
            self.searched = 0;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if !line.trim().is_empty() {
                return Some(line.to_owned());
            }
        }
        self.searched = self.bytes.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_they_are_cut() {
        let whole = "{\"a\":1}\n\n{\"b\":\"é\"}\r\n{\"c\":3}";
        for size in 1..whole.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in whole.as_bytes().chunks(size) {
                lines.push(piece);
                found.extend(std::iter::from_fn(|| lines.next()));
            }
            assert_eq!(found, ["{\"a\":1}", "{\"b\":\"é\"}"], "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_that_is_not_known_is_passed_on() {
        let line = r#"{"type":"news","conversationId":"c"}"#;
        assert_eq!(parse(line).unwrap(), Event { json: line.to_owned(), event: None });
        assert!(parse("<html>").is_err());
    }
}
