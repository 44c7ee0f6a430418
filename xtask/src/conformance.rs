//! The conformance checks, against any server or against our own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, process};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, program, run as execute};
use crate::target;

/// Fewer checks than this mean that something was not checked.
const AT_LEAST: usize = 200;

/// How long the server may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(60);

const KEY: &str = "a-key-for-the-checks";

/// What the checks need: turns that are quick, a key that is asked for, a provider that is not there, and limits that
/// can be reached.
const CONFIGURATION: &str = r#"
default_model = "demo/demo"

[auth]
api_keys = ["a-key-for-the-checks"]

[limits]
steps = 60
retry_delay = "50ms"
retry_budget = "2s"

[[credentials]]
name = "demo"
kind = "demo"
token_delay = "4ms"

[[credentials]]
name = "broken"
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
"#;

/// With a URL, checks the server that is there; without one, builds our own, starts it on free ports with no data, and
/// checks that. `--binary PATH` takes a server that is built already. Everything else goes to the checks.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (binary, args) = binary(args)?;
    if args.iter().any(|arg| arg.starts_with("http://") || arg == "--list" || arg == "--help") {
        return check(&args, &[]);
    }
    let binary = match binary {
        Some(binary) => binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?,
        None => {
            execute(cargo(&["build", "--release", "--package", "dispatch"]))?;
            target().join("release/dispatch")
        }
    };
    let directory = Directory::new()?;
    let server = Server::start(&binary, &directory.0)?;
    let at_least = if args.iter().any(|arg| arg.starts_with("--only")) { 1 } else { AT_LEAST };
    let own = [
        server.http.clone(),
        format!("--ws={}", server.ws),
        format!("--key={KEY}"),
        "--broken-credential=broken".to_owned(),
        format!("--at-least={at_least}"),
    ];
    check(&args, &own)
}

fn check(args: &[String], own: &[String]) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--package", "dispatch-conformance", "--"]);
    command.args(own).args(args);
    execute(command)
}

/// The value of `--binary`, and the other arguments.
fn binary(args: &[String]) -> Result<(Option<PathBuf>, Vec<String>)> {
    let (mut binary, mut rest) = (None, Vec::new());
    let mut args = args.iter().filter(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--binary") {
            Some("") => binary = Some(args.next().context("--binary needs a path")?.into()),
            Some(path) if path.starts_with('=') => binary = Some(path[1..].into()),
            Some(_) | None => rest.push(arg.clone()),
        }
    }
    Ok((binary, rest))
}

/// An empty directory, gone when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("dispatch-conformance-{}", process::id()));
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

/// Our own server. Killed when it is dropped.
struct Server {
    child: Child,
    http: String,
    ws: String,
}

impl Server {
    fn start(binary: &Path, directory: &Path) -> Result<Self> {
        let work = directory.join("work");
        fs::create_dir(&work).with_context(|| format!("cannot create {}", work.display()))?;
        let config = directory.join("config.toml");
        fs::write(&config, CONFIGURATION).with_context(|| format!("cannot write {}", config.display()))?;
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
        let mut server = Self { child, http: String::new(), ws: String::new() };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_ours_and_the_rest_goes_on() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for given in [["--jobs", "2", "--binary", "a/b"].as_slice(), &["--binary=a/b", "--", "--jobs", "2"]] {
            let (found, rest) = binary(&args(given)).unwrap();
            assert_eq!((found, rest), (Some(PathBuf::from("a/b")), args(&["--jobs", "2"])));
        }
        assert!(binary(&args(&["--binary"])).is_err());
    }

    #[test]
    fn the_key_is_the_configured_one() {
        assert!(CONFIGURATION.contains(&format!("api_keys = [\"{KEY}\"]")));
    }
}
