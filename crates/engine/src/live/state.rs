//! What the lock of a stream guards.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use wire::TurnId;

use super::frame::{Frame, Recorded};
use super::gather::{Gather, Gathered, Piece, Source, Wants};
use super::segment::At;
use super::spool::Spooled;
use super::tape::Tape;
use super::{Audience, Heard};

/// How many more bytes come into memory before a file that failed is tried again.
const RETRY_AFTER: usize = 64 * 1024;

pub(super) struct State {
    /// The turns that somebody still reads, and the one in flight. The first is number `first_turn`.
    tapes: VecDeque<Tape>,
    first_turn: u64,
    /// How many watchers wait for the turn after the last tape.
    waiting: usize,
    /// The wakers of watchers that have read everything; a free place is empty.
    pub(super) wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// How many watchers know only the first contract.
    pub(super) first_contract: usize,
    /// How many bytes of events are in memory, of all tapes.
    memory: usize,
    limit: usize,
    /// From how many bytes on the oldest go to a file: `limit`, and more after a file has failed.
    spill_above: usize,
    /// The last frame that was put together, without and with what a cursor adds: for the many who come to the same
    /// place together.
    gathered: [Option<Kept>; 2],
    /// The last segment that was read from a file.
    loaded: Option<(u64, usize, Bytes)>,
    /// Turns that are forgotten: to be dropped when nothing is locked, for it can take a while.
    gone: Vec<Tape>,
}

struct Kept {
    turn: u64,
    /// Whether it stays the same if more comes.
    complete: bool,
    gathered: Gathered,
}

impl Kept {
    /// Whether a watcher at its start, on a tape of that length, is to get this and could not get more.
    fn is_for(&self, reading: &Reading, len: u64) -> bool {
        let Gathered { from, next, number, kind, .. } = self.gathered;
        (self.complete || next.count.index == len)
            && reading.after <= reading.at.count.event_seq
            && reading.wants().event(kind, number, from)
    }
}

/// What a look at the stream finds.
pub(super) enum Look {
    Heard(Heard),
    /// All is read.
    Nothing,
    /// What comes next is in a file. With it, how many events the tape has.
    InFile(Vec<Piece<'static>>, u64),
}

/// A watcher's position, and what it wants.
pub(super) struct Reading {
    /// The turn that is being read.
    pub(super) turn: u64,
    pub(super) at: At,
    /// Events of the contract up to that number are known already.
    pub(super) after: u64,
    pub(super) audience: Audience,
    pub(super) cursor: bool,
    /// The turn and the event that came next when the watcher joined: what is before it is replayed.
    pub(super) live_from: (u64, u64),
}

impl Reading {
    pub(super) fn wants(&self) -> Wants {
        let Self { turn, after, audience, live_from, .. } = *self;
        let live_from = match turn.cmp(&live_from.0) {
            Ordering::Less => u64::MAX,
            Ordering::Equal => live_from.1,
            Ordering::Greater => 0,
        };
        Wants { audience, after, live_from }
    }
}

impl State {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            tapes: VecDeque::new(),
            first_turn: 0,
            waiting: 0,
            wakers: Vec::new(),
            free: Vec::new(),
            first_contract: 0,
            memory: 0,
            limit,
            spill_above: limit,
            gathered: [None, None],
            loaded: None,
            gone: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, turn: TurnId, first_seq: u64) {
        if let Some(last) = self.tapes.back_mut() {
            debug_assert!(last.over, "a turn begins inside another");
            last.put_aside();
        }
        let readers = std::mem::take(&mut self.waiting);
        self.tapes.push_back(Tape::new(turn, first_seq, readers, self.limit));
    }

    /// Adds events to the turn in flight and says whether there is one.
    pub(super) fn push(&mut self, events: impl IntoIterator<Item = Recorded>) -> bool {
        let Some(tape) = self.tapes.back_mut().filter(|tape| !tape.over) else { return false };
        let before = tape.memory();
        for event in events {
            tape.push(event);
        }
        self.memory = self.memory + tape.memory() - before;
        true
    }

