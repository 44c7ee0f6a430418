//! What a server is told in confidence is in no error, no `Debug` and no log; and it is told nothing else.

use std::io;
use std::sync::{Arc, Mutex};

use kernel::ToolResult;
use mcp::{Mcp, Settings};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::*;

const KEY: &str = "sk-0123456789abcdef";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn not_in_errors_not_in_debug_not_in_the_log() {
    let log = Log::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let notes = tempfile::tempdir().unwrap();
    let server = HttpServer::start(notes.path()).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let entries = json!({
        "crash": entry("crash", &json!({"KEY": KEY})),
        "good": entry("slow", &json!({"KEY": KEY, "DELAY": "0"})),
        "http": {"url": server.url, "headers": {"Authorization": format!("Bearer {KEY}")}},
        "nobody": {
            "url": format!("http://me:{KEY}@{closed}/{KEY}?key={KEY}"),
            "headers": {"Authorization": format!("Bearer {KEY}")},
        },
        "bad": {"url": "http://x", "headers": {"Authorization": format!("{KEY}\n")}},
    });
    let directory = project(&entries);
    let settings = Settings { servers: servers(&entries), ..patient() };
    let mut shown = format!("{settings:?}");
    let mcp = Mcp::new(settings);
    shown += &format!("{:?}", mcp.status(directory.path()).await);
    let tools = tools(&mcp, directory.path()).await;
    for name in ["good__echo", "http__echo"] {
        assert_eq!(call(&tools, name, json!({"text": "a"})).await, ToolResult::ok("a"));
    }
    // The server echoes what it was told.
    let refused = call(&tools, "good__refuse", json!({"text": KEY})).await;
    shown += &refused.content;
    mcp.shut_down().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("my key is [hidden]"), "the log is looked at");
    assert!(shown.contains("my key is [hidden]") && shown.contains("not with [hidden]"), "{shown}");
    // What the model writes itself is no secret of the configuration; the call above is left out.
    let leaks: Vec<_> = log.lines().filter(|line| line.contains(KEY) && !line.contains("not with")).collect();
    let leaks: Vec<_> = leaks.into_iter().filter(|line| !line.contains("\"refuse\"")).collect();
    assert_eq!(leaks, [""; 0]);
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn headers_do_not_follow_a_redirect_to_another_server() {
    let notes = tempfile::tempdir().unwrap();
    let other = HttpServer::start(notes.path()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let elsewhere = other.url.clone();
    let redirect = move || async move { axum::response::Redirect::temporary(&elsewhere) };
    let router = axum::Router::new().fallback(redirect);
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let directory = project(&json!({"x": {"url": url, "headers": {"X-Key": KEY}}}));
    let status = Mcp::new(patient()).status(directory.path()).await.remove(0);
    assert_eq!(status.error.as_deref(), Some("it cannot be reached: HTTP 307 Temporary Redirect"));
    assert_eq!(other.requests.lock().unwrap().len(), 0);
    task.abort();
}

#[tokio::test]
async fn a_server_sees_its_own_secrets_and_not_those_of_the_program() {
    // Every test has a process of its own, but this one cannot set its own environment: so what is there is used.
    let there = std::env::vars().find(|(name, value)| name == "CARGO_PKG_NAME" && !value.is_empty());
    let (name, value) = there.unwrap();
    let directory = project(&json!({"x": {"command": program(), "env": {"API_KEY": KEY}}}));
    let env = async |environment: tools::Environment, variable: &str| {
        let mcp = Mcp::new(Settings { environment, ..patient() });
        let tools = tools(&mcp, directory.path()).await;
        call(&tools, "x__env", json!({"text": variable})).await.content
    };
    assert_eq!(env(tools::Environment::default(), &name).await, value);
    assert_eq!(env(tools::Environment::default(), "API_KEY").await, KEY);
    let withheld = vec![name.clone(), "API_KEY".to_owned()];
    let environment = || tools::Environment { withheld: withheld.clone(), ..tools::Environment::default() };
    assert_eq!(env(environment(), &name).await, "(not set)");
    assert_eq!(env(environment(), "API_KEY").await, KEY, "what the entry sets is passed");
}
