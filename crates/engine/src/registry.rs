//! Who is live: the actors of conversations in which something happens, and the streams that somebody watches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, mpsc, oneshot};
use wire::ConversationId;

use crate::SharedHub;
use crate::actor::Command;
use crate::live::{Hub, Spill};

/// The live conversations. Locks are held for moments and never across an await.
pub(crate) struct Registry {
    spill: Spill,
    actors: Mutex<HashMap<ConversationId, mpsc::UnboundedSender<Command>>>,
    hubs: Mutex<Hubs>,
    no_actors: Notify,
}

#[derive(Default)]
struct Hubs {
    by_id: HashMap<ConversationId, Weak<Hub>>,
    /// How many there were when dead ones were last thrown out.
    after_sweep: usize,
}

impl Registry {
    pub(crate) fn new(spill: Spill) -> Self {
        Self { spill, actors: Mutex::default(), hubs: Mutex::default(), no_actors: Notify::new() }
    }

    /// The conversations in which a turn runs.
    pub(crate) fn in_flight(&self) -> Vec<ConversationId> {
        let hubs: Vec<_> = lock(&self.hubs)
            .by_id
            .iter()
            .filter_map(|(id, hub)| Some((id.clone(), hub.upgrade()?)))
            .collect();
        hubs.into_iter().filter(|(_, hub)| hub.in_flight_from().is_some()).map(|(id, _)| id).collect()
    }

    /// The conversation's stream; made now if nobody has it.
    pub(crate) fn hub(&self, id: &ConversationId) -> SharedHub {
        let mut hubs = lock(&self.hubs);
        if let Some(hub) = hubs.by_id.get(id).and_then(Weak::upgrade) {
            return hub;
        }
        // Dead entries are thrown out whenever the map has doubled, which keeps it proportional to what is live.
        if hubs.by_id.len() >= 2 * hubs.after_sweep + 16 {
            hubs.by_id.retain(|_, hub| hub.strong_count() > 0);
            hubs.after_sweep = hubs.by_id.len();
            hubs.by_id.shrink_to_fit();
        }
        let hub = Arc::new(Hub::new(id.clone(), self.spill.clone()));
        hubs.by_id.insert(id.clone(), Arc::downgrade(&hub));
        hub
    }

    /// The conversation's stream, if somebody has it.
    pub(crate) fn live_hub(&self, id: &ConversationId) -> Option<SharedHub> {
        lock(&self.hubs).by_id.get(id).and_then(Weak::upgrade)
    }

    /// Gives a command to the conversation's actor, if it has one.
    pub(crate) fn tell<T>(
        &self,
        id: &ConversationId,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<oneshot::Receiver<T>> {
        let actors = lock(&self.actors);
        let actor = actors.get(id)?;
        let (reply, answer) = oneshot::channel();
        actor.send(command(reply)).ok()?;
        Some(answer)
    }

    /// Gives a command to the conversation's actor, which is started if it is not there.
    pub(crate) fn tell_or_start<T>(
        &self,
        id: &ConversationId,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
        start: impl FnOnce(SharedHub, mpsc::UnboundedReceiver<Command>),
    ) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let mut actors = lock(&self.actors);
        let command = match actors.get(id) {
            Some(actor) => match actor.send(command(reply)) {
                Ok(()) => return answer,
                Err(mpsc::error::SendError(command)) => command,
            },
            None => command(reply),
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        // Fails only when the receiver is gone, and it is right here.
        let _ = sender.send(command);
        actors.insert(id.clone(), sender);
        start(self.hub(id), receiver);
        answer
    }

    /// Takes an actor off the list, unless something was sent to it meanwhile. It ends if this says so.
    pub(crate) fn leave(&self, id: &ConversationId, commands: &mpsc::UnboundedReceiver<Command>) -> bool {
        let mut actors = lock(&self.actors);
        if !commands.is_empty() {
            return false;
        }
        self.remove(&mut actors, id);
        true
    }

    /// Takes an actor off the list whatever was sent to it: it has failed.
    pub(crate) fn drop_failed(&self, id: &ConversationId, commands: &mut mpsc::UnboundedReceiver<Command>) {
        let mut actors = lock(&self.actors);
        commands.close();
        self.remove(&mut actors, id);
    }

    fn remove(
        &self,
        actors: &mut HashMap<ConversationId, mpsc::UnboundedSender<Command>>,
        id: &ConversationId,
    ) {
        actors.remove(id);
        if actors.is_empty() {
            actors.shrink_to_fit();
            self.no_actors.notify_waiters();
        }
    }

    /// How many actors and streams there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let hubs = lock(&self.hubs).by_id.values().filter(|hub| hub.strong_count() > 0).count();
        (lock(&self.actors).len(), hubs)
    }

    /// Waits until no conversation has an actor.
    pub(crate) async fn until_no_actors(&self) {
        loop {
            let notified = self.no_actors.notified();
            tokio::pin!(notified);
            // Registered before the look, so that no end between the two is missed.
            notified.as_mut().enable();
            if lock(&self.actors).is_empty() {
                return;
            }
            notified.await;
        }
    }
}

/// What is guarded stays consistent under panics: each change is one insertion or removal.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
