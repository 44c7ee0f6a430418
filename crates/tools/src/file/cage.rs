//! The working directory as a cage: paths are resolved inside it, and nothing leads out.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Stat, statat};

use super::place::Place;
use crate::call::Refusal;

/// A working directory that is open.
///
/// Every name is resolved through [`Dir`], by the kernel where it can (`openat2` with `RESOLVE_BENEATH`), so there is no
/// moment between a check and a use in which a link could be put in the way.
pub(crate) struct Cage {
    root: Dir,
    /// As the conversation names it.
    cwd: PathBuf,
    /// Without symbolic links.
    real: PathBuf,
    guard: Guard,
}

impl Cage {
    pub(crate) fn open(cwd: &Path, protected: &[PathBuf]) -> Result<Self, Refusal> {
        if !cwd.is_absolute() {
            return Err(Refusal::new(format!("the working directory {} is not absolute", cwd.display())));
        }
        let opened = Dir::open_ambient_dir(cwd, ambient_authority())
            .and_then(|root| Ok((root, std::fs::canonicalize(cwd)?)));
        match opened {
            Ok((root, real)) => Ok(Self { root, cwd: cwd.to_owned(), real, guard: Guard::of(protected) }),
            Err(error) => Err(Refusal::new(no_directory(cwd, &error))),
        }
    }

    /// What a path names, with the symbolic links on its way followed. It need not exist, but its directory must.
    pub(crate) fn place(&self, path: &str) -> Result<Place, Refusal> {
        if path.is_empty() {
            return Err(Refusal::new("\"path\" is empty; \".\" is the working directory"));
        }
        if path.contains('\0') {
            return Err(Refusal::new("\"path\" has a NUL character in it"));
        }
        let place = match self.locate(&self.relative(Path::new(path))) {
            Err(error) if is_escape(&error) => self.locate_elsewhere(path)?,
            located => located.map_err(|error| refusal(path, &error))?,
        };
        match self.guard.covers(&place) {
            Ok(false) => Ok(place),
            Ok(true) => Err(protected(path)),
            Err(error) => Err(refusal(path, &error)),
        }
    }

    /// Whether something that was opened is protected: it may have another name, or have taken the place of what was
    /// there when the path was resolved.
    pub(crate) fn check_opened(&self, path: &str, stat: &Stat) -> Result<(), Refusal> {
        if self.guard.has(stat) { Err(protected(path)) } else { Ok(()) }
    }

    /// Relative to the working directory where it lies in it, as far as the names tell.
    fn relative(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix(&self.cwd).or_else(|_| path.strip_prefix(&self.real)).unwrap_or(path);
        if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside.to_owned() }
    }

    fn locate(&self, relative: &Path) -> io::Result<Place> {
        let real = match self.root.canonicalize(relative) {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (Some(parent), Some(name)) = (relative.parent(), relative.file_name()) else {
                    return Err(error);
                };
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                self.root.canonicalize(parent)?.join(name)
            }
            Err(error) => return Err(error),
        };
        // The names are real ones now; a link that has taken the place of one since is held by the same cage.
        match (real.parent(), real.file_name()) {
            (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
                Ok(Place::new(self.root.open_dir(parent)?, name))
            }
            (_, Some(name)) => Ok(Place::new(self.root.try_clone()?, name)),
            (_, None) => Ok(Place::new(self.root.try_clone()?, OsStr::new("."))),
        }
    }

    /// A second look at a path that leads out by its names: an absolute link, or a detour, may still end inside. What
    /// that look finds is only ever used as a path inside the cage.
    fn locate_elsewhere(&self, path: &str) -> Result<Place, Refusal> {
        let outside = || {
            Refusal::new(format!(
                "\"{path}\" leads outside the working directory {}. File tools reach only what lies inside it; \
                 symbolic links do not lead out either",
                self.cwd.display()
            ))
        };
        let named = self.cwd.join(path);
        let real = std::fs::canonicalize(&named).or_else(|error| match (named.parent(), named.file_name()) {
            (Some(parent), Some(name)) => Ok(std::fs::canonicalize(parent)?.join(name)),
            _ => Err(error),
        });
        let inside = real.ok().and_then(|real| real.strip_prefix(&self.real).ok().map(Path::to_owned));
        let inside = inside.ok_or_else(outside)?;
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { &inside };
        self.locate(inside).map_err(|_| outside())
    }
}

fn protected(path: &str) -> Refusal {
    Refusal::new(format!("\"{path}\" belongs to the server itself; tools do not touch it"))
}

fn refusal(path: &str, error: &io::Error) -> Refusal {
    Refusal::new(match error.kind() {
        ErrorKind::NotFound => format!("the directory of \"{path}\" does not exist"),
        ErrorKind::NotADirectory => format!("a part of \"{path}\" is not a directory"),
        _ => format!("\"{path}\" cannot be reached: {error}"),
    })
}

/// Why a working directory cannot be used, in words for the model.
pub(crate) fn no_directory(cwd: &Path, error: &io::Error) -> String {
    let cwd = cwd.display();
    match error.kind() {
        ErrorKind::NotFound => format!("the working directory {cwd} does not exist (any more)"),
        ErrorKind::NotADirectory => format!("the working directory {cwd} is not a directory"),
        _ => format!("the working directory {cwd} cannot be used: {error}"),
    }
}

/// `cap_std` has no errno for a path that leads out, unlike the system for a permission that is missing.
fn is_escape(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// What no tool may touch, by identity and not by name: so links, mounts and other spellings make no difference.
struct Guard {
    /// Device and inode of what exists.
    things: Vec<(u64, u64)>,
    /// What does not exist yet: its directory, and its name there.
    absent: Vec<((u64, u64), Box<OsStr>)>,
}

impl Guard {
    fn of(protected: &[PathBuf]) -> Self {
        let mut guard = Self { things: Vec::new(), absent: Vec::new() };
        let stat = |path: &Path| statat(rustix::fs::CWD, path, AtFlags::empty());
        for path in protected {
            match (stat(path), path.parent().map(stat), path.file_name()) {
                (Ok(found), _, _) => guard.things.push(identity(&found)),
                (Err(_), Some(Ok(parent)), Some(name)) => guard.absent.push((identity(&parent), name.into())),
                (Err(_), _, _) => {}
            }
        }
        guard
    }

    fn has(&self, stat: &Stat) -> bool {
        self.things.contains(&identity(stat))
    }

    /// Whether the place, or a directory above it, up to the root of the system, is protected.
    fn covers(&self, place: &Place) -> io::Result<bool> {
        if self.things.is_empty() && self.absent.is_empty() {
            return Ok(false);
        }
        if place.stat().is_ok_and(|stat| self.has(&stat)) {
            return Ok(true);
        }
        let mut above = PathBuf::from(".");
        let mut below = None;
        loop {
            let directory = identity(&statat(place.dir(), &above, AtFlags::empty())?);
            let absent = || self.absent.iter().any(|(at, name)| *at == directory && **name == *place.name());
            if self.things.contains(&directory) || (below.is_none() && absent()) {
                return Ok(true);
            }
            // The root is its own parent.
            if below == Some(directory) {
                return Ok(false);
            }
            below = Some(directory);
            above.push("..");
        }
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    (stat.st_dev as u64, stat.st_ino as u64)
}
