//! What a watcher who is behind gets: as many deltas as fit in a frame, put together from segments.

use std::ops::{ControlFlow, Range};

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{CURSOR_BYTES, END, Kind, Number, put_cursor, with_cursor};
use super::segment::{At, Count, Inside, Record, Run, Shape, record};
use super::spool::Spooled;
use super::{Audience, MERGED_BYTES};

/// A segment, or the open one, as it is read.
pub(super) struct Piece<'a> {
    pub(super) number: usize,
    pub(super) start: Count,
    pub(super) end: Count,
    pub(super) shape: Shape,
    pub(super) source: Source<'a>,
}

/// Where its bytes come from.
pub(super) enum Source<'a> {
    /// The open segment: its records, and the run after them.
    Open(&'a [u8], Option<Run<'a>>),
    Shared(Bytes),
    File(Spooled),
}

impl Source<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Open(records, run) => records.len() + run.as_ref().map_or(0, Run::len),
            Self::Shared(bytes) => bytes.len(),
            Self::File(spooled) => spooled.len,
        }
    }
}

impl Piece<'_> {
    pub(super) fn into_owned(self) -> Piece<'static> {
        let Self { number, start, end, shape, source } = self;
        let source = match source {
            Source::Open(records, run) => {
                let mut bytes = records.to_vec();
                if let Some(run) = run {
                    run.put(&mut bytes);
                }
                Source::Shared(bytes.into())
            }
            Source::Shared(bytes) => Source::Shared(bytes),
            Source::File(spooled) => Source::File(spooled),
        };
        Piece { number, start, end, shape, source }
    }

    /// Reads what is in a file, and says what was read if it may be of use for the next frame as well.
    pub(super) fn load(&mut self) -> Option<Bytes> {
        let Source::File(spooled) = &self.source else { return None };
        match spooled.read() {
            Ok(bytes) => {
                self.source = Source::Shared(bytes.clone());
                matches!(self.shape, Shape::Records).then_some(bytes)
            }
            Err(error) => {
                tracing::error!(
                    "a part of a live stream is lost to those who were behind, not to the log: {error}"
                );
                None
            }
        }
    }
}

/// A frame that was put together.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    /// How many events are before it.
    pub(super) from: u64,
    /// The place after it.
    pub(super) next: At,
    pub(super) bytes: Bytes,
    pub(super) number: Number,
    pub(super) kind: Kind,
}

/// Which events are for a watcher.
#[derive(Clone, Copy)]
pub(super) struct Wants {
    pub(super) audience: Audience,
    /// Events of the contract up to that number are known already.
    pub(super) after: u64,
    /// Events of any kind before that place are replayed.
    pub(super) live_from: u64,
}

impl Wants {
    /// Whether it is one of that kind and number, with so many events before it.
    pub(super) fn event(&self, kind: Kind, number: Number, from: u64) -> bool {
        let (replayed, counted) = (from < self.live_from, number.event_seq <= self.after);
        let known = match kind {
            Kind::First | Kind::Later | Kind::StepComplete => counted,
            // A retry is for those who were there when it happened.
            Kind::Retry { .. } => replayed,
            // It has the number of the event before it: who has that has it too, or was there when it came.
            Kind::ToolStart => replayed && counted,
        };
        !known && self.audience.hears(kind)
    }
}

/// Goes along the pieces, which are taken in order, until a frame is full.
pub(super) struct Gather {
    /// The place after what was taken or passed over.
    at: At,
    wants: Wants,
    frame: Option<Building>,
}

struct Building {
    from: u64,
    number: Number,
    kind: Kind,
    content: Content,
}

enum Content {
    /// An event that nothing was merged with; of a delta, where its text is.
    One { frame: Bytes, text: Option<Range<usize>> },
    /// Deltas: their head and their text so far.
    Run { out: BytesMut, head: usize, tail: Vec<u8> },
}

impl Gather {
    pub(super) fn new(at: At, wants: Wants) -> Self {
        Self { at, wants, frame: None }
    }

    /// Takes what it can use of a piece; breaks when the frame is full. A piece that could not be loaded is left out.
    pub(super) fn take(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        if self.at.segment != piece.number {
            self.at = At::start_of(piece.number, piece.start);
        }
        match (&piece.shape, &piece.source) {
            (Shape::Records, Source::Open(records, run)) => {
                self.take_records(records)?;
                let Some(run) = run else { return ControlFlow::Continue(()) };
                // It stands where its record will.
                self.move_to(records.len());
                self.take_run(run)
            }
            (Shape::Records, Source::Shared(records)) => self.take_records(records),
            (Shape::Event { kind, text }, Source::Shared(frame)) if self.at.offset == 0 => {
                self.take_event(frame, *kind, text.as_ref(), piece)
            }
            (_, _) if self.frame.is_some() => ControlFlow::Break(()),
            (_, _) => {
                self.at = At::start_of(piece.number + 1, piece.end);
                ControlFlow::Continue(())
            }
        }
    }

    fn take_records(&mut self, records: &[u8]) -> ControlFlow<()> {
        let mut offset = self.at.offset;
        while let Some((record, next)) = record(records, offset) {
            self.move_to(offset);
            match record {
                // One stays in it: what is the last run here may go on elsewhere.
                Record::Run(run) => self.take_run(&run)?,
                Record::Whole { frame, kind } => {
                    self.take_whole(frame, kind)?;
                    self.move_to(next);
                }
            }
            offset = next;
        }
        ControlFlow::Continue(())
    }

    fn move_to(&mut self, offset: usize) {
        if self.at.offset != offset {
            self.at = At { offset, inside: Inside::default(), ..self.at };
        }
    }

