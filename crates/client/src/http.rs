//! A server, seen from a client.

use std::fmt;
use std::sync::Once;
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{ConversationId, ErrorBody};

use crate::error::{self, Error};
use crate::retries::{Budget, Retries};
use crate::secret::Secret;
use crate::short_id;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer that is not a stream may take. A list of models waits for its providers.
pub(crate) const ANSWER: Duration = Duration::from_secs(60);

/// A server, and the key to it. Cheap to clone.
///
/// What cannot be done now is tried again, within a budget ([`Retries`]). Whatever never reached the server is; what may have
/// reached it (the connection broke, no answer came in time, or a proxy answered for it) only where twice is as good as
/// once: what only reads, what sets something, and messages and deposits that have an id of their own.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// The base without a password.
    server: String,
    key: Secret,
    retries: Retries,
}

/// An answer as it came and as it was understood.
pub struct Answer<T> {
    /// One line.
    pub json: String,
    /// What it says.
    pub value: T,
}

impl Client {
    /// Connects to nothing yet. `server` is a URL; `http://` may be left out.
    pub fn new(server: &str, api_key: Option<&str>) -> Result<Self, Error> {
        let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let base = Url::parse(&with_scheme)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Error::NoUrl(server.to_owned()))?;
        let key = api_key.map(str::trim).unwrap_or_default();
        let mut headers = HeaderMap::new();
        if !key.is_empty() {
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
        let server = shown(&base);
        let http = builder.build().map_err(|error| Error::NotDispatch {
            server: server.clone(),
            reason: format!("the HTTP client cannot be built: {error}"),
        })?;
        Ok(Self { http, base, server, key: Secret::new(key), retries: Retries::default() })
    }

    /// The same with another budget for what is tried again.
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Whether the server is on this machine, so that its directories are those of the caller.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// Where the server is, for messages.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The whole id of a conversation: of the one whose id begins like that, if there is just one.
    pub async fn conversation(&self, id: &str) -> Result<ConversationId, Error> {
        if short_id::is_whole(id) {
            return ConversationId::parse(id).map_err(|error| Error::NoId(error.to_string()));
        }
        let found = self.conversations(&[], Some(id)).await?.value.conversations;
        short_id::choose(id, found)
    }

    /// The URL of a WebSocket, with the key in it: for nobody else to see.
    pub(crate) fn socket_url<'a>(
        &self,
        path: &[&str],
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let mut url = self.url(path, &[]);
        // One of http can become one of ws.
        let _ = url.set_scheme(if url.scheme() == "https" { "wss" } else { "ws" });
        url.query_pairs_mut()
            .append_pair("api_key", self.key.expose())
            .extend_pairs(query)
            .append_pair("user_agent", concat!("dispatch-client/", env!("CARGO_PKG_VERSION"), " lang/rs"));
        url.into()
    }

    /// What nobody may be shown.
    pub(crate) fn key(&self) -> &Secret {
        &self.key
    }

    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Error> {
        let twice = Twice::of(&method);
        self.json(self.request(method, path, query, body).timeout(ANSWER), twice).await
    }

    pub(crate) fn request(
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

    /// The whole of an answer of status 2xx.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        twice: Twice,
    ) -> Result<Answer<T>, Error> {
        let mut tries = Tries::new(self.retries, request, twice);
        loop {
            let failed = match self.once(tries.request()?).await {
                Ok(response) => match self.whole(response).await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => failed,
                },
                Err(failed) => failed,
            };
            tries.again(failed).await?;
        }
    }

    /// An answer of status 2xx that has begun.
    pub(crate) async fn begin(&self, request: RequestBuilder, twice: Twice) -> Result<Response, Error> {
        let mut tries = Tries::new(self.retries, request, twice);
        loop {
            match self.once(tries.request()?).await {
                Ok(response) => return Ok(response),
                Err(failed) => tries.again(failed).await?,
            }
        }
    }

    /// As [`Client::begin`], and nothing is tried again.
    pub(crate) async fn begin_once(&self, request: RequestBuilder) -> Result<Response, Error> {
        self.once(request).await.map_err(|failed| failed.error)
    }

    pub(crate) async fn answer<T: DeserializeOwned>(&self, response: Response) -> Result<Answer<T>, Error> {
        self.whole(response).await.map_err(|failed| failed.error)
    }

    async fn whole<T: DeserializeOwned>(&self, response: Response) -> Result<Answer<T>, Failed> {
        let json = response.text().await.map_err(|error| self.failed(&error))?;
        let value = serde_json::from_str(&json).map_err(|error| self.strange(error.to_string()))?;
        Ok(Answer { json, value })
    }

    async fn once(&self, request: RequestBuilder) -> Result<Response, Failed> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(asked);
        let text = response.text().await.unwrap_or_default();
        let error = match serde_json::from_str::<ErrorBody>(&text) {
            Ok(ErrorBody { error, code }) => {
                Error::Refused { message: error, code, status: Some(status.as_u16()), retry_after }
            }
            // A proxy whose server is away.
            Err(_) if error::is_passing(status.as_u16()) => {
                Error::Unreachable { server: self.server.clone(), reason: format!("the answer is {status}") }
            }
            Err(_) => return Err(self.strange(format!("it answers {status}"))),
        };
        let may = if error::is_passing(status.as_u16()) { May::PassIfSafe } else { May::Not };
        Err(Failed { error: error.without(&self.key), may, retry_after })
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn failed(&self, error: &reqwest::Error) -> Failed {
        if error.is_builder() {
            return self.strange(error::root(error));
        }
        if error.is_decode() || error.is_body() {
            // It is text that is read, in which nothing can be wrong but its end.
            let error = Error::Broken { reason: error::root(error) }.without(&self.key);
            return Failed { error, may: May::PassIfSafe, retry_after: None };
        }
        let (may, reason) = match (error.is_connect(), error.is_timeout()) {
            (true, _) => (May::Pass, error::root(error)),
            (false, true) => (May::PassIfSafe, "no answer in time".to_owned()),
            (false, false) => (May::PassIfSafe, error::root(error)),
        };
        let error = Error::Unreachable { server: self.server.clone(), reason }.without(&self.key);
        Failed { error, may, retry_after: None }
    }

    fn strange(&self, reason: String) -> Failed {
        let error = Error::NotDispatch { server: self.server.clone(), reason }.without(&self.key);
        Failed { error, may: May::Not, retry_after: None }
    }
}

