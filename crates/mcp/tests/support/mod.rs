//! Directories with servers, calls of their tools, and waiting for what happens elsewhere.
#![allow(dead_code, unreachable_pub)]

#[path = "../../examples/server/handler.rs"]
mod handler;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_channel::mpsc;
use futures_util::StreamExt;
use kernel::tool::Cancelled;
use kernel::{Tool, ToolContext, ToolOutput, ToolResult, ToolScope, ToolSource};
use mcp::{Mcp, Servers, Settings, State};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use wire::ConversationId;

pub use handler::Handler;

/// Settings under which nothing that is to be there is missed for a slow machine.
pub fn patient() -> Settings {
    Settings { patience: Duration::from_secs(60), ..Settings::default() }
}

/// The program of the servers.
pub fn program() -> String {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/server");
    assert!(program.exists(), "{} is missing: build the examples of this package", program.display());
    program.display().to_string()
}

/// The entry of a server that runs in a mode.
pub fn entry(mode: &str, env: &Value) -> Value {
    let mut env = env.clone();
    env["MODE"] = mode.into();
    json!({"command": program(), "env": env})
}

/// The entry of the good server.
pub fn good() -> Value {
    json!({"command": program()})
}

/// A directory whose file names those servers.
pub fn project(servers: &Value) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), servers);
    directory
}

pub fn configure(directory: &Path, servers: &Value) {
    write(directory, &json!({"mcpServers": servers}).to_string());
}

pub fn write(directory: &Path, text: &str) {
    std::fs::create_dir_all(directory.join(".dispatch")).unwrap();
    std::fs::write(directory.join(".dispatch/mcp.json"), text).unwrap();
}

/// Where the file of a directory is.
pub fn file(directory: &Path) -> String {
    directory.join(".dispatch/mcp.json").display().to_string()
}

pub fn servers(entries: &Value) -> Servers {
    Servers::from_map("the configuration", entries.as_object().unwrap()).unwrap()
}

pub type Tools = Vec<Arc<dyn Tool>>;

pub async fn tools(mcp: &Mcp, directory: &Path) -> Tools {
    mcp.tools(ToolScope { conversation_id: ConversationId::new("c"), cwd: directory.to_owned() }).await
}

pub fn names(tools: &Tools) -> Vec<String> {
    tools.iter().map(|tool| tool.spec().name.clone()).collect()
}

pub fn named(tools: &Tools, name: &str) -> Arc<dyn Tool> {
    let found = tools.iter().find(|tool| tool.spec().name == name);
    found.unwrap_or_else(|| panic!("no {name} in {:?}", names(tools))).clone()
}

/// The state of each server.
pub async fn states(mcp: &Mcp, directory: &Path) -> Vec<(String, State)> {
    mcp.status(directory).await.into_iter().map(|status| (status.id, status.state)).collect()
}

pub fn never() -> Cancelled {
    ToolContext::cancelled_by(std::future::pending())
}

pub fn context(output: mpsc::Sender<ToolOutput>, cancelled: Cancelled) -> ToolContext {
    ToolContext {
        conversation_id: ConversationId::new("c"),
        tool_call_id: "call".to_owned(),
        cwd: PathBuf::from("/"),
        output,
        cancelled,
    }
}

/// A call whose live output nobody reads.
pub async fn call(tools: &Tools, name: &str, input: Value) -> ToolResult {
    let (output, _) = mpsc::channel(0);
    named(tools, name).run(input, context(output, never())).await
}

/// A call and its live output.
pub async fn call_live(tools: &Tools, name: &str, input: Value) -> (ToolResult, Vec<ToolOutput>) {
    let (output, shown) = mpsc::channel(0);
    let call = named(tools, name).run(input, context(output, never()));
    futures_util::future::join(call, shown.collect()).await
}

/// Waits for what another process or task does.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The processes that have been started in a directory.
pub fn started(directory: &Path) -> Vec<String> {
    let starts = std::fs::read_to_string(directory.join("starts")).unwrap_or_default();
    starts.lines().map(str::to_owned).collect()
}

/// Whether a process is there and is no zombie.
pub fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// The good server over HTTP.
pub struct HttpServer {
    pub url: String,
    pub requests: Arc<std::sync::Mutex<Vec<axum::http::HeaderMap>>>,
    /// Its own, so that it ends with all that it does.
    runtime: Option<Runtime>,
}

impl HttpServer {
    /// `notes` is where it writes what happens to it.
    pub async fn start(notes: &Path) -> Self {
        Self::listen(notes, TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn listen(notes: &Path, listener: TcpListener) -> Self {
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let handler = Handler { notes: notes.to_owned(), ..Handler::default() };
        let service: StreamableHttpService<Handler, LocalSessionManager> = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::default(),
            StreamableHttpServerConfig::default(),
        );
        let requests: Arc<std::sync::Mutex<Vec<axum::http::HeaderMap>>> = Arc::default();
        let seen = requests.clone();
        let record = move |request: axum::extract::Request, next: axum::middleware::Next| {
            seen.lock().unwrap().push(request.headers().clone());
            next.run(request)
        };
        let router = axum::Router::new().fallback_service(service).layer(axum::middleware::from_fn(record));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = listener.into_std().unwrap();
        runtime.spawn(async move {
            axum::serve(TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
        Self { url, requests, runtime: Some(runtime) }
    }
}

impl HttpServer {
    /// Ends it, with all of its connections.
    pub async fn stop(mut self) {
        self.runtime.take().unwrap().shutdown_background();
        let address = self.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
        eventually("a closed port", async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
