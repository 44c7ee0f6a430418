//! One credential's way to its provider: where it is, how to say who we are, and what never to repeat.

use std::net::IpAddr;
use std::sync::Once;
use std::time::Instant;

use kernel::Failure;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use tokio::sync::OnceCell;
use tokio::time;

use crate::settings::{Error, Limits, Settings};
use crate::{failure, secret::Scrubber};

/// A provider's HTTP address and what it takes to talk to it.
pub(crate) struct Endpoint {
    name: String,
    base: Url,
    headers: HeaderMap,
    has_key: bool,
    scrubber: Scrubber,
    pub(crate) limits: Limits,
    /// Built by the first request: it reads the system's certificates, which start-up must not wait for.
    client: OnceCell<Client>,
}

/// How a protocol wants its key.
pub(crate) enum Auth {
    /// `authorization: Bearer …`.
    Bearer,
    /// A header of its own with nothing but the key.
    Header(&'static str),
}

/// The most bytes of a list of models.
const LISTING_BYTES: usize = 16 << 20;

/// The longest that a list of models may take: somebody waits for it.
const LISTING_TIME: time::Duration = time::Duration::from_secs(30);

impl Endpoint {
    pub(crate) fn new(settings: &Settings, default_base: &str, auth: &Auth) -> Result<Self, Error> {
        let name = settings.name.clone();
        let base = base_url(settings.base_url.as_deref().unwrap_or(default_base))
            .map_err(|reason| Error::BaseUrl { name: name.clone(), reason })?;
        let mut scrubber = Scrubber::default();
        scrubber.add(base.password().unwrap_or_default());
        for (field, value) in base.query_pairs() {
            if ["key", "token", "secret", "sig", "code", "auth"].iter().any(|word| field.contains(word)) {
                scrubber.add(&value);
            }
        }
        let mut headers = HeaderMap::new();
        let key = settings.api_key.as_ref().map(crate::Secret::reveal).filter(|key| !key.is_empty());
        if let Some(key) = key {
            scrubber.add(key);
            let (header, value) = match auth {
                Auth::Bearer => (reqwest::header::AUTHORIZATION, format!("Bearer {key}")),
                Auth::Header(header) => (HeaderName::from_static(header), key.to_owned()),
            };
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| Error::ApiKey { name: name.clone() })?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        let has_key = key.is_some();
        Ok(Self { name, base, headers, has_key, scrubber, limits: settings.limits, client: OnceCell::new() })
    }

    /// Adds a header to every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// The last part of the base URL's path.
    pub(crate) fn ends_in(&self, segment: &str) -> bool {
        self.base.path().trim_end_matches('/').rsplit('/').next() == Some(segment)
    }

    /// The base URL with more at the end of its path.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Removes this credential's keys from a message that is about to be shown.
    pub(crate) fn clean(&self, mut failure: Failure) -> Failure {
        failure.message = self.scrubber.clean(failure.message);
        failure
    }

