//! What one command may write, and what it must not see.

use std::path::{Path, PathBuf};

/// Devices and pseudo-directories that programs write to as a matter of course.
const DEVICES: [&str; 9] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
];

/// All paths without symbolic links.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Directories with all below, and files. They all existed.
    pub(super) writable: Vec<PathBuf>,
    /// Protected paths that can be kept from being read.
    pub(super) hidden: Vec<PathBuf>,
    /// Protected paths inside a writable directory.
    pub(super) exposed: Vec<PathBuf>,
    /// Whether the working directory is protected, or inside what is.
    pub(super) forbidden: bool,
}

impl Plan {
    /// For commands in `cwd` that keep their temporary files in `temporary`.
    pub(super) fn of(cwd: &Path, temporary: &Path, extra: &[PathBuf], protected: &[PathBuf]) -> Self {
        let devices = DEVICES.iter().map(Path::new);
        let places = [cwd, temporary].into_iter().chain(extra.iter().map(PathBuf::as_path));
        let writable: Vec<_> = places
            .chain(devices)
            .filter(|path| path.is_absolute())
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        let protected = protected.iter().map(|path| real(path));
        let (exposed, hidden): (Vec<_>, Vec<_>) =
            protected.partition(|path| writable.iter().any(|root| path.starts_with(root)));
        let cwd = real(cwd);
        let forbidden = exposed.iter().chain(&hidden).any(|path| cwd.starts_with(path));
        Self { writable, hidden, exposed, forbidden }
    }
}

/// Without symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_is_hidden_unless_it_lies_where_commands_may_write() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for directory in ["project/data", "cache", "server", "other", "tmp"] {
            std::fs::create_dir_all(home.join(directory)).unwrap();
        }
        std::os::unix::fs::symlink(home.join("project"), home.join("link")).unwrap();
        let protected =
            ["server", "link/data", "project/later", "cache/x/y", "absent/z"].map(|path| home.join(path));
        let extra = [home.join("cache"), home.join("gone"), PathBuf::from("relative")];
        let mut plan = Plan::of(&home.join("link"), &home.join("tmp"), &extra, &protected);
        let devices = plan.writable.split_off(3);
        assert!(devices.iter().all(|path| path.starts_with("/dev")), "{devices:?}");
        let expected = Plan {
            writable: ["project", "tmp", "cache"].map(|path| home.join(path)).to_vec(),
            hidden: ["server", "absent/z"].map(|path| home.join(path)).to_vec(),
            exposed: ["project/data", "project/later", "cache/x/y"].map(|path| home.join(path)).to_vec(),
            forbidden: false,
        };
        assert_eq!(plan, expected);
    }

    #[test]
    fn a_working_directory_in_what_is_protected_is_forbidden() {
        let data = tempfile::tempdir().unwrap();
        let below = data.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        let forbidden = |cwd: &Path, protected: &Path| {
            Plan::of(cwd, Path::new("/tmp"), &[], &[protected.to_owned()]).forbidden
        };
        assert!(forbidden(&below, data.path()));
        assert!(forbidden(data.path(), data.path()));
        assert!(!forbidden(data.path(), &below));
    }
}
