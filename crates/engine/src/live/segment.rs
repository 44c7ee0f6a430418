//! A stretch of a tape: events one after the other, as bytes that need no index.
//!
//! ```text
//! segment = record*
//! record  = run | whole                  a number with a tag in its low three bits, other numbers, then bytes
//! run     = head tail lengths text       adjacent deltas: what their frames have before and after their text, the
//!                                        length of each text, and the texts, which can be taken together at once
//! whole   = frame                        any other event
//! ```
//!
//! Numbers are of seven bits a byte, the lowest first, so that a delta of one character takes two bytes. A segment can be
//! read on its own. A large event is a segment by itself and has no record around it, so that its memory can be shared.

use std::ops::Range;

use bytes::Bytes;

use super::frame::{Kind, Number};
use super::spool::Spooled;

/// What has been counted up to a place between two events of a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// Events of any kind.
    pub(super) index: u64,
    /// Events of the contract.
    pub(super) event_seq: u64,
    /// Which try of the provider call the next event belongs to.
    pub(super) attempt: u32,
}

impl Count {
    pub(super) const START: Self = Self { index: 0, event_seq: 0, attempt: 1 };

    /// Goes past an event, and says what its numbers are.
    pub(super) fn pass(&mut self, kind: Kind) -> Number {
        let attempt = self.attempt;
        self.index += 1;
        self.event_seq += u64::from(!kind.is_extension());
        match kind {
            Kind::First | Kind::Later | Kind::ToolStart => {}
            Kind::StepComplete => self.attempt = 1,
            Kind::Retry { attempt } => self.attempt = attempt.saturating_add(1),
        }
        Number { event_seq: self.event_seq, attempt }
    }

    /// Goes past so many deltas, and says what the numbers of the last one are.
    pub(super) fn pass_deltas(&mut self, deltas: usize) -> Number {
        self.index += deltas as u64;
        self.event_seq += deltas as u64;
        Number { event_seq: self.event_seq, attempt: self.attempt }
    }
}

/// A place between two events of a tape, and how to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) count: Count,
    /// The end of a segment and the start of the next are the same place.
    pub(super) segment: usize,
    /// Where the record is. Behind all that is in it is the same place as before the next one.
    pub(super) offset: usize,
    pub(super) inside: Inside,
}

/// How far into a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inside {
    /// How many deltas of it are before this place, how many bytes their lengths take, and their texts.
    pub(super) deltas: usize,
    pub(super) lengths: usize,
    pub(super) text: usize,
}

impl At {
    pub(super) const START: Self = Self::start_of(0, Count::START);

    pub(super) const fn start_of(segment: usize, count: Count) -> Self {
        Self { count, segment, offset: 0, inside: Inside { deltas: 0, lengths: 0, text: 0 } }
    }
}

/// A stretch that is complete.
pub(super) struct Segment {
    pub(super) start: Count,
    pub(super) shape: Shape,
    pub(super) place: Place,
}

/// What the bytes of a segment are.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Records,
    /// The frame of one event; of a delta, where its text is.
    Event {
        kind: Kind,
        text: Option<Range<usize>>,
    },
}

/// Where the bytes of a segment are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Memory(Bytes),
    File(Spooled),
}

/// What a segment consists of.
pub(super) enum Record<'a> {
    Run(Run<'a>),
    Whole { frame: &'a [u8], kind: Kind },
}

/// Adjacent deltas that differ in nothing but their text.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) head: &'a [u8],
    pub(super) tail: &'a [u8],
    pub(super) deltas: usize,
    pub(super) lengths: &'a [u8],
    pub(super) text: &'a [u8],
}

const RUN: usize = 0;
const FIRST: usize = 1;
const LATER: usize = 2;
const STEP_COMPLETE: usize = 3;
const RETRY: usize = 4;
const TOOL_START: usize = 5;
const TAG_BITS: u32 = 3;

impl Run<'_> {
    /// How many bytes it takes, at most.
    pub(super) fn len(&self) -> usize {
        let numbers = 5 * 5;
        self.head.len() + self.tail.len() + self.lengths.len() + self.text.len() + numbers
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Self { head, tail, deltas, lengths, text } = self;
        put_number(out, head.len() << TAG_BITS | RUN);
        for number in [tail.len(), *deltas, lengths.len(), text.len()] {
            put_number(out, number);
        }
        for part in [head, tail, lengths, text] {
            out.extend_from_slice(part);
        }
    }

    /// Goes on by deltas, as many as `wanted` says and as have no more than `room` bytes of text together.
    pub(super) fn go(&self, inside: &mut Inside, wanted: usize, room: usize) {
        let start = inside.text;
        for _ in 0..wanted.min(self.deltas - inside.deltas) {
            let mut lengths = inside.lengths;
            let Some(length) = number(self.lengths, &mut lengths) else { return };
            if inside.text + length - start > room {
                return;
            }
            *inside = Inside { deltas: inside.deltas + 1, lengths, text: inside.text + length };
        }
    }

    /// Behind the last delta.
    pub(super) fn end(&self) -> Inside {
        Inside { deltas: self.deltas, lengths: self.lengths.len(), text: self.text.len() }
    }
}

pub(super) fn put_whole(out: &mut Vec<u8>, frame: &[u8], kind: Kind) {
    let mut start = |tag| put_number(out, frame.len() << TAG_BITS | tag);
    match kind {
        Kind::First => start(FIRST),
        Kind::Later => start(LATER),
        Kind::StepComplete => start(STEP_COMPLETE),
        Kind::Retry { attempt } => {
            start(RETRY);
            put_number(out, attempt as usize);
        }
        Kind::ToolStart => start(TOOL_START),
    }
    out.extend_from_slice(frame);
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The record at that offset and where the next one is; none at the end, and none if this is no segment.
pub(super) fn record(bytes: &[u8], mut offset: usize) -> Option<(Record<'_>, usize)> {
    let offset = &mut offset;
    let start = number(bytes, offset)?;
    let len = start >> TAG_BITS;
    let whole = |kind, offset: &mut usize| Some(Record::Whole { frame: part(bytes, offset, len)?, kind });
    let record = match start & ((1 << TAG_BITS) - 1) {
        RUN => {
            let (tail, deltas) = (number(bytes, offset)?, number(bytes, offset)?);
            let (lengths, text) = (number(bytes, offset)?, number(bytes, offset)?);
            Record::Run(Run {
                head: part(bytes, offset, len)?,
                tail: part(bytes, offset, tail)?,
                deltas,
                lengths: part(bytes, offset, lengths)?,
                text: part(bytes, offset, text)?,
            })
        }
        FIRST => whole(Kind::First, offset)?,
        LATER => whole(Kind::Later, offset)?,
        STEP_COMPLETE => whole(Kind::StepComplete, offset)?,
        RETRY => {
            let attempt = u32::try_from(number(bytes, offset)?).ok()?;
            whole(Kind::Retry { attempt }, offset)?
        }
        TOOL_START => whole(Kind::ToolStart, offset)?,
        _ => return None,
    };
    Some((record, *offset))
}

fn number(bytes: &[u8], offset: &mut usize) -> Option<usize> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let byte = *bytes.get(*offset)?;
        *offset += 1;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

fn part<'a>(bytes: &'a [u8], offset: &mut usize, len: usize) -> Option<&'a [u8]> {
    let start = *offset;
    *offset = start.checked_add(len)?;
    bytes.get(start..*offset)
}
