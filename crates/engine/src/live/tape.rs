//! The events of one turn, serialised.

use std::ops::Range;

use bytes::Bytes;
use wire::TurnId;

use super::frame::Recorded;
use super::gather::{Piece, Source};
use super::ready::{self, Ready};
use super::segment::{At, Count, Inside, Place, Run, Segment, Shape, put_number, put_whole};
use super::spool::Spooled;

/// The most bytes of text in a frame that was merged from several deltas.
pub const MERGED_BYTES: usize = 64 * 1024;

/// How long a segment becomes before the next one begins; shorter where the limit of memory is small.
const SEGMENT_BYTES: usize = 64 * 1024;

/// An event with a frame of this size is a segment by itself.
const LARGE: usize = 4 * 1024;

/// The events of one turn, in order: segments that are complete, of which the oldest may be in files, then an open one.
pub(super) struct Tape {
    pub(super) turn: TurnId,
    /// The seq of the turn's prompt.
    pub(super) first_seq: u64,
    /// How many watchers read this turn.
    pub(super) readers: usize,
    /// Whether the turn has ended.
    pub(super) over: bool,
    /// The place after the last event.
    pub(super) end: At,
    pub(super) ready: Ready,
    /// How many bytes of events are in files.
    pub(super) spilled: u64,
    segments: Vec<Segment>,
    /// How many of the segments are in files.
    in_files: usize,
    /// How many bytes those have that are not.
    complete: usize,
    open: Open,
    /// What is around the text of the last event, if that was a delta.
    around: Option<Around>,
    segment_bytes: usize,
}

/// The segment that is being filled.
struct Open {
    /// As long as nothing is in it, of no meaning.
    start: Count,
    /// Records that are complete.
    records: Vec<u8>,
    /// Deltas after them that are not a record yet.
    deltas: usize,
    lengths: Vec<u8>,
    text: Vec<u8>,
}

struct Around {
    head: Bytes,
    tail: Bytes,
}

impl Tape {
    /// A tape that keeps about `limit` bytes in memory: no segment is more than an eighth of that.
    pub(super) fn new(turn: TurnId, first_seq: u64, readers: usize, limit: usize) -> Self {
        Self {
            turn,
            first_seq,
            readers,
            over: false,
            end: At::START,
            ready: Ready::default(),
            spilled: 0,
            segments: Vec::new(),
            in_files: 0,
            complete: 0,
            open: Open::new(),
            around: None,
            segment_bytes: (limit / 8).clamp(256, SEGMENT_BYTES),
        }
    }

    /// How many events there are.
    pub(super) fn len(&self) -> u64 {
        self.end.count.index
    }

    /// How many bytes of events are in memory.
    pub(super) fn memory(&self) -> usize {
        self.complete + self.open.len(self.around.as_ref())
    }

    /// How many bytes are kept in memory besides the events themselves.
    pub(super) fn overhead(&self) -> usize {
        size_of::<Self>() + self.segments.len() * size_of::<Segment>() + self.ready.weight()
    }

    pub(super) fn push(&mut self, event: Recorded) {
        let Recorded { frame, kind, text } = event;
        let continues = self.turn_to(&frame, text.as_ref());
        let mut count = self.end.count;
        let number = count.pass(kind);
        if frame.len() < LARGE.min(self.segment_bytes) {
            if self.open.is_empty() {
                self.open.start = self.end.count;
            }
            match text.clone() {
                Some(text) => self.open.add(&frame[text]),
                None => put_whole(&mut self.open.records, &frame, kind),
            }
            let (offset, inside) = (self.open.records.len(), self.open.inside());
            self.end = At { count, segment: self.segments.len(), offset, inside };
            if self.open.len(self.around.as_ref()) >= self.segment_bytes {
                self.close();
            }
        } else {
            self.close();
            self.complete += frame.len();
            let shape = Shape::Event { kind, text: text.clone() };
            self.segments.push(Segment { start: self.end.count, shape, place: Place::Memory(frame.clone()) });
            self.end = At::start_of(self.segments.len(), count);
        }
        self.ready.push(ready::Event::new(frame, kind, text, continues, number, self.end));
    }

    /// Whether an event goes on with the run of the one before. If it does not, that run is a record now, and another
    /// one begins if it is a delta.
    fn turn_to(&mut self, frame: &[u8], text: Option<&Range<usize>>) -> bool {
        let around = text.map(|text| (&frame[..text.start], &frame[text.end..]));
        if let (Some(Around { head: old_head, tail: old_tail }), Some((head, tail))) = (&self.around, around)
            && old_head == head
            && old_tail == tail
        {
            return true;
        }
        self.open.end_run(self.around.as_ref());
        // Copies: a part of the frame would keep all of it.
        let copy =
            |(head, tail)| Around { head: Bytes::copy_from_slice(head), tail: Bytes::copy_from_slice(tail) };
        self.around = around.map(copy);
        false
    }