    /// Host and port, which is all of the URL that a message may show.
    pub(crate) fn place(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Posts JSON and comes back with an answer of status 2xx, of which nothing but the head was read.
    ///
    /// `advise` may add a sentence to a refusal: it gets the status and the provider's words.
    pub(crate) async fn post(
        &self,
        url: Url,
        body: Vec<u8>,
        advise: impl Fn(StatusCode, &str) -> Option<String>,
    ) -> Result<Response, Failure> {
        let client = self.client().await?;
        let request = client
            .post(url)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .body(body);
        self.send(Method::POST, request, advise).await
    }

    /// Reads a list.
    pub(crate) async fn get(&self, url: Url) -> Result<Vec<u8>, Failure> {
        let work = async {
            let client = self.client().await?;
            let request = client.get(url).headers(self.headers.clone()).header(ACCEPT, "application/json");
            let mut response = self.send(Method::GET, request, |_, _| None).await?;
            let (body, cut) = self.read(&mut response, LISTING_BYTES).await?;
            if cut {
                return Err(failure::protocol(format!(
                    "the provider's list of models has more than {LISTING_BYTES} bytes"
                )));
            }
            Ok(body)
        };
        let patience = self.limits.stall.min(LISTING_TIME);
        time::timeout(patience, work).await.unwrap_or_else(|_| Err(failure::late(patience)))
    }

    async fn send(
        &self,
        method: Method,
        request: reqwest::RequestBuilder,
        advise: impl Fn(StatusCode, &str) -> Option<String>,
    ) -> Result<Response, Failure> {
        let started = Instant::now();
        #[cfg(not(fuzzing))]
        let sent = request.send();
        #[cfg(fuzzing)]
        let sent = crate::fuzzing::send(request);
        let response = match time::timeout(self.limits.stall, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failure::unreachable(&self.place(), error)),
            Err(_) => return Err(failure::stalled(self.limits.stall)),
        };
        tracing::debug!(
            credential = self.name,
            %method,
            status = response.status().as_u16(),
            version = ?response.version(),
            ms = started.elapsed().as_millis(),
            "the provider answered",
        );
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response, advise).await) }
    }

    async fn refused(
        &self,
        mut response: Response,
        advise: impl Fn(StatusCode, &str) -> Option<String>,
    ) -> Failure {
        let (status, headers) = (response.status(), response.headers().clone());
        // A body that breaks off is no reason to lose the status.
        let (body, cut) = self.read(&mut response, self.limits.error_bytes).await.unwrap_or_default();
        // Before anything is shortened: half a key would not be found any more.
        let body = self.scrubber.clean(String::from_utf8_lossy(&body).into_owned());
        let body = if cut { self.scrubber.without_cut_key(&body) } else { &body };
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.has_key => {
                Some(format!("check the key of credential \"{}\"", self.name))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Some(format!("credential \"{}\" has no key", self.name))
            }
            status if status.is_redirection() => Some(match headers.get(LOCATION).map(HeaderValue::to_str) {
                Some(Ok(location)) => {
                    format!("redirects are not followed: if {location} is right, make it the base URL")
                }
                _ => "redirects are not followed: check the base URL".to_owned(),
            }),
            status => advise(status, body),
        };
        failure::refused(status, &headers, body, advice)
    }

    /// Reads a whole body, or as much of it as allowed, and says whether something is missing at its end.
    pub(crate) async fn read(
        &self,
        response: &mut Response,
        most: usize,
    ) -> Result<(Vec<u8>, bool), Failure> {
        let mut body = Vec::new();
        loop {
            match time::timeout(self.limits.stall, response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    let room = most - body.len();
                    if bytes.len() > room {
                        body.extend_from_slice(&bytes[..room]);
                        return Ok((body, true));
                    }
                    body.extend_from_slice(&bytes);
                }
                Ok(Ok(None)) => return Ok((body, false)),
                Ok(Err(_)) if !body.is_empty() => return Ok((body, true)),
                Ok(Err(error)) => return Err(failure::broken(&self.place(), error)),
                Err(_) => return Err(failure::stalled(self.limits.stall)),
            }
        }
    }

    async fn client(&self) -> Result<&Client, Failure> {
        let build = || async {
            let mut builder = Client::builder()
                .user_agent(concat!("dispatch/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(self.limits.connect)
                .tcp_nodelay(true)
                // A redirect would take the key to wherever it points.
                .redirect(redirect::Policy::none())
                .referer(false);
            if is_loopback(&self.base) {
                builder = builder.no_proxy();
                if self.base.scheme() == "http" {
                    // Nothing to verify, so no need to read the system's certificates.
                    builder = builder.tls_certs_only([]);
                }
            }
            install_crypto();
            tokio::task::spawn_blocking(|| builder.build())
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.without_url().to_string())
        };
        self.client.get_or_try_init(build).await.map_err(|reason: String| Failure {
            message: format!("the HTTP client could not be built: {reason}"),
            code: Some(wire::ErrorCode::Internal.to_string()),
            retryable: false,
            retry_after: None,
        })
    }
}

/// Makes ring the cryptography of this process, unless something else is already.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails when the process chose another, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("it begins with {}:, not with http: or https:", url.scheme()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
