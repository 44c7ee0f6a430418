//! The program under test, as a process on ports and with data of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::wire::account::CreateKeyRequest;
use client::{Client, Retries};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long anything may take: far more than it should need.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The operator's key.
const OPERATOR: &str = "the-key-of-the-operator";

/// A server. Killed when dropped.
pub(crate) struct Server {
    binary: PathBuf,
    directory: tempfile::TempDir,
    /// Where it listens for HTTP.
    pub(crate) http: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts a server with that configuration, besides its ports and the key of the operator.
    pub(crate) async fn start(binary: &Path, config: &str) -> Result<Self> {
        let binary = binary
            .canonicalize()
            .with_context(|| format!("there is no server at {}; build it first", binary.display()))?;
        let directory = tempfile::tempdir()?;
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        fs::create_dir_all(directory.path().join("work"))?;
        let config = format!(
            "http = \"{http}\"\nws = \"none\"\n[auth]\napi_key_env = \"OPERATOR\"\n[realtime]\nudp = [\"{media}\"]\n{config}"
        );
        fs::write(directory.path().join("config.toml"), config)?;
        let process = spawn(&binary, directory.path())?;
        let server = Self { binary, directory, http, process };
        server.answers().await?;
        Ok(server)
    }

    /// Starts it again, after [`kill`](Self::kill): on the same ports, with the same data.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.binary, self.directory.path())?;
        self.answers().await
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("cannot kill the server")
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The client of the operator.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.url(), Some(OPERATOR))?)
    }

    /// A client of the operator that goes that way.
    pub(crate) fn client_through(&self, address: SocketAddr) -> Result<Client> {
        Ok(Client::new(&address.to_string(), Some(OPERATOR))?)
    }

    /// A client with a key of its own that has so many credits.
    pub(crate) async fn client_with(&self, credits: u32) -> Result<Client> {
        let wishes = CreateKeyRequest {
            name: Some(format!("with {credits} credits")),
            credits: Some(credits.to_string()),
            unlimited: None,
        };
        let key = self.client()?.create_key(&wishes).await?.value;
        Ok(Client::new(&self.url(), Some(&key.secret))?)
    }

    async fn answers(&self) -> Result<()> {
        let client = self.client()?.with_retries(Retries::NONE);
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = client.models().await {
            if Instant::now() > deadline {
                bail!("the server does not answer: {error}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn spawn(binary: &Path, directory: &Path) -> Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("server.log"))?;
    let mut command = Command::new(binary);
    command.args(["serve", "--data"]).arg(directory.join("data"));
    command.arg("--config").arg(directory.join("config.toml")).current_dir(directory.join("work"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    // Keys and settings of whoever runs this are not for the server under test.
    let kept = ["PATH", "HOME", "TMPDIR"];
    command.env_clear().envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("OPERATOR", OPERATOR);
    command.spawn().with_context(|| format!("cannot start {}", binary.display()))
}
