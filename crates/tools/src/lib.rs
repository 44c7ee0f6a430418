//! What a model can call: `read_file`, `write_file`, `edit_file` and `run_shell`, and `load_skill`.
//!
//! [`builtin`] makes those that are the same for every conversation; [`Skills`] is where `load_skill` comes from. What
//! holds for every one of them:
//!
//! - Bad input, a missing file, a failing command are results in words that the model can act on, never a panic.
//! - The async runtime is never blocked, and the memory of a call is bounded, whatever a file or a command holds.
//! - A call ends at once when it is cancelled or when its future is dropped.
//!
//! # Where a tool can reach
//!
//! The **file tools** reach what lies inside the working directory and nothing else: neither `..` nor an absolute path
//! nor a symbolic link leads out, also when it is put there between a check and its use. They refuse
//! [`Settings::protected`] paths wherever these lie.
//!
//! **Shell commands** are what a user would type, with the server's own rights. On Linux [`Sandbox`] confines them: they
//! read everything that is not protected, but write only in the working directory, the temporary directory and
//! [`Sandbox::extra_writable`]. It is no wall against a determined attacker; see [`Sandbox`] for what it leaves open.

mod call;
mod file;
mod input;
mod sandbox;
mod shell;
mod skills;

use std::path::PathBuf;
use std::sync::Arc;

use kernel::Tool;

pub use sandbox::{Mode, Sandbox, SandboxStatus};
pub use shell::Environment;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use shell::fuzzing;
pub use skills::Skills;

/// What the operator decides about the tools.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How shell commands are confined.
    pub sandbox: Sandbox,
    /// Files and directories of the server itself, absolute: its data, its configuration. The file tools refuse them
    /// and everything below, whatever name leads there. The sandbox hides them from shell commands where it can: see
    /// [`Sandbox::exposed`].
    pub protected: Vec<PathBuf>,
    /// What shell commands see of the server's environment.
    pub environment: Environment,
    /// The most bytes of live output of one command. The command goes on after that, its live output ends. Should not
    /// be less than what the receiver of the output takes.
    pub live_output_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sandbox: Sandbox::default(),
            protected: Vec::new(),
            environment: Environment::default(),
            live_output_limit: 2 << 20,
        }
    }
}

/// The built-in tools, in the order in which a model is told of them. They need a tokio runtime when they are called.
///
/// Where the sandbox can hold, this starts the one small thread that all shell commands are started from.
pub fn builtin(settings: Settings) -> Vec<Arc<dyn Tool>> {
    let protected: Arc<[PathBuf]> = settings.protected.clone().into();
    vec![
        Arc::new(file::ReadFile::new(protected.clone())),
        Arc::new(file::WriteFile::new(protected.clone())),
        Arc::new(file::EditFile::new(protected)),
        Arc::new(shell::RunShell::new(settings)),
    ]
}