/// Whether to do something twice is as good as once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twice {
    Safe,
    Unsafe,
}

impl Twice {
    pub(crate) fn of(method: &Method) -> Self {
        // What is deleted twice is gone, too, but the second answer says that nothing was there.
        Self::if_safe(matches!(*method, Method::GET | Method::PUT))
    }

    pub(crate) fn if_safe(is_safe: bool) -> Self {
        if is_safe { Self::Safe } else { Self::Unsafe }
    }
}

/// An attempt that came to nothing.
struct Failed {
    error: Error,
    may: May,
    retry_after: Option<Duration>,
}

/// What another attempt may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    /// Go well: this one never reached the server.
    Pass,
    /// Go well, but this one may have reached the server.
    PassIfSafe,
    /// End in the same way.
    Not,
}

/// A request that may be made several times.
struct Tries {
    budget: Budget,
    request: Option<RequestBuilder>,
    next: Option<RequestBuilder>,
    twice: Twice,
}

impl Tries {
    fn new(retries: Retries, request: RequestBuilder, twice: Twice) -> Self {
        let next = request.try_clone();
        Self { budget: Budget::new(retries), request: Some(request), next, twice }
    }

    fn request(&mut self) -> Result<RequestBuilder, Error> {
        let request = self.request.take();
        request.ok_or_else(|| Error::broken("the request cannot be made again"))
    }

    /// Waits until it is time for the next attempt. The error of this one, if there is none.
    async fn again(&mut self, failed: Failed) -> Result<(), Error> {
        let may = match failed.may {
            May::Pass => true,
            May::PassIfSafe => self.twice == Twice::Safe,
            May::Not => false,
        };
        if !may || self.next.is_none() || !self.budget.wait(failed.retry_after).await {
            return Err(failed.error);
        }
        self.request = self.next.take();
        self.next = self.request.as_ref().and_then(RequestBuilder::try_clone);
        Ok(())
    }
}

/// How long a server asks to be left alone: in seconds, or until a time.
fn asked(header: &HeaderValue) -> Option<Duration> {
    let text = header.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            Some(until.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

/// A URL for messages: without what only the server is to know.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // A URL of http can be without them.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.as_str().trim_end_matches('/').to_owned()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server()).finish_non_exhaustive()
    }
}

/// A chunk of the history, as it came and as it was understood.
#[derive(Clone, Debug)]
pub struct Stored {
    /// One line.
    pub json: String,
    /// The chunk.
    pub chunk: wire::StoredChunk,
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
