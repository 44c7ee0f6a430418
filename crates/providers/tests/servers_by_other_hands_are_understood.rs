//! Two mock servers that others wrote from the protocols, so that we do not test our reading of them against itself:
//! `llmock` and `fakellm`, both from PyPI (`tests/requirements.txt`).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::{FinishReason, Message, Provider, ProviderEvent, Request};
use providers::{Limits, Settings};
use serde_json::{Value, json};
use weather::Flavour;
use wire::Role;

use crate::support;
use crate::support::{build, events, failure, merged, message, request, result, settings, tools};

/// A Python that has the servers installed.
fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("DISPATCH_TEST_PYTHON") {
        return python.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let python = root.join("target/test-venv/bin/python");
    assert!(
        python.exists(),
        "{} is not there; `cargo xtask test` makes it, or set DISPATCH_TEST_PYTHON to a Python with the packages of \
         crates/providers/tests/requirements.txt",
        python.display()
    );
    python
}

/// A server process on a free port, ended with the test.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    async fn start(program: &str, arguments: &[&str], healthy: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(python())
            .args(["-c", program, "serve", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}") };
        let started = Instant::now();
        while http(&server.url, "GET", healthy, None).await.is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "{program} does not come up");
            assert_eq!(server.process.try_wait().unwrap(), None, "{program} ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    async fn llmock() -> Self {
        let program = "from llmock.cli import app; app()";
        Self::start(program, &["--response-style", "hello"], "/health").await
    }

    async fn fakellm(config: &Path) -> Self {
        let program = "from fakellm.cli import main; main()";
        Self::start(program, &["--config", config.to_str().unwrap()], "/_fakellm/stats").await
    }

    /// Tells llmock what to do with the next requests.
    async fn will(&self, behaviours: Value) {
        let answer =
            http(&self.url, "POST", "/_llmock/scenario", Some(json!({"behaviors": behaviours}))).await;
        assert!(answer.is_some(), "llmock takes no scenario");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request of a few lines, so that nothing of what is under test is used to set the test up.
async fn http(url: &str, method: &str, path: &str, body: Option<Value>) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = url.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.ok()?;
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok()?;
    answer.starts_with("HTTP/1.1 2").then_some(answer)
}

/// The provider of that flavour at llmock.
fn at(server: &Server, flavour: Flavour) -> Arc<dyn Provider> {
    let base = match flavour {
        Flavour::OpenAi => server.url.clone(),
        Flavour::Anthropic => format!("{}/anthropic", server.url),
    };
    let limits = Limits { stall: Duration::from_secs(2), ..Limits::default() };
    build(Settings { limits, ..settings(flavour, &base) })
}

fn without_usage(mut events: Vec<ProviderEvent>) -> Vec<ProviderEvent> {
    events.retain(|event| !matches!(event, ProviderEvent::Usage(_)));
    events
}

fn hello() -> Request {
    request(vec![Message::user("Hello")])
}

const BOTH: [Flavour; 2] = [Flavour::OpenAi, Flavour::Anthropic];

#[tokio::test]
async fn llmock_in_good_weather() {
    let server = Server::llmock().await;
    for flavour in BOTH {
        let provider = at(&server, flavour);

        let models = provider.models().await.unwrap();
        assert!(models.len() > 3, "{models:?}");

        server.will(json!([{"type": "reply", "text": "The sky is blue. Größe 😀."}])).await;
        let answer = events(&provider, hello()).await;
        assert!(
            answer.iter().any(|event| matches!(event, ProviderEvent::Usage(usage)
            if usage.input_tokens > 0 && usage.output_tokens > 0)),
            "{answer:?}"
        );
        assert_eq!(
            without_usage(merged(answer)),
            [
                ProviderEvent::TextDelta("The sky is blue. Größe 😀.".to_owned()),
                ProviderEvent::Finish(FinishReason::Stop)
            ]
        );

        let calls = json!([
            {"name": "read_file", "arguments": {"path": "a long path with spaces.txt"}},
            {"name": "run_shell", "arguments": {"command": "echo 'quotes' \"and more\""}},
        ]);
        server.will(json!([{"type": "reply", "tool_calls": calls}])).await;
        let step = without_usage(merged(events(&provider, Request { tools: tools(), ..hello() }).await));
        let [
            ProviderEvent::ToolCall { id: first, name: read, input: path },
            ProviderEvent::ToolCall { id: second, name: run, input: command },
            ProviderEvent::Finish(FinishReason::ToolCalls),
        ] = step.as_slice()
        else {
            panic!("{step:?}")
        };
        assert_ne!(first, second);
        assert_eq!((read.as_str(), path), ("read_file", &calls[0]["arguments"]));
        assert_eq!((run.as_str(), command), ("run_shell", &calls[1]["arguments"]));

        // It checks the shape of what it gets; the step that follows has everything in it.
        let after = Request {
            tools: tools(),
            system: Some("Be brief.".into()),
            ..request(vec![
                Message::user("Hello"),
                message(
                    Role::Assistant,
                    vec![
                        support::call(first, "read_file", path.clone()),
                        support::call(second, "run_shell", command.clone()),
                    ],
                ),
                result(first, "alpha"),
                result(second, "beta"),
            ])
        };
        server.will(json!([{"type": "reply", "text": "Done."}])).await;
        assert_eq!(
            without_usage(merged(events(&provider, after).await)),
            [ProviderEvent::TextDelta("Done.".to_owned()), ProviderEvent::Finish(FinishReason::Stop)]
        );
    }
}

