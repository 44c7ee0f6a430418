//! `run_shell`.

mod environment;
#[cfg(fuzzing)]
pub mod fuzzing;
mod output;
mod process;
mod run;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use kernel::{Tool, ToolContext, ToolResult, ToolSpec};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

pub use environment::Environment;
use output::{Live, Transcript};
use process::{Exit, Process};
use run::{DYING, End, Run};

use crate::Settings;
use crate::call::{self, Refusal, Watch};
use crate::input::Fields;
use crate::sandbox::{Confinement, Launcher};

const USAGE: &str =
    "run_shell takes {\"command\": string, \"timeout\"?: integer from 1 to 3600000, in milliseconds}.";

const DEFAULT_TIMEOUT_MS: u64 = 120_000;
const MAX_TIMEOUT_MS: u64 = 3_600_000;

/// What Linux takes as one argument of a program, less the byte that ends it.
const MAX_COMMAND_BYTES: usize = (128 << 10) - 1;

/// Runs a command with `sh -c`.
///
/// Its result is what it wrote to both streams in the order in which it came; what was written to both at the same moment
/// may change places, since they are two pipes. Of more than 50 000 characters the first 20 000 and the last 30 000 are
/// kept: how it began, and the errors and summaries at its end.
///
/// Its group is killed when the shell ends, when the time is over, when the call is cancelled and when its future is
/// dropped. What leaves the group on purpose (`setsid`) lives on, confined as it was, and the call does not wait for it.
/// When the server itself is killed, the system kills the shell, but not what the shell has started.
pub(crate) struct RunShell {
    spec: ToolSpec,
    launcher: Launcher,
    environment: Environment,
    live_output_limit: usize,
}

impl RunShell {
    pub(crate) fn new(settings: Settings) -> Self {
        let launcher = Launcher::new(settings.sandbox, settings.protected.into());
        Self::with(launcher, settings.environment, settings.live_output_limit)
    }

    fn with(launcher: Launcher, environment: Environment, live_output_limit: usize) -> Self {
        let spec = ToolSpec {
            name: "run_shell".to_owned(),
            description: "Runs a command with sh -c in the working directory and returns what it writes to stdout and \
                          stderr, in the order in which it came, cut in the middle at 50000 characters. There is no \
                          standard input and no terminal. Processes that are left in the background are killed when \
                          the command ends. Writing may be allowed only inside the working directory and the \
                          temporary directory."
                .to_owned(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "command": {
                        "type": "string",
                        "minLength": 1,
                        "description": "The command line."
                    },
                    "timeout": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MAX_TIMEOUT_MS,
                        "description": "Milliseconds after which the command is killed. Default: 120000."
                    }
                },
                "required": ["command"],
                "additionalProperties": false
            }),
            exclusive: true,
        };
        Self { spec, launcher, environment, live_output_limit }
    }

    async fn call(self: Arc<Self>, input: Value, context: ToolContext) -> Result<ToolResult, Refusal> {
        let order = Order::of(&input)?;
        let deadline = Instant::now() + order.timeout;
        let cancelled = context.cancelled;
        let (caller, watch) = call::watched();
        // Dropped when the call ends before it: what it has started by then dies with it.
        let starting = timeout_at(deadline, self.clone().start(order.command.to_owned(), context.cwd, watch));
        let started = match select(cancelled.clone(), starting.boxed()).await {
            Either::Left(_) if caller.now() => {
                return Err(Refusal::new("[aborted: the command was not started]"));
            }
            // It has begun, so its result is that of a command: soon, unless the system is stuck.
            Either::Left((_, starting)) => timeout(DYING, starting).await.flatten(),
            Either::Right((started, _)) => started,
        };
        let (process, writable) = started
            .unwrap_or_else(|_| Err("[the command could not be started in time and was killed]".to_owned()))
            .map_err(Refusal::new)?;
        let live = Live::new(context.output, self.live_output_limit);
        let run = Run::new(process, live)
            .map_err(|error| Refusal::new(format!("the output of the command cannot be read: {error}")))?;
        let (transcript, end) = run.finish(deadline, cancelled).await;
        Ok(order.result(transcript, end, writable.as_deref()))
    }

    /// Starts a command, and says which directories it may write, if it is confined.
    async fn start(
        self: Arc<Self>,
        line: String,
        cwd: PathBuf,
        watch: Watch,
    ) -> Result<(Process, Option<Vec<PathBuf>>), String> {
        let tool = self.clone();
        let prepared = tokio::task::spawn_blocking(move || tool.prepare(&line, &cwd)).await;
        let (confinement, command) = prepared.map_err(|error| format!("run_shell failed: {error}"))??;
        let writable = confinement.writable().map(|paths| paths.map(Path::to_owned).collect());
        Ok((process::start(&self.launcher, confinement, command, watch).await?, writable))
    }

    fn prepare(&self, line: &str, cwd: &Path) -> Result<(Confinement, Command), String> {
        if !cwd.is_absolute() {
            return Err(format!("the working directory {} is not absolute", cwd.display()));
        }
        let directory = std::fs::metadata(cwd).and_then(|found| match found.is_dir() {
            true => Ok(()),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        directory.map_err(|error| crate::file::no_directory(cwd, &error))?;
        let confinement = self.launcher.confinement(cwd)?;
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(line)
            .current_dir(cwd)
            .env_clear()
            .envs(self.environment.of_command(std::env::vars_os(), cwd))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok((confinement, command))
    }
}

impl Tool for RunShell {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        Box::pin(async move {
            self.call(input, context).await.unwrap_or_else(|refusal| ToolResult::error(refusal.to_string()))
        })
    }
}

