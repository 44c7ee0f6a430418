//! The turn as a state machine, and the contracts of what it talks to.
//!
//! A [`Turn`] is driven by one rule: after every [`Turn::handle`], call [`Turn::poll`] until it returns `None`,
//! and perform each [`Output`] in that order. It has no clock, no socket, no disk and no thread; the time is
//! an argument. So a bug report is a list of inputs, and a test runs a hundred thousand turns in seconds.
//!
//! [`Provider`] and [`Tool`] are the two things a driver needs besides the log: what answers, and what can be
//! called. [`reconcile`] makes a stored history fit to be sent to any provider.

pub mod log;
pub mod message;
pub mod provider;
mod reconcile;
pub mod tool;
mod turn;

pub use log::{Entry, Growth, LogOp, TextKind};
pub use message::{Message, Part};
pub use provider::{Failure, FinishReason, ModelInfo, Provider, ProviderEvent, Request};
pub use reconcile::{INTERRUPTED, reconcile};
pub use tool::{Tool, ToolContext, ToolOutput, ToolResult, ToolScope, ToolSource, ToolSpec};
pub use turn::{ABORTED, DoneReason, Input, Options, Outcome, Output, RetryPolicy, Start, Turn};
