//! One name in one open directory: what a path has been resolved to, and what can be done there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, openat, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::cage::Cage;
use crate::call::{Refusal, Watch};

/// A name that is never followed when it is a symbolic link: it has been, if it was one.
pub(crate) struct Place {
    dir: Dir,
    /// One component, or `.`.
    name: OsString,
}

/// What there is at a place.
pub(crate) enum Opened {
    File(File, Stat),
    Directory(Dir),
}

impl Place {
    pub(crate) fn new(dir: Dir, name: &OsStr) -> Self {
        Self { dir, name: name.to_owned() }
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(crate) fn stat(&self) -> io::Result<Stat> {
        Ok(statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens a file or a directory for reading. Never waits for a peer, as the open of a pipe would.
    pub(crate) fn open(&self, cage: &Cage, path: &str) -> Result<Opened, Refusal> {
        let refusal = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Refusal::new(format!("\"{path}\" does not exist")),
            _ => Refusal::new(format!("\"{path}\" cannot be read: {error}")),
        };
        // Asked first, because only to open a device can have an effect.
        readable(path, &self.stat().map_err(refusal)?)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file =
            openat(&self.dir, &self.name, flags, Mode::empty()).map_err(|error| refusal(error.into()))?;
        let stat = fstat(&file).map_err(|error| refusal(error.into()))?;
        cage.check_opened(path, &stat)?;
        match readable(path, &stat)? {
            Readable::File => Ok(Opened::File(file.into(), stat)),
            Readable::Directory => Ok(Opened::Directory(Dir::from_std_file(file.into()))),
        }
    }

    /// Creates a file that must not exist. What cannot be written whole is removed again.
    pub(crate) fn create(&self, content: &[u8], watch: &Watch) -> Result<(), NotWritten> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        watch.commit().map_err(NotWritten::Ended)?;
        let mut file = File::from(openat(&self.dir, &self.name, flags, Mode::from_raw_mode(0o666))?);
        if let Err(error) = file.write_all(content) {
            let _ = unlinkat(&self.dir, &self.name, AtFlags::empty());
            return Err(error.into());
        }
        Ok(())
    }

    /// Replaces a file in one step: whoever reads it sees the old content or the new, also after a crash. Mode and,
    /// where the server may set it, owner stay; extended attributes do not, and other hard links keep the old content.
    pub(crate) fn replace(&self, content: &[u8], old: &Stat, watch: &Watch) -> Result<(), NotWritten> {
        let draft = Draft::new(&self.dir)?;
        let mut file = &draft.file;
        file.write_all(content)?;
        let (uid, gid) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
        let same_owner = fchown(file, Some(uid), Some(gid)).is_ok();
        // Set-user-id bits belong to the owner that the file had.
        let kept = if same_owner { 0o7777 } else { 0o777 };
        fchmod(file, Mode::from_raw_mode(old.st_mode & kept))?;
        file.sync_data()?;
        let now = self.stat()?;
        if version(&now) != version(old) {
            return Err(NotWritten::Changed);
        }
        watch.commit().map_err(NotWritten::Ended)?;
        draft.publish(&self.name)?;
        Ok(())
    }
}

/// Why a file was not written. What was there is as it was.
pub(crate) enum NotWritten {
    /// Somebody else has written it since it was read.
    Changed,
    Ended(Refusal),
    Failed(io::Error),
}

impl NotWritten {
    pub(crate) fn refusal(self, path: &str) -> Refusal {
        match self {
            Self::Changed => {
                Refusal::new(format!("\"{path}\" was changed by something else meanwhile; read it again"))
            }
            Self::Ended(refusal) => refusal,
            Self::Failed(error) => Refusal::new(format!("\"{path}\" cannot be written: {error}")),
        }
    }
}

impl From<io::Error> for NotWritten {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Errno> for NotWritten {
    fn from(error: Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// What changes when a file is written or replaced.
fn version(stat: &Stat) -> (u64, u64, i64, i64, i64) {
    #[allow(clippy::unnecessary_cast)]
    (
        stat.st_dev as u64,
        stat.st_ino as u64,
        stat.st_size as i64,
        stat.st_mtime as i64,
        stat.st_mtime_nsec as i64,
    )
}

enum Readable {
    File,
    Directory,
}

fn readable(path: &str, stat: &Stat) -> Result<Readable, Refusal> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(Readable::File),
        FileType::Directory => return Ok(Readable::Directory),
        // Links are followed where a path is resolved. One that is left leads nowhere.
        FileType::Symlink => "is a symbolic link to something that does not exist",
        FileType::Fifo => "is a named pipe, not a file",
        FileType::Socket => "is a socket, not a file",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device, not a file",
        FileType::Unknown => "is of an unknown kind, not a file",
    };
    Err(Refusal::new(format!("\"{path}\" {kind}")))
}

/// A file under a name of its own beside the one that it is to replace.
struct Draft<'a> {
    dir: &'a Dir,
    file: File,
    name: String,
    published: bool,
}

impl<'a> Draft<'a> {
    fn new(dir: &'a Dir) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = format!(".dispatch-{:016x}.tmp", RandomState::new().hash_one(SystemTime::now()));
            match openat(dir, &name, flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => return Ok(Self { dir, file: file.into(), name, published: false }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn publish(mut self, name: &OsStr) -> io::Result<()> {
        renameat(self.dir, &self.name, self.dir, name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            let _ = unlinkat(self.dir, &self.name, AtFlags::empty());
        }
    }
}
