//! Streamable HTTP, over the HTTP client of this project.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_core::stream::BoxStream;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{StatusCode, Url, redirect};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::service::ServiceError;
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;

use crate::config::Address;
use crate::secret::Scrubber;

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// The most redirects of one request.
const MAX_REDIRECTS: usize = 5;

type Headers = HashMap<HeaderName, HeaderValue>;
type Outcome<T> = Result<T, StreamableHttpError<Failure>>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// An HTTP client that sends the headers of its server, and whose errors show none of them.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    scrubber: Arc<Scrubber>,
}

/// Why a request failed, without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Failure {
    words: String,
    /// Nobody is there.
    unreachable: bool,
}

impl Client {
    pub(crate) async fn new(address: &Address, scrubber: Arc<Scrubber>) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dispatch/", env!("CARGO_PKG_VERSION")))
            .default_headers(address.headers.clone())
            .connect_timeout(CONNECTING)
            .tcp_nodelay(true)
            .redirect(redirect::Policy::custom(follow))
            .referer(false);
        if is_loopback(&address.url) {
            builder = builder.no_proxy();
            if address.url.scheme() == "http" {
                // Nothing to verify, so no need to read the system's certificates.
                builder = builder.tls_certs_only([]);
            }
        }
        install_crypto();
        let http = tokio::task::spawn_blocking(|| builder.build())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.without_url().to_string())?;
        Ok(Self { http, scrubber })
    }

    fn clean<T>(&self, outcome: Result<T, StreamableHttpError<reqwest::Error>>) -> Outcome<T> {
        use StreamableHttpError as E;
        outcome.map_err(|error| match error {
            // What the transport decides by.
            E::ServerDoesNotSupportSse => E::ServerDoesNotSupportSse,
            E::ServerDoesNotSupportDeleteSession => E::ServerDoesNotSupportDeleteSession,
            E::SessionExpired => E::SessionExpired,
            E::HttpStatus(status) => E::HttpStatus(status),
            E::Client(error) => {
                let unreachable = error.is_connect();
                let mut words = error.to_string();
                let mut source = error.source();
                while let Some(cause) = source {
                    let _ = write!(words, ": {cause}");
                    source = cause.source();
                }
                self.failure(&words, unreachable)
            }
            E::AuthRequired(_) => self.failure("HTTP 401: it wants to know who asks", false),
            E::InsufficientScope(_) => self.failure("HTTP 403: it does not allow this", false),
            E::UnexpectedServerResponse(words) => self.failure(&words, false),
            other => self.failure(&other.to_string(), false),
        })
    }

    fn failure(&self, words: &str, unreachable: bool) -> StreamableHttpError<Failure> {
        StreamableHttpError::Client(Failure {
            words: self.scrubber.clean(words.trim_end_matches(": ")),
            unreachable,
        })
    }
}

/// Follows a redirect only where the message and the headers may go: to the same server, with the same method.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let keeps_the_message =
        matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let first = attempt.previous().first();
    let same_server = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if keeps_the_message && same_server && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes ring the cryptography of this process, unless something else is already.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails when the process chose another, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// What a transport says of a failure, without the names of the layers that it came through.
pub(crate) fn words(error: &DynamicTransportError) -> String {
    match error.error.downcast_ref::<StreamableHttpError<Failure>>() {
        Some(StreamableHttpError::Client(failure)) => failure.words.clone(),
        Some(_) | None => error.error.to_string(),
    }
}

/// Whether a request failed because the server is gone or has forgotten the connection, so that a new one is needed.
pub(crate) fn is_lost(error: &ServiceError) -> bool {
    match error {
        ServiceError::TransportClosed => true,
        // Its standard input is closed.
        ServiceError::TransportSend(error) if error.error.is::<std::io::Error>() => true,
        ServiceError::TransportSend(error) => {
            match error.error.downcast_ref::<StreamableHttpError<Failure>>() {
                Some(StreamableHttpError::Client(failure)) => failure.unreachable,
                Some(
                    StreamableHttpError::SessionExpired
                    | StreamableHttpError::SessionRecoveryTimeout
                    | StreamableHttpError::ReinitializationFailed(_)
                    | StreamableHttpError::TransportChannelClosed,
                ) => true,
                Some(_) | None => false,
            }
        }
        _ => false,
    }
}

impl StreamableHttpClient for Client {
    type Error = Failure;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Outcome<StreamableHttpPostResponse> {
        self.clean(self.http.post_message(uri, message, session_id, auth_header, custom_headers).await)
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max: usize,
    ) -> Outcome<StreamableHttpPostResponse> {
        let post = self.http.post_message_with_max_sse_event_size(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            max,
        );
        self.clean(post.await)
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Outcome<()> {
        self.clean(self.http.delete_session(uri, session_id, auth_header, custom_headers).await)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Outcome<Events> {
        self.clean(self.http.get_stream(uri, session_id, last_event_id, auth_header, custom_headers).await)
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max: usize,
    ) -> Outcome<Events> {
        let stream = self.http.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            max,
        );
        self.clean(stream.await)
    }
}
