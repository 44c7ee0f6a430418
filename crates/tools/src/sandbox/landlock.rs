//! Landlock, applied to the thread that calls.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use landlock::{
    ABI, AccessFs, BitFlags, LandlockStatus, PathBeneath, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

/// Writing in all its forms, as of Linux 6.2. Later versions add restrictions that are none of writing.
fn writes() -> BitFlags<AccessFs> {
    AccessFs::from_write(ABI::V3)
}

/// Not granted anywhere: whoever may make devices may write any disk.
fn devices() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{MakeChar | MakeBlock})
}

/// Rights of root that reach around Landlock: to look into other processes, and to work on the kernel itself. Root is the
/// only one who has them, and in most containers not even root.
const DROPPED: [CapabilitySet; 6] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::PERFMON,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::BPF,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_RAWIO,
];

/// The most directory entries that are gone through to hide something.
const MAX_ENTRIES: usize = 20_000;

/// Why a thread could not be confined as it was to be.
pub(super) enum Failure {
    /// What is to be hidden could not be told from what is not.
    CannotHide(String),
    /// There is no confinement at all.
    Unconfined(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotHide(reason) => write!(f, "the server's own files cannot be hidden: {reason}"),
            Self::Unconfined(reason) => write!(f, "the command cannot be confined: {reason}"),
        }
    }
}

impl From<RulesetError> for Failure {
    fn from(error: RulesetError) -> Self {
        Self::Unconfined(error.to_string())
    }
}

/// Which version this system has.
pub(super) fn probe() -> Result<u8, String> {
    // A thread of its own, because asking is restricting.
    let asked = thread::Builder::new().name("landlock".to_owned()).spawn(enter_base);
    match asked.map(thread::JoinHandle::join) {
        Ok(Ok(abi)) => abi,
        Ok(Err(_)) => Err("Landlock could not be tried".to_owned()),
        Err(error) => Err(format!("no thread could be started to try Landlock: {error}")),
    }
}

/// Puts this thread into a domain that cannot signal what is outside of it, where the system has that, and cannot make
/// devices. Says which version of Landlock there is.
pub(super) fn enter_base() -> Result<u8, String> {
    for capability in DROPPED {
        // Who may not drop it has nothing to drop.
        let _ = remove_capability_from_bounding_set(capability);
    }
    let enter = || -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default().handle_access(devices())?.scope(Scope::Signal)?.create()?.restrict_self()
    };
    match enter().map(|status| status.landlock) {
        Ok(LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi as u8),
        Ok(LandlockStatus::NotEnabled) => Err("Landlock is not enabled in this kernel".to_owned()),
        Ok(LandlockStatus::NotImplemented) => Err("this kernel has no Landlock".to_owned()),
        Err(error) => Err(format!("Landlock does not work here: {error}")),
    }
}

/// Lets this thread, and what it starts, write only there, and not read what is hidden. Nothing that is hidden may lie
/// in what is writable.
pub(super) fn confine(writable: &[PathBuf], hidden: &[PathBuf]) -> Result<(), Failure> {
    let mut handled = writes();
    let mut granted = writes() & !devices();
    if !hidden.is_empty() {
        handled |= AccessFs::ReadFile;
        granted |= AccessFs::ReadFile;
    }
    let mut rules = Ruleset::default().handle_access(handled)?.create()?;
    for path in writable {
        // What has vanished since is not granted.
        if let Ok(place) = openat(rustix::fs::CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            rules = rules.add_rule(PathBeneath::new(place, granted))?;
        }
    }
    if !hidden.is_empty() {
        let mut outcome = Ok(());
        let walked = all_but(hidden, |place| {
            // Rule by rule, so that there is never more than one of these open.
            outcome = (&mut rules).add_rule(PathBeneath::new(place, AccessFs::ReadFile)).map(drop);
            outcome.is_ok()
        });
        outcome?;
        walked.map_err(|error| Failure::CannotHide(error.to_string()))?;
    }
    match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(Failure::Unconfined("Landlock is gone".to_owned())),
    }
}

/// Everything on this system but what is hidden, in as few places as possible: Landlock only knows how to allow, and a
/// directory always with all that is in it.
///
/// Goes on while `grant` says so.
fn all_but(hidden: &[PathBuf], mut grant: impl FnMut(OwnedFd) -> bool) -> rustix::io::Result<()> {
    let mut entries = 0;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut open = vec![PathBuf::from("/")];
    while let Some(directory) = open.pop() {
        let from = openat(rustix::fs::CWD, &directory, flags, Mode::empty())?;
        for entry in Dir::read_from(&from)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(rustix::io::Errno::TOOBIG);
            }
            let path = directory.join(OsStr::from_bytes(name.to_bytes()));
            if hidden.contains(&path) {
                continue;
            }
            if leads_to_any(&path, hidden) {
                open.push(path);
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(place) = openat(&from, name, flags, Mode::empty()) else { continue };
            // A link grants nothing by itself, and where it leads must not be granted by it.
            let found = statat(&place, c"", AtFlags::EMPTY_PATH)?;
            if FileType::from_raw_mode(found.st_mode) != FileType::Symlink && !grant(place) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn leads_to_any(directory: &Path, hidden: &[PathBuf]) -> bool {
    hidden.iter().any(|path| path.starts_with(directory))
}
