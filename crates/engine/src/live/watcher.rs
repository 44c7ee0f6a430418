//! One who watches.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use super::frame::Frame;
use super::gather::{Gather, Piece};
use super::state::{Look, Reading};
use super::{Audience, Heard, Hub};
use crate::sync::Arc;

/// One who watches a conversation, over as many turns as there will be.
pub struct Watcher {
    pub(super) hub: Arc<Hub>,
    pub(super) reading: Reading,
    /// The turn at which the watcher joined.
    pub(super) joined: u64,
    /// What is said before anything else: that the turn is over after which the watcher wanted to go on.
    pub(super) sealed: Option<Frame>,
    /// Where the waker goes.
    pub(super) seat: usize,
}

impl Watcher {
    /// The next thing on the stream. Never ends: a conversation can always go on.
    pub async fn next(&mut self) -> Heard {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Like [`Watcher::next`], for those who poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        self.look(Some(context.waker())).map_or(Poll::Pending, Poll::Ready)
    }

    /// What is there already, or nothing.
    pub fn try_next(&mut self) -> Option<Heard> {
        self.look(None)
    }

    /// What comes next, or nothing: then the waker is called when there is more.
    fn look(&mut self, waker: Option<&Waker>) -> Option<Heard> {
        if let Some(sealed) = self.sealed.take() {
            return Some(Heard::Frame(sealed));
        }
        loop {
            let mut state = self.hub.lock();
            let look = state.look(&mut self.reading);
            if let (Look::Nothing, Some(waker)) = (&look, waker) {
                state.wakers[self.seat] = Some(waker.clone());
            }
            let gone = state.take_gone();
            drop(state);
            drop(gone);
            match look {
                Look::Heard(heard) => return Some(heard),
                Look::Nothing => return None,
                Look::InFile(pieces, len) => {
                    if let Some(frame) = self.read(pieces, len) {
                        return Some(Heard::Frame(frame));
                    }
                }
            }
        }
    }

    /// A frame from segments of which some are in files; none if nothing in them is for this watcher, who is past them
    /// then. Nothing is locked while files are read.
    fn read(&mut self, pieces: Vec<Piece<'static>>, len: u64) -> Option<Frame> {
        let mut gather = Gather::new(self.reading.at, self.reading.wants());
        let mut loaded = None;
        for mut piece in pieces {
            loaded = piece.load().map(|bytes| (piece.number, bytes)).or(loaded);
            if gather.take(&piece).is_break() {
                break;
            }
        }
        let (gathered, at) = gather.finish(self.reading.cursor);
        self.reading.at = at;
        let turn = self.hub.lock().keep(&self.reading, gathered.as_ref(), len, loaded)?;
        gathered.map(|gathered| Frame { bytes: gathered.bytes, turn, number: gathered.number })
    }

    /// From here on the watcher gets what that audience gets.
    pub fn set_audience(&mut self, audience: Audience) {
        let mut state = self.hub.lock();
        let counts = |audience| usize::from(audience == Audience::FirstContract);
        state.first_contract = state.first_contract - counts(self.reading.audience) + counts(audience);
        self.reading.audience = audience;
    }

    /// Where the log continues on this watcher's stream: the seq at which the turn began that was in flight at the
    /// join, or that was the first to begin after it. None while no turn has begun.
    ///
    /// History that was read after the join and before this call, cut before that seq, and this stream together are
    /// the whole conversation, each thing once. For a watcher that resumes after an event, the events up to that one
    /// are what the client has already.
    ///
    /// Asked before anything was read from the stream; later, the turn of the join may be forgotten.
    pub fn joined_at(&self) -> Option<u64> {
        self.hub.lock().tape(self.joined).map(|tape| tape.first_seq)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if self.reading.audience == Audience::FirstContract {
            state.first_contract -= 1;
        }
        state.leave(self.reading.turn);
        let waker = state.give_up_seat(self.seat);
        let gone = state.take_gone();
        drop(state);
        drop((waker, gone));
    }
}
