//! A server as a child process, in a process group of its own, which never outlives its connection.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, setsid, waitid};
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::stderr::Stderr;
use crate::secret::Scrubber;

/// How long a server has to end by itself once its standard input is closed.
const PARTING: Duration = Duration::from_secs(2);

/// How long it has after SIGTERM, and the system after SIGKILL.
const DYING: Duration = Duration::from_secs(1);

/// How long is waited for the end of what a process wrote, when it or its connection has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A server that runs. Dropping it kills it, with all of its group.
pub(crate) struct Process {
    exit: watch::Receiver<Option<Exit>>,
    stderr: Stderr,
    group: Group,
}

/// Its standard input and output.
pub(crate) struct Pipes {
    pub(crate) stdin: pipe::Sender,
    pub(crate) stdout: pipe::Receiver,
}

impl Process {
    /// Waits for its end.
    pub(crate) async fn exited(&self) {
        // An error means that nobody waits for it any more, which is as good as ended.
        let _ = self.exit.clone().wait_for(Option::is_some).await;
    }

    /// Ends a server whose standard input was closed: waits, asks with SIGTERM, kills.
    pub(crate) async fn end(self) {
        if timeout(PARTING, self.exited()).await.is_ok() {
            return;
        }
        for signal in [Signal::TERM, Signal::KILL] {
            self.group.signal(signal);
            if timeout(DYING, self.exited()).await.is_ok() {
                return;
            }
        }
    }

    /// How it ended and what it last wrote to standard error, after a message that it has ended.
    pub(crate) async fn last_words(&self) -> String {
        // What it wrote last may still be in the pipe.
        let _ = timeout(LAST_WORDS, async {
            self.exited().await;
            self.stderr.ended().await;
        })
        .await;
        let exit = match *self.exit.borrow() {
            Some(exit) => format!(" ({exit})"),
            None => String::new(),
        };
        format!("{exit}{}", self.complaints())
    }

    /// What it has written to standard error until now, after a message about it.
    pub(crate) fn complaints(&self) -> String {
        match self.stderr.tail() {
            tail if tail.is_empty() => String::new(),
            tail => format!("; the end of its standard error: {tail}"),
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
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
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// A process group.
struct Group(Arc<GroupState>);

struct GroupState {
    id: Pid,
    /// Whether the process has been reaped. From then on the system may give its number to somebody else.
    reaped: Mutex<bool>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        let reaped = self.0.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // It fails when nobody is left, which is as well.
            let _ = kill_process_group(self.0.id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What the starting thread hands over.
struct Started {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    exit: watch::Receiver<Option<Exit>>,
    group: Group,
}

/// Starts a command on a thread of its own, which waits for it and reaps it.
///
/// The thread outlives the process, so that the process can be told to die with it: it ends earlier only when the whole
/// program does. When the future is dropped, so is what it has started.
pub(crate) async fn start(
    mut command: Command,
    id: &str,
    scrubber: Arc<Scrubber>,
) -> Result<(Pipes, Process), String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    detach(&mut command);
    let (reply, started) = oneshot::channel();
    let keep = move || {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        // Its end of the pipes would keep them open.
        drop(command);
        let state = Arc::new(GroupState { id: Pid::from_child(&child), reaped: Mutex::new(false) });
        let group = Group(state.clone());
        let (report, exit) = watch::channel(None);
        if let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        {
            let (stdin, stdout, stderr) = (stdin.into(), stdout.into(), stderr.into());
            // When nobody waits any more, this drops the group, which kills it.
            let _ = reply.send(Ok(Started { stdin, stdout, stderr, exit, group }));
        }
        if let Ok(status) = reap(child, &state) {
            report.send_replace(Some(status.into()));
        }
    };
    let failed = |error: &io::Error| error.to_string();
    std::thread::Builder::new().name("mcp-server".to_owned()).spawn(keep).map_err(|error| failed(&error))?;
    let Started { stdin, stdout, stderr, exit, group } = started
        .await
        .map_err(|_| "there was no thread for it".to_owned())?
        .map_err(|error| failed(&error))?;
    let pipes = || {
        let stderr = Stderr::new(pipe::Receiver::from_owned_fd(stderr)?, id, scrubber);
        let (stdin, stdout) = (pipe::Sender::from_owned_fd(stdin)?, pipe::Receiver::from_owned_fd(stdout)?);
        io::Result::Ok((Pipes { stdin, stdout }, stderr))
    };
    let (pipes, stderr) = pipes().map_err(|error| failed(&error))?;
    Ok((pipes, Process { exit, stderr, group }))
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

/// Waits for the process to end, then kills what it has left in its group.
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
