//! Requests to a server whose answer is one JSON object: what Python code asks for in its own words.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};
use serde::Deserialize;

use crate::fault::{Fault, is_permanent};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// What is shorter can be part of any word. To blot it out there would tell what it is.
const SHORTEST: usize = 8;

#[derive(Clone)]
pub(crate) struct Http {
    http: reqwest::Client,
    base: Url,
    key: Arc<str>,
}

/// A request.
pub(crate) struct Call {
    pub(crate) method: String,
    /// In segments, not escaped.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// JSON.
    pub(crate) body: Option<String>,
    /// For the whole answer.
    pub(crate) timeout: Duration,
}

impl Http {
    pub(crate) fn new(server: &str, key: Option<&str>) -> Result<Self, Fault> {
        let wrong = || Fault::input("a server's address begins with http:// or https://");
        let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let base = Url::parse(&with_scheme).map_err(|_| wrong())?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut value = value.map_err(|_| Fault::input("the key has characters that no key has"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dispatch-client/", env!("CARGO_PKG_VERSION"), " lang/py"))
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .default_headers(headers)
            // A redirect would take the key to wherever it points.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // Nothing to verify, so no need to read the system's certificates.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|_| Fault::input("no HTTP client can be had for that address"))?;
        Ok(Self { http, base, key: key.unwrap_or_default().into() })
    }

    /// The JSON of an answer that is a success.
    pub(crate) async fn json(&self, call: Call) -> Result<String, Fault> {
        self.open(call).await?.text().await.map_err(|error| unreachable(&error))
    }

    async fn open(&self, call: Call) -> Result<Response, Fault> {
        let method =
            Method::from_bytes(call.method.as_bytes()).map_err(|_| Fault::input("no such method"))?;
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.http.request(method, url).timeout(call.timeout);
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    async fn refused(&self, response: Response) -> Fault {
        #[derive(Deserialize)]
        struct Body {
            error: String,
            code: Option<String>,
        }
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        let body = serde_json::from_str::<Body>(&text).ok();
        let (mut message, code) = match body {
            Some(Body { error, code }) => (error, code),
            None => (format!("the server answered with status {status}"), None),
        };
        if self.key.len() >= SHORTEST {
            // A server, or a proxy, can say again what it was sent.
            message = message.replace(&*self.key, "***");
        }
        let code = code.as_deref().unwrap_or("http");
        Fault { status: Some(status), permanent: is_permanent(status), ..Fault::new(code, message) }
    }
}

/// There was no answer, or only a part of one. The words of the library have the address in them.
fn unreachable(error: &reqwest::Error) -> Fault {
    let mut root: Option<&dyn std::error::Error> = error.source();
    while let Some(source) = root.and_then(|error| error.source()) {
        root = Some(source);
    }
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let reason = match root {
        _ if error.is_timeout() => "no answer in time".to_owned(),
        Some(root) if root.downcast_ref().is_some_and(refused) => "nothing listens there".to_owned(),
        Some(root) => root.to_string(),
        None => "the connection broke".to_owned(),
    };
    Fault::new("unreachable", format!("the server cannot be reached: {reason}"))
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
