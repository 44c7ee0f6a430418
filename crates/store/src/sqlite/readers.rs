//! The connections that read: beside the writer, never in its way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::fault::translate;
use super::lock::DirLock;
use super::schema::{self, Files};
use crate::Error;

/// The most reads at a time. Each connection has a page cache of its own, so there are few.
const MOST: usize = 4;

/// Connections are opened when they are first needed, and kept.
pub(super) struct Readers {
    files: Files,
    /// None once they are closed.
    idle: Mutex<Option<Idle>>,
    permits: Semaphore,
}

struct Idle {
    connections: Vec<Connection>,
    /// A read may outlive the store, and must not outlive the lock.
    lock: Arc<DirLock>,
}

impl Readers {
    pub(super) fn new(files: Files, lock: Arc<DirLock>) -> Self {
        let idle = Idle { connections: Vec::new(), lock };
        Self { files, idle: Mutex::new(Some(idle)), permits: Semaphore::new(MOST) }
    }

    /// Runs queries on a thread where they may block. They see one state of the log.
    pub(super) async fn read<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = Arc::clone(&self);
        let permit = self.permits.acquire().await.map_err(|_| Error::Closed)?;
        let read = tokio::task::spawn_blocking(move || readers.read_blocking(query)).await;
        drop(permit);
        // A read does not panic, so it was cancelled: the runtime is shutting down.
        read.unwrap_or(Err(Error::Closed))
    }

    fn read_blocking<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        // Released after the connection.
        let (_lock, conn) = match &mut *self.idle() {
            Some(idle) => (Arc::clone(&idle.lock), idle.connections.pop()),
            None => return Err(Error::Closed),
        };
        let conn = match conn {
            Some(conn) => conn,
            None => schema::open_for_reading(&self.files).map_err(|error| translate(&error))?,
        };
        let answer = snapshot(&conn, query).map_err(|error| translate(&error))?;
        // One that failed may still be in a transaction, and is not kept.
        if let Some(idle) = &mut *self.idle() {
            idle.connections.push(conn);
        }
        Ok(answer)
    }

    /// Closes the connections; those in use when they have answered.
    pub(super) fn close(&self) {
        self.permits.close();
        *self.idle() = None;
    }

    /// How many are open and not in use.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.idle().as_ref().map_or(0, |idle| idle.connections.len())
    }

    fn idle(&self) -> MutexGuard<'_, Option<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn snapshot<T>(
    conn: &Connection,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let answer = query(conn)?;
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(answer)
}
