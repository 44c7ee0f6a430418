//! Requests and answers, as plain as they go over the wire.

use std::sync::Arc;

use anyhow::Result;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::check::{Outcome, ensure, excerpt, failed};
use crate::world::{PATIENCE, World};

/// A client that follows nothing and decodes nothing.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn client() -> Result<reqwest::Client> {
    // Plain HTTP needs no certificates, and looking for them takes time.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
    Ok(builder.no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

/// A request in the making.
pub(crate) struct Asking {
    world: World,
    shown: String,
    builder: reqwest::RequestBuilder,
}

impl World {
    pub(crate) fn ask(&self, method: Method, path: impl AsRef<str>) -> Asking {
        let asking = self.ask_without_key(method, path);
        match &self.server.key {
            Some(key) => Asking { builder: asking.builder.bearer_auth(key), ..asking },
            None => asking,
        }
    }

    pub(crate) fn ask_without_key(&self, method: Method, path: impl AsRef<str>) -> Asking {
        let path = path.as_ref();
        let builder = self.server.http.request(method.clone(), format!("{}{path}", self.server.url));
        Asking { world: self.clone(), shown: format!("{method} {path}"), builder }
    }

    pub(crate) async fn get(&self, path: impl AsRef<str>) -> Outcome<Answer> {
        self.ask(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: impl AsRef<str>, body: Value) -> Outcome<Answer> {
        self.ask(Method::POST, path).json(&body).send().await
    }

    pub(crate) async fn post_nothing(&self, path: impl AsRef<str>) -> Outcome<Answer> {
        self.ask(Method::POST, path).send().await
    }

    pub(crate) async fn put(&self, path: impl AsRef<str>, body: Value) -> Outcome<Answer> {
        self.ask(Method::PUT, path).json(&body).send().await
    }

    pub(crate) async fn delete(&self, path: impl AsRef<str>) -> Outcome<Answer> {
        self.ask(Method::DELETE, path).send().await
    }

    /// A `GET` whose path no client library would leave as it is. The whole answer, head and body.
    pub(crate) async fn get_raw(&self, path: &str) -> Outcome<String> {
        self.note(format!("GET {path} (as it stands)"));
        let host = self.server.url.trim_start_matches("http://");
        let key = self.server.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\n{}connection: close\r\n\r\n",
            key.unwrap_or_default()
        );
        let exchange = async {
            let mut tcp = TcpStream::connect(host).await?;
            tcp.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            tcp.read_to_end(&mut answer).await?;
            std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => failed("an answer", error),
            Err(_) => failed("an answer", "none in time"),
        }
    }
}

impl Asking {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.shown.push_str(&format!(" [{name}: {value}]"));
        Self { builder: self.builder.header(name, value), ..self }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        let body = body.into();
        self.shown.push_str(&format!(" {}", excerpt(&body)));
        Self { builder: self.builder.body(body), ..self }
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(self) -> Outcome<Answer> {
        let world = self.world.clone();
        let (response, request) = self.open().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = match timeout(PATIENCE * 3, response.bytes()).await {
            Ok(Ok(body)) => String::from_utf8_lossy(&body).into_owned(),
            Ok(Err(error)) => return failed("a whole answer", format!("{error:?}")),
            Err(_) => return failed("a whole answer", "its body did not end in time"),
        };
        world.note(format!("  → {status} {}", excerpt(&body)));
        Ok(Answer { request, status, headers, body })
    }

    /// Sends it and leaves the body to be read.
    pub(crate) async fn open(self) -> Outcome<(Response, String)> {
        self.world.note(self.shown.clone());
        match timeout(PATIENCE * 3, self.builder.send()).await {
            Ok(Ok(response)) => Ok((response, self.shown)),
            Ok(Err(error)) => failed(format!("an answer to {}", self.shown), format!("{error:?}")),
            Err(_) => failed(format!("an answer to {}", self.shown), "none in time"),
        }
    }
}

/// An answer with all of its body.
pub(crate) struct Answer {
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn came(&self) -> String {
        format!("{} {}: {}", self.status, self.header("content-type"), excerpt(&self.body))
    }

    pub(crate) fn status(self, status: u16) -> Outcome<Self> {
        ensure(self.status == status, format!("{status} for {}", self.request), self.came())?;
        Ok(self)
    }

    pub(crate) fn json(&self) -> Outcome<Value> {
        ensure(
            self.header("content-type").starts_with("application/json"),
            format!("content-type application/json for {}", self.request),
            self.came(),
        )?;
        match serde_json::from_str(&self.body) {
            Ok(value) => Ok(value),
            Err(_) => failed(format!("JSON for {}", self.request), self.came()),
        }
    }

    /// The body of a success.
    pub(crate) fn ok(self) -> Outcome<Value> {
        self.status(200)?.json()
    }

    /// A success with exactly that body.
    pub(crate) fn is(self, expected: Value) -> Outcome {
        let came = self.came();
        let request = self.request.clone();
        let holds = self.status == 200 && self.json()? == expected;
        ensure(holds, format!("200 {expected} for {request}"), came)
    }

    /// A refusal with that status and code, of the shape that all refusals have.
    pub(crate) fn refused(self, status: u16, code: &str) -> Outcome<String> {
        let expected = format!("{status} {{\"error\": …, \"code\": \"{code}\"}} for {}", self.request);
        ensure(self.status == status, &expected, self.came())?;
        let body = self.json()?;
        match (body["error"].as_str(), body["code"].as_str()) {
            (Some(error), Some(came)) if !error.is_empty() && came == code => Ok(error.to_owned()),
            _ => failed(expected, self.came()),
        }
    }

    /// A field that was not right: 400.
    pub(crate) fn invalid(self) -> Outcome {
        self.refused(400, "invalid-request").map(drop)
    }
}
