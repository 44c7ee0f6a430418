//! What a turn, or a conversation, says while it runs.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use reqwest::Response;
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, ConversationId, Relayed};

use crate::Error;
use crate::secret::Secret;

/// One event, as it came and as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// One line.
    pub json: String,
    /// What it is.
    pub heard: Heard,
    /// Of a stream that can be gone on with: where it is.
    pub id: Option<String>,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// One of the contract's.
    Turn(AgentEvent),
    /// One that was asked for besides.
    Extension(ExtensionEvent),
    /// One that is newer than this program.
    Unknown,
}

impl Event {
    /// The event, if it is one of the contract's.
    pub fn of_turn(&self) -> Option<&AgentEvent> {
        match &self.heard {
            Heard::Turn(event) => Some(event),
            Heard::Extension(_) | Heard::Unknown => None,
        }
    }
}

/// Events, as they arrive.
pub struct Events {
    response: Response,
    framing: Framing,
    conversation: Option<ConversationId>,
    lines: Lines,
    turn_is_over: bool,
    /// What the next event is called.
    id: Option<String>,
    /// What is in no error.
    key: Secret,
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// One JSON object a line, up to the end of the turn.
    Ndjson,
    /// Server-sent events, without an end.
    ServerSent,
}

impl Events {
    /// Of one turn.
    pub(crate) fn of_turn(response: Response, key: &Secret) -> Self {
        Self::new(response, Framing::Ndjson, key)
    }

    /// Of turn after turn.
    pub(crate) fn of_conversation(response: Response, id: ConversationId, key: &Secret) -> Self {
        Self { conversation: Some(id), ..Self::new(response, Framing::ServerSent, key) }
    }

    fn new(response: Response, framing: Framing, key: &Secret) -> Self {
        let id = response.headers().get("x-conversation-id").and_then(|id| id.to_str().ok());
        let conversation = id.and_then(|id| ConversationId::parse(id).ok());
        let (lines, key) = (Lines::default(), key.clone());
        Self { response, framing, conversation, lines, turn_is_over: false, id: None, key }
    }

    /// The conversation, as soon as it is known.
    pub fn conversation(&self) -> Option<&ConversationId> {
        self.conversation.as_ref()
    }

    /// The next event. None at the end of the turn; a conversation has no end. A stream that ends before its turn is an
    /// error. Can be dropped while it waits.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        self.heard(None).await.map_err(|error| error.without(&self.key))
    }

    /// As [`Events::next`], and it is an error if nothing at all comes for so long: not even a sign of life.
    pub(crate) async fn next_alive(&mut self, silence: Duration) -> Result<Option<Event>, Error> {
        self.heard(Some(silence)).await.map_err(|error| error.without(&self.key))
    }

    async fn heard(&mut self, silence: Option<Duration>) -> Result<Option<Event>, Error> {
        loop {
            if let Some(line) = self.lines.next() {
                if let Some(id) = self.framing.id(&line) {
                    self.id = Some(id.to_owned());
                }
                let Some(json) = self.framing.event(&line) else { continue };
                let event = parse(json)?;
                let id = match self.framing {
                    Framing::Ndjson => numbered(json),
                    Framing::ServerSent => self.id.take(),
                };
                let event = Event { id, ..event };
                if let Some(known) = event.of_turn() {
                    self.conversation.get_or_insert_with(|| known.conversation_id().clone());
                    self.turn_is_over |= ends_a_turn(known);
                }
                return Ok(Some(event));
            }
            let chunk = match silence {
                Some(silence) => match tokio::time::timeout(silence, self.response.chunk()).await {
                    Ok(chunk) => chunk,
                    Err(_) => return Err(Error::broken("nothing came for too long")),
                },
                None => self.response.chunk().await,
            };
            match chunk {
                Ok(Some(bytes)) => self.lines.push(&bytes),
                Ok(None) if self.turn_is_over && self.framing == Framing::Ndjson => return Ok(None),
                Ok(None) => {
                    return Err(Error::Broken { reason: "it ended before the turn did".to_owned() });
                }
                Err(error) => return Err(Error::Broken { reason: crate::error::root(&error) }),
            }
        }
    }
}

impl Framing {
    /// The id of a line, if it has one.
    fn id(self, line: &str) -> Option<&str> {
        match self {
            Self::Ndjson => None,
            Self::ServerSent => line.strip_prefix("id:").map(str::trim_start),
        }
    }

    /// The event of a line, if it has one.
    fn event(self, line: &str) -> Option<&str> {
        match self {
            Self::Ndjson => Some(line),
            // Each event is one line of data.
            Self::ServerSent => line.strip_prefix("data:").map(str::trim_start),
        }
    }
}

/// The id of an event that has its number in itself, because that was asked for.
fn numbered(json: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Numbered {
        turn_id: String,
        event_seq: u64,
    }
    if !json.contains(r#""eventSeq":"#) {
        return None;
    }
    let Numbered { turn_id, event_seq } = serde_json::from_str(json).ok()?;
    Some(format!("{turn_id}:{event_seq}"))
}

/// Whether a stream may end after this event. A turn that was refused, or that could not be sealed, ends with an error.
fn ends_a_turn(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::TurnSealed { .. } | AgentEvent::Error { .. })
}

fn parse(line: &str) -> Result<Event, Error> {
    let relayed = serde_json::from_str::<Relayed<AgentEvent>>(line)
        .map_err(|error| Error::Broken { reason: format!("what it sent is not an event: {error}") })?;
    let heard = match relayed {
        Relayed::Known(event) => Heard::Turn(event),
        Relayed::Unknown(value) => serde_json::from_value(value).map_or(Heard::Unknown, Heard::Extension),
    };
    Ok(Event { json: line.to_owned(), heard, id: None })
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
    fn an_event_is_found_in_either_framing() {
        let line = r#"{"type":"turn-start","conversationId":"c","turnId":"t"}"#;
        assert_eq!(Framing::Ndjson.event(line), Some(line));
        assert_eq!(Framing::ServerSent.event(&format!("data: {line}")), Some(line));
        assert_eq!([":", "id: t:1", "retry: 1000"].map(|line| Framing::ServerSent.event(line)), [None; 3]);
    }

    #[test]
    fn an_event_that_has_its_number_in_itself_has_an_id() {
        let json = r#"{"type":"text-delta","conversationId":"c","turnId":"t","delta":"a","eventSeq":7}"#;
        assert_eq!(numbered(json).as_deref(), Some("t:7"));
        assert_eq!(numbered(r#"{"turnId":"t","delta":"\"eventSeq\":7"}"#), None);
    }

    #[test]
    fn an_event_beyond_the_contract_is_known() {
        let line = r#"{"type":"provider-retry","conversationId":"c","turnId":"t","attempt":1,"delayMs":5,"message":"no"}"#;
        let retry = ExtensionEvent::ProviderRetry {
            conversation_id: ConversationId::new("c"),
            turn_id: wire::TurnId::new("t"),
            attempt: 1,
            delay_ms: 5,
            message: "no".to_owned(),
            code: None,
        };
        assert_eq!(
            parse(line).unwrap(),
            Event { json: line.to_owned(), heard: Heard::Extension(retry), id: None }
        );
    }

    #[test]
    fn an_event_that_is_not_known_is_passed_on() {
        let line = r#"{"type":"news","conversationId":"c"}"#;
        assert_eq!(parse(line).unwrap(), Event { json: line.to_owned(), heard: Heard::Unknown, id: None });
        assert!(parse("<html>").is_err());
    }
}
