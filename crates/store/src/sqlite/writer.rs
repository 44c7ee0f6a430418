//! The one thread that writes.
//!
//! It takes all that is pending, runs it as one transaction and answers everyone at once. It never waits for more to
//! come: while it is idle a write is committed at once, and while it is busy the next batch gathers by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError};

use rusqlite::hooks::Wal;
use tokio::sync::oneshot;
use wire::{ConversationId, TurnId};

use super::checkpoint::{self, Settled};
use super::fault::Fault;
use super::health::Health;
use super::log::Log;
use crate::Error;

/// The most writes in one transaction: bounds what has to be done again, one by one, when one of them fails.
const LARGEST_BATCH: usize = 1024;

/// What the writer can be told.
pub(super) enum Command {
    Write(Box<dyn Write>),
    /// Checkpoint what little is left, while nothing is being written.
    Settle(oneshot::Sender<Settled>),
    /// End after everything that came before.
    Stop,
}

/// A write and whoever waits for it.
pub(super) trait Write: Send {
    /// Does it, and keeps what there is to answer.
    fn run(&mut self, log: &mut Log) -> Result<(), Fault>;

    /// Whether it is answered only when it is on the disk.
    fn is_durable(&self) -> bool;

    /// The turn that it seals.
    fn seals(&self) -> Option<(&ConversationId, &TurnId)>;

    /// Answers.
    fn answer(self: Box<Self>, verdict: Result<(), Error>);
}

/// A [`Write`] whose answer is a `T`.
pub(super) struct Task<T, F> {
    pub(super) run: F,
    pub(super) is_durable: bool,
    pub(super) seals: Option<(ConversationId, TurnId)>,
    pub(super) value: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Write for Task<T, F>
where
    T: Send,
    F: FnMut(&mut Log) -> Result<T, Fault> + Send,
{
    fn run(&mut self, log: &mut Log) -> Result<(), Fault> {
        self.value = Some((self.run)(log)?);
        Ok(())
    }

    fn is_durable(&self) -> bool {
        self.is_durable
    }

    fn seals(&self) -> Option<(&ConversationId, &TurnId)> {
        self.seals.as_ref().map(|(conversation, turn)| (conversation, turn))
    }

    fn answer(self: Box<Self>, verdict: Result<(), Error>) {
        let Self { value, reply, .. } = *self;
        let answer = verdict.and_then(|()| value.ok_or(Error::Closed));
        // Whoever asked may have stopped waiting; the write has happened all the same.
        let _ = reply.send(answer);
    }
}

/// The state of the writing thread.
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) commands: Receiver<Command>,
    /// Takes the durable writes that are committed.
    pub(super) unsynced: Sender<Vec<Box<dyn Write>>>,
    /// Wakes the checkpointing thread; dropped, ends it.
    pub(super) wal_is_long: SyncSender<()>,
    /// How many pages the WAL has: see [`count_wal_pages`].
    pub(super) wal_pages: Arc<AtomicU32>,
    pub(super) health: Arc<Health>,
}

impl Writer {
    /// Writes until it is told to stop.
    pub(super) fn run(mut self) -> Log {
        while let Some(first) = self.next() {
            let mut batch = Vec::new();
            let mut next = Some(first);
            let last = loop {
                match next {
                    Some(Command::Write(write)) => batch.push(write),
                    Some(Command::Settle(_) | Command::Stop) | None => break next,
                }
                if batch.len() >= LARGEST_BATCH {
                    break None;
                }
                next = self.commands.try_recv().ok();
            };
            if !batch.is_empty() {
                self.write(batch);
                // Under a load that never lets up, this is when.
                self.clear_away();
            }
            match last {
                Some(Command::Settle(reply)) => {
                    let _ = reply.send(checkpoint::settle(self.log.connection(), &self.health));
                }
                Some(Command::Stop) => break,
                Some(Command::Write(_)) | None => {}
            }
        }
        self.log
    }

