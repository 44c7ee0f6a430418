//! Reads of histories that are under way, for clients of the first contract.
//!
//! Such a client reads the history when a turn is sealed, and takes whatever that answer says for the whole truth. An
//! answer that was begun before the turn's end and arrives after it makes the turn vanish from the screen. So while one
//! watches, a turn's end waits until no read of the history is under way or was a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wire::ConversationId;

use crate::Options;
use crate::live::Hub;

/// A turn's end waits no longer than this.
const MOST: Duration = Duration::from_secs(5);

/// The reads of all histories; empty, and costs nothing, unless such clients are served.
pub(crate) struct Reads {
    by_conversation: Option<Mutex<HashMap<ConversationId, State>>>,
}

#[derive(Clone, Copy)]
struct State {
    under_way: usize,
    last: Instant,
}

/// A read that is under way until this is dropped.
pub(crate) struct Read<'a> {
    reads: &'a Reads,
    id: &'a ConversationId,
}

impl Reads {
    pub(crate) fn new(legacy_clients: bool) -> Self {
        Self { by_conversation: legacy_clients.then(Mutex::default) }
    }

    /// A read begins.
    pub(crate) fn begin<'a>(&'a self, id: &'a ConversationId) -> Read<'a> {
        self.note(id, |state| state.under_way += 1);
        Read { reads: self, id }
    }

    /// A turn begins: its end keeps a distance from that as well.
    pub(crate) fn turn_begins(&self, id: &ConversationId) {
        self.note(id, |_| {});
    }

    fn note(&self, id: &ConversationId, change: impl FnOnce(&mut State)) {
        if let Some(states) = &self.by_conversation {
            let mut states = lock(states);
            states.retain(|_, state| state.under_way > 0 || state.last.elapsed() < Options::LEGACY_PAUSE);
            let state = states.entry(id.clone()).or_insert(State { under_way: 0, last: Instant::now() });
            state.last = Instant::now();
            change(state);
        }
    }

    /// Waits until nobody who needs it would be misled by the end of the turn.
    pub(crate) async fn calm(&self, id: &ConversationId, hub: &Hub) {
        let Some(states) = &self.by_conversation else { return };
        let give_up = Instant::now() + MOST;
        while hub.watched_by_first_contract() && Instant::now() < give_up {
            let state = lock(states).get(id).copied();
            let wait = match state {
                None => return,
                Some(State { under_way: 0, last }) => Options::LEGACY_PAUSE.saturating_sub(last.elapsed()),
                Some(_) => Duration::from_millis(5),
            };
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        self.reads.note(self.id, |state| state.under_way = state.under_way.saturating_sub(1));
    }
}

fn lock(states: &Mutex<HashMap<ConversationId, State>>) -> MutexGuard<'_, HashMap<ConversationId, State>> {
    states.lock().unwrap_or_else(PoisonError::into_inner)
}