    fn take_run(&mut self, run: &Run<'_>) -> ControlFlow<()> {
        let known = self.wants.after.saturating_sub(self.at.count.event_seq);
        let mut inside = self.at.inside;
        run.go(&mut inside, usize::try_from(known).unwrap_or(usize::MAX), usize::MAX);
        self.at.count.pass_deltas(inside.deltas - self.at.inside.deltas);
        self.at.inside = inside;
        let end = run.end();
        if inside == end {
            return ControlFlow::Continue(());
        }
        let room = match &self.frame {
            Some(frame) if !frame.is_of(run.head, run.tail) => return ControlFlow::Break(()),
            Some(frame) => match MERGED_BYTES.checked_sub(frame.text_len()) {
                Some(room) => room,
                None => return ControlFlow::Break(()),
            },
            None => MERGED_BYTES,
        };
        if end.text - inside.text <= room {
            inside = end;
        } else {
            run.go(&mut inside, usize::MAX, room);
        }
        let taken = inside.deltas - self.at.inside.deltas;
        if taken == 0 {
            if self.frame.is_some() {
                return ControlFlow::Break(());
            }
            // Not as it was written: what cannot be read is left out.
            self.at.count.pass_deltas(end.deltas - inside.deltas);
            self.at.inside = end;
            return ControlFlow::Continue(());
        }
        let text = &run.text[self.at.inside.text..inside.text];
        let from = self.at.count.index;
        let number = self.at.count.pass_deltas(taken);
        self.at.inside = inside;
        match &mut self.frame {
            Some(frame) => {
                frame.add(text);
                frame.number = number;
            }
            None => {
                let content = Content::run(run.head, text, run.tail);
                self.frame = Some(Building { from, number, kind: Kind::First, content });
            }
        }
        if inside == end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn take_whole(&mut self, frame: &[u8], kind: Kind) -> ControlFlow<()> {
        if self.frame.is_some() {
            return ControlFlow::Break(());
        }
        let from = self.at.count.index;
        let number = self.at.count.pass(kind);
        if self.wants.event(kind, number, from) {
            let content = Content::One { frame: Bytes::copy_from_slice(frame), text: None };
            self.frame = Some(Building { from, number, kind, content });
        }
        ControlFlow::Continue(())
    }

    fn take_event(
        &mut self,
        event: &Bytes,
        kind: Kind,
        text: Option<&Range<usize>>,
        piece: &Piece<'_>,
    ) -> ControlFlow<()> {
        let mut count = self.at.count;
        let index = count.index;
        let number = count.pass(kind);
        match &mut self.frame {
            Some(frame) => {
                let more = text.filter(|text| {
                    frame.is_of(&event[..text.start], &event[text.end..])
                        && frame.text_len() + text.len() <= MERGED_BYTES
                });
                let Some(text) = more else { return ControlFlow::Break(()) };
                frame.add(&event[text.clone()]);
                frame.number = number;
            }
            None if self.wants.event(kind, number, index) => {
                let content = Content::One { frame: event.clone(), text: text.cloned() };
                self.frame = Some(Building { from: index, number, kind, content });
            }
            None => {}
        }
        self.at = At::start_of(piece.number + 1, count);
        ControlFlow::Continue(())
    }

    /// The frame, if anything that is wanted was met, and the place to go on from.
    pub(super) fn finish(self, cursor: bool) -> (Option<Gathered>, At) {
        let Self { at: next, frame, .. } = self;
        let gathered = frame.map(|Building { from, number, kind, content }| {
            let bytes = content.finish(number, kind, cursor);
            Gathered { from, next, bytes, number, kind }
        });
        (gathered, next)
    }
}

impl Building {
    /// Whether deltas with that around their text can be added.
    fn is_of(&self, head: &[u8], tail: &[u8]) -> bool {
        match &self.content {
            Content::One { text: None, .. } => false,
            Content::One { frame, text: Some(text) } => {
                frame[..text.start] == *head && frame[text.end..] == *tail
            }
            Content::Run { out, head: len, tail: own } => out[..*len] == *head && own == tail,
        }
    }

    fn text_len(&self) -> usize {
        match &self.content {
            Content::One { text, .. } => text.as_ref().map_or(0, Range::len),
            Content::Run { out, head, .. } => out.len() - head,
        }
    }

    /// Adds text of the same run.
    fn add(&mut self, more: &[u8]) {
        if let Content::One { frame, text: Some(text) } = &self.content {
            self.content = Content::run(&frame[..text.start], &frame[text.clone()], &frame[text.end..]);
        }
        if let Content::Run { out, .. } = &mut self.content {
            out.put_slice(more);
        }
    }
}

impl Content {
    /// Deltas of a run, with that text together.
    fn run(head: &[u8], text: &[u8], tail: &[u8]) -> Self {
        let mut out = BytesMut::with_capacity(head.len() + text.len() + tail.len() + CURSOR_BYTES);
        out.put_slice(head);
        out.put_slice(text);
        Self::Run { out, head: head.len(), tail: tail.to_vec() }
    }

    fn finish(self, number: Number, kind: Kind, cursor: bool) -> Bytes {
        match self {
            Self::One { frame, .. } if cursor => with_cursor(&frame, number, kind),
            Self::One { frame, .. } => frame,
            Self::Run { out, tail, .. } => end_run(out, &tail, cursor.then_some(number)).freeze(),
        }
    }
}

/// Puts after the text of deltas what comes after it.
pub(super) fn end_run(mut out: BytesMut, tail: &[u8], cursor: Option<Number>) -> BytesMut {
    out.put_slice(&tail[..tail.len() - END.len()]);
    if let Some(number) = cursor {
        put_cursor(&mut out, number, Kind::First);
    }
    out.put_slice(END);
    out
}
