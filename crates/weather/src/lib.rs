//! A model provider for tests and benchmarks: a real HTTP server that says what a script tells it to say, in good
//! weather and in bad, and remembers what it was asked. For what is not HTTP there are bad networks: [`udp`] loses
//! packets, [`tcp`] stalls.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use weather::{Answer, Flavour, Reply, Script, Weather};
//!
//! let weather = Weather::start(Script::new([
//!     Reply::status(429).header("retry-after", "2"),
//!     Answer::new(Flavour::OpenAi).text("Hello there.").usage(12, 3).finish(),
//! ]))
//! .await?;
//! // … point a client at weather.base_url() …
//! assert_eq!(weather.requests().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Every reply is streamed as it was scripted: frames at their time, connections that break in the middle of a frame,
//! silence that never ends. [`Received`] says when a request came, when its first token left and when its reply was
//! over, so that a benchmark can tell its own time from the provider's.

mod answer;
mod reply;
mod server;
pub mod tcp;
pub mod udp;

pub use answer::{Answer, Flavour};
pub use reply::Reply;
pub use server::{Received, Script, Weather};
