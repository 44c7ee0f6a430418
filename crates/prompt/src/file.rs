//! The content of a file in the working directory.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use memchr::memchr;
use rustix::fs::OFlags;
use tokio::task::spawn_blocking;

/// The most bytes of one file.
const LIMIT: usize = 64 << 10;

/// How far into a file a NUL makes it binary.
const BINARY_BYTES: usize = 8 << 10;

/// The text of a file without the line breaks at its end. Empty if there is none, or none that may be read.
pub(crate) async fn read(cwd: PathBuf, path: String, protected: Vec<PathBuf>) -> String {
    match spawn_blocking(move || content(&cwd, &path, &protected)).await {
        Ok(Ok(text)) => text,
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

fn content(cwd: &Path, path: &str, protected: &[PathBuf]) -> io::Result<String> {
    if !cwd.is_absolute() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let cwd = fs::canonicalize(cwd)?;
    let root = Dir::open_ambient_dir(&cwd, ambient_authority())?;
    let named = fs::canonicalize(cwd.join(path))?;
    let inside = named.strip_prefix(&cwd).map_err(|_| ErrorKind::PermissionDenied)?;
    // Asked first, because to open what is no file can have an effect.
    if !root.symlink_metadata(inside)?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    // The names are real ones; a link that has taken the place of one since is held by the open directory.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file =
        root.open_with(inside, OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()))?;
    let file = file.into_std();
    let metadata = file.metadata()?;
    if !metadata.is_file() || is_protected(&named, &metadata, protected) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    let mut bytes = Vec::new();
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if memchr(0, &bytes[..bytes.len().min(BINARY_BYTES)]).is_some() {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(shown(path, bytes, metadata.len()))
}

/// Whether a file, which has its real name, is one of those or lies in one. Hard links are known by what they are.
fn is_protected(named: &Path, metadata: &fs::Metadata, protected: &[PathBuf]) -> bool {
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    protected.iter().any(|path| {
        fs::canonicalize(path).is_ok_and(|path| named.starts_with(path))
            || fs::metadata(path).is_ok_and(|found| identity(&found) == identity(metadata))
    })
}

fn shown(path: &str, mut bytes: Vec<u8>, size: u64) -> String {
    let mut kept = bytes.len().min(LIMIT);
    let is_cut = kept < bytes.len();
    if is_cut {
        // Not in the middle of a character, which has four bytes at most.
        let is_inner = |byte: u8| byte & 0xC0 == 0x80;
        kept -= (0..4).find(|back| !is_inner(bytes[kept - back])).unwrap_or(0);
        bytes.truncate(kept);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end_matches(['\n', '\r']);
    match is_cut {
        true => format!("{text}\n[cut: {path} has {size} bytes; these are the first {kept}]"),
        false => text.to_owned(),
    }
}
