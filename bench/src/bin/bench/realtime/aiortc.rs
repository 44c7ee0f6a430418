//! The server that Dispatch is measured beside, and the Python that it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time;

/// As seen from the root of the checkout, as is [`bench::BINARY`].
const PEER: &str = "bench/peers/aiortc";
const ENVIRONMENT: &str = "target/aiortc";

/// How long the server may take until it listens. Python has much to load.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Python that has aiortc.
pub(crate) struct Environment {
    python: PathBuf,
}

impl Environment {
    /// Makes it, unless it is there.
    ///
    /// # Errors
    /// Where there is no Python, or its packages cannot be had.
    pub(crate) async fn prepare() -> Result<Self> {
        let requirements = Path::new(PEER).join("requirements.txt");
        let wanted = fs::read_to_string(&requirements)
            .with_context(|| format!("cannot read {}", requirements.display()))?;
        let directory = Path::new(ENVIRONMENT);
        let python = directory.join("bin/python");
        // Written last: an environment without it was left half made.
        let stamp = directory.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { python });
        }
        eprintln!("installing what {} names into {ENVIRONMENT} …", requirements.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory)).await?;
        let mut install = Command::new(&python);
        run(install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements)).await?;
        fs::write(&stamp, wanted).context("cannot note what was installed")?;
        Ok(Self { python })
    }
}

async fn run(command: &mut Command) -> Result<()> {
    let what = format!("{:?}", command.as_std());
    let status =
        command.stdout(Stdio::null()).status().await.with_context(|| format!("cannot run {what}"))?;
    ensure!(status.success(), "{what} failed: {status}");
    Ok(())
}

/// The server as a process. Killed when dropped.
pub(super) struct Aiortc {
    child: Child,
    pub(super) pid: u32,
    pub(super) url: String,
}

impl Aiortc {
    /// Its encoders write that many bits a second.
    pub(super) async fn start(environment: &Environment, bits_per_second: f64) -> Result<Self> {
        let mut command = Command::new(&environment.python);
        command.arg(Path::new(PEER).join("server.py")).args(["--key", "any", "--bitrate"]);
        command.arg(format!("{bits_per_second:.0}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the aiortc server")?;
        let pid = child.id().context("the aiortc server has ended already")?;
        let stdout = child.stdout.take().context("the aiortc server has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let first =
            time::timeout(PATIENCE, lines.next_line()).await.context("the aiortc server says nothing")?;
        let first = first?.unwrap_or_default();
        let url =
            first.strip_prefix("listening on ").context("the aiortc server does not listen")?.to_owned();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, pid, url })
    }

    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the aiortc server")
    }
}
