//! The program under test, as a process: started, timed, killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time;

/// How long a server may take to say where it listens and to answer. Far more than it should need.
const PATIENCE: Duration = Duration::from_secs(60);

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The `dispatch` binary.
    pub binary: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    /// Where it keeps its data.
    pub data: PathBuf,
    /// The directory it is started in, where its tools work.
    pub cwd: PathBuf,
    /// What it writes to standard error is appended here.
    pub log: PathBuf,
}

impl Launch {
    /// Lays out a server's files in a directory: `config.toml` with that text, `data`, `work` and `server.log`.
    ///
    /// # Errors
    /// When the directory cannot be written, or the binary does not exist.
    pub fn in_directory(binary: &Path, directory: &Path, config: &str) -> Result<Self> {
        let binary = binary
            .canonicalize()
            .with_context(|| format!("there is no server at {}; build it first", binary.display()))?;
        let launch = Self {
            binary,
            config: directory.join("config.toml"),
            data: directory.join("data"),
            cwd: directory.join("work"),
            log: directory.join("server.log"),
        };
        for directory in [&launch.data, &launch.cwd] {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        fs::write(&launch.config, config)
            .with_context(|| format!("cannot write {}", launch.config.display()))?;
        Ok(launch)
    }

    /// The same server with other data.
    pub fn with_data(&self, data: PathBuf) -> Self {
        Self { data, ..self.clone() }
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn spawn(&self) -> Result<Starting> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open {}", self.log.display()))?;
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--http", "127.0.0.1:0", "--ws", "none", "--data"]).arg(&self.data);
        command.arg("--config").arg(&self.config).current_dir(&self.cwd);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // Keys and settings of whoever runs this are not for the server under test.
        command.env_clear().envs(
            ["PATH", "HOME", "TMPDIR"]
                .into_iter()
                .filter_map(|name| env::var_os(name).map(|value| (name, value))),
        );
        let since = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", self.binary.display()))?;
        Ok(Starting { child, since, log: self.log.clone() })
    }

    /// Starts the server and waits until `GET /health` has been answered.
    ///
    /// # Errors
    /// When the server ends, or does not answer in a minute.
    pub async fn start(&self) -> Result<Server> {
        self.spawn()?.ready().await
    }
}

/// A process that may not answer yet.
pub struct Starting {
    child: Child,
    since: Instant,
    log: PathBuf,
}

impl Starting {
    /// Kills the process, wherever it is in its start-up.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the server")
    }

    /// Waits until `GET /health` has been answered.
    ///
    /// # Errors
    /// When the server ends, or does not answer in a minute.
    pub async fn ready(mut self) -> Result<Server> {
        let pid = self.child.id().context("the server has ended already")?;
        let stdout = self.child.stdout.take().context("the server has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            let address = address(&mut lines).await?;
            until_healthy(&address).await;
            anyhow::Ok(address)
        };
        let Ok(ready) = time::timeout(PATIENCE, ready).await else {
            bail!("the server did not answer within {} s; see {}", PATIENCE.as_secs(), self.log.display());
        };
        let took = self.since.elapsed();
        let address = ready.with_context(|| format!("see {}", self.log.display()))?;
        let waited = waited_for_a_processor(pid);
        // A server whose standard output nobody reads would block on it some day.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Server { child: self.child, pid, address, start: StartTime { took, waited } })
    }
}

/// How long a start took.
#[derive(Clone, Copy, Debug)]
pub struct StartTime {
    /// From the start of the process to the first answer.
    pub took: Duration,
    /// The part of it in which the process was ready to run and the machine had no processor for it.
    pub waited: Duration,
}

/// A server that answers. Killed when dropped.
pub struct Server {
    child: Child,
    pid: u32,
    address: String,
    /// How long its start took.
    pub start: StartTime,
}

impl Server {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ws://127.0.0.1:port/`.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When the process cannot be killed, or had ended by itself.
    pub async fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot ask for the server's state")? {
            bail!("the server had ended by itself: {status}");
        }
        self.child.kill().await.context("cannot kill the server")
    }

    /// Bytes of memory that the process occupies (`VmRSS`).
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let kilobytes = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
            })
            .with_context(|| format!("{path} has no VmRSS"))?;
        Ok(kilobytes * 1024)
    }
}

/// Host and port that the server says it listens on.
async fn address(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    while let Some(line) = lines.next_line().await.context("cannot read the server's output")? {
        if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !port.is_empty() {
                return Ok(format!("127.0.0.1:{port}"));
            }
        }
    }
    bail!("the server ended before it said where it listens")
}

async fn until_healthy(address: &str) {
    while !matches!(healthy(address).await, Ok(true)) {
        time::sleep(Duration::from_millis(1)).await;
    }
}

/// Asks over a bare socket: a whole HTTP client takes longer to make than the server takes to answer.
async fn healthy(address: &str) -> std::io::Result<bool> {
    let mut tcp = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

/// How long any one of the process's tasks was ready to run while something else ran, as the scheduler counts it.
fn waited_for_a_processor(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let waits = tasks.flatten().filter_map(|task| {
        let counted = fs::read_to_string(task.path().join("schedstat")).ok()?;
        counted.split_whitespace().nth(1)?.parse().ok()
    });
    Duration::from_nanos(waits.max().unwrap_or(0))
}
