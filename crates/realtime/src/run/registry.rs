//! Who is live, and whether there is room for one more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media::Fanout;
use meter::{KeyId, SessionId};
use tokio::sync::{Semaphore, mpsc, watch};

use super::pipeline::Pipeline;
use crate::session::Cause;

pub use crate::admit::Room;

/// How many sessions that are over are remembered, so that a viewer of one is told so.
const REMEMBERED: usize = 4096;

pub(super) struct Registry {
    state: Arc<Mutex<State>>,
    most: usize,
    most_of_key: usize,
}

#[derive(Default)]
struct State {
    /// How many places each key has taken.
    taken: HashMap<KeyId, usize>,
    /// Those who have a place, by the id of the connection.
    open: HashMap<String, Open>,
    ended: VecDeque<String>,
}

/// A connection that may be.
struct Open {
    session: SessionId,
    /// Ends it.
    end: mpsc::Sender<Cause>,
    /// None until its socket is there.
    live: Option<Arc<Live>>,
}

/// What others have of a session that goes on.
pub(super) struct Live {
    pub(super) viewers: Fanout,
    pub(super) pipeline: Arc<Pipeline>,
    /// For one viewer each.
    pub(super) seats: Arc<Semaphore>,
    /// Closed when it is over.
    pub(super) over: watch::Receiver<()>,
}

/// A place of a session. Dropping it makes room, and the session is one that has ended.
pub(super) struct Place {
    state: Arc<Mutex<State>>,
    key: KeyId,
    /// The connection that has it.
    id: Option<String>,
}

pub(super) enum Watch {
    Live(Arc<Live>),
    Ended,
    Unknown,
}

impl Registry {
    pub(super) fn new(most: usize, most_of_key: usize) -> Self {
        Self { state: Arc::default(), most, most_of_key }
    }

    /// Takes a place, if there is one.
    pub(super) fn place(&self, key: &KeyId) -> (Room, Option<Place>) {
        let mut state = lock(&self.state);
        if state.taken.values().sum::<usize>() >= self.most {
            return (Room::ServerFull, None);
        }
        let taken = state.taken.entry(key.clone()).or_default();
        if *taken >= self.most_of_key {
            return (Room::KeyFull, None);
        }
        *taken += 1;
        (Room::Free, Some(Place { state: self.state.clone(), key: key.clone(), id: None }))
    }

    pub(super) fn watch(&self, id: &str) -> Watch {
        let state = lock(&self.state);
        match state.open.get(id).and_then(|open| open.live.clone()) {
            Some(live) => Watch::Live(live),
            None if state.ended.iter().any(|ended| ended == id) => Watch::Ended,
            None => Watch::Unknown,
        }
    }

    /// Ends all connections of a session, by its id or that of one of them. Says whether there was one.
    pub(super) fn end(&self, id: &str, cause: &Cause) -> bool {
        let state = lock(&self.state);
        let mut is_there = false;
        for (connection, open) in &state.open {
            if connection == id || open.session.as_str() == id {
                is_there = true;
                // One that is told already needs no second cause.
                let _ = open.end.try_send(cause.clone());
            }
        }
        is_there
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        lock(&self.state).taken.values().sum()
    }
}

impl Place {
    /// Gives the place to a connection, which can be ended from now on.
    pub(super) fn take(&mut self, id: String, session: SessionId) -> mpsc::Receiver<Cause> {
        let (end, ends) = mpsc::channel(4);
        lock(&self.state).open.insert(id.clone(), Open { session, end, live: None });
        self.id = Some(id);
        ends
    }

    /// From now on it can be watched.
    pub(super) fn go_live(&self, live: Arc<Live>) {
        let mut state = lock(&self.state);
        if let Some(open) = self.id.as_ref().and_then(|id| state.open.get_mut(id)) {
            open.live = Some(live);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let open = self.id.as_ref().and_then(|id| state.open.remove(id));
        if let (Some(id), Some(Open { live: Some(_), .. })) = (self.id.take(), &open) {
            state.ended.push_back(id);
            if state.ended.len() > REMEMBERED {
                state.ended.pop_front();
            }
        }
        if let Some(taken) = state.taken.get_mut(&self.key) {
            *taken -= 1;
            if *taken == 0 {
                state.taken.remove(&self.key);
            }
        }
        drop(state);
        // Outside of the lock: with it may go the last of a session.
        drop(open);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
