//! One event: as it comes, and as it goes to clients.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, OutputStream, TurnId};

const BEFORE_EVENT: &[u8] = br#"{"type":"chat.delta","event":"#;
const AFTER_EVENT: &[u8] = b"}";

/// What each frame ends with: the end of the event and that of the frame.
pub(super) const END: &[u8] = b"}}";

/// The most bytes that [`put_cursor`] writes.
pub(super) const CURSOR_BYTES: usize = 64;

/// One event on its way to clients: a complete `chat.delta` frame, of which the event itself is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub(super) bytes: Bytes,
    pub(super) turn: TurnId,
    pub(super) number: Number,
}

impl Frame {
    /// The text of a WebSocket frame: `{"type":"chat.delta","event":{…}}`.
    pub fn delta(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The event alone: `{"type":…}`.
    pub fn event(&self) -> Bytes {
        self.bytes.slice(BEFORE_EVENT.len()..self.bytes.len() - AFTER_EVENT.len())
    }

    /// Where the watcher is when it has this frame, whether or not the numbers are in its JSON. To go on from here is
    /// to watch with [`After`](super::After) this turn and this number.
    pub fn position(&self) -> Position {
        let Number { event_seq, attempt } = self.number;
        Position { turn: self.turn.clone(), event_seq, attempt }
    }
}

/// Which event of which turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The turn.
    pub turn: TurnId,
    /// The number of the event in its turn, from 1: of the last one, if several deltas were merged. An extension has
    /// the number of the event before it, which is 0 if there was none.
    pub event_seq: u64,
    /// Which try of its step's provider call the event belongs to, from 1. A `provider-retry` belongs to the try that
    /// failed.
    pub attempt: u32,
}

/// The numbers of an event in its turn; see [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) event_seq: u64,
    pub(super) attempt: u32,
}

/// An event that has been serialised and is ready for a tape.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub(super) frame: Bytes,
    pub(super) kind: Kind,
    /// Of a delta, where its text is in the frame. It can be merged with a neighbour that has the same bytes before and
    /// after its text: the text is JSON-escaped, and escaped strings can be joined as they are.
    pub(super) text: Option<Range<usize>>,
}

/// Who an event is for, and what it does to the numbers of those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of the eleven types of the first contract; all deltas are.
    First,
    /// One that came with the later contract.
    Later,
    /// `step-complete`, which is of the later contract too: what follows belongs to the next provider call.
    StepComplete,
    /// The extension `provider-retry`, with the number of the retry: what follows belongs to that.
    Retry { attempt: u32 },
    /// The extension `tool-start`, which late joiners get as well.
    ToolStart,
}

impl Kind {
    fn of(event: &AgentEvent) -> Self {
        match event {
            AgentEvent::Status { .. }
            | AgentEvent::TurnStart { .. }
            | AgentEvent::TextDelta { .. }
            | AgentEvent::ReasoningDelta { .. }
            | AgentEvent::ToolCall { .. }
            | AgentEvent::ToolResult { .. }
            | AgentEvent::ToolOutput { .. }
            | AgentEvent::Usage { .. }
            | AgentEvent::Error { .. }
            | AgentEvent::Done { .. }
            | AgentEvent::TurnSealed { .. } => Self::First,
            AgentEvent::UserMessage { .. } | AgentEvent::Steering { .. } => Self::Later,
            AgentEvent::StepComplete { .. } => Self::StepComplete,
        }
    }

    /// Whether the event is beyond the contract.
    pub(super) fn is_extension(self) -> bool {
        match self {
            Self::First | Self::Later | Self::StepComplete => false,
            Self::Retry { .. } | Self::ToolStart => true,
        }
    }
}

impl From<&AgentEvent> for Recorded {
    fn from(event: &AgentEvent) -> Self {
        let frame = encode(event);
        let mergeable = match event {
            AgentEvent::TextDelta { delta, .. } | AgentEvent::ReasoningDelta { delta, .. } => {
                Some((delta, r#""}}"#))
            }
            AgentEvent::ToolOutput { data, stream: OutputStream::Stdout, .. } => {
                Some((data, r#"","stream":"stdout"}}"#))
            }
            AgentEvent::ToolOutput { data, stream: OutputStream::Stderr, .. } => {
                Some((data, r#"","stream":"stderr"}}"#))
            }
            _ => None,
        };
        let text = mergeable.filter(|(_, tail)| frame.ends_with(tail.as_bytes())).map(|(text, tail)| {
            let end = frame.len() - tail.len();
            end - escaped_len(text)..end
        });
        Self { frame, kind: Kind::of(event), text }
    }
}

impl From<&ExtensionEvent> for Recorded {
    fn from(event: &ExtensionEvent) -> Self {
        let kind = match event {
            ExtensionEvent::ProviderRetry { attempt, .. } => Kind::Retry { attempt: *attempt },
            ExtensionEvent::ToolStart { .. } => Kind::ToolStart,
        };
        Self { frame: encode(event), kind, text: None }
    }
}

fn encode(event: &impl Serialize) -> Bytes {
    let mut buffer = BytesMut::with_capacity(256);
    buffer.put_slice(BEFORE_EVENT);
    let mut writer = buffer.writer();
    // Writing to memory does not fail, and these types have no maps with keys that are not strings.
    let written = serde_json::to_writer(&mut writer, event);
    debug_assert!(written.is_ok());
    let mut buffer = writer.into_inner();
    buffer.put_slice(AFTER_EVENT);
    buffer.freeze()
}

/// How long a string is inside JSON quotes.
fn escaped_len(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0x00..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

/// The fields that a cursor adds to an event, to be put after all of its own. `provider-retry` has an `attempt` of its
/// own, which says the same thing: as many tries as there were failed.
pub(super) fn put_cursor(out: &mut BytesMut, number: Number, kind: Kind) {
    let Number { event_seq, attempt } = number;
    // Writing to memory does not fail.
    let _ = match kind {
        Kind::First | Kind::Later | Kind::StepComplete | Kind::ToolStart => {
            write!(out, r#","eventSeq":{event_seq},"attempt":{attempt}"#)
        }
        Kind::Retry { .. } => write!(out, r#","eventSeq":{event_seq}"#),
    };
}

/// A frame with what a cursor adds to its event.
pub(super) fn with_cursor(frame: &[u8], number: Number, kind: Kind) -> Bytes {
    let mut out = BytesMut::with_capacity(frame.len() + CURSOR_BYTES);
    out.put_slice(&frame[..frame.len() - END.len()]);
    put_cursor(&mut out, number, kind);
    out.put_slice(END);
    out.freeze()
}
