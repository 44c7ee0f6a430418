//! One process at a time: two writers would each number chunks on their own.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Error;

/// The data directory, held by this process until the value is dropped.
///
/// The lock is on an open file, so the operating system releases it however the process ends, and a second open in
/// the same process is refused as well.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Creates the directory if it is not there, readable by nobody else, and takes it.
    pub(super) fn take(dir: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Io(format!("{}: {error}", dir.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::Locked { path: dir.display().to_string() }),
            Err(error) => Err(failed(error.into())),
        }
    }
}
