//! A file that events are appended to, one a line.
//!
//! The file says itself how far it is: a start reads its last line. What is written is on the disk (fdatasync) before it
//! is acknowledged, so that no power cut takes back a row that the ledger takes for exported.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meter::Event;
use store::Store;

use crate::Error;
use crate::exporter::Sink;

/// What every line begins with.
const START: &[u8] = b"{\"id\":\"";

/// How much is read at a time to find the last line.
const BLOCK: u64 = 64 * 1024;

/// The file. Nothing is open after a failure: the next attempt looks at it anew.
pub(crate) struct LineFile {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Which file it is, wherever it is moved to.
    identity: (u64, u64),
    last: Option<Event>,
}

impl LineFile {
    pub(crate) async fn open(path: PathBuf) -> Result<Self, Error> {
        let opening = path.clone();
        let open = blocking(&path, move || Open::new(&opening)).await?;
        Ok(Self { path, open: Some(open) })
    }

    /// The last event in it.
    pub(crate) fn last(&self) -> Option<&Event> {
        self.open.as_ref().and_then(|open| open.last.as_ref())
    }

    /// The position of that event, if it is one of the ledger's.
    pub(crate) async fn of_ledger(&self, last: &Event, store: &dyn Store) -> Result<u64, Error> {
        let before =
            last.position.checked_sub(1).ok_or_else(|| foreign(&self.path, "its last position is 0"))?;
        match store.outbox(before, 1).await?.first() {
            Some(event) if event.id == last.id => Ok(last.position),
            Some(_) | None => Err(not_of_ledger(&self.path, last)),
        }
    }
}

impl Sink for LineFile {
    async fn deliver(&mut self, events: &Arc<[Event]>) -> Result<(), Error> {
        let (open, path, events) = (self.open.take(), self.path.clone(), events.clone());
        let appended = blocking(&self.path, move || {
            let mut open = match open.filter(|open| open.is_at(&path)) {
                Some(open) => open,
                None => Open::new(&path)?,
            };
            open.append(&path, &events)?;
            Ok(open)
        });
        self.open = Some(appended.await?);
        Ok(())
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self, Error> {
        let failed = |error| failed(path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            // Who used what is nobody else's business.
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Taken { path: path.display().to_string() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if let Some(parent) = path.parent() {
            // The file may be new, and its name not on the disk yet.
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        }
        let (line, end) = last_line(&mut file, metadata.len()).map_err(failed)?;
        let last = match line {
            Some(line) => Some(
                serde_json::from_slice::<Event>(&line)
                    .map_err(|error| foreign(path, &format!("its last line is not an event: {error}")))?,
            ),
            None => None,
        };
        if end < metadata.len() {
            let half = read(&mut file, end, metadata.len()).map_err(failed)?;
            if !is_begun(&half) {
                return Err(foreign(path, "what follows its last line is not the beginning of an event"));
            }
            tracing::info!("{}: a half-written line of {} bytes is cut off", path.display(), half.len());
            file.set_len(end).and_then(|()| file.sync_data()).map_err(failed)?;
        }
        Ok(Self { file, identity: (metadata.dev(), metadata.ino()), last })
    }

    /// Whether it is still the file of that path.
    fn is_at(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|there| (there.dev(), there.ino()) == self.identity)
    }

    /// Appends those that are not in the file yet.
    fn append(&mut self, path: &Path, events: &[Event]) -> Result<(), Error> {
        let written = self.last.as_ref().map_or(0, |last| last.position);
        if let Some(last) = &self.last {
            let other = events.iter().any(|event| event.position == last.position && event.id != last.id);
            if other || events.last().is_some_and(|newest| newest.position < last.position) {
                return Err(not_of_ledger(path, last));
            }
        }
        let mut lines = Vec::new();
        for event in events.iter().filter(|event| event.position > written) {
            serde_json::to_writer(&mut lines, event).map_err(|error| failed(path, error.into()))?;
            lines.push(b'\n');
        }
        self.file
            .write_all(&lines)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| failed(path, error))?;
        self.last = events.last().cloned();
        Ok(())
    }
}

/// The last whole line, without its end, and where the next one begins.
fn last_line(file: &mut File, length: u64) -> io::Result<(Option<Vec<u8>>, u64)> {
    let end = after_newline(file, length)?;
    if end == 0 {
        return Ok((None, 0));
    }
    let start = after_newline(file, end - 1)?;
    read(file, start, end - 1).map(|line| (Some(line), end))
}

/// The place after the last line end before `end`; 0 if there is none.
fn after_newline(file: &mut File, mut end: u64) -> io::Result<u64> {
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let block = read(file, start, end)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn read(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a line was begun like that. A power cut can leave zeros where it was to be.
fn is_begun(half: &[u8]) -> bool {
    half.starts_with(START) || START.starts_with(half) || half.iter().all(|byte| *byte == 0)
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // A disk that hangs must not hold up what else the runtime does.
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(failed(path, io::Error::other(error))))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::File { path: path.display().to_string(), error }
}

fn foreign(path: &Path, reason: &str) -> Error {
    Error::Foreign { path: path.display().to_string(), reason: reason.to_owned() }
}

fn not_of_ledger(path: &Path, last: &Event) -> Error {
    foreign(
        path,
        &format!("its last line is row {}, {}, and the ledger has no such row", last.position, last.id),
    )
}