/// What the model asked for.
struct Order<'a> {
    command: &'a str,
    timeout: Duration,
    /// Whether it asked for more time than there is.
    cut_short: bool,
}

impl<'a> Order<'a> {
    fn of(input: &'a Value) -> Result<Self, Refusal> {
        let fields = Fields::of(input, USAGE)?;
        let command = fields.text("command")?;
        if command.trim().is_empty() {
            return Err(Refusal::new(format!("\"command\" is empty. {USAGE}")));
        }
        if command.contains('\0') {
            return Err(Refusal::new("\"command\" has a NUL character in it"));
        }
        if command.len() > MAX_COMMAND_BYTES {
            return Err(Refusal::new(format!(
                "\"command\" is longer than {MAX_COMMAND_BYTES} bytes; write it to a file and run that"
            )));
        }
        let asked = fields.count("timeout")?.unwrap_or(DEFAULT_TIMEOUT_MS);
        let timeout = Duration::from_millis(asked.min(MAX_TIMEOUT_MS));
        Ok(Self { command, timeout, cut_short: asked > MAX_TIMEOUT_MS })
    }

    fn result(&self, transcript: Transcript, end: End, writable: Option<&[PathBuf]>) -> ToolResult {
        let silent = transcript.is_empty();
        let mut content = transcript.into_text();
        let mut notes = Vec::new();
        let is_error = match end {
            End::Exited(Some(Exit::Code(0))) => {
                if silent {
                    notes.push("no output".to_owned());
                }
                false
            }
            End::Exited(Some(exit)) => {
                notes.push(exit.to_string());
                true
            }
            End::Exited(None) => {
                notes.push("how the command ended is not known".to_owned());
                true
            }
            End::TimedOut => {
                notes.push(format!(
                    "timed out after {} ms: the command and what it started were killed",
                    self.timeout.as_millis()
                ));
                true
            }
            End::Aborted => {
                notes.push("aborted: the command and what it started were killed".to_owned());
                true
            }
        };
        if self.cut_short {
            notes.push(format!("the longest timeout is {MAX_TIMEOUT_MS} ms; that was used"));
        }
        if let Some(writable) = writable.filter(|_| is_error && speaks_of_permission(&content)) {
            let paths: Vec<_> = writable.iter().map(|path| path.display().to_string()).collect();
            notes.push(format!("commands may write only inside {}", paths.join(", ")));
        }
        for note in notes {
            if !content.is_empty() && !content.ends_with('\n') {
                content.push('\n');
            }
            content.push_str(&format!("[{note}]"));
        }
        ToolResult { content, is_error }
    }
}

/// Whether the sandbox may be why a command failed.
fn speaks_of_permission(output: &str) -> bool {
    ["ermission denied", "EACCES", "ead-only file system"].iter().any(|sign| output.contains(sign))
}

#[cfg(test)]
mod tests {
    use futures_channel::mpsc;
    use wire::ConversationId;

    use super::*;
    use crate::sandbox::Mode;

    async fn echo(launcher: Launcher) -> ToolResult {
        let (output, _outputs) = mpsc::channel(16);
        let cwd = tempfile::tempdir().unwrap();
        let context = ToolContext {
            conversation_id: ConversationId::new("c"),
            tool_call_id: "call".to_owned(),
            cwd: cwd.path().to_owned(),
            output,
            cancelled: ToolContext::cancelled_by(std::future::pending()),
        };
        let tool = Arc::new(RunShell::with(launcher, Environment::default(), 1 << 20));
        tool.run(json!({"command": "echo hello > here && cat here"}), context).await
    }

    #[tokio::test]
    async fn without_landlock_commands_run_unless_it_is_required() {
        let auto = echo(Launcher::on_a_system_without_landlock(Mode::Auto)).await;
        assert_eq!(auto, ToolResult::ok("hello\n"));
        let require = echo(Launcher::on_a_system_without_landlock(Mode::Require)).await;
        assert_eq!(
            require,
            ToolResult::error(
                "no command runs here: the sandbox is required, but this kernel has no Landlock"
            )
        );
    }
}
