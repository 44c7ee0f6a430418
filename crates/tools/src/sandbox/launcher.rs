//! Threads that start commands, confined or not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use super::plan::Plan;
use super::{Mode, Sandbox, SandboxStatus, landlock};

/// Something to do on a thread of its own.
type Work = Box<dyn FnOnce() + Send>;

/// These threads start a process and wait for it, no more.
const STACK_BYTES: usize = 256 << 10;

/// Starts threads for commands. Landlock restricts a thread, and what a thread starts inherits its restrictions, so a
/// command needs neither a helper program nor code of ours between fork and exec to be confined: its thread confines
/// itself and then starts it like any other.
pub(crate) struct Launcher {
    sandbox: Sandbox,
    protected: Arc<[PathBuf]>,
    status: SandboxStatus,
    /// The thread that all confined ones come from. That makes one domain of all commands, in which they can signal one
    /// another, and the server is not in it.
    base: Option<mpsc::Sender<Work>>,
}

impl Launcher {
    pub(crate) fn new(sandbox: Sandbox, protected: Arc<[PathBuf]>) -> Self {
        let (base, abi) = match sandbox.mode {
            Mode::Off => (None, Err(String::new())),
            Mode::Auto | Mode::Require => match start_base() {
                Ok((base, abi)) => (Some(base), Ok(abi)),
                Err(reason) => (None, Err(reason)),
            },
        };
        let status = SandboxStatus::decide(sandbox.mode, abi);
        Self { sandbox, protected, status, base }
    }

    #[cfg(test)]
    pub(crate) fn on_a_system_without_landlock(mode: Mode) -> Self {
        let sandbox = Sandbox { mode, extra_writable: Vec::new() };
        let status = SandboxStatus::decide(mode, Err("this kernel has no Landlock".to_owned()));
        Self { sandbox, protected: Arc::from([]), status, base: None }
    }

    /// Decides what a command in that directory may do.
    ///
    /// # Errors
    /// Why it may not run at all, in words for the model.
    pub(crate) fn confinement(&self, cwd: &Path) -> Result<Confinement, String> {
        let plan = Plan::of(cwd, &std::env::temp_dir(), &self.sandbox.extra_writable, &self.protected);
        if plan.forbidden {
            return Err(
                "the working directory belongs to the server itself; no command runs there".to_owned()
            );
        }
        match &self.status {
            SandboxStatus::Refusing { reason } => {
                return Err(format!("no command runs here: the sandbox is required, but {reason}"));
            }
            SandboxStatus::Off | SandboxStatus::Unavailable { .. } => return Ok(Confinement(None)),
            SandboxStatus::Confined { .. } => {}
        }
        match (self.sandbox.mode, plan.exposed.is_empty()) {
            (Mode::Require, false) => {
                Err("no command runs here: the sandbox is required, but data of the server lies \
                                           inside the directories that a command may write"
                    .to_owned())
            }
            (Mode::Require | Mode::Auto | Mode::Off, _) => Ok(Confinement(Some((plan, self.sandbox.mode)))),
        }
    }

    /// Runs the work on a new thread, one that can be confined if the system has it.
    ///
    /// # Errors
    /// When there can be no thread. Where that shows only later, the work is dropped.
    pub(crate) fn launch(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        match &self.base {
            Some(base) => base
                .send(Box::new(work))
                .map_err(|_| io::Error::other("the thread that starts commands is gone")),
            None => spawn(Box::new(work)),
        }
    }
}

/// What a command may do. Made before its thread starts, put into force on that thread.
pub(crate) struct Confinement(Option<(Plan, Mode)>);

impl Confinement {
    /// Confines this thread for good, and with it all that it starts.
    pub(crate) fn enter(&self) -> Result<(), String> {
        let Some((plan, mode)) = &self.0 else { return Ok(()) };
        match (landlock::confine(&plan.writable, &plan.hidden), mode) {
            (Err(landlock::Failure::CannotHide(error)), Mode::Auto | Mode::Off) => {
                tracing::warn!("commands can read the server's own files: {error}");
                landlock::confine(&plan.writable, &[]).map_err(|failure| failure.to_string())
            }
            (confined, _) => confined.map_err(|failure| failure.to_string()),
        }
    }

    /// The directories that the command may write, if it is confined: devices left out.
    pub(crate) fn writable(&self) -> Option<impl Iterator<Item = &Path>> {
        let (plan, _) = self.0.as_ref()?;
        Some(plan.writable.iter().map(PathBuf::as_path).filter(|path| !path.starts_with("/dev")))
    }
}

fn spawn(work: Work) -> io::Result<()> {
    thread::Builder::new().name("run_shell".to_owned()).stack_size(STACK_BYTES).spawn(work).map(drop)
}

/// Starts the base thread; says which version of Landlock it has.
fn start_base() -> Result<(mpsc::Sender<Work>, u8), String> {
    let (sender, works) = mpsc::channel::<Work>();
    let (report, reported) = mpsc::channel();
    let base = move || {
        let abi = landlock::enter_base();
        let confined = abi.is_ok();
        let _ = report.send(abi);
        if confined {
            for work in works {
                if let Err(error) = spawn(work) {
                    tracing::warn!("no thread for a command: {error}");
                }
            }
        }
    };
    thread::Builder::new()
        .name("run_shell-base".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(base)
        .map_err(|error| format!("no thread could be started to confine them: {error}"))?;
    let abi = reported.recv().map_err(|_| "the thread to confine them ended".to_owned())??;
    Ok((sender, abi))
}
