//! The events of one turn, serialised.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, OutputStream};

/// The most bytes of text in a frame that was merged from several deltas.
pub const MERGED_BYTES: usize = 64 * 1024;

/// How many of the last deltas are kept ready to be handed out as they came.
const READY: usize = 64;

const BEFORE_EVENT: &[u8] = br#"{"type":"chat.delta","event":"#;
const AFTER_EVENT: &[u8] = b"}";

/// One event on its way to clients: a complete `chat.delta` frame, of which the event itself is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// The text of a WebSocket frame: `{"type":"chat.delta","event":{…}}`.
    pub fn delta(&self) -> Bytes {
        self.0.clone()
    }

    /// The event alone: `{"type":…}`.
    pub fn event(&self) -> Bytes {
        self.0.slice(BEFORE_EVENT.len()..self.0.len() - AFTER_EVENT.len())
    }
}

/// An event that has been serialised and is ready for a tape.
pub struct Recorded {
    frame: Bytes,
    kind: Kind,
}

enum Kind {
    Whole,
    Extension,
    /// Can be merged with a neighbour that has the same bytes before and after its text. The text is JSON-escaped,
    /// and escaped strings can be joined as they are.
    Delta {
        text: Range<usize>,
    },
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
        let kind = match mergeable {
            Some((text, tail)) if frame.ends_with(tail.as_bytes()) => {
                let end = frame.len() - tail.len();
                Kind::Delta { text: end - escaped_len(text)..end }
            }
            Some(_) | None => Kind::Whole,
        };
        Self { frame, kind }
    }
}

impl From<&ExtensionEvent> for Recorded {
    fn from(event: &ExtensionEvent) -> Self {
        Self { frame: encode(event), kind: Kind::Extension }
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

/// The events of one turn, in order.
pub(super) struct Tape {
    /// The seq of the turn's prompt.
    pub(super) first_seq: u64,
    /// How many watchers read this turn.
    pub(super) readers: usize,
    /// Whether the turn has ended.
    pub(super) over: bool,
    items: Vec<Item>,
    len: usize,
    /// The last deltas as they came, ready to be shared: number and frame.
    ready: VecDeque<(usize, Bytes)>,
    /// The last merged frame, for the many who come to the same place together: from, to and frame.
    merged: Option<(usize, usize, Bytes)>,
    bytes: usize,
}

struct Item {
    /// The number of its first event.
    first: usize,
    content: Content,
}

enum Content {
    Whole { frame: Bytes, extension: bool },
    Run(Run),
}

/// Adjacent deltas that differ in nothing but their text.
struct Run {
    head: Bytes,
    tail: Bytes,
    text: Vec<u8>,
    /// Where each delta's text ends.
    ends: Vec<usize>,
}

impl Tape {
    pub(super) fn new(first_seq: u64, readers: usize) -> Self {
        Self {
            first_seq,
            readers,
            over: false,
            items: Vec::new(),
            len: 0,
            ready: VecDeque::new(),
            merged: None,
            bytes: 0,
        }
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes of memory the events take, about.
    pub(super) fn weight(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, event: Recorded) {
        let number = self.len;
        self.len += 1;
        match event.kind {
            Kind::Whole | Kind::Extension => {
                self.bytes += event.frame.len();
                let extension = matches!(event.kind, Kind::Extension);
                let content = Content::Whole { frame: event.frame, extension };
                self.items.push(Item { first: number, content });
            }
            Kind::Delta { text } => {
                let (head, tail) = (event.frame.slice(..text.start), event.frame.slice(text.end..));
                let added = event.frame.slice(text);
                self.bytes += added.len() + size_of::<usize>();
                match self.items.last_mut() {
                    Some(Item { content: Content::Run(run), .. }) if run.head == head && run.tail == tail => {
                        run.text.extend_from_slice(&added);
                        run.ends.push(run.text.len());
                    }
                    Some(_) | None => {
                        let run = Run { head, tail, text: added.to_vec(), ends: vec![added.len()] };
                        self.items.push(Item { first: number, content: Content::Run(run) });
                    }
                }
                if self.ready.len() == READY {
                    self.ready.pop_front();
                }
                self.ready.push_back((number, event.frame));
            }
        }
    }

    /// The frame at that event, how far it goes, and whether it is beyond the contract. `at` must be on the tape.
    pub(super) fn read(&mut self, at: usize) -> (Frame, usize, bool) {
        let place = self.items.partition_point(|item| item.first <= at).saturating_sub(1);
        let item = &self.items[place];
        match &item.content {
            Content::Whole { frame, extension } => (Frame(frame.clone()), at + 1, *extension),
            Content::Run(run) => {
                let from = at - item.first;
                let start = if from == 0 { 0 } else { run.ends[from - 1] };
                // At least one delta, however long; else as many as fit.
                let fit = run.ends[from..].partition_point(|end| end - start <= MERGED_BYTES).max(1);
                let next = at + fit;
                if fit == 1 {
                    let ready = self.ready.iter().rev().find(|(number, _)| *number == at);
                    if let Some((_, frame)) = ready {
                        return (Frame(frame.clone()), next, false);
                    }
                }
                if let Some((_, _, frame)) = self.merged.as_ref().filter(|(f, n, _)| (*f, *n) == (at, next)) {
                    return (Frame(frame.clone()), next, false);
                }
                let text = &run.text[start..run.ends[from + fit - 1]];
                let mut frame = BytesMut::with_capacity(run.head.len() + text.len() + run.tail.len());
                frame.put_slice(&run.head);
                frame.put_slice(text);
                frame.put_slice(&run.tail);
                let frame = frame.freeze();
                self.merged = Some((at, next, frame.clone()));
                (Frame(frame), next, false)
            }
        }
    }
}
