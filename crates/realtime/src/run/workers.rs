//! The threads that compute pictures, for all sessions together.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

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
///
/// Of the threads that wait, the one goes on that was the last to begin waiting: a single session stays on one thread,
/// and its pictures in the cache of one processor.
pub(super) struct Workers {
    queue: Arc<Queue>,
}

#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<dyn Job>>,
    /// Those who wait and were not called.
    idle: Vec<Thread>,
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
        for thread in state.idle.drain(..) {
            thread.unpark();
        }
    }
}

impl Queue {
    pub(super) fn push(&self, job: Arc<dyn Job>) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        state.ready.push_back(job);
        let called = state.idle.pop();
        drop(state);
        // If all are at work, whoever is done first looks here again.
        if let Some(thread) = called {
            thread.unpark();
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
        let me = thread::current();
        loop {
            let mut state = self.lock();
            if state.stopped {
                return None;
            }
            if let Some(job) = state.ready.pop_front() {
                return Some(job);
            }
            state.idle.push(me.clone());
            drop(state);
            thread::park();
            // It may have woken without being called.
            self.lock().idle.retain(|idle| idle.id() != me.id());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Sender};
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    struct Note {
        said: Sender<String>,
        text: &'static str,
    }

    impl Job for Note {
        fn run(self: Arc<Self>) {
            assert_ne!(self.text, "panic");
            self.said.send(format!("{} {}", self.text, thread::current().name().unwrap())).unwrap();
        }

        fn broke(&self) {
            self.said.send("broke".to_owned()).unwrap();
        }
    }

    /// Waits until all threads wait.
    fn idle(queue: &Queue) -> Vec<String> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        loop {
            let idle: Vec<String> =
                queue.lock().idle.iter().map(|thread| thread.name().unwrap().to_owned()).collect();
            if idle.len() == count {
                return idle;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn every_job_is_done_and_a_fault_is_its_own() {
        let workers = Workers::start().unwrap();
        let queue = workers.queue();
        let (said, heard) = mpsc::channel();
        let texts = ["work", "panic", "work"];
        for round in 0..300 {
            queue.push(Arc::new(Note { said: said.clone(), text: texts[round % 3] }));
        }
        let mut all: Vec<String> = (0..300)
            .map(|_| heard.recv_timeout(PATIENCE).unwrap().split(' ').next().unwrap().to_owned())
            .collect();
        all.sort_unstable();
        assert_eq!(
            (&all[..100], &all[100..]),
            (&vec!["broke".to_owned(); 100][..], &vec!["work".to_owned(); 200][..])
        );
    }

    #[test]
    fn who_waited_least_goes_on() {
        let workers = Workers::start().unwrap();
        let queue = workers.queue();
        let (said, heard) = mpsc::channel();
        for _ in 0..20 {
            let last = idle(&queue).pop().unwrap();
            queue.push(Arc::new(Note { said: said.clone(), text: "work" }));
            assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), format!("work {last}"));
        }
    }

    #[test]
    fn without_workers_the_threads_end() {
        let workers = Workers::start().unwrap();
        let queue = Arc::downgrade(&workers.queue());
        drop(workers);
        // Each thread has the queue.
        while queue.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
