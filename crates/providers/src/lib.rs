//! What answers: providers for OpenAI-compatible servers, for Anthropic, and a built-in demo that needs no network.
//!
//! [`build`] makes a [`kernel::Provider`] of the [`Settings`] of one credential. It opens no connection and starts no
//! task; the HTTP client comes into being with the first request.
//!
//! What holds for every stream:
//!
//! - It ends with exactly one `Finish` or `Error`. `Finish` only ever means that the provider said that it was
//!   finished; everything else, from a refused connection to half a frame, is an `Error` with a code.
//! - It never hangs: a provider that sends no byte for [`Limits::stall`] has failed.
//! - It takes a bounded amount of memory, whatever the provider sends.
//! - No key appears in it. Where a provider echoes a key in an error, `[key]` stands in its place.
//! - The bytes of a request depend on the [`kernel::Request`] alone. All that a prompt cache goes by comes first in them
//!   and the messages last of that, so that the request of a step begins like the one before it; what does not count,
//!   the limit of tokens above all, comes after the messages.
//! - An image that the provider would refuse is a sentence in its place, so that no image spoils a conversation. So is
//!   any image for a model of which the settings say that it does not see.

pub mod anthropic;
pub mod demo;
pub mod openai;

mod arguments;
mod failure;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod image;
mod listed;
mod secret;
mod settings;
mod sse;
mod stream;

use std::sync::Arc;

use kernel::Provider;

pub use secret::Secret;
pub use settings::{Error, Kind, Limits, Settings};

/// Makes the provider of a credential.
///
/// # Errors
/// When the base URL or the key cannot be used.
pub fn build(settings: Settings) -> Result<Arc<dyn Provider>, Error> {
    let provider: Arc<dyn Provider> = match &settings.kind {
        Kind::OpenAi(options) => Arc::new(openai::OpenAi::new(&settings, *options)?),
        Kind::Anthropic(options) => Arc::new(anthropic::Anthropic::new(&settings, options.clone())?),
        Kind::Demo(options) => Arc::new(demo::Demo::new(*options, settings.limits)),
    };
    Ok(match settings.models {
        Some(models) => Arc::new(listed::Listed::new(provider, models)),
        None => provider,
    })
}
