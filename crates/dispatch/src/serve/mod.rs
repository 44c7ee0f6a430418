//! `dispatch serve`

mod announce;
mod assemble;
mod realtime;
mod signals;
mod toolbox;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Address, Config, Environment, Loaded, SecondPort};
use crate::failure::Failure;
use announce::Announcement;
use assemble::Assembly;
use signals::Signals;

/// How long running turns have to be sealed when the server stops.
const FAREWELL: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen for HTTP and WebSocket; default: 127.0.0.1:24203
    #[arg(long, value_name = "ADDR")]
    http: Option<Address>,

    /// A second port for WebSocket alone, or none; default: 127.0.0.1:24205
    #[arg(long, value_name = "ADDR")]
    ws: Option<SecondPort>,

    /// Where conversations are kept; default: ~/.local/share/dispatch
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The configuration file; default: DISPATCH_CONFIG, else dispatch.toml in this directory, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Options {
    fn win_over(self, config: &mut Config) {
        if let Some(http) = self.http {
            config.http = http;
        }
        if let Some(ws) = self.ws {
            config.ws = ws;
        }
        if let Some(data) = self.data {
            config.data = data;
        }
    }
}

pub(crate) fn run(options: Options) -> Result<ExitCode, Failure> {
    let here = std::env::current_dir()?;
    let environment = Environment::of_this_process();
    let mut loaded = config::load(options.config.as_deref(), &here, &environment)?;
    options.win_over(&mut loaded.config);
    start_logging(&loaded.config.log)?;
    allow_many_files();
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let served = runtime.block_on(serve(&loaded, &environment));
    // A tool that hangs in the operating system must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(loaded: &Loaded, environment: &Environment) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let assembly = Assembly::new(loaded, environment)?;
    let engine = assembly.engine.clone();
    let realtime = realtime::start(&loaded.config, assembly.store.clone()).await?;
    let parts = server::Parts { realtime: realtime.clone(), ..assembly.parts.clone() };
    let server =
        server::Server::bind_with(assembly.settings.clone(), engine.clone(), parts).await.map_err(hint)?;
    let exporters = export::Exporters::start(assembly.exports.clone(), assembly.store.clone())
        .await
        .map_err(|error| Failure::coded(error.to_string(), "export-failed"))?;
    if let Err(error) = engine.resume().await {
        tracing::error!("what had been switched on before the last stop stays off: {error}");
    }
    let announcement = Announcement {
        loaded,
        assembly: &assembly,
        http: server.http_addr(),
        ws: server.ws_addr(),
        media: realtime.as_ref().map_or(&[], |realtime| realtime.addresses()),
    };
    announcement.print();

    let stopping = CancellationToken::new();
    let turns = async {
        tokio::select! {
            () = signals.next() => {}
            () = stopping.cancelled() => {}
        }
        stopping.cancel();
        tracing::info!("stopping; a second signal ends the process at once");
        tokio::spawn(signals.exit_at_next());
        if tokio::time::timeout(FAREWELL, engine.shut_down()).await.is_err() {
            tracing::warn!("turns are still running after {FAREWELL:?}; the next start seals them");
        }
    };
    let answers = async {
        let served = server.run(stopping.clone().cancelled_owned()).await;
        // It may have ended by itself.
        stopping.cancel();
        served
    };
    let sessions = async {
        stopping.cancelled().await;
        if let Some(realtime) = &realtime {
            realtime.shut_down().await;
        }
    };
    let ((), served, ()) = tokio::join!(turns, answers, sessions);
    assembly.mcp.shut_down().await;
    exporters.shut_down().await;
    assembly.store.shut_down().await;
    served.map_err(|error| Failure::new(error.to_string()))
}

/// Says what can be done about a port that is taken.
fn hint(error: server::Error) -> Failure {
    let message = error.to_string();
    match error {
        server::Error::Bind { error, .. } if error.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::new(format!(
                "{message}. Choose another address with --http or --ws (--ws none does without the second port)"
            ))
        }
        _ => Failure::new(message),
    }
}

/// Logs to standard error.
fn start_logging(configured: &str) -> Result<(), Failure> {
    let chosen = std::env::var("RUST_LOG").ok().filter(|filter| !filter.trim().is_empty());
    let filter = match chosen {
        Some(filter) => filter
            .parse::<EnvFilter>()
            .map_err(|error| Failure::coded(format!("RUST_LOG: `{filter}`: {error}"), "invalid-config"))?,
        // What an SDK says of each of its connections, and what is announced anyway, is for those who ask for it.
        None => EnvFilter::new(format!("rmcp=warn,media=warn,{configured}")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

/// Every connection and every tool takes file descriptors: as many as the system allows.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!("the limit of open files cannot be raised: {error}");
    }
}
