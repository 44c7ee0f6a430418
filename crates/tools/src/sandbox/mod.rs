//! What confines shell commands.

#[cfg_attr(not(target_os = "linux"), path = "without.rs")]
mod landlock;
mod launcher;
mod plan;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use launcher::{Confinement, Launcher};

/// How shell commands are confined: by Landlock, which Linux has from 5.13 on, where it is enabled.
///
/// A confined command
///
/// - reads everything that the server may read, but for protected paths;
/// - writes, creates, renames and removes only in the working directory, the temporary directory (`TMPDIR`, else
///   `/tmp`), [`Sandbox::extra_writable`], and devices such as `/dev/null` and `/dev/shm`. **Caches in the home
///   directory (cargo, npm, pip) need an entry in `extra_writable`**, or a variable that puts them elsewhere;
/// - cannot read the environment or the memory of the server, and from Linux 6.12 on cannot signal it, but can signal
///   what an earlier command has left behind;
/// - gains no rights by set-user-id programs such as sudo, and where the server is root, loses those that reach around
///   Landlock;
/// - passes all of this on to whatever it starts, also when that outlives the command.
///
/// What it does not do: Landlock restricts neither the network, nor `chmod`, `chown` and file times elsewhere, nor what
/// other programs do on a command's behalf when it reaches them through a socket (a container daemon, for one). And it
/// can only allow whole directories: what is protected but lies inside a writable directory stays open to commands, see
/// [`Sandbox::exposed`]. It stops accidents and the curious, and leaves the rest to containers and virtual machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// When it applies.
    pub mode: Mode,
    /// More directories and files, absolute, that commands may write. What does not exist when a command starts is left
    /// out.
    pub extra_writable: Vec<PathBuf>,
}

/// When the sandbox applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Where the system has it.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always: without it, or where it cannot keep a protected path from being written, no command runs.
    Require,
}

impl Mode {
    /// The mode of that name: `auto`, `off` or `require`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "off" => Some(Self::Off),
            "require" => Some(Self::Require),
            _ => None,
        }
    }
}

impl Sandbox {
    /// What holds on this system with this setting, for the operator to be told at start-up.
    pub fn status(&self) -> SandboxStatus {
        match self.mode {
            Mode::Off => SandboxStatus::Off,
            Mode::Auto | Mode::Require => SandboxStatus::decide(self.mode, landlock::probe()),
        }
    }

    /// Which of these protected paths a confined command in that working directory could still read and write, because
    /// they lie inside a directory that it may write. None should; the remedy is to keep them elsewhere.
    pub fn exposed(&self, cwd: &Path, protected: &[PathBuf]) -> Vec<PathBuf> {
        plan::Plan::of(cwd, &std::env::temp_dir(), &self.extra_writable, protected).exposed
    }
}

/// What holds for shell commands. Its text is a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxStatus {
    /// Commands are confined.
    Confined {
        /// The version of the Landlock interface that is used, from 1 on.
        abi: u8,
    },
    /// Commands are not confined, because it was decided so.
    Off,
    /// Commands are not confined, because the system cannot.
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// No command runs, because the system cannot confine it.
    Refusing {
        /// What is missing.
        reason: String,
    },
}

/// The first version that stops a command from truncating a file elsewhere.
const ABI_OF_TRUNCATE: u8 = 3;

impl SandboxStatus {
    fn decide(mode: Mode, abi: Result<u8, String>) -> Self {
        match (mode, abi) {
            (Mode::Off, _) => Self::Off,
            (Mode::Require, Ok(abi)) if abi < ABI_OF_TRUNCATE => Self::Refusing {
                reason: format!("Landlock of this kernel (version {abi}) does not stop all writes"),
            },
            (Mode::Auto | Mode::Require, Ok(abi)) => Self::Confined { abi },
            (Mode::Auto, Err(reason)) => Self::Unavailable { reason },
            (Mode::Require, Err(reason)) => Self::Refusing { reason },
        }
    }
}

impl fmt::Display for SandboxStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confined { abi } => {
                write!(
                    f,
                    "Shell commands are confined by Landlock (version {abi}): they write only in the working \
                     directory, the temporary directory and the directories that are configured"
                )?;
                if *abi < ABI_OF_TRUNCATE {
                    f.write_str(", but this version does not stop them from truncating files elsewhere")?;
                }
                f.write_str(".")
            }
            Self::Off => f.write_str(
                "Shell commands are not confined, because the sandbox is off: they write wherever the server can.",
            ),
            Self::Unavailable { reason } => {
                write!(f, "Shell commands are not confined: {reason}. They write wherever the server can.")
            }
            Self::Refusing { reason } => {
                write!(f, "Shell commands do not run: the sandbox is required, but {reason}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_and_a_kernel_make_a_status() {
        let missing = || Err("this kernel has no Landlock".to_owned());
        let cases = [
            (Mode::Off, Ok(7), SandboxStatus::Off),
            (Mode::Off, missing(), SandboxStatus::Off),
            (Mode::Auto, Ok(7), SandboxStatus::Confined { abi: 7 }),
            (Mode::Auto, Ok(1), SandboxStatus::Confined { abi: 1 }),
            (
                Mode::Auto,
                missing(),
                SandboxStatus::Unavailable { reason: "this kernel has no Landlock".to_owned() },
            ),
            (Mode::Require, Ok(3), SandboxStatus::Confined { abi: 3 }),
            (
                Mode::Require,
                Ok(2),
                SandboxStatus::Refusing {
                    reason: "Landlock of this kernel (version 2) does not stop all writes".to_owned(),
                },
            ),
            (
                Mode::Require,
                missing(),
                SandboxStatus::Refusing { reason: "this kernel has no Landlock".to_owned() },
            ),
        ];
        for (mode, abi, status) in cases {
            assert_eq!(SandboxStatus::decide(mode, abi), status);
        }
    }

    #[test]
    fn a_status_is_a_sentence() {
        let said = |status: SandboxStatus| status.to_string();
        assert_eq!(
            said(SandboxStatus::Confined { abi: 7 }),
            "Shell commands are confined by Landlock (version 7): they write only in the working directory, the \
             temporary directory and the directories that are configured."
        );
        assert_eq!(
            said(SandboxStatus::Confined { abi: 2 }),
            "Shell commands are confined by Landlock (version 2): they write only in the working directory, the \
             temporary directory and the directories that are configured, but this version does not stop them from \
             truncating files elsewhere."
        );
        assert_eq!(
            said(SandboxStatus::Off),
            "Shell commands are not confined, because the sandbox is off: they write wherever the server can."
        );
        assert_eq!(
            said(SandboxStatus::Unavailable { reason: "this kernel has no Landlock".to_owned() }),
            "Shell commands are not confined: this kernel has no Landlock. They write wherever the server can."
        );
        assert_eq!(
            said(SandboxStatus::Refusing { reason: "this kernel has no Landlock".to_owned() }),
            "Shell commands do not run: the sandbox is required, but this kernel has no Landlock."
        );
    }

    #[test]
    fn modes_have_names() {
        assert_eq!(Mode::parse("auto"), Some(Mode::Auto));
        assert_eq!(Mode::parse("off"), Some(Mode::Off));
        assert_eq!(Mode::parse("require"), Some(Mode::Require));
        assert_eq!(Mode::parse("on"), None);
    }
}
