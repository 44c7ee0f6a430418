//! The thread that brings commits to the disk.
//!
//! The writer commits with `synchronous=NORMAL`: frames are written to the WAL, where they outlive the process, but
//! nothing is synced. A durable write is handed to this thread after its commit. It takes all that are waiting, calls
//! `fdatasync` on the WAL once, and answers them. Meanwhile the writer goes on: no stream waits for a sync.
//!
//! Why a write that was answered is on the disk, whatever checkpoints do. Let C be its commit.
//!
//! - C's frames were written to the WAL before this thread got to know of it, and `fdatasync` covers all that was
//!   written to a file before, through whichever descriptor. So as long as the WAL still holds C when `fdatasync`
//!   begins, C is on the disk afterwards, and so are all frames before it, which recovery needs to reach it.
//! - The WAL ceases to hold C only when a commit restarts it, and begins to overwrite it from its start. SQLite
//!   restarts it only when all of it has been checkpointed; and a checkpoint that reaches the end of the WAL syncs the
//!   WAL, copies its pages to the database and syncs that, before it says that it has (in `synchronous=NORMAL`, which
//!   all connections that checkpoint have). So by then C is on the disk in the database.
//! - A restarted WAL cannot be taken for the old one: its header has a new salt, and `synchronous=NORMAL` syncs the
//!   header before the first frame is overwritten. That one sync, of one page, is done by the writer.
//! - The WAL file is created when the store is opened, and not removed before the last connection is closed. So the
//!   descriptor used here is that of the file SQLite writes to. With the header of a new file SQLite also syncs the
//!   directory, so the file can be found.
//!
//! When `fdatasync` fails, nobody knows what the disk holds: see [`Health`].

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::health::Health;
use super::writer::Write;

/// Syncs and answers until the writer is gone.
pub(super) fn run(
    unsynced: &Receiver<Vec<Box<dyn Write>>>,
    health: &Arc<Health>,
    mut sync: impl FnMut() -> io::Result<()>,
) {
    while let Ok(mut waiting) = unsynced.recv() {
        while let Ok(more) = unsynced.try_recv() {
            waiting.extend(more);
        }
        let verdict = health.check().and_then(|()| sync().map_err(|error| health.fail(&error)));
        for write in waiting {
            write.answer(verdict.clone());
        }
    }
}
