//! A real server and a real client, as processes.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

pub mod terminal;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with nothing of the environment that it listens to.
pub fn dispatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["ANTHROPIC_", "OPENAI_", "DISPATCH_"].iter().any(|start| text.starts_with(start));
        if ours || ["BACKEND_PORT", "RUST_LOG", "NO_COLOR"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A directory with a place to work in and a place for data, side by side.
pub struct Home {
    directory: TempDir,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("work")).unwrap();
        Self { directory }
    }

    pub fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.work().join(name), text).unwrap();
    }

    /// `dispatch serve` on a free port, in the place to work in.
    pub fn serve(&self, options: &[&str]) -> Command {
        let mut command = dispatch();
        command.current_dir(self.work()).arg("serve").arg("--data").arg(self.data()).args(options);
        for (name, value) in [("--http", "0"), ("--ws", "none")] {
            if !options.contains(&name) {
                command.args([name, value]);
            }
        }
        command
    }

    /// A running server with the demo, which talks fast.
    pub fn start(&self) -> Server {
        Server::start(
            self.serve(&[])
                .env("DISPATCH_CREDENTIALS__DEMO__KIND", "demo")
                .env("DISPATCH_CREDENTIALS__DEMO__TOKEN_DELAY", "1ms"),
        )
    }

    /// What a server says that does not start: its exit status and its standard error.
    pub fn refusal(&self, command: &mut Command) -> (Option<i32>, String) {
        let output = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "it started");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// A server that listens. Killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// What it printed until it listened.
    pub announcement: String,
    stderr: mpsc::Receiver<String>,
}

impl Server {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        let mut announcement = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (lines, arrived) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|length| length > 0) {
                if lines.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        let mut server =
            Self { child, address: String::new(), announcement: String::new(), stderr: received };
        while !announcement.contains("\n  ready ") {
            match arrived.recv_timeout(PATIENCE) {
                Ok(line) => announcement.push_str(&line),
                Err(error) => panic!("the server does not start: {error}; {}", server.stderr_after_kill()),
            }
        }
        let page = announcement.lines().find_map(|line| line.trim().strip_prefix("page")).unwrap();
        server.address = page.trim().trim_end_matches('/').to_owned();
        server.announcement = announcement;
        server
    }

    /// The value of a line of what it printed.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.announcement.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
    }

    /// A client of this server, in a directory of its own.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = dispatch();
        command.args(arguments).env("DISPATCH_SERVER", &self.address);
        command
    }

    /// Runs a client to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.client(arguments))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for it to end; its status and its standard error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        (status, self.stderr.recv_timeout(PATIENCE).unwrap())
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn stderr_after_kill(&mut self) -> String {
        let _ = self.child.kill();
        self.stderr.recv_timeout(PATIENCE).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a client ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).into()
    }

    /// The output, of a client that did what it was told.
    pub fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }

    /// The conversation that a chat was about.
    pub fn conversation(&self) -> String {
        let line = self.stderr.lines().find_map(|line| line.strip_prefix("[conversation] "));
        line.unwrap_or_else(|| panic!("no conversation: {self:?}")).to_owned()
    }

    /// The output as JSON, line by line.
    pub fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A client that is still at work.
pub struct Working {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Working {
    /// Starts a client and reads its output line by line.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for an event, and gives all events up to it.
    pub fn until(&self, mut wanted: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}: {events:?}"));
            events.push(serde_json::from_str(&line).unwrap());
            if wanted(&events[events.len() - 1]) {
                return events;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The lines that were not read yet, and how it ended.
    pub fn end(mut self) -> Ran {
        let status = wait(&mut self.child).code();
        let stdout = self.lines.iter().collect::<Vec<_>>().join("\n");
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ran { status, stdout, stderr }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of one kind.
pub fn of_kind<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn finish(mut child: Child) -> Output {
    let drain = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.map(|mut stream| stream.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = drain(child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let stderr = drain(child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let status = wait(&mut child);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("a process did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
