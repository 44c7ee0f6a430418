//! The thread that moves the WAL into the database.
//!
//! A checkpoint syncs twice and copies megabytes, which no stream should wait for. So it is done here, beside the
//! writer, as far as that is possible: the writer adds pages meanwhile, and the WAL can only be restarted when all of
//! it is copied. The last few pages are therefore left to the writer, between two batches.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::health::Health;
use super::schema::{self, Files};
use super::writer::Command;

/// A WAL of so many pages (4 KiB each) is checkpointed. More of them make a start after a crash slower.
pub(super) const LONG: u32 = 2000;

/// So many pages may be left to the writer.
const FEW: u32 = 128;

/// How often to try to get down to a few.
const PASSES: usize = 4;

/// How long to wait after a checkpoint that could not be finished: a reader is in its way, or the disk is full.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether all of the WAL is in the database.
pub(super) type Settled = bool;

/// Checkpoints when it is woken, until the writer is gone.
pub(super) fn run(
    files: &Files,
    wal_is_long: &Receiver<()>,
    writer: &Sender<Command>,
    wal_pages: &AtomicU32,
    health: &Health,
) {
    let mut conn = None;
    while wal_is_long.recv().is_ok() {
        let opened = match &conn {
            Some(conn) => Ok(conn),
            None => schema::open_for_checkpoints(files).map(|opened| &*conn.insert(opened)),
        };
        let settled = match opened {
            Ok(conn) => round(conn, writer, wal_pages, health),
            Err(error) => {
                tracing::warn!(%error, "the log could not be opened for a checkpoint; will be tried again");
                false
            }
        };
        if !settled && !pause(wal_is_long) {
            return;
        }
    }
}

fn round(conn: &Connection, writer: &Sender<Command>, wal_pages: &AtomicU32, health: &Health) -> Settled {
    for _ in 0..PASSES {
        let Some((_, copied)) = pass(conn, health) else { return false };
        if wal_pages.load(Ordering::Relaxed).saturating_sub(copied) <= FEW {
            break;
        }
    }
    let (reply, settled) = oneshot::channel();
    writer.send(Command::Settle(reply)).is_ok() && settled.blocking_recv().unwrap_or(false)
}

/// Done by the writer: copies what is left.
pub(super) fn settle(conn: &Connection, health: &Health) -> Settled {
    pass(conn, health).is_some_and(|(pages, copied)| pages == copied)
}

/// Copies what can be copied without waiting. Returns the pages of the WAL, and how many of them are copied by now.
fn pass(conn: &Connection, health: &Health) -> Option<(u32, u32)> {
    // What the WAL holds may not be what the disk holds: see `Health`.
    health.check().ok()?;
    match conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
        Ok((pages, copied)) => Some((u32::try_from(pages).ok()?, u32::try_from(copied).ok()?)),
        Err(error) => {
            match Fault::from(error) {
                Fault::Refused(error) | Fault::Failed(error) => {
                    tracing::warn!(%error, "the log could not be checkpointed; will be tried again");
                }
                Fault::Unsynced(error) => {
                    health.fail(&error);
                }
            }
            None
        }
    }
}

/// Waits a while, whoever calls. Returns whether the writer is still there.
fn pause(wal_is_long: &Receiver<()>) -> bool {
    let until = Instant::now() + PAUSE;
    loop {
        match wal_is_long.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
