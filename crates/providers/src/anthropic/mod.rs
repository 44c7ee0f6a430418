//! The Anthropic Messages API.

mod decode;
mod models;
mod request;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::provider::EventStream;
use kernel::{Failure, ModelInfo, Provider, Request};
use reqwest::Url;

use crate::http::{Auth, Endpoint};
use crate::settings::{Error, Settings};
use crate::stream;

/// Where requests go when the credential does not say.
pub const BASE_URL: &str = "https://api.anthropic.com";

const VERSION: &str = "2023-06-01";

/// What a credential chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How its models think.
    pub thinking: Thinking,
    /// Exceptions: models whose id begins like this think like that. The first that fits counts.
    pub thinking_of: Vec<(String, Thinking)>,
    /// The most tokens that the models can produce, thinking included. Larger efforts are cut to fit; without it they
    /// are sent as they are.
    pub max_output_tokens: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { thinking: Thinking::Budget, thinking_of: Vec::new(), max_output_tokens: None }
    }
}

impl Options {
    fn thinking_of(&self, model: &str) -> Thinking {
        let exception = self.thinking_of.iter().find(|(start, _)| model.starts_with(start));
        exception.map_or(self.thinking, |(_, thinking)| *thinking)
    }
}

/// How a model is told to think. Which one a model takes is its own: the API refuses the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thinking {
    /// Not at all.
    Off,
    /// With a number of tokens that follows from the effort: models up to the 4.6 generation.
    Budget,
    /// As the model sees fit, with the effort as advice: models from the 4.6 generation on.
    Adaptive,
}

impl Thinking {
    /// The way of that name: `off`, `budget` or `adaptive`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "budget" => Some(Self::Budget),
            "adaptive" => Some(Self::Adaptive),
            _ => None,
        }
    }
}

pub(crate) struct Anthropic {
    endpoint: Arc<Endpoint>,
    options: Options,
}

impl Anthropic {
    pub(crate) fn new(settings: &Settings, options: Options) -> Result<Self, Error> {
        let endpoint = Endpoint::new(settings, BASE_URL, &Auth::Header("x-api-key"))?
            .with_header("anthropic-version", VERSION);
        Ok(Self { endpoint: Arc::new(endpoint), options })
    }

    /// The base URL may end in `v1`, as other protocols want it, or leave it out, as Anthropic's own clients do.
    fn url(&self, path: &'static str) -> Url {
        if self.endpoint.ends_in("v1") {
            self.endpoint.url(&[path])
        } else {
            self.endpoint.url(&["v1", path])
        }
    }
}

impl Provider for Anthropic {
    fn stream(&self, request: Request) -> EventStream {
        let decoder = decode::Decoder::new(&request, self.endpoint.limits.event_bytes);
        let options = self.options.clone();
        let body = move || serde_json::to_vec(&request::Body::new(&request, &options));
        stream::events(Arc::clone(&self.endpoint), self.url("messages"), body, decoder)
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        models::list(&self.endpoint, self.url("models"))
            .map(|listed| listed.map_err(|failure| self.endpoint.clean(failure)))
            .boxed()
    }
}
