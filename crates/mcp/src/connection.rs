//! The life of one connection, from the start of a server to its end.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientInitializeError, RunningService, ServiceError};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, Transport};
use rmcp::{RoleClient, serve_client};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::config::{self, Address, Launch};
use crate::list::{self, Listing};
use crate::server::{Phase, Session, Shared};
use crate::transport::{Client, Ear, Pipes, Process, Tap, start, words};

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The least time between two readings of a server's list.
const BETWEEN_LISTINGS: Duration = Duration::from_secs(1);

/// Runs a server that is marked as starting, until it is to stop, is idle for long, or is gone.
pub(crate) async fn run(shared: Arc<Shared>) {
    let ear = Arc::new(Ear::default());
    let opened = {
        let opening = pin!(open(&shared, ear.clone()));
        tokio::select! {
            opened = opening => opened,
            () = shared.stop.cancelled() => {
                shared.phase.send_replace(Phase::Resting);
                return;
            }
        }
    };
    let (connection, listing) = match opened {
        Ok(opened) => opened,
        Err(words) => {
            let error = shared.scrubber.clean(&words);
            tracing::warn!(server = shared.id, "an MCP server could not be started: {error}");
            shared.phase.send_replace(Phase::Failed { error: error.into(), at: Instant::now() });
            return;
        }
    };
    tracing::debug!(server = shared.id, tools = listing.tools.len(), "an MCP server is connected");
    ready(&shared, &connection, &ear, Arc::new(listing));
    if let Ending::Gone = watch(&shared, &connection, &ear).await {
        ear.ended.cancel();
        let error = shared.scrubber.clean(&connection.obituary().await);
        tracing::warn!(server = shared.id, "an MCP server is gone: {error}");
        shared.phase.send_replace(Phase::Died { error: error.into() });
    }
    connection.close().await;
}

enum Ending {
    /// Nobody wants it any more; that is known to all.
    Unwanted,
    /// It is gone by itself.
    Gone,
}

async fn watch(shared: &Shared, connection: &Connection, ear: &Arc<Ear>) -> Ending {
    let mut next_listing = Instant::now();
    loop {
        let stale = async {
            if ear.stale_since().is_none() {
                ear.changed.notified().await;
            }
            sleep_until(next_listing).await;
        };
        tokio::select! {
            () = shared.stop.cancelled() => {
                shared.phase.send_replace(Phase::Resting);
                return Ending::Unwanted;
            }
            () = ear.ended.cancelled() => return Ending::Gone,
            () = connection.exited() => {
                // What it said last is still in the pipe.
                let _ = timeout(GOODBYE, ear.ended.cancelled()).await;
                return Ending::Gone;
            }
            () = sleep_until(shared.idle_at()) => {
                if shared.rest_if_idle() {
                    tracing::debug!(server = shared.id, "an MCP server was not used for long and is ended");
                    return Ending::Unwanted;
                }
            }
            () = stale => {
                // The loop goes on by what ends this early.
                tokio::select! {
                    () = list_again(shared, connection, ear) => {}
                    () = shared.stop.cancelled() => {}
                    () = ear.ended.cancelled() => {}
                }
                next_listing = Instant::now() + BETWEEN_LISTINGS;
            }
        }
    }
}

async fn list_again(shared: &Shared, connection: &Connection, ear: &Arc<Ear>) {
    let mark = ear.before_listing();
    let reading = list::fetch(connection.running.peer(), shared.settings.max_tools);
    let listing = match timeout(shared.settings.start_timeout, reading).await {
        Ok(Ok(listing)) => Some(listing),
        Ok(Err(error)) => {
            let error = shared.scrubber.clean(&of_service(&error));
            tracing::warn!(server = shared.id, "the tools of an MCP server could not be read again: {error}");
            None
        }
        Err(_) => None,
    };
    ear.has_listed(mark);
    let current = match &*shared.phase.borrow() {
        Phase::Ready(session) => session.listing.clone(),
        Phase::Resting | Phase::Starting { .. } | Phase::Failed { .. } | Phase::Died { .. } => return,
    };
    // Also when nothing is new, so that who waits for it goes on.
    ready(shared, connection, ear, listing.map_or(current, Arc::new));
}

fn ready(shared: &Shared, connection: &Connection, ear: &Arc<Ear>, listing: Arc<Listing>) {
    let (peer, ear) = (connection.running.peer().clone(), ear.clone());
    shared.phase.send_replace(Phase::Ready(Arc::new(Session { peer, ear, listing })));
}

/// A server that answers.
struct Connection {
    running: RunningService<RoleClient, ClientConfig>,
    process: Option<Process>,
}

impl Connection {
    /// Waits for the end of its process, for ever if it has none.
    async fn exited(&self) {
        match &self.process {
            Some(process) => process.exited().await,
            None => std::future::pending().await,
        }
    }

    /// Why it is gone.
    async fn obituary(&self) -> String {
        match &self.process {
            Some(process) => format!("it has ended{}", process.last_words().await),
            None => "the connection is lost".to_owned(),
        }
    }

    async fn close(mut self) {
        let _ = self.running.close_with_timeout(GOODBYE).await;
        if let Some(process) = self.process {
            process.end().await;
        }
    }
}

