#![doc = include_str!("../README.md")]

mod account;
mod cursor;
mod error;
mod events;
mod http;
mod message;
mod pages;
pub mod realtime;
mod retries;
mod routes;
mod secret;
mod short_id;
mod turn;
mod watch;

pub use error::Error;
pub use events::{Event, Events, Heard};
pub use http::{Answer, Client, Stored};
pub use message::{ClientMessageId, Message, Sent, Taken};
pub use pages::Pages;
pub use retries::Retries;
pub use routes::Window;
pub use turn::Turn;
pub use watch::{Seen, Watch};
#[doc(no_inline)]
pub use {video, wire};
