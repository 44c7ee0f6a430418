//! The built-in model: offline, without a key, and no AI.
//!
//! It understands a few plain commands (`help` lists them), calls real tools, and streams like a real model, so that
//! everything around a model can be tried, shown and tested without one. What it says depends on the request alone.

mod command;
mod image;
mod play;
mod script;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt, stream};
use kernel::provider::EventStream;
use kernel::{Failure, ModelInfo, Provider, Request};

use crate::settings::Limits;

/// The name of the one model.
pub const MODEL: &str = "demo";

/// As many tokens as real models of its size would have.
const CONTEXT_WINDOW: u64 = 200_000;

/// How the demo behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The time between two tokens.
    pub token_delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { token_delay: Duration::from_millis(15) }
    }
}

pub(crate) struct Demo {
    options: Options,
    limits: Limits,
    failures: Arc<Failures>,
}

impl Demo {
    pub(crate) fn new(options: Options, limits: Limits) -> Self {
        Self { options, limits, failures: Arc::default() }
    }
}

impl Provider for Demo {
    fn stream(&self, request: Request) -> EventStream {
        let (options, limits) = (self.options, self.limits);
        let failures = Arc::clone(&self.failures);
        let opened = async move {
            let script = script::write(&request, || failures.is_first(&request));
            play::Player::new(script, &request, options.token_delay, limits.stall).events()
        };
        stream::once(opened).flatten().boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        let model =
            ModelInfo { id: MODEL.to_owned(), context_window: Some(CONTEXT_WINDOW), vision: Some(true) };
        future::ready(Ok(vec![model])).boxed()
    }
}

/// The requests that failed once already: all that the demo remembers.
#[derive(Default)]
struct Failures(Mutex<HashSet<u64>>);

impl Failures {
    const MOST: usize = 1024;

    fn is_first(&self, request: &Request) -> bool {
        let mut hasher = DefaultHasher::new();
        for message in &request.messages {
            format!("{message:?}").hash(&mut hasher);
        }
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= Self::MOST {
            failed.clear();
        }
        // The second attempt takes the mark away, so that the same words fail once again in another conversation.
        let request = hasher.finish();
        failed.insert(request) || !failed.remove(&request)
    }
}
