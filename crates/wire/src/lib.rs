//! Every type of Dispatch that crosses a process boundary.
//!
//! [`conversation`], [`event`], [`usage`], [`queue`] and [`lifecycle`] are the contract `@dispatch/wire`
//! 0.11.0; [`transport`] and [`surface`] are the messages that carry it over HTTP and WebSocket.
//! [`extension`] is what goes beyond that contract and reaches only clients that ask for it. [`account`] is keys, client
//! tokens, sessions and usage over HTTP, and [`realtime`] the messages of a session.
//!
//! Three rules hold for every type here:
//!
//! - Wire names are the contract's. An optional field that has no value is left out, never `null`.
//! - Fields that a reader does not know are ignored, so that both ends may grow.
//! - A relay that meets an event type it does not know passes it on as it came: see [`Relayed`].
//!
//! The TypeScript of `clients/typescript/src` and the JSON Schema of `schema/` are generated from these types
//! (`cargo xtask generate`); both are checked in, so that a change to the wire is a diff that a reviewer sees.

pub mod account;
pub mod conversation;
pub mod error;
pub mod event;
pub mod extension;
pub mod id;
pub mod lifecycle;
pub mod queue;
pub mod realtime;
mod relay;
pub mod surface;
pub mod transport;
pub mod usage;

pub use conversation::{ChatMessage, Chunk, Role, StoredChunk};
pub use error::{ErrorBody, ErrorCode};
pub use event::{AgentEvent, OutputStream};
pub use id::{ConversationId, InvalidId, StepId, TurnId};
pub use lifecycle::{CompactionResult, ConversationMeta, ConversationStatus};
pub use queue::{QueuePayload, QueuedMessage};
pub use relay::Relayed;
pub use usage::{ReasoningEffort, StepMetrics, TurnMetrics, Usage};
