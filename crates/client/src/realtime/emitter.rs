//! Hands out events: to callbacks, and to whoever wants them as a stream.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::{Notify, mpsc};

use super::connection::Event;

/// How many events wait for the first who wants any. Beyond them the oldest ticks go first.
const KEPT: usize = 1_000;

/// How long after the first handler was added the events before it are handed out, so that handlers that are added in
/// one go see all of them.
const TOGETHER: Duration = Duration::from_millis(20);

type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

/// Names a handler, to take it away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// Keeps events until somebody wants them, and hands them out in order from then on.
#[derive(Clone, Default)]
pub(crate) struct Emitter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to hand out, or somebody to hand it to.
    news: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    handlers: Vec<(HandlerId, Callback)>,
    next: u64,
    is_closed: bool,
}

impl Emitter {
    pub(crate) fn emit(&self, event: Event) {
        let mut state = self.state();
        if state.waiting.len() >= KEPT {
            let tick = state.waiting.iter().position(|event| matches!(event, Event::GenerationTick(_)));
            state.waiting.remove(tick.unwrap_or(0));
        }
        state.waiting.push_back(event);
        drop(state);
        self.0.news.notify_one();
    }

    pub(crate) fn add(&self, callback: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        let mut state = self.state();
        state.next += 1;
        let id = HandlerId(state.next);
        state.handlers.push((id, Arc::new(callback)));
        drop(state);
        self.0.news.notify_one();
        id
    }

    pub(crate) fn remove(&self, id: HandlerId) -> bool {
        let mut state = self.state();
        let before = state.handlers.len();
        state.handlers.retain(|(known, _)| *known != id);
        state.handlers.len() < before
    }

    /// All events from now on, and those that still wait. It ends when there will be no more.
    pub(crate) fn stream(&self) -> impl Stream<Item = Event> + Send + Unpin + use<> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        // Nobody listens any more: that is no fault.
        self.add(move |event| drop(sender.send(event.clone())));
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.0.news.notify_one();
    }

    /// Hands out until it is closed and nothing waits.
    pub(crate) async fn run(self) {
        let mut is_first = true;
        loop {
            let (has_handlers, is_done) = {
                let state = self.state();
                (!state.handlers.is_empty(), state.is_closed && state.waiting.is_empty())
            };
            if is_done {
                // Streams end with their senders.
                self.state().handlers.clear();
                return;
            }
            if !has_handlers {
                self.0.news.notified().await;
                continue;
            }
            if std::mem::take(&mut is_first) {
                tokio::time::sleep(TOGETHER).await;
            }
            let Some(event) = self.state().waiting.pop_front() else {
                self.0.news.notified().await;
                continue;
            };
            let handlers: Vec<_> = self.state().handlers.clone();
            for (id, callback) in handlers {
                // It may have been taken away by one before it.
                if !self.state().handlers.iter().any(|(known, _)| *known == id) {
                    continue;
                }
                if catch_unwind(AssertUnwindSafe(|| callback(&event))).is_err() {
                    tracing::error!("a handler of a realtime event has panicked");
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::connection::GenerationTick;

    fn tick(seconds: u64) -> Event {
        Event::GenerationTick(GenerationTick { seconds, credits: None })
    }

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Event>>>);

    impl Heard {
        fn by(&self) -> impl Fn(&Event) + Send + Sync + use<> {
            let heard = self.0.clone();
            move |event| heard.lock().unwrap().push(event.clone())
        }

        fn all(&self) -> Vec<Event> {
            self.0.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn handlers_that_come_together_see_all_that_was_before_in_order() {
        let emitter = Emitter::default();
        tokio::spawn(emitter.clone().run());
        for seconds in 1..=3 {
            emitter.emit(tick(seconds));
        }
        tokio::task::yield_now().await;
        let heard = [Heard::default(), Heard::default()];
        for heard in &heard {
            emitter.add(heard.by());
            tokio::task::yield_now().await;
        }
        emitter.emit(tick(4));
        emitter.close();
        emitter.clone().run().await;
        for heard in heard {
            assert_eq!(heard.all(), (1..=4).map(tick).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_handler_that_panics_stops_no_other_and_one_that_is_taken_away_hears_nothing_more() {
        let emitter = Emitter::default();
        let (before, after, gone) = (Heard::default(), Heard::default(), Heard::default());
        emitter.add(before.by());
        emitter.add(|_| panic!("as it is meant to"));
        let id = Arc::new(Mutex::new(None));
        let (taker, taken) = (emitter.clone(), id.clone());
        emitter.add(move |_| {
            taken.lock().unwrap().take().map(|id| taker.remove(id));
        });
        *id.lock().unwrap() = Some(emitter.add(gone.by()));
        emitter.add(after.by());
        for seconds in 1..=2 {
            emitter.emit(tick(seconds));
        }
        emitter.close();
        emitter.run().await;
        assert_eq!((before.all().len(), after.all().len(), gone.all().len()), (2, 2, 0));
    }

    #[tokio::test]
    async fn what_nobody_wants_takes_bounded_memory() {
        let emitter = Emitter::default();
        let error = Event::ConnectionChange { state: crate::realtime::connection::State::Connected };
        emitter.emit(error.clone());
        for seconds in 0..2_000 {
            emitter.emit(tick(seconds));
        }
        let heard = Heard::default();
        emitter.add(heard.by());
        emitter.close();
        emitter.run().await;
        let all = heard.all();
        assert_eq!((all.len(), &all[0], &all[1]), (KEPT, &error, &tick(1_001)));
    }
}
