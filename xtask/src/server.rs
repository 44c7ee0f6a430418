//! A server of our own, for checks from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, process};

use anyhow::{Context, Result, bail};

use crate::process::program;

/// How long it may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty directory, gone when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("dispatch-xtask-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left in the temporary directory does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it is, as `http://127.0.0.1:24203`.
    pub(crate) http: String,
    /// The same of its own WebSocket listener.
    pub(crate) ws: String,
    _directory: Directory,
}

impl Server {
    /// Starts the binary with that configuration, on free ports, with no data.
    pub(crate) fn start(binary: &Path, configuration: &str) -> Result<Self> {
        let home = Directory::new()?;
        let directory = &home.0;
        let work = directory.join("work");
        fs::create_dir(&work).with_context(|| format!("cannot create {}", work.display()))?;
        let config = directory.join("config.toml");
        fs::write(&config, configuration).with_context(|| format!("cannot write {}", config.display()))?;
        let log = directory.join("server.log");
        let errors = fs::File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = program(binary, &["serve", "--http", "127.0.0.1:0", "--ws", "127.0.0.1:0"]);
        command.arg("--data").arg(directory.join("data")).arg("--config").arg(&config).current_dir(&work);
        // Keys and settings of whoever runs this are not for the server under test.
        let kept = ["PATH", "HOME", "TMPDIR"].map(|name| (name, env::var_os(name)));
        command
            .env_clear()
            .envs(kept.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = child.stdout.take();
        let mut server = Self { child, http: String::new(), ws: String::new(), _directory: home };
        let lines = BufReader::new(stdout.context("the server has no standard output")?).lines();
        let (sender, addresses) = std::sync::mpsc::channel();
        // Read to its end: a server whose standard output nobody reads would block on it some day.
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                for address in line.split_whitespace().filter(|word| word.contains("://127.0.0.1:")) {
                    // Once there are enough, nobody listens.
                    let _ = sender.send(address.trim_end_matches('/').to_owned());
                }
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let http_port = |http: &str| http.rsplit(':').next().unwrap_or_default().to_owned();
        while server.http.is_empty() || server.ws.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(address) = addresses.recv_timeout(left) else {
                let log = fs::read_to_string(&log).unwrap_or_default();
                bail!("the server did not say where it listens: {log}");
            };
            if address.starts_with("http://") {
                server.http = address;
            } else if !server.http.is_empty() && !address.ends_with(&format!(":{}", http_port(&server.http)))
            {
                server.ws = address;
            }
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
