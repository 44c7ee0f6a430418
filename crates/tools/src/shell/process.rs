//! A shell in a process group of its own, which never outlives its call.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, setsid, waitid};
use tokio::sync::oneshot;

use crate::call::Watch;
use crate::sandbox::{Confinement, Launcher};

/// A command that runs. Dropping it kills it, with all of its group.
pub(super) struct Process {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) exit: oneshot::Receiver<Exit>,
    pub(super) group: Group,
}

/// How a shell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match name(*signal) {
                Some(name) => write!(f, "killed by signal {signal} ({name})"),
                None => write!(f, "killed by signal {signal}"),
            },
        }
    }
}

/// The names of the signals that end commands in practice.
fn name(signal: i32) -> Option<&'static str> {
    Some(match Signal::from_named_raw(signal)? {
        Signal::HUP => "SIGHUP",
        Signal::INT => "SIGINT",
        Signal::QUIT => "SIGQUIT",
        Signal::ILL => "SIGILL",
        Signal::TRAP => "SIGTRAP",
        Signal::ABORT => "SIGABRT",
        Signal::BUS => "SIGBUS",
        Signal::FPE => "SIGFPE",
        Signal::KILL => "SIGKILL",
        Signal::SEGV => "SIGSEGV",
        Signal::PIPE => "SIGPIPE",
        Signal::ALARM => "SIGALRM",
        Signal::TERM => "SIGTERM",
        Signal::XCPU => "SIGXCPU",
        Signal::XFSZ => "SIGXFSZ",
        _ => return None,
    })
}

/// The process group of a command.
pub(super) struct Group(Arc<GroupState>);

struct GroupState {
    id: Pid,
    /// Whether the shell has been reaped. From then on the system may give its number to somebody else.
    reaped: Mutex<bool>,
}

impl Group {
    /// Kills all of the group, unless it has ended.
    pub(super) fn kill(&self) {
        let reaped = self.0.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // It fails when nobody is left, which is as well.
            let _ = kill_process_group(self.0.id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a command on a thread of its own, which waits for it and reaps it. Unless its call has ended by then.
///
/// The thread is what Landlock confines; see [`Launcher`]. It outlives the command, so that the command can be told to
/// die with it: it ends earlier only when the whole server does.
pub(super) async fn start(
    launcher: &Launcher,
    confinement: Confinement,
    mut command: Command,
    watch: Watch,
) -> Result<Process, String> {
    let (reply, started) = oneshot::channel();
    detach(&mut command);
    let keep = move || {
        let allowed = confinement.enter().and_then(|()| watch.commit().map_err(|ended| ended.to_string()));
        if let Err(reason) = allowed {
            let _ = reply.send(Err(reason));
            return;
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let _ = reply.send(Err(format!("the command could not be started: {error}")));
                return;
            }
        };
        // Its end of the pipes would keep them open.
        drop(command);
        let state = Arc::new(GroupState { id: Pid::from_child(&child), reaped: Mutex::new(false) });
        let (report, exit) = oneshot::channel();
        let group = Group(state.clone());
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            // When nobody waits any more, this drops the group, which kills it.
            let _ = reply.send(Ok(Process { stdout: stdout.into(), stderr: stderr.into(), exit, group }));
        }
        if let Ok(status) = reap(child, &state) {
            let _ = report.send(status.into());
        }
    };
    launcher.launch(keep).map_err(|error| format!("the command could not be started: {error}"))?;
    started
        .await
        .unwrap_or_else(|_| Err("the command could not be started: there was no thread for it".to_owned()))
}

/// Gives a command a session of its own, and so a process group.
fn detach(command: &mut Command) {
    let detached = || -> io::Result<()> {
        // Without a terminal, so that nothing asks for a password on the server's.
        setsid()?;
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        Ok(())
    };
    // SAFETY: between fork and exec only what is safe in a signal handler may be called. These are two system calls,
    // made directly, which neither allocate nor lock; an error is a number.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(detached);
    }
}

/// Waits for the shell to end, then kills what it has left in its group.
fn reap(mut child: Child, state: &GroupState) -> io::Result<ExitStatus> {
    // Without reaping it: as long as it is not reaped, the number of its group is its own and can be killed safely.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(state.id), options) {}
    let mut reaped = state.reaped.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = kill_process_group(state.id, Signal::KILL);
    let status = child.wait();
    *reaped = true;
    status
}
