//! Running programs, and getting those that are missing.

use std::collections::VecDeque;
use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program to be started in the root of the checkout.
pub(crate) fn program(name: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = Command::new(name.as_ref());
    command.args(args).current_dir(workspace());
    command
}

/// The cargo that runs this, or the one on the path.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command =
        program(env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from), args);
    // What is kept for the next build would be most of what a whole build leaves on the disk.
    if env::var_os("CARGO_INCREMENTAL").is_none() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    // What cargo told this program about its own package is not for the next one: build scripts that watch these
    // variables would run anew each time.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// How many lines are kept of what a command printed.
const KEPT: usize = 120;

/// How long what a command left behind may go on printing into its output.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command that ran and did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    line: String,
    status: ExitStatus,
    /// The last lines that it printed; none if it printed to a terminal.
    pub(crate) last: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}", self.line, self.status)
    }
}

impl std::error::Error for Failure {}

/// Runs to the end, in sight: what is run is printed first, what it prints follows. Fails with a [`Failure`] if the
/// command does.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let line = line(&command);
    println!("$ {line}");
    let cannot = || format!("cannot start `{line}`");
    let (status, last) = if is_watched() {
        (command.status().with_context(cannot)?, Vec::new())
    } else {
        let (output, input) = io::pipe()?;
        let mut child = command.stdout(input.try_clone()?).stderr(input).spawn().with_context(cannot)?;
        // The command has ends of the pipe to write to: without them the pipe ends when the program does.
        drop(command);
        let last = pass_on(output);
        let status = child.wait()?;
        (status, last.recv_timeout(PATIENCE).unwrap_or_default())
    };
    if status.success() {
        return Ok(());
    }
    Err(Failure { line, status, last }.into())
}

/// Whether somebody sees what is printed as it comes. What goes to a terminal is left alone, and so is what is kept apart
/// from it, as the tables of benchmarks are.
fn is_watched() -> bool {
    io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// Prints what comes, and says at its end what came last.
fn pass_on(output: PipeReader) -> mpsc::Receiver<Vec<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut last = VecDeque::new();
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            // Nobody may be there any more to read it.
            let _ = io::stdout().write_all(&line);
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            line.clear();
        }
        let _ = sender.send(last.into());
    });
    receiver
}

/// Whether the command succeeds, out of sight.
pub(crate) fn succeeds(mut command: Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program());
    let name = name.file_name().unwrap_or(name.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Makes sure that a program works: if `probe` fails, installs the Debian package that has it, or says how to.
pub(crate) fn need(what: &str, probe: Command, package: &str) -> Result<()> {
    if succeeds(probe) {
        return Ok(());
    }
    let by_hand = format!("apt-get install --yes --no-install-recommends {package}");
    if !succeeds(program("apt-get", &["--version"])) {
        bail!("{what} is missing; on Debian: `{by_hand}`");
    }
    if !is_root()? {
        bail!("{what} is missing; run `{by_hand}` as root, then try again");
    }
    println!("{what} is missing: installing the Debian package {package}.");
    let apt = |args: &[&str]| {
        let mut command = program("apt-get", args);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        run(command)
    };
    apt(&["update", "--quiet"])?;
    apt(&["install", "--yes", "--quiet", "--no-install-recommends", package])
}

/// Makes sure of what the video codecs are built with.
pub(crate) fn need_codecs() -> Result<()> {
    need("A C++ compiler", program("c++", &["--version"]), "g++")?;
    need("pkg-config", program("pkg-config", &["--version"]), "pkg-config")?;
    need("libvpx", program("pkg-config", &["--exists", "vpx"]), "libvpx-dev")
}

fn is_root() -> Result<bool> {
    let id = program("id", &["-u"]).output().context("cannot ask `id -u` who runs this")?;
    Ok(id.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        assert_eq!(line(&program("/usr/bin/env", &["FOO=1", "true"])), "env FOO=1 true");
    }

    #[test]
    fn a_failure_names_the_command() {
        assert_eq!(
            run(program("false", &["--now"])).unwrap_err().to_string(),
            "`false --now` failed: exit status: 1"
        );
        let missing = run(program("no-such-program", &[])).unwrap_err();
        assert_eq!(missing.to_string(), "cannot start `no-such-program`");
    }

    #[test]
    fn a_failure_knows_what_was_printed_last() {
        // Tests have no terminal of their own, or one that they do not print to.
        if is_watched() {
            return;
        }
        let error = run(program("sh", &["-c", "seq 200; echo oh >&2; exit 3"])).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.last.len(), KEPT);
        assert_eq!(failure.last.last().unwrap(), "oh");
        assert!(error.to_string().ends_with("failed: exit status: 3"), "{error}");
    }

    #[test]
    fn what_works_is_not_installed() {
        need("true", program("true", &[]), "no-such-package").unwrap();
    }
}
