//! A directory for what the targets need on a disk, and an environment in which they can do no harm.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let directory = parent.join(format!("dispatch-fuzz-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the scratch directory can be made");
    directory.canonicalize().expect("the scratch directory is there")
});

/// This process's own directory, without links in its path.
pub(crate) fn directory() -> &'static Path {
    &DIRECTORY
}

/// Called once, before anything else.
pub(crate) fn prepare() {
    // Nothing that is fuzzed is to find a program, be it git, and start it.
    // SAFETY: the first thing that this process does, while it has one thread.
    unsafe { std::env::set_var("PATH", directory().join("no-programs")) };
    extern "C" fn clear_up() {
        let _ = fs::remove_dir_all(directory());
    }
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> i32;
    }
    // SAFETY: the function is one of this program and takes nothing. What a finding leaves behind stays there.
    unsafe { atexit(clear_up) };
}
