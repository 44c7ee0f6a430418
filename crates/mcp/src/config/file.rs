//! The file in a conversation's directory.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::time::timeout;

use super::{Error, Servers};

/// Where it is, seen from the directory.
pub(crate) const PROJECT_FILE: &str = ".dispatch/mcp.json";

/// The most bytes of it.
const MAX_BYTES: u64 = 256 << 10;

/// What was found in a directory.
pub(crate) struct Found {
    /// The whole path of the file.
    pub(crate) path: String,
    pub(crate) servers: Result<Servers, Error>,
    /// Another one when the file has changed. Nothing when there is no file.
    pub(crate) fingerprint: Option<u64>,
    /// Whether the file system did not answer in time: nothing is known of the file then.
    pub(crate) silent: bool,
}

/// Reads it. Takes no longer than `patience`, whatever the file system does.
pub(crate) async fn read(cwd: &Path, patience: Duration) -> Found {
    let path = cwd.join(PROJECT_FILE);
    let shown = path.display().to_string();
    let unreadable = |reason: String| Error::Unreadable { file: shown.clone(), reason };
    let reading = tokio::task::spawn_blocking(move || contents(&path));
    let read = timeout(patience, reading).await;
    let silent = read.is_err();
    let (servers, fingerprint) = match read {
        Ok(Ok(Ok(None))) => (Ok(Servers::default()), None),
        Ok(Ok(Ok(Some(bytes)))) => {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let servers = match String::from_utf8(bytes) {
                Ok(text) => Servers::parse(&shown, &text),
                Err(_) => Err(unreadable("it is not UTF-8".to_owned())),
            };
            (servers, Some(hasher.finish()))
        }
        Ok(Ok(Err(error))) => (Err(unreadable(error.to_string())), None),
        Ok(Err(error)) => (Err(unreadable(error.to_string())), None),
        Err(_) => (Err(unreadable("the file system does not answer".to_owned())), None),
    };
    Found { path: shown, servers, fingerprint, silent }
}

/// All of the file; nothing if there is none.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(Some(bytes))
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe in its place would hold up whoever opens it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}
