//! HTTP and WebSocket: the contract's transport.
//!
//! One port is enough: it answers HTTP, and upgrades to a WebSocket on any path. The contract's separate WebSocket
//! port can be served beside it.
//!
//! Every HTTP route is an `Operation` of one table (`routes::groups`), from which both the router and the OpenAPI
//! document are made: what is served is documented, and the other way round.

mod access;
mod answer;
mod extract;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod input;
mod listener;
mod openapi;
mod routes;
mod secret;
mod signaling;
mod socket;
mod surfaces;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use engine::Engine;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wire::extension::McpServerInfo;

use access::Access;
use listener::{Door, Heard};

pub use surfaces::Extension;

/// The one workspace there is, for clients of the later contract.
pub(crate) const WORKSPACE: &str = "default";

/// How long open connections have to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where the server listens, and whom it answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// HTTP and WebSocket.
    pub http: SocketAddr,
    /// WebSocket alone, for clients that expect a port of its own.
    pub ws: Option<SocketAddr>,
    /// Any of these opens the door. Required off loopback, unless `open` says otherwise.
    pub api_keys: Vec<String>,
    /// Off loopback without keys: everybody who can reach the port can run commands on this machine.
    pub open: bool,
    /// Web origins besides those on loopback that may use the server, for example `https://chat.example.org`.
    pub allowed_origins: Vec<String>,
    /// Host names besides those of loopback that requests may name while the server listens on loopback.
    pub allowed_hosts: Vec<String>,
    /// The most bytes of a request body or a WebSocket frame.
    pub body_limit: usize,
    /// Whether clients of the first contract are served: they get what they cannot ask for, and nothing that they do
    /// not know. For servers of one person: every such client is sent every turn.
    pub legacy_clients: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 24203)),
            ws: Some(SocketAddr::from(([127, 0, 0, 1], 24205))),
            api_keys: Vec::new(),
            open: false,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            body_limit: 16 << 20,
            legacy_clients: false,
        }
    }
}

/// What the server shows besides what the engine knows. The default shows nothing.
#[derive(Clone, Default)]
pub struct Parts {
    /// Where the state of MCP servers comes from. None: no conversation has any.
    pub mcp: Option<Arc<dyn McpStatus>>,
    /// Realtime sessions. None: there are none.
    pub realtime: Option<realtime::run::Realtime>,
    /// What the server is made of, for the surface that shows it.
    pub extensions: Vec<Extension>,
}

/// Knows the MCP servers of directories.
pub trait McpStatus: Send + Sync + 'static {
    /// The servers of a directory, which is absolute. May start them, and answers within seconds all the same.
    fn servers(&self, cwd: PathBuf) -> BoxFuture<'_, Vec<McpServerInfo>>;
}

/// Why the server cannot start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else has the port, or it may not be used.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// Anybody on the network could run commands here.
    #[error(
        "refusing to listen on {0} without a key: whoever reaches it can run commands on this machine. \
         Configure a key ([auth] api_keys), or listen on 127.0.0.1, or say [auth] mode = \"none\" if the network is trusted"
    )]
    Unprotected(SocketAddr),
    /// An origin in the settings is not one.
    #[error("`{0}` is not an origin: it has the form https://host or http://host:port")]
    Origin(String),
    /// Accepting connections failed.
    #[error("the server failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// A server that listens and does not answer yet.
pub struct Server {
    http: (Door, Router),
    ws: Option<(Door, Router)>,
    closing: CancellationToken,
}

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) parts: Parts,
    pub(crate) access: Arc<Access>,
    pub(crate) body_limit: usize,
    pub(crate) legacy_clients: bool,
    pub(crate) surfaces: Arc<surfaces::Registry>,
    pub(crate) closing: CancellationToken,
}

impl Server {
    /// Opens the ports of a server that shows what the engine knows.
    pub async fn bind(settings: Settings, engine: Engine) -> Result<Self, Error> {
        Self::bind_with(settings, engine, Parts::default()).await
    }

    /// Opens the ports.
    pub async fn bind_with(settings: Settings, engine: Engine, parts: Parts) -> Result<Self, Error> {
        for address in [Some(settings.http), settings.ws].into_iter().flatten() {
            if !address.ip().is_loopback() && settings.api_keys.is_empty() && !settings.open {
                return Err(Error::Unprotected(address));
            }
        }
        let closing = CancellationToken::new();
        let surfaces = Arc::new(surfaces::Registry::standard(&engine, parts.extensions.clone()));
        let app = |address: SocketAddr| -> Result<App, Error> {
            Ok(App {
                engine: engine.clone(),
                parts: parts.clone(),
                access: Arc::new(Access::new(&settings, address)?),
                body_limit: settings.body_limit,
                legacy_clients: settings.legacy_clients,
                surfaces: surfaces.clone(),
                closing: closing.clone(),
            })
        };
        let http = listen(settings.http).await?;
        let http = (Door::new(http, parts.realtime.clone()), routes::http(app(settings.http)?));
        let ws = match settings.ws {
            Some(address) => Some((Door::new(listen(address).await?, None), routes::ws_only(app(address)?))),
            None => None,
        };
        Ok(Self { http, ws, closing })
    }

    /// Where HTTP listens; the port is the real one when 0 was asked for.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.0.address()
    }

    /// Where the separate WebSocket port listens.
    pub fn ws_addr(&self) -> Option<SocketAddr> {
        self.ws.as_ref().and_then(|(door, _)| door.address())
    }

    /// Answers until `shutdown` is ready; then accepts nothing more, closes sockets, and gives what is open some seconds.
    /// Turns are not the server's: see [`Engine::shut_down`].
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let closing = self.closing;
        let http = serve(self.http, closing.clone());
        let ws = async {
            match self.ws {
                Some(ws) => serve(ws, closing.clone()).await,
                None => Ok(()),
            }
        };
        let serving = async { tokio::try_join!(http, ws).map(drop) };
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => return Ok(served?),
            () = shutdown => closing.cancel(),
        }
        match tokio::time::timeout(FAREWELL, serving).await {
            Ok(served) => Ok(served?),
            // What is still open is cut with the process.
            Err(_) => Ok(()),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| Error::Bind { address, error })
}

async fn serve((door, router): (Door, Router), closing: CancellationToken) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<Heard>();
    axum::serve(door, service).with_graceful_shutdown(closing.cancelled_owned()).await
}