    /// What comes next; none when there will be nothing more. While nothing does, what deletions have left is removed.
    fn next(&mut self) -> Option<Command> {
        while self.log.has_deleted {
            match self.commands.try_recv() {
                Ok(command) => return Some(command),
                Err(TryRecvError::Empty) => self.clear_away(),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        self.commands.recv().ok()
    }

    /// Removes a slice of what deletions have left, if they have: whoever comes meanwhile waits for no more than that.
    pub(super) fn clear_away(&mut self) {
        if !self.log.has_deleted {
            return;
        }
        let cleared = match self.health.check() {
            Ok(()) => self.log.clear_away().map_err(|fault| self.undo(fault)),
            Err(error) => Err(error),
        };
        if let Err(error) = cleared {
            tracing::warn!(%error, "what a deletion has left could not be removed; will be tried again at the next one");
            self.log.has_deleted = false;
        }
        self.wake_checkpoints();
    }

    pub(super) fn write(&mut self, mut batch: Vec<Box<dyn Write>>) {
        match self.transact(&mut batch) {
            Ok(verdicts) => self.answer(batch, verdicts),
            Err(error) if batch.len() == 1 => self.answer(batch, vec![Err(error)]),
            // One of them failed. Alone, each of the others succeeds.
            Err(_) => {
                for write in batch {
                    let mut alone = vec![write];
                    let verdicts = self.transact(&mut alone).unwrap_or_else(|error| vec![Err(error)]);
                    self.answer(alone, verdicts);
                }
            }
        }
        self.log.sweep();
        self.wake_checkpoints();
    }

    fn wake_checkpoints(&self) {
        if self.wal_pages.load(Ordering::Relaxed) >= checkpoint::LONG {
            // When it is awake already, that is as good.
            let _ = self.wal_is_long.try_send(());
        }
    }

    /// Runs a batch as one transaction. It is committed with what each write said, or it fails as a whole.
    fn transact(&mut self, batch: &mut [Box<dyn Write>]) -> Result<Vec<Result<(), Error>>, Error> {
        self.health.check()?;
        self.try_transact(batch).map_err(|fault| self.undo(fault))
    }

    /// Rolls back a transaction that has failed.
    fn undo(&mut self, fault: Fault) -> Error {
        self.log.roll_back();
        match fault {
            Fault::Refused(error) | Fault::Failed(error) => error,
            Fault::Unsynced(error) => self.health.fail(&error),
        }
    }

    fn try_transact(&mut self, batch: &mut [Box<dyn Write>]) -> Result<Vec<Result<(), Error>>, Fault> {
        let mut verdicts = Vec::with_capacity(batch.len());
        self.log.begin()?;
        for write in batch {
            verdicts.push(match write.run(&mut self.log) {
                Ok(()) => Ok(()),
                Err(Fault::Refused(error)) => Err(error),
                Err(fault @ (Fault::Failed(_) | Fault::Unsynced(_))) => return Err(fault),
            });
        }
        self.log.commit()?;
        Ok(verdicts)
    }

    fn answer(&mut self, batch: Vec<Box<dyn Write>>, verdicts: Vec<Result<(), Error>>) {
        let mut durable = Vec::new();
        let mut at_once = Vec::with_capacity(batch.len());
        for (write, verdict) in batch.into_iter().zip(verdicts) {
            if let Some((conversation, turn)) = write.seals() {
                match verdict {
                    Ok(()) => self.log.seal_succeeded(conversation),
                    Err(_) => self.log.seal_failed(conversation, turn),
                }
            }
            match write.is_durable() && verdict.is_ok() {
                true => durable.push(write),
                false => at_once.push((write, verdict)),
            }
        }
        if !durable.is_empty() {
            // The receiver outlives the writer; were it gone, dropping the writes would answer them.
            let _ = self.unsynced.send(durable);
        }
        for (write, verdict) in at_once {
            write.answer(verdict);
        }
    }
}

/// Has a connection count the pages of the WAL whenever it has committed.
pub(super) fn count_wal_pages(conn: &mut rusqlite::Connection) -> rusqlite::Result<Arc<AtomicU32>> {
    let pages = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&pages);
    conn.wal_hook(Some(move |_: &mut Wal, pages: i32| {
        counter.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(pages)
}
