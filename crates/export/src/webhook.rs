//! Events as the body of a POST, signed as Standard Webhooks are.

use std::fmt;
use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meter::Event;
use reqwest::{Client, Url};
use ring::hmac;

use crate::Error;
use crate::exporter::Sink;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// What a secret begins with that is written in base64.
const BASE64: &str = "whsec_";

/// Where events are posted to, and the secret that signs them.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    key: hmac::Key,
}

/// Why a webhook cannot be like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// Not a URL, or not of this kind.
    #[error("not a URL that begins with https:// or http://")]
    Url,
    /// The secret is empty, or not what it says it is.
    #[error("the secret is empty, or begins with whsec_ and goes on with something that is not base64")]
    Secret,
}

impl Webhook {
    /// A secret that begins with `whsec_` goes on in base64; any other one is taken as it is.
    ///
    /// # Errors
    /// See [`InvalidWebhook`].
    pub fn new(url: &str, secret: &str) -> Result<Self, InvalidWebhook> {
        let url = Url::parse(url).map_err(|_| InvalidWebhook::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidWebhook::Url);
        }
        let secret = match secret.trim().strip_prefix(BASE64) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| InvalidWebhook::Secret)?,
            None => secret.trim().as_bytes().to_vec(),
        };
        if secret.is_empty() {
            return Err(InvalidWebhook::Secret);
        }
        Ok(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// The header `webhook-signature` of a body: over the id, the time in seconds and the body, with points between.
    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// Scheme, host and path: what cannot hold a key. In [`Debug`](fmt::Debug), too, there is no secret.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{host}{port}{}", self.url.scheme(), self.url.path())
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({self})")
    }
}

pub(crate) struct Sender {
    webhook: Webhook,
    client: Client,
}

impl Sender {
    pub(crate) fn new(webhook: Webhook, answer: Duration) -> Result<Self, Error> {
        install_crypto();
        let mut builder = Client::builder()
            .user_agent(concat!("dispatch/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(answer)
            // What is signed for one place must not go to another.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&webhook.url) {
            builder = builder.no_proxy();
        }
        if webhook.url.scheme() == "http" {
            // Nothing to verify, so no need to read the system's certificates.
            builder = builder.tls_certs_only([]);
        }
        let built = builder.build();
        let client = built.map_err(|error| failed(&webhook, format!("cannot be used: {}", root(&error))))?;
        Ok(Self { webhook, client })
    }
}

impl Sink for Sender {
    async fn deliver(&mut self, events: &Arc<[Event]>) -> Result<(), Error> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let mut body = Vec::new();
        for event in events.iter() {
            serde_json::to_writer(&mut body, event)
                .map_err(|error| failed(&self.webhook, format!("cannot be told: {error}")))?;
            body.push(b'\n');
        }
        let id = format!("rows-{}-{}", first.position, last.position);
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let answer = self
            .client
            .post(self.webhook.url.clone())
            .header("content-type", "application/x-ndjson")
            .header("webhook-signature", self.webhook.sign(&id, timestamp, &body))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .body(body)
            .send()
            .await
            .map_err(|error| failed(&self.webhook, format!("cannot be reached: {}", root(&error))))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(failed(&self.webhook, format!("answers {status}"))),
        }
    }
}

fn failed(webhook: &Webhook, reason: String) -> Error {
    Error::Webhook { url: webhook.to_string(), reason }
}

/// The innermost reason: the others repeat the URL, which may hold a key.
fn root(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    if std::ptr::eq(reason, error) { "the request failed".to_owned() } else { reason.to_string() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let webhook = Webhook::new("https://example.org/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            webhook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_webhook_shows_no_secret() {
        let webhook = Webhook::new("https://user:hush@example.org:8443/usage?key=hush", "hush").unwrap();
        assert_eq!(
            format!("{webhook} {webhook:?}").replace("https://example.org:8443/usage", "URL"),
            "URL Webhook(URL)"
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (url, secret, expected) in [
            ("example.org", "s", InvalidWebhook::Url),
            ("ftp://example.org", "s", InvalidWebhook::Url),
            ("", "s", InvalidWebhook::Url),
            ("https://example.org", " ", InvalidWebhook::Secret),
            ("https://example.org", "whsec_", InvalidWebhook::Secret),
            ("https://example.org", "whsec_%", InvalidWebhook::Secret),
        ] {
            assert_eq!(Webhook::new(url, secret).map(drop), Err(expected), "{url} {secret}");
        }
    }
}
