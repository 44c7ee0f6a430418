//! Servers that speak OpenAI's chat completions: OpenAI itself, and most others.

mod calls;
mod decode;
mod models;
mod request;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::provider::EventStream;
use kernel::{Failure, ModelInfo, Provider, Request};

use crate::http::{Auth, Endpoint};
use crate::settings::{Error, Settings};
use crate::stream;

/// Where requests go when the credential does not say.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// What a server may or may not understand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Send the effort as `reasoning_effort`; the levels above `high` are sent as `high`.
    pub reasoning_effort: bool,
    /// Send earlier reasoning back, as `reasoning_content`. It is never sent as text.
    pub reasoning_content: bool,
    /// Send the limit of tokens as `max_completion_tokens`, which some models want instead of `max_tokens`.
    pub max_completion_tokens: bool,
}

pub(crate) struct OpenAi {
    endpoint: Arc<Endpoint>,
    options: Options,
}

impl OpenAi {
    pub(crate) fn new(settings: &Settings, options: Options) -> Result<Self, Error> {
        let endpoint = Endpoint::new(settings, BASE_URL, &Auth::Bearer)?;
        Ok(Self { endpoint: Arc::new(endpoint), options })
    }
}

impl Provider for OpenAi {
    fn stream(&self, request: Request) -> EventStream {
        let url = self.endpoint.url(&["chat", "completions"]);
        let decoder = decode::Decoder::new(request.messages.clone(), self.endpoint.limits.event_bytes);
        let options = self.options;
        let body = move || serde_json::to_vec(&request::Body::new(&request, options));
        stream::events(Arc::clone(&self.endpoint), url, body, decoder)
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        models::list(&self.endpoint)
            .map(|listed| listed.map_err(|failure| self.endpoint.clean(failure)))
            .boxed()
    }
}
