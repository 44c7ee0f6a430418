//! The live stream of a conversation.
//!
//! A turn in flight is an append-only tape of events that are already serialised. Each event is encoded once, whoever
//! reads it; a [`Watcher`] is a position on the tape. A watcher that is behind gets adjacent deltas of one kind merged
//! into one, cut at [`MERGED_BYTES`]; so a slow or late one catches up in few frames and never makes the server keep
//! more than the tape itself.
//!
//! One lock guards all of a conversation's stream. That makes joining atomic: a watcher that joins while a turn is
//! in flight gets that turn from its first event, and [`Watcher::joined_at`] says where the turn begins in the log, so
//! that the history can be cut exactly there.

mod tape;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::sync::{Arc, Mutex, MutexGuard};
use tape::Tape;

pub use tape::{Frame, MERGED_BYTES, Recorded};

/// The stream of one conversation, for as long as a turn runs or somebody watches.
pub struct Hub {
    state: Mutex<State>,
}

struct State {
    /// The turns that somebody still reads, and the one in flight. The first is number `first_turn`.
    tapes: VecDeque<Tape>,
    first_turn: u64,
    /// How many watchers wait for the turn after the last tape.
    waiting: usize,
    /// The wakers of watchers that have read everything; a free place is empty.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl State {
    fn next_turn(&self) -> u64 {
        self.first_turn + self.tapes.len() as u64
    }

    fn tape(&self, turn: u64) -> Option<&Tape> {
        usize::try_from(turn.checked_sub(self.first_turn)?).ok().and_then(|at| self.tapes.get(at))
    }

    fn tape_mut(&mut self, turn: u64) -> Option<&mut Tape> {
        usize::try_from(turn.checked_sub(self.first_turn)?).ok().and_then(|at| self.tapes.get_mut(at))
    }

    fn enter(&mut self, turn: u64) {
        match self.tape_mut(turn) {
            Some(tape) => tape.readers += 1,
            None => self.waiting += 1,
        }
    }

    fn leave(&mut self, turn: u64) {
        match self.tape_mut(turn) {
            Some(tape) => tape.readers -= 1,
            None => self.waiting -= 1,
        }
        self.forget();
    }

    /// Lets go of turns that are over and that nobody will read.
    fn forget(&mut self) {
        while self.tapes.front().is_some_and(|tape| tape.over && tape.readers == 0) {
            self.tapes.pop_front();
            self.first_turn += 1;
        }
    }

    fn take_wakers(&mut self) -> Vec<Waker> {
        self.wakers.iter_mut().filter_map(Option::take).collect()
    }
}

/// What a watcher hears next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// One event, or several deltas merged into one.
    Frame(Frame),
    /// The turn is over: nothing more of it will come.
    TurnOver,
}

impl Hub {
    /// A stream on which nothing has happened yet.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                tapes: VecDeque::new(),
                first_turn: 0,
                waiting: 0,
                wakers: Vec::new(),
                free: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves a tape without its last event at worst; others go on.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A turn begins, with its prompt at that seq. The one before must be over.
    pub fn begin(&self, first_seq: u64) {
        let wakers = {
            let mut state = self.lock();
            debug_assert!(state.tapes.back().is_none_or(|tape| tape.over), "a turn begins inside another");
            let readers = std::mem::take(&mut state.waiting);
            state.tapes.push_back(Tape::new(first_seq, readers));
            state.take_wakers()
        };
        wake(wakers);
    }

    /// Adds events to the turn in flight.
    pub fn publish(&self, events: impl IntoIterator<Item = Recorded>) {
        let wakers = {
            let mut state = self.lock();
            let Some(tape) = state.tapes.back_mut().filter(|tape| !tape.over) else { return };
            for event in events {
                tape.push(event);
            }
            state.take_wakers()
        };
        wake(wakers);
    }

    /// Adds the last events of the turn in flight and ends it: from now on it is history.
    pub fn end(&self, events: impl IntoIterator<Item = Recorded>) {
        let wakers = {
            let mut state = self.lock();
            let Some(tape) = state.tapes.back_mut().filter(|tape| !tape.over) else { return };
            for event in events {
                tape.push(event);
            }
            tape.over = true;
            state.forget();
            state.take_wakers()
        };
        wake(wakers);
    }

    /// The seq at which the turn in flight begins, if there is one: history ends before it.
    pub fn in_flight_from(&self) -> Option<u64> {
        self.lock().tapes.back().filter(|tape| !tape.over).map(|tape| tape.first_seq)
    }

    /// Joins: the turn in flight from its first event, or the next one.
    pub fn watch(self: &Arc<Self>, extensions: bool) -> Watcher {
        let mut state = self.lock();
        let (turn, heard_from) = match state.tapes.back() {
            Some(tape) if !tape.over => (state.next_turn() - 1, tape.len()),
            Some(_) | None => (state.next_turn(), 0),
        };
        state.enter(turn);
        let place = state.free.pop().unwrap_or_else(|| {
            state.wakers.push(None);
            state.wakers.len() - 1
        });
        drop(state);
        Watcher { hub: self.clone(), turn, joined: turn, at: 0, extensions, heard_from, place }
    }

    /// How many watchers there are, and bytes that tapes hold: for tests and metrics.
    pub fn weight(&self) -> (usize, usize) {
        let state = self.lock();
        (state.wakers.len() - state.free.len(), state.tapes.iter().map(Tape::weight).sum())
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// One who watches a conversation, over as many turns as there will be.
pub struct Watcher {
    hub: Arc<Hub>,
    /// The turn that is being read.
    turn: u64,
    /// The turn at which the watcher joined.
    joined: u64,
    /// The next event of that turn.
    at: usize,
    /// Whether events beyond the contract are wanted.
    extensions: bool,
    /// Of the turn that was in flight at the join, events from here on are live; those before are replayed.
    heard_from: usize,
    /// Where the waker goes.
    place: usize,
}

impl Watcher {
    /// The next thing on the stream. Never ends: a conversation can always go on.
    pub async fn next(&mut self) -> Heard {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Like [`Watcher::next`], for those who poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        match self.read(&mut state) {
            Some(heard) => Poll::Ready(heard),
            None => {
                state.wakers[self.place] = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What is there already, or nothing.
    pub fn try_next(&mut self) -> Option<Heard> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        self.read(&mut state)
    }

    fn read(&mut self, state: &mut State) -> Option<Heard> {
        loop {
            let tape = state.tape_mut(self.turn)?;
            if self.at < tape.len() {
                let replayed = self.turn == self.joined && self.at < self.heard_from;
                let (frame, next, extension) = tape.read(self.at);
                self.at = next;
                // An extension is for those who asked for it and were there when it happened.
                if extension && (!self.extensions || replayed) {
                    continue;
                }
                return Some(Heard::Frame(frame));
            }
            if !tape.over {
                return None;
            }
            state.enter(self.turn + 1);
            state.leave(self.turn);
            self.turn += 1;
            self.at = 0;
            return Some(Heard::TurnOver);
        }
    }

    /// Where the log continues on this watcher's stream: the seq at which the turn began that was in flight at the
    /// join, or that was the first to begin after it. None while no turn has begun.
    ///
    /// History that was read after the join and before this call, cut before that seq, and this stream together are
    /// the whole conversation, each thing once.
    ///
    /// Asked before anything was read from the stream; later, the turn of the join may be forgotten.
    pub fn joined_at(&self) -> Option<u64> {
        self.hub.lock().tape(self.joined).map(|tape| tape.first_seq)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.leave(self.turn);
        let waker = state.wakers[self.place].take();
        state.free.push(self.place);
        drop(state);
        drop(waker);
    }
}