    /// Completes the open segment.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let bytes = self.open.take(self.around.as_ref());
        self.complete += bytes.len();
        let place = Place::Memory(bytes);
        self.segments.push(Segment { start: self.open.start, shape: Shape::Records, place });
        self.end = At::start_of(self.segments.len(), self.end.count);
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self) {
        self.over = true;
        self.close();
        self.open = Open::new();
        self.segments.shrink_to_fit();
        self.around = None;
    }

    /// Another turn has begun: who still reads this one is behind.
    pub(super) fn put_aside(&mut self) {
        self.ready = Ready::default();
    }

    /// A place from which the event after that one of the contract is reached, with as little as possible between.
    pub(super) fn before(&self, event_seq: u64) -> At {
        if event_seq == self.end.count.event_seq {
            return self.end;
        }
        if !self.open.is_empty() && self.open.start.event_seq <= event_seq {
            return At::start_of(self.segments.len(), self.open.start);
        }
        let after = self.segments.partition_point(|segment| segment.start.event_seq <= event_seq);
        match after.checked_sub(1) {
            Some(number) => At::start_of(number, self.segments[number].start),
            None => At::START,
        }
    }

    /// Whether what comes at that place is in a file.
    pub(super) fn is_in_file(&self, at: &At) -> bool {
        at.segment < self.in_files
    }

    /// What comes from that place on, piece by piece, as far as it was published. All in memory.
    pub(super) fn pieces(&self, at: &At) -> impl Iterator<Item = Piece<'_>> {
        (at.segment..=self.segments.len()).map(|number| self.piece(number))
    }

    /// As much from that place on as fits in a frame, to be read when nothing is locked.
    pub(super) fn spilled_pieces(&self, at: &At) -> Vec<Piece<'static>> {
        let mut pieces = Vec::new();
        let mut bytes = 0;
        for number in at.segment..=self.segments.len() {
            let piece = self.piece(number);
            bytes += piece.source.len() - if number == at.segment { at.offset } else { 0 };
            pieces.push(piece.into_owned());
            // A character takes two bytes on the tape, and there is what comes with each run.
            if bytes > 3 * MERGED_BYTES {
                break;
            }
        }
        pieces
    }

    fn piece(&self, number: usize) -> Piece<'_> {
        let after = self.segments.get(number + 1).map(|segment| segment.start);
        match self.segments.get(number) {
            Some(segment) => {
                let source = match &segment.place {
                    Place::Memory(bytes) => Source::Shared(bytes.clone()),
                    Place::File(spooled) => Source::File(spooled.clone()),
                };
                let (start, end) = (segment.start, after.unwrap_or(self.open_start()));
                Piece { number, start, end, shape: segment.shape.clone(), source }
            }
            None => Piece {
                number,
                start: if self.open.is_empty() { self.end.count } else { self.open.start },
                end: self.end.count,
                shape: Shape::Records,
                source: Source::Open(&self.open.records, self.open.run(self.around.as_ref())),
            },
        }
    }

    fn open_start(&self) -> Count {
        if self.open.is_empty() { self.end.count } else { self.open.start }
    }

    /// The oldest segment that is complete and in memory.
    pub(super) fn oldest_in_memory(&self) -> Option<(usize, Bytes)> {
        match &self.segments.get(self.in_files)?.place {
            Place::Memory(bytes) => Some((self.in_files, bytes.clone())),
            Place::File(_) => None,
        }
    }

    /// That segment is in a file now.
    pub(super) fn spilled_to(&mut self, number: usize, spooled: Spooled) {
        if number != self.in_files {
            return;
        }
        let Some(segment) = self.segments.get_mut(number) else { return };
        self.in_files += 1;
        self.complete -= spooled.len;
        self.spilled += spooled.len as u64;
        segment.place = Place::File(spooled);
    }
}

impl Open {
    fn new() -> Self {
        Self { start: Count::START, records: Vec::new(), deltas: 0, lengths: Vec::new(), text: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.deltas == 0
    }

    fn add(&mut self, text: &[u8]) {
        self.deltas += 1;
        put_number(&mut self.lengths, text.len());
        self.text.extend_from_slice(text);
    }

    /// How far into the run that is not a record yet its end is.
    fn inside(&self) -> Inside {
        Inside { deltas: self.deltas, lengths: self.lengths.len(), text: self.text.len() }
    }

    /// The deltas that are not a record yet.
    fn run<'a>(&'a self, around: Option<&'a Around>) -> Option<Run<'a>> {
        let Around { head, tail } = around.filter(|_| self.deltas > 0)?;
        Some(Run { head, tail, deltas: self.deltas, lengths: &self.lengths, text: &self.text })
    }

    /// How many bytes it takes.
    fn len(&self, around: Option<&Around>) -> usize {
        self.records.len() + self.run(around).map_or(0, |run| run.len())
    }

    fn end_run(&mut self, around: Option<&Around>) {
        let mut records = std::mem::take(&mut self.records);
        if let Some(run) = self.run(around) {
            run.put(&mut records);
        }
        self.records = records;
        self.deltas = 0;
        self.lengths.clear();
        self.text.clear();
    }

    /// All that is in it, as one piece of just the size; it is empty then.
    fn take(&mut self, around: Option<&Around>) -> Bytes {
        let mut bytes = Vec::with_capacity(self.len(around));
        bytes.extend_from_slice(&self.records);
        self.records.clear();
        if let Some(run) = self.run(around) {
            run.put(&mut bytes);
        }
        self.deltas = 0;
        self.lengths.clear();
        self.text.clear();
        bytes.into()
    }
}
