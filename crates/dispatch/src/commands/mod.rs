//! What the client can do, one file for each group of commands.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod list;
pub(crate) mod models;
mod prompt;
pub(crate) mod read;
pub(crate) mod send;
mod turn;
