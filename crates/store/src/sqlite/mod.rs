//! The log in one SQLite file.
//!
//! Three threads of its own, so that none of them waits for what another one does: the [`writer`] commits, the
//! [`sync`] thread brings commits to the disk, the [`checkpoint`] thread moves them from the WAL into the database.
//! [`readers`] have connections of their own.

mod checkpoint;
mod compact;
mod delete;
mod fault;
mod health;
mod insert;
mod kept;
mod ledger;
mod lock;
mod log;
mod open;
mod queue;
mod read;
mod readers;
mod row;
mod schema;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use rusqlite::wal::CheckpointMode;
use tokio::sync::oneshot;
use wire::{ConversationId, TurnId};

use self::fault::{Fault, translate};
use self::health::Health;
use self::lock::DirLock;
use self::log::Log;
use self::readers::Readers;
use self::schema::Files;
use self::writer::{Command, Task, Writer};
use crate::{Error, Recovery, now};

/// The log in a directory of its own: `dispatch.db`, its WAL, and a lock.
///
/// Writes may be called from anywhere; reads need a tokio runtime. Dropping the store waits until all that was
/// written is on the disk; [`Sqlite::shut_down`] does the same without blocking a runtime.
pub struct Sqlite {
    commands: mpsc::Sender<Command>,
    readers: Arc<Readers>,
    running: Mutex<Option<Running>>,
}

/// What has to be ended in order.
struct Running {
    commands: mpsc::Sender<Command>,
    writer: JoinHandle<Log>,
    syncer: JoinHandle<()>,
    checkpointer: JoinHandle<()>,
    readers: Arc<Readers>,
    health: Arc<Health>,
    /// Released last.
    _lock: Arc<DirLock>,
}

impl Sqlite {
    /// Opens the log in a directory, which is created if it does not exist, and mends what a crash left behind.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while the directory is open elsewhere, in this process or another; [`Error::Newer`] if a newer
    /// version has written it; [`Error::Corrupt`] if it holds something else.
    pub fn open(dir: &Path) -> Result<(Self, Recovery), Error> {
        Self::open_with(dir, |wal| Ok(rustix::fs::fdatasync(wal)?))
    }

    fn open_with(
        dir: &Path,
        sync: impl Fn(&File) -> io::Result<()> + Send + 'static,
    ) -> Result<(Self, Recovery), Error> {
        let lock = Arc::new(DirLock::take(dir)?);
        let files = Files::of(dir);
        let failed = |error: io::Error| Error::Io(format!("{}: {error}", dir.display()));
        let is_new = !files.database.exists();
        let mut conn = schema::open_for_writing(&files)?;
        let wal_pages = writer::count_wal_pages(&mut conn).map_err(|error| translate(&error))?;
        let wal = File::options().read(true).write(true).open(&files.wal).map_err(failed)?;
        if is_new {
            // Names have to last as long as what they name.
            sync_directory(dir).map_err(failed)?;
            if let Some(parent) = dir.canonicalize().map_err(failed)?.parent() {
                sync_directory(parent).map_err(failed)?;
            }
        }
        let mut log = Log::new(conn);
        let recovery = match log.recover(now()) {
            Ok(recovery) => recovery,
            Err(Fault::Refused(error) | Fault::Failed(error) | Fault::Unsynced(error)) => return Err(error),
        };
        if recovery != Recovery::default() {
            sync(&wal).map_err(failed)?;
        }

        let health = Arc::new(Health::default());
        let readers = Arc::new(Readers::new(files.clone(), Arc::clone(&lock)));
        let (commands, received) = mpsc::channel();
        let (unsynced, committed) = mpsc::channel();
        let (wal_is_long, woken) = mpsc::sync_channel(1);
        let writer = Writer {
            log,
            commands: received,
            unsynced,
            wal_is_long,
            wal_pages: Arc::clone(&wal_pages),
            health: Arc::clone(&health),
        };
        let running = Running {
            commands: commands.clone(),
            writer: spawn("log-writer", move || writer.run()).map_err(failed)?,
            syncer: spawn("log-sync", {
                let health = Arc::clone(&health);
                move || sync::run(&committed, &health, || sync(&wal))
            })
            .map_err(failed)?,
            checkpointer: spawn("log-checkpoint", {
                let (commands, health) = (commands.clone(), Arc::clone(&health));
                move || checkpoint::run(&files, &woken, &commands, &wal_pages, &health)
            })
            .map_err(failed)?,
            readers: Arc::clone(&readers),
            health,
            _lock: lock,
        };
        Ok((Self { commands, readers, running: Mutex::new(Some(running)) }, recovery))
    }

    /// Finishes what was asked for, brings it to the disk and closes the files. From then on everything is answered
    /// with [`Error::Closed`].
    pub async fn shut_down(&self) {
        let Some(running) = self.take_running() else { return };
        let (stopped, wait) = oneshot::channel::<()>();
        let stop = move || {
            running.stop();
            drop(stopped);
        };
        match spawn("log-stop", stop) {
            Ok(_) => drop(wait.await),
            Err(error) => tracing::error!(%error, "the log could not be closed; the next start mends it"),
        }
    }

    fn take_running(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands a write to the writer, now: that is what orders the writes of a conversation.
    fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        run: impl FnMut(&mut Log) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (reply, answer) = oneshot::channel();
        let (is_durable, seals) = match durability {
            Durability::Process => (false, None),
            Durability::Disk => (true, None),
            Durability::DiskAndSeals(conversation, turn) => (true, Some((conversation, turn))),
        };
        let task = Task { run, is_durable, seals, value: None, reply };
        if self.commands.send(Command::Write(Box::new(task))).is_err() {
            return ready(Err(Error::Closed)).boxed();
        }
        async move { answer.await.unwrap_or(Err(Error::Closed)) }.boxed()
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        Arc::clone(&self.readers).read(query).boxed()
    }
}

/// What a write that was answered outlives.
enum Durability {
    /// The process.
    Process,
    /// A power cut.
    Disk,
    /// A power cut; and it seals that turn.
    DiskAndSeals(ConversationId, TurnId),
}

impl Running {
    fn stop(self) {
        let Self { commands, writer, syncer, checkpointer, readers, health, _lock } = self;
        // If nobody takes it, the writer has ended already.
        let _ = commands.send(Command::Stop);
        let log = writer.join();
        let _ = syncer.join();
        let _ = checkpointer.join();
        readers.close();
        let Ok(log) = log else {
            tracing::error!("the log's writer has panicked; the next start mends the log");
            return;
        };
        match health.check() {
            Ok(()) => {
                if let Err(error) = log.connection().wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)
                {
                    tracing::warn!(%error, "the log could not be checkpointed; the next start does it");
                }
            }
            Err(_) => schema::no_checkpoint_on_close(log.connection()),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Some(running) = self.take_running() {
            running.stop();
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