    pub(super) fn end(&mut self) {
        if let Some(tape) = self.tapes.back_mut() {
            let before = tape.memory();
            tape.end();
            self.memory = self.memory + tape.memory() - before;
        }
        self.forget();
    }

    pub(super) fn in_flight(&self) -> Option<&Tape> {
        self.tapes.back().filter(|tape| !tape.over)
    }

    /// The number of the turn that a watcher joins, and how many events that has.
    pub(super) fn tip(&self) -> (u64, u64) {
        match self.in_flight() {
            Some(tape) => (self.next_turn() - 1, tape.len()),
            None => (self.next_turn(), 0),
        }
    }

    fn next_turn(&self) -> u64 {
        self.first_turn + self.tapes.len() as u64
    }

    /// The number of a turn whose tape is still there.
    pub(super) fn number_of(&self, turn: &TurnId) -> Option<u64> {
        let place = self.tapes.iter().rposition(|tape| tape.turn == *turn)?;
        Some(self.first_turn + place as u64)
    }

    pub(super) fn tape(&self, turn: u64) -> Option<&Tape> {
        self.tapes.get(self.place(turn)?)
    }

    fn place(&self, turn: u64) -> Option<usize> {
        usize::try_from(turn.checked_sub(self.first_turn)?).ok()
    }

    fn tape_mut(&mut self, turn: u64) -> Option<&mut Tape> {
        let place = self.place(turn)?;
        self.tapes.get_mut(place)
    }

    pub(super) fn enter(&mut self, turn: u64) {
        match self.tape_mut(turn) {
            Some(tape) => tape.readers += 1,
            None => self.waiting += 1,
        }
    }

    pub(super) fn leave(&mut self, turn: u64) {
        match self.tape_mut(turn) {
            Some(tape) => tape.readers -= 1,
            None => self.waiting -= 1,
        }
        self.forget();
    }

    /// Lets go of turns that are over and that nobody will read.
    fn forget(&mut self) {
        while let Some(tape) = self.tapes.pop_front_if(|tape| tape.over && tape.readers == 0) {
            self.first_turn += 1;
            self.memory -= tape.memory();
            self.spill_above = self.limit;
            self.gone.push(tape);
        }
        let first = self.first_turn;
        for kept in &mut self.gathered {
            kept.take_if(|kept| kept.turn < first);
        }
        self.loaded.take_if(|(turn, ..)| *turn < first);
    }

    pub(super) fn take_gone(&mut self) -> Vec<Tape> {
        std::mem::take(&mut self.gone)
    }

    /// A place for a watcher's waker.
    pub(super) fn seat(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }

    pub(super) fn give_up_seat(&mut self, seat: usize) -> Option<Waker> {
        self.free.push(seat);
        self.wakers[seat].take()
    }

    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        self.wakers.iter_mut().filter_map(Option::take).collect()
    }

    /// What comes next for a watcher, who is moved past it.
    pub(super) fn look(&mut self, reading: &mut Reading) -> Look {
        loop {
            let turn = reading.turn;
            let Some(place) = self.place(turn) else { return Look::Nothing };
            let Some(tape) = self.tapes.get_mut(place) else { return Look::Nothing };
            let from = reading.at.count.index;
            if from == tape.len() {
                if !tape.over {
                    return Look::Nothing;
                }
                self.enter(turn + 1);
                self.leave(turn);
                (reading.turn, reading.at, reading.after) = (turn + 1, At::START, 0);
                return Look::Heard(Heard::TurnOver);
            }
            let kept = &mut self.gathered[usize::from(reading.cursor)];
            let known = kept.as_ref().filter(|kept| (kept.turn, kept.gathered.from) == (turn, from));
            let gathered = if let Some(run) = tape.ready.run(from, tape.len()) {
                let next = tape.ready.event(run.end - 1).next;
                let first = tape.ready.event(run.start);
                let kind = first.kind;
                if !reading.wants().event(kind, first.number, from) {
                    reading.at = first.next;
                    continue;
                }
                if run.len() == 1 {
                    reading.at = next;
                    let (bytes, number) = (first.frame(reading.cursor), first.number);
                    return Look::Heard(Heard::Frame(Frame { bytes, turn: tape.turn.clone(), number }));
                }
                if let Some(known) = known.filter(|known| known.gathered.next.count == next.count) {
                    known.gathered.clone()
                } else {
                    let Some((bytes, number)) = tape.ready.merge(run, reading.cursor) else {
                        return Look::Nothing;
                    };
                    Gathered { from, next, bytes, number, kind }
                }
            } else if let Some(known) = known.filter(|known| known.is_for(reading, tape.len())) {
                known.gathered.clone()
            } else if tape.is_in_file(&reading.at) {
                let mut pieces = tape.spilled_pieces(&reading.at);
                for piece in &mut pieces {
                    if let Some((.., bytes)) =
                        self.loaded.as_ref().filter(|l| (l.0, l.1) == (turn, piece.number))
                    {
                        piece.source = Source::Shared(bytes.clone());
                    }
                }
                return Look::InFile(pieces, tape.len());
            } else {
                let mut gather = Gather::new(reading.at, reading.wants());
                let _ = tape.pieces(&reading.at).try_for_each(|piece| gather.take(&piece));
                let (gathered, at) = gather.finish(reading.cursor);
                reading.at = at;
                let Some(gathered) = gathered else { continue };
                gathered
            };
            reading.at = gathered.next;
            let frame =
                Frame { bytes: gathered.bytes.clone(), turn: tape.turn.clone(), number: gathered.number };
            let complete = gathered.next.count.index < tape.len();
            *kept = Some(Kept { turn, complete, gathered });
            return Look::Heard(Heard::Frame(frame));
        }
    }

    /// What a watcher found in a file, for those who come to the same place.
    pub(super) fn keep(
        &mut self,
        reading: &Reading,
        gathered: Option<&Gathered>,
        len: u64,
        loaded: Option<(usize, Bytes)>,
    ) -> Option<TurnId> {
        let turn = reading.turn;
        if let Some((number, bytes)) = loaded {
            self.loaded = Some((turn, number, bytes));
        }
        let gathered = gathered?.clone();
        let complete = gathered.next.count.index < len;
        self.gathered[usize::from(reading.cursor)] = Some(Kept { turn, complete, gathered });
        self.tape(turn).map(|tape| tape.turn.clone())
    }

    pub(super) fn is_full(&self) -> bool {
        self.memory > self.spill_above
    }

    /// What should go to a file next: the oldest that can.
    pub(super) fn oldest(&self) -> Option<(u64, usize, Bytes)> {
        if self.memory <= self.limit {
            return None;
        }
        self.tapes.iter().zip(self.first_turn..).find_map(|(tape, turn)| {
            let (number, bytes) = tape.oldest_in_memory()?;
            Some((turn, number, bytes))
        })
    }

    /// That is in a file now; nothing if it could not be written, and then it is not tried again at once.
    pub(super) fn spilled(&mut self, turn: u64, number: usize, spooled: Option<Spooled>) {
        let Some(spooled) = spooled else {
            self.spill_above = self.memory + RETRY_AFTER;
            return;
        };
        self.spill_above = self.limit;
        let Some(tape) = self.tape_mut(turn) else { return };
        let before = tape.memory();
        tape.spilled_to(number, spooled);
        let after = tape.memory();
        self.memory = self.memory + after - before;
    }

    pub(super) fn watchers(&self) -> usize {
        self.wakers.len() - self.free.len()
    }

    pub(super) fn bytes_in_memory(&self) -> usize {
        let overhead: usize = self.tapes.iter().map(Tape::overhead).sum();
        let gathered: usize = self.gathered.iter().flatten().map(|kept| kept.gathered.bytes.len()).sum();
        let loaded = self.loaded.as_ref().map_or(0, |(.., bytes)| bytes.len());
        self.memory + overhead + gathered + loaded
    }

    pub(super) fn bytes_spilled(&self) -> u64 {
        self.tapes.iter().map(|tape| tape.spilled).sum()
    }
}
