//! A server, seen from a client.

mod account;
mod error;
mod events;
mod message;
mod routes;
mod short_id;

use std::sync::Once;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{ConversationId, ErrorBody};

pub(crate) use error::Error;
pub(crate) use events::{Event, Events, Heard};
pub(crate) use message::{ClientMessageId, Message, Sent};
pub(crate) use routes::Window;
pub(crate) use short_id::{short, short_text};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer that is not a stream may take. A list of models waits for its providers.
const ANSWER: Duration = Duration::from_secs(60);

/// A server, and the key to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

/// An answer as it came and as it was understood.
pub(crate) struct Answer<T> {
    /// One line.
    pub(crate) json: String,
    pub(crate) value: T,
}

impl Client {
    /// Connects to nothing yet. `server` is a URL; `http://` may be left out.
    pub(crate) fn new(server: &str, api_key: Option<&str>) -> Result<Self, Error> {
        let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let base = Url::parse(&with_scheme)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Error::NoUrl(server.to_owned()))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = api_key.map(str::trim).filter(|key| !key.is_empty()) {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| Error::NoKey)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dispatch/", env!("CARGO_PKG_VERSION")))
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
        install_crypto();
        let http = builder.build().map_err(|error| Error::NotDispatch {
            server: base.to_string(),
            reason: format!("the HTTP client cannot be built: {error}"),
        })?;
        Ok(Self { http, base })
    }

    /// Whether the server is on this machine, so that its directories are those of the caller.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// Where the server is, for messages.
    pub(crate) fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The whole id of a conversation: of the one whose id begins like that, if there is just one.
    pub(crate) async fn conversation(&self, id: &str) -> Result<ConversationId, Error> {
        if short_id::is_whole(id) {
            return ConversationId::parse(id).map_err(|error| Error::NoId(error.to_string()));
        }
        let found = self.conversations(&[], Some(id)).await?.value.conversations;
        short_id::choose(id, found)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Error> {
        let request = self.request(method, path, query, body).timeout(ANSWER);
        self.answer(self.send(request).await?).await
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> RequestBuilder {
        let request = self.http.request(method, self.url(path, query));
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn answer<T: DeserializeOwned>(&self, response: Response) -> Result<Answer<T>, Error> {
        let json = response.text().await.map_err(|error| self.failed(&error))?;
        let value = serde_json::from_str(&json).map_err(|error| self.not_dispatch(error.to_string()))?;
        Ok(Answer { json, value })
    }

    /// An answer of status 2xx.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        self.accepted(request.send().await).await
    }

    /// As [`Client::send`], for what may arrive twice because it carries an id of its own: if the connection breaks before
    /// the answer begins, nobody knows whether the server got it, so it is sent once more.
    async fn send_safely(&self, request: RequestBuilder) -> Result<Response, Error> {
        let again = request.try_clone();
        let sent = match (request.send().await, again) {
            (Err(error), Some(again)) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                again.send().await
            }
            (sent, _) => sent,
        };
        self.accepted(sent).await
    }

    async fn accepted(&self, sent: reqwest::Result<Response>) -> Result<Response, Error> {
        let response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<ErrorBody>(&text) {
            Ok(ErrorBody { error, code }) => Err(Error::Refused { message: error, code }),
            Err(_) => Err(self.not_dispatch(format!("it answers {status}"))),
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn failed(&self, error: &reqwest::Error) -> Error {
        if error.is_decode() {
            return self.not_dispatch(error::root(error));
        }
        if error.is_timeout() && !error.is_connect() {
            return Error::Unreachable {
                server: self.server().to_owned(),
                reason: "no answer in time".to_owned(),
            };
        }
        Error::Unreachable { server: self.server().to_owned(), reason: error::root(error) }
    }

    fn not_dispatch(&self, reason: String) -> Error {
        Error::NotDispatch { server: self.server().to_owned(), reason }
    }
}

/// A chunk of the history, as it came and as it was understood.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) json: String,
    pub(crate) chunk: wire::StoredChunk,
}

impl<'de> serde::Deserialize<'de> for Stored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        let chunk = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { json: raw.get().to_owned(), chunk })
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes ring the cryptography of this process, unless something else is already.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails when the process chose another, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
