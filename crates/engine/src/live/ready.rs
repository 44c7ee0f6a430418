//! The last events of a tape, ready to be handed out as they came: what those who keep up read.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::MERGED_BYTES;
use super::frame::{CURSOR_BYTES, Kind, Number, with_cursor};
use super::gather::end_run;
use super::segment::At;

/// How many events are kept, and how many bytes of them: an event that is larger is not.
const EVENTS: usize = 64;
const BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Ready {
    events: VecDeque<Event>,
    bytes: usize,
}

/// One of the last events.
pub(super) struct Event {
    pub(super) frame: Bytes,
    /// The same for watchers with a cursor, once one has asked.
    with_cursor: Option<Bytes>,
    pub(super) kind: Kind,
    /// Of a delta, where its text is.
    pub(super) text: Option<Range<usize>>,
    /// Whether it differs in nothing but its text from the event before.
    pub(super) continues: bool,
    pub(super) number: Number,
    /// The place after it.
    pub(super) next: At,
}

impl Event {
    pub(super) fn new(
        frame: Bytes,
        kind: Kind,
        text: Option<Range<usize>>,
        continues: bool,
        number: Number,
        next: At,
    ) -> Self {
        Self { frame, with_cursor: None, kind, text, continues, number, next }
    }

    pub(super) fn frame(&mut self, cursor: bool) -> Bytes {
        if !cursor {
            return self.frame.clone();
        }
        let Self { frame, with_cursor: made, kind, number, .. } = self;
        made.get_or_insert_with(|| with_cursor(frame, *number, *kind)).clone()
    }

    fn text_len(&self) -> usize {
        self.text.as_ref().map_or(0, Range::len)
    }
}

impl Ready {
    pub(super) fn push(&mut self, event: Event) {
        self.bytes += event.frame.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS || self.bytes > BYTES {
            let Some(event) = self.events.pop_front() else { return };
            self.bytes -= event.frame.len();
        }
    }

    /// Where the event is that comes after `before` of a tape's `len`, and those that can be merged with it.
    pub(super) fn run(&self, before: u64, len: u64) -> Option<Range<usize>> {
        let from_end = usize::try_from(len - before).ok()?;
        let first = self.events.len().checked_sub(from_end)?;
        let mut total = self.events.get(first)?.text_len();
        let more = self.events.range(first + 1..).take_while(|event| {
            total += event.text_len();
            event.continues && total <= MERGED_BYTES
        });
        Some(first..first + 1 + more.count())
    }

    pub(super) fn event(&mut self, place: usize) -> &mut Event {
        &mut self.events[place]
    }

    /// One frame for all events of a run, as [`Ready::run`] found it.
    pub(super) fn merge(&self, run: Range<usize>, cursor: bool) -> Option<(Bytes, Number)> {
        let first = self.events.get(run.start)?;
        let text = first.text.as_ref()?;
        let (head, tail) = (&first.frame[..text.start], &first.frame[text.end..]);
        let texts: usize = self.events.range(run.clone()).map(Event::text_len).sum();
        let cursor_len = if cursor { CURSOR_BYTES } else { 0 };
        let mut out = BytesMut::with_capacity(head.len() + texts + tail.len() + cursor_len);
        out.put_slice(head);
        let mut number = first.number;
        for event in self.events.range(run) {
            out.put_slice(&event.frame[event.text.clone()?]);
            number = event.number;
        }
        Some((end_run(out, tail, cursor.then_some(number)).freeze(), number))
    }

    pub(super) fn weight(&self) -> usize {
        let cursors: usize =
            self.events.iter().filter_map(|event| event.with_cursor.as_ref()).map(Bytes::len).sum();
        self.bytes + cursors + self.events.len() * size_of::<Event>()
    }
}