/// Starts a server and reads its tools. The error is in words, and may have secrets in it.
async fn open(shared: &Shared, ear: Arc<Ear>) -> Result<(Connection, Listing), String> {
    let deadline = Instant::now() + shared.settings.start_timeout;
    let late = || format!("it did not answer within {:?}", shared.settings.start_timeout);
    match &shared.launch {
        Launch::Process(command) => {
            let starting = async {
                let command = prepare(command, shared).await?;
                let program = command.get_program().display().to_string();
                let started = start(command, &shared.id, shared.scrubber.clone()).await;
                started.map_err(|error| format!("{program} cannot be started: {error}"))
            };
            let (pipes, process) = timeout_at(deadline, starting).await.map_err(|_| late())??;
            let Pipes { stdin, stdout } = pipes;
            let transport = Tap::new(AsyncRwTransport::new_client(stdout, stdin), ear);
            // It keeps the transport, so that a server that is late does not end while it is asked for its last words.
            let mut greeting = pin!(greet(transport, shared.settings.max_tools));
            let greeted = timeout_at(deadline, greeting.as_mut()).await;
            match greeted {
                Ok(Ok((running, listing))) => Ok((Connection { running, process: Some(process) }, listing)),
                Ok(Err(Refusal { words, is_end: true })) => {
                    Err(format!("{words}{}", process.last_words().await))
                }
                Ok(Err(Refusal { words, is_end: false })) => Err(format!("{words}{}", process.complaints())),
                Err(_) => Err(format!("{}{}", late(), process.complaints())),
            }
        }
        Launch::Http(address) => {
            let greeting = async {
                let transport = Tap::new(http(address, shared).await?, ear);
                greet(transport, shared.settings.max_tools).await.map_err(|refusal| refusal.words)
            };
            let (running, listing) = timeout_at(deadline, greeting).await.map_err(|_| late())??;
            Ok((Connection { running, process: None }, listing))
        }
    }
}

async fn http(address: &Address, shared: &Shared) -> Result<StreamableHttpClientTransport<Client>, String> {
    let client = Client::new(address, shared.scrubber.clone()).await?;
    let config = StreamableHttpClientTransportConfig::with_uri(address.url.as_str());
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// The command of a server, as it is started in its directory.
async fn prepare(command: &config::Command, shared: &Shared) -> Result<Command, String> {
    let directory = match &command.cwd {
        Some(cwd) => shared.directory.join(cwd),
        None => shared.directory.clone(),
    };
    match tokio::fs::metadata(&directory).await {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(format!("its working directory {} is no directory", directory.display())),
        Err(error) => return Err(format!("its working directory {}: {error}", directory.display())),
    }
    let mut prepared = Command::new(program(&command.program, &directory));
    prepared
        .args(&command.args)
        .env_clear()
        .envs(shared.settings.environment.of_command(std::env::vars_os(), &directory))
        .envs(command.env.iter().map(|(name, value)| (name, value.reveal())))
        .current_dir(&directory);
    Ok(prepared)
}

/// A path is meant from the working directory; a mere name is looked for in `PATH`.
fn program(written: &str, directory: &Path) -> PathBuf {
    if written.contains('/') { directory.join(written) } else { written.into() }
}

/// Why a server that was started is not used.
struct Refusal {
    /// May have secrets in them.
    words: String,
    /// Whether it is because the server has ended.
    is_end: bool,
}

/// Shakes hands and reads the tools.
async fn greet<T: Transport<RoleClient> + 'static>(
    transport: T,
    max_tools: usize,
) -> Result<(RunningService<RoleClient, ClientConfig>, Listing), Refusal> {
    let me = Implementation::new("dispatch", env!("CARGO_PKG_VERSION"));
    let config = ClientConfig::new(ClientCapabilities::default(), me)
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE);
    let running = serve_client(config, transport)
        .await
        .map_err(|error| Refusal { words: of_greeting(&error), is_end: has_ended(&error) })?;
    let listing = list::fetch(running.peer(), max_tools).await.map_err(|error| Refusal {
        words: format!("its tools cannot be read: {}", of_service(&error)),
        is_end: matches!(error, ServiceError::TransportClosed),
    })?;
    Ok((running, listing))
}

/// Whether the server has ended: it may do so before it was sent anything.
fn has_ended(error: &ClientInitializeError) -> bool {
    match error {
        ClientInitializeError::ConnectionClosed(_) => true,
        ClientInitializeError::TransportError { error, .. } => {
            let error = error.error.downcast_ref::<std::io::Error>();
            error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        }
        _ => false,
    }
}

fn of_greeting(error: &ClientInitializeError) -> String {
    match error {
        error if has_ended(error) => "it ended before it answered".to_owned(),
        ClientInitializeError::TransportError { error, .. } => {
            format!("it cannot be reached: {}", words(error))
        }
        ClientInitializeError::JsonRpcError(error) => format!("it refused the connection: {}", error.message),
        other => format!("it does not speak the protocol: {other}"),
    }
}

/// What the SDK says of a request that failed, in words. May have secrets in it.
pub(crate) fn of_service(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => match &error.data {
            Some(data) => format!("{} ({}): {data}", error.message, error.code.0),
            None => format!("{} ({})", error.message, error.code.0),
        },
        ServiceError::TransportSend(error) => words(error),
        ServiceError::TransportClosed => "the connection is lost".to_owned(),
        ServiceError::UnexpectedResponse => "the answer is of the wrong kind".to_owned(),
        other => other.to_string(),
    }
}
