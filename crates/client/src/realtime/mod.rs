//! Realtime sessions: live video to a server, changed by a model, and back.

mod camera;
#[cfg(feature = "cases")]
pub mod cases;
pub mod connection;
mod driver;
mod emitter;
mod error;
mod film;
mod look;
mod media;
mod options;
mod screen;
mod session;
mod socket;
mod token;
mod updates;

pub use camera::Camera;
pub use connection::{Connection, Event, GenerationTick, State};
pub use emitter::HandlerId;
pub use error::{Error, ErrorCode};
pub use film::{Film, FilmError};
pub use look::{Look, Update};
pub use options::{Options, Retry, Timeouts};
pub use screen::Frames;
pub use session::{Session, Start, Watching};
pub use token::SubscribeToken;
