//! The threads that compute pictures, for all sessions together.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::pipeline::Pipeline;

/// Something to compute, a piece at a time.
pub(super) trait Job: Send + Sync {
    /// Computes a piece.
    fn run(self: Arc<Self>);

    /// A piece of it panicked, and there will not be another one.
    fn broke(&self);
}

impl Job for Pipeline {
    fn run(self: Arc<Self>) {
        Pipeline::run(self);
    }

    fn broke(&self) {
        // What it was doing may be half done. It counts as scheduled for ever, so nothing touches that again.
        self.fail("it panicked".to_owned());
    }
}

/// As many threads as there are processors, and a queue of the sessions that have something to compute. A session is in
/// it once at most, and goes to its end again when it has computed one picture: so each gets its turn, and no session is
/// computed by two threads at a time.
pub(super) struct Workers {
    queue: Arc<Queue>,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<dyn Job>>,
    stopped: bool,
}

impl Workers {
    pub(super) fn start() -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let count = thread::available_parallelism().map_or(1, usize::from);
        let workers = Self { queue: queue.clone() };
        for number in 0..count {
            let queue = queue.clone();
            thread::Builder::new().name(format!("pictures-{number}")).spawn(move || queue.work())?;
        }
        Ok(workers)
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.stopped = true;
        state.ready.clear();
        drop(state);
        self.queue.filled.notify_all();
    }
}

impl Queue {
    pub(super) fn push(&self, job: Arc<dyn Job>) {
        let mut state = self.lock();
        if !state.stopped {
            state.ready.push_back(job);
            drop(state);
            self.filled.notify_one();
        }
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            let running = job.clone();
            // A fault of a generator or a codec ends its own session and no other.
            if catch_unwind(AssertUnwindSafe(|| running.run())).is_err() {
                job.broke();
            }
        }
    }

    fn next(&self) -> Option<Arc<dyn Job>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.ready.pop_front() {
                return Some(job);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
