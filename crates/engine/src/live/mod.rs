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
//!
//! # Going on where one was
//!
//! Each event of the contract has a number in its turn, from 1. With [`Watch::cursor`] a client finds it in the event,
//! as `eventSeq`; [`Frame::position`] says it in any case. A client that lost its connection gives the last one it has
//! as [`After`]. While that turn is on a tape, it hears exactly what comes after: merged deltas are cut there if need
//! be. Otherwise the turn is over, and the first thing it hears is a `turn-sealed` of that turn, without numbers: it
//! throws away what it has of the turn, reads it from the history, and takes what follows as a new turn from its first
//! event. A number that the turn does not have is not ours: the turn is replayed from its first event, and a client
//! sees that by an `eventSeq` that is not the next one.
//!
//! # Memory
//!
//! Of all its tapes a stream keeps no more in memory than [`Spill::limit`] says, and a constant: the segment that is
//! being filled, the last events, and a frame or two that were put together last. An event can be larger than all of
//! that; it counts for itself. The oldest go to files without a name, which are read and written while nothing is
//! locked, and which are gone with the last reader of what is in them. Of a segment in a file there remain some hundred
//! bytes in memory, whatever it holds.

mod frame;
mod gather;
mod ready;
mod segment;
mod spool;
mod state;
mod tape;
mod watcher;

use std::task::Waker;

use wire::{AgentEvent, ConversationId, TurnId};

use crate::sync::{Arc, Mutex, MutexGuard};
use frame::{Kind, Number};
use segment::At;
use spool::Spool;
use state::{Reading, State};

pub use frame::{Frame, Position, Recorded};
pub use spool::Spill;
pub use tape::MERGED_BYTES;
pub use watcher::Watcher;

/// Which events a watcher gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// The eleven types of the first contract: all but `user-message`, `step-complete` and `steering`.
    FirstContract,
    /// The fourteen types of the contract.
    #[default]
    Contract,
    /// Those, and extensions: of retries those that happen while one watches.
    Extensions,
}

impl Audience {
    fn hears(self, kind: Kind) -> bool {
        match kind {
            Kind::First => true,
            Kind::Later | Kind::StepComplete => self != Self::FirstContract,
            Kind::Retry { .. } | Kind::ToolStart => self == Self::Extensions,
        }
    }
}

/// How one watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Which events are wanted.
    pub audience: Audience,
    /// Whether events carry `eventSeq` and `attempt` at their end; see [`Position`].
    pub cursor: bool,
    /// Where to go on, instead of at the first event of the turn in flight.
    pub after: Option<After>,
}

/// The last event that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Its turn.
    pub turn: TurnId,
    /// Its number in the turn; 0 for none.
    pub event_seq: u64,
}

/// What a watcher hears next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// One event, or several deltas merged into one.
    Frame(Frame),
    /// The turn is over: nothing more of it will come.
    TurnOver,
}

/// What a stream costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// How many watch.
    pub watchers: usize,
    /// Bytes in memory: events, and what is kept to find and to merge them.
    pub memory: usize,
    /// Bytes of events in files.
    pub spilled: u64,
}

/// The stream of one conversation, for as long as a turn runs or somebody watches.
pub struct Hub {
    conversation: ConversationId,
    state: Mutex<State>,
    /// Locked before `state` and never inside of it: whoever holds it writes to a file.
    spool: Mutex<Spool>,
}

impl Hub {
    /// A stream on which nothing has happened yet.
    pub fn new(conversation: ConversationId, spill: Spill) -> Self {
        let Spill { directory, limit } = spill;
        Self { conversation, state: Mutex::new(State::new(limit)), spool: Mutex::new(Spool::new(directory)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves a tape without its last event at worst; others go on.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A turn begins, with its prompt at that seq. The one before must be over.
    pub fn begin(&self, turn: TurnId, first_seq: u64) {
        let wakers = {
            let mut state = self.lock();
            state.begin(turn, first_seq);
            state.take_wakers()
        };
        wake(wakers);
    }

    /// Adds events to the turn in flight.
    pub fn publish(&self, events: impl IntoIterator<Item = Recorded>) {
        self.extend(events, false);
    }

    /// Adds the last events of the turn in flight and ends it: from now on it is history.
    pub fn end(&self, events: impl IntoIterator<Item = Recorded>) {
        self.extend(events, true);
    }

    fn extend(&self, events: impl IntoIterator<Item = Recorded>, over: bool) {
        let (wakers, gone, full) = {
            let mut state = self.lock();
            if !state.push(events) {
                return;
            }
            if over {
                state.end();
            }
            (state.take_wakers(), state.take_gone(), state.is_full())
        };
        wake(wakers);
        drop(gone);
        if full {
            self.spill();
        }
    }

    /// Moves the oldest events to a file until the rest is within the limit, or as far as that works.
    fn spill(&self) {
        let mut spool = self.spool.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            let Some((turn, segment, bytes)) = self.lock().oldest() else { return };
            let spooled = spool.write(&bytes);
            let failed = spooled.is_none();
            self.lock().spilled(turn, segment, spooled);
            if failed {
                return;
            }
        }
    }

    /// The turn in flight, if there is one.
    pub fn in_flight(&self) -> Option<TurnId> {
        self.lock().in_flight().map(|tape| tape.turn.clone())
    }

    /// The seq at which the turn in flight begins, if there is one: history ends before it.
    pub fn in_flight_from(&self) -> Option<u64> {
        self.lock().in_flight().map(|tape| tape.first_seq)
    }

    /// Joins: the turn in flight from its first event, or the next one; or where [`Watch::after`] says.
    pub fn watch(self: &Arc<Self>, watch: Watch) -> Watcher {
        let Watch { audience, cursor, after } = watch;
        let mut state = self.lock();
        let live_from = state.tip();
        let mut reading = Reading { turn: live_from.0, at: At::START, after: 0, audience, cursor, live_from };
        let mut sealed = None;
        if let Some(After { turn, event_seq }) = after {
            let number = state.number_of(&turn);
            if let Some((number, tape)) = number.and_then(|number| Some((number, state.tape(number)?))) {
                reading.turn = number;
                if event_seq <= tape.end.count.event_seq {
                    (reading.at, reading.after) = (tape.before(event_seq), event_seq);
                }
            } else {
                sealed = Some(self.sealed(turn, event_seq));
            }
        }
        let joined = reading.turn;
        state.enter(joined);
        state.first_contract += usize::from(audience == Audience::FirstContract);
        let seat = state.seat();
        drop(state);
        Watcher { hub: self.clone(), reading, joined, sealed, seat }
    }

    /// Says of a turn that is not on a tape that it is history. The position is the client's own.
    fn sealed(&self, turn: TurnId, event_seq: u64) -> Frame {
        let conversation_id = self.conversation.clone();
        let event = AgentEvent::TurnSealed { conversation_id, turn_id: turn.clone() };
        Frame { bytes: Recorded::from(&event).frame, turn, number: Number { event_seq, attempt: 1 } }
    }

    /// Whether somebody watches who knows only the first contract.
    pub fn watched_by_first_contract(&self) -> bool {
        self.lock().first_contract > 0
    }

    /// What the stream costs now: for tests and metrics.
    pub fn weight(&self) -> Weight {
        let state = self.lock();
        Weight { watchers: state.watchers(), memory: state.bytes_in_memory(), spilled: state.bytes_spilled() }
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
