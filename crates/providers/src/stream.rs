//! From the bytes of an answer to the events of the contract.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use kernel::provider::EventStream;
use kernel::{Failure, ProviderEvent};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode, Url};
use tokio::time;

use crate::failure;
use crate::http::Endpoint;
use crate::sse::{self, Parser};

/// What a protocol makes of server-sent events. No I/O, no clock.
pub(crate) trait Decoder: Send + Sync + 'static {
    /// Takes an event. After a `Finish` or an `Error` there are no more calls.
    fn event(&mut self, event: &sse::Event, out: &mut VecDeque<ProviderEvent>);

    /// Takes the end of the body.
    fn end(&mut self, out: &mut VecDeque<ProviderEvent>);

    /// Whether the answer is whole, though more may be said about it.
    fn is_whole(&self) -> bool;

    /// A sentence to add to a refusal.
    fn advise(&self, status: StatusCode, words: &str) -> Option<String>;
}

/// How long a provider may take to say the rest (the usage, the end mark) after its answer was whole.
const REST: Duration = Duration::from_secs(10);

/// Makes the stream of one call. Nothing happens before it is polled.
pub(crate) fn events<D: Decoder>(
    endpoint: Arc<Endpoint>,
    url: Url,
    body: impl FnOnce() -> Result<Vec<u8>, serde_json::Error> + Send + 'static,
    decoder: D,
) -> EventStream {
    let opened = async move {
        let parser = Parser::new(endpoint.limits.event_bytes);
        let mut answer =
            Answer { endpoint, response: None, parser, decoder, ready: VecDeque::new(), over: false };
        if let Err(failure) = answer.open(url, body).await {
            answer.ready.push_back(ProviderEvent::Error(failure));
        }
        stream::unfold(answer, Answer::next)
    };
    stream::once(opened).flatten().boxed()
}

struct Answer<D> {
    endpoint: Arc<Endpoint>,
    /// None once the body is at its end.
    response: Option<Response>,
    parser: Parser,
    decoder: D,
    ready: VecDeque<ProviderEvent>,
    over: bool,
}

impl<D: Decoder> Answer<D> {
    async fn open(
        &mut self,
        url: Url,
        body: impl FnOnce() -> Result<Vec<u8>, serde_json::Error>,
    ) -> Result<(), Failure> {
        let body = body().map_err(|error| failure::protocol(format!("the request is not JSON: {error}")))?;
        let advise = |status, words: &str| self.decoder.advise(status, words);
        let mut response = self.endpoint.post(url, body, advise).await?;
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // Other types are given a chance: there are servers that send events as plain text.
        if kind == "application/json" || kind == "text/html" {
            let (body, _) = self.endpoint.read(&mut response, self.endpoint.limits.error_bytes).await?;
            return Err(not_a_stream(&kind, &body));
        }
        self.response = Some(response);
        Ok(())
    }

    async fn next(mut self) -> Option<(ProviderEvent, Self)> {
        loop {
            if self.over {
                return None;
            }
            match self.ready.pop_front() {
                Some(ProviderEvent::Error(failure)) => {
                    self.over = true;
                    return Some((ProviderEvent::Error(self.endpoint.clean(failure)), self));
                }
                Some(finish @ ProviderEvent::Finish(_)) => {
                    self.over = true;
                    if let Some(response) = self.response.take() {
                        finish_reading(response);
                    }
                    return Some((finish, self));
                }
                Some(event) => return Some((event, self)),
                None => self.read().await,
            }
        }
    }

    async fn read(&mut self) {
        let Some(response) = &mut self.response else {
            // The decoder had the end of the body and said nothing of it.
            return self.ready.push_back(ProviderEvent::Error(failure::ended()));
        };
        let stall = self.endpoint.limits.stall;
        let patience = if self.decoder.is_whole() { stall.min(REST) } else { stall };
        let failed = match time::timeout(patience, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                let (decoder, ready) = (&mut self.decoder, &mut self.ready);
                let fed = self.parser.feed(&bytes, |event| {
                    if !ready.back().is_some_and(ends) {
                        decoder.event(&event, ready);
                    }
                });
                match fed {
                    Err(too_large) if !self.ready.back().is_some_and(ends) => {
                        failure::protocol(too_large.to_string())
                    }
                    _ => return,
                }
            }
            Ok(Ok(None)) => {
                self.response = None;
                if let Some(event) = self.parser.end().filter(|event| is_plausible(&event.data)) {
                    self.decoder.event(&event, &mut self.ready);
                }
                if !self.ready.back().is_some_and(ends) {
                    self.decoder.end(&mut self.ready);
                }
                return;
            }
            Ok(Err(_)) | Err(_) if self.decoder.is_whole() => {
                self.response = None;
                return self.decoder.end(&mut self.ready);
            }
            Ok(Err(error)) => failure::broken(&self.endpoint.place(), error),
            Err(_) => failure::stalled(stall),
        };
        self.response = None;
        self.ready.push_back(ProviderEvent::Error(failed));
    }
}

fn ends(event: &ProviderEvent) -> bool {
    matches!(event, ProviderEvent::Finish(_) | ProviderEvent::Error(_))
}

/// Whether an event that the end of the body cut short is whole all the same. Half a frame is no protocol error but a
/// stream that ended early.
fn is_plausible(data: &str) -> bool {
    data.trim() == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok()
}

/// A connection can serve the next request only if this answer was read to its end, which is a few bytes away.
fn finish_reading(mut response: Response) {
    tokio::spawn(time::timeout(Duration::from_secs(1), async move {
        let mut room = 64 << 10;
        while let Ok(Some(bytes)) = response.chunk().await {
            room -= bytes.len().min(room);
            if room == 0 {
                break;
            }
        }
    }));
}

fn not_a_stream(kind: &str, body: &[u8]) -> Failure {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match body.get("error") {
        Some(error) if !error.is_null() => failure::in_stream(error),
        _ => failure::protocol(format!(
            "the provider answered with {kind} instead of a stream of events; check the base URL"
        )),
    }
}