#[tokio::test]
async fn llmock_in_bad_weather() {
    let server = Server::llmock().await;
    for flavour in BOTH {
        let provider = at(&server, flavour);
        let long = json!({"type": "reply", "text": "one two three four five six seven eight nine ten"});
        let faults = [
            (json!({"type": "fail", "status": 429, "retry_after": 3}), "429", true),
            (json!({"type": "fail", "status": 401}), "401", false),
            (json!({"type": "fail", "status": 503}), "503", true),
            (
                json!({"type": "stream_fault", "kind": "disconnect", "after_chunks": 5}),
                "provider-unreachable",
                true,
            ),
            (
                json!({"type": "stream_fault", "kind": "truncate", "after_chunks": 5}),
                "provider-stream-ended",
                true,
            ),
            (
                json!({"type": "stream_fault", "kind": "malformed", "after_chunks": 5}),
                "provider-protocol",
                false,
            ),
            (
                json!({"type": "stream_fault", "kind": "stall", "after_chunks": 5, "stall_seconds": 30}),
                "provider-stalled",
                true,
            ),
        ];
        for (fault, code, retryable) in faults {
            let stream = fault["type"] == "stream_fault";
            server.will(if stream { json!([long, fault]) } else { json!([fault]) }).await;
            let failure = failure(&events(&provider, hello()).await);
            assert_eq!(
                (failure.code.as_deref(), failure.retryable),
                (Some(code), retryable),
                "{fault} {failure:?}"
            );
            if code == "429" {
                assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
            }
        }

        server.will(json!([{"type": "tool_fault", "kind": "malformed_arguments"}])).await;
        let step = merged(events(&provider, Request { tools: tools(), ..hello() }).await);
        assert!(
            step.iter().any(|event| matches!(event, ProviderEvent::ToolCall { input: Value::String(_), .. })),
            "{step:?}"
        );
        assert_eq!(step.last(), Some(&ProviderEvent::Finish(FinishReason::ToolCalls)));
    }
}

#[tokio::test]
async fn fakellm() {
    let folder = std::env::temp_dir().join(format!("dispatch-fakellm-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("fakellm.yaml");
    std::fs::write(
        &config,
        r#"
version: 1
rules:
  - name: after the tool
    when: {tool_result_contains: "alpha"}
    respond: {content: "It says alpha."}
  - name: tool
    when: {messages_contain: "read"}
    respond:
      tool_calls: [{name: read_file, arguments: {path: "a.txt"}}]
  - name: text
    when: {messages_contain: "hello"}
    respond: {content: "Hi there."}
"#,
    )
    .unwrap();
    let server = Server::fakellm(&config).await;
    for flavour in BOTH {
        let provider = build(settings(flavour, &server.url));
        let of = |request| async { without_usage(merged(events(&provider, request).await)) };
        assert_eq!(
            of(hello()).await,
            [ProviderEvent::TextDelta("Hi there.".to_owned()), ProviderEvent::Finish(FinishReason::Stop)]
        );
        let prompt = Message::user(format!("Please read it ({flavour:?})"));
        let step = of(Request { tools: tools(), ..request(vec![prompt.clone()]) }).await;
        let [ProviderEvent::ToolCall { id, name, input }, ProviderEvent::Finish(FinishReason::ToolCalls)] =
            step.as_slice()
        else {
            panic!("{step:?}")
        };
        assert_eq!((name.as_str(), input), ("read_file", &json!({"path": "a.txt"})));
        let messages = vec![
            prompt,
            message(Role::Assistant, vec![support::call(id, name, input.clone())]),
            result(id, "alpha"),
        ];
        assert_eq!(
            of(Request { tools: tools(), ..request(messages) }).await,
            [
                ProviderEvent::TextDelta("It says alpha.".to_owned()),
                ProviderEvent::Finish(FinishReason::Stop)
            ]
        );
    }
    let _ = std::fs::remove_dir_all(&folder);
}
