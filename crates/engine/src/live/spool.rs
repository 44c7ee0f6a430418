//! What does not fit in memory: files that have no name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
// Not the model checker's: whether a file is still used decides nothing that others see.
use std::sync::{Arc, Weak};

use bytes::Bytes;

/// How much of the turns that are streamed is kept in memory, and where the rest goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spill {
    /// Where the files are that take what is beyond the limit. They are never seen there: they have no name, so nothing
    /// is left of them when the process ends, however it ends. None: the system's directory for such files.
    pub directory: Option<PathBuf>,
    /// The most bytes of events that one conversation's stream keeps in memory, about; beyond that it takes a small
    /// constant.
    pub limit: usize,
}

impl Default for Spill {
    /// 1 MiB.
    fn default() -> Self {
        Self { directory: None, limit: 1 << 20 }
    }
}

/// A file that has this many bytes gets no more, so that the disk space of turns that are forgotten comes back while
/// others are still read.
const FILE_BYTES: u64 = 64 << 20;

/// The end of the files where writing goes on.
pub(super) struct Spool {
    directory: PathBuf,
    /// Belongs to what is in it, and is gone when all of that is forgotten.
    file: Weak<File>,
    written: u64,
    failed: bool,
}

impl Spool {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        let directory = directory.unwrap_or_else(std::env::temp_dir);
        Self { directory, file: Weak::new(), written: 0, failed: false }
    }

    /// Takes bytes in; none if that fails, which the log is told once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Option<Spooled> {
        match self.try_write(bytes) {
            Ok(spooled) => Some(spooled),
            Err(error) => {
                if !self.failed {
                    self.failed = true;
                    let directory = self.directory.display();
                    tracing::warn!(
                        "a live stream stays in memory beyond its limit: no file in {directory} takes it: {error}"
                    );
                }
                None
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<Spooled> {
        let file = match self.file.upgrade() {
            Some(file) if self.written < FILE_BYTES => file,
            Some(_) | None => {
                let file = Arc::new(tempfile::tempfile_in(&self.directory)?);
                self.file = Arc::downgrade(&file);
                self.written = 0;
                file
            }
        };
        file.write_all_at(bytes, self.written)?;
        let spooled = Spooled { file, offset: self.written, len: bytes.len() };
        self.written += bytes.len() as u64;
        Ok(spooled)
    }
}

/// Bytes in a file. The file goes when nothing in it is wanted any more.
#[derive(Clone, Debug)]
pub(super) struct Spooled {
    file: Arc<File>,
    offset: u64,
    pub(super) len: usize,
}

impl Spooled {
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.len];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes.into())
    }
}
