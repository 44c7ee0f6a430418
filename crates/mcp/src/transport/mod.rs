//! The two ways to a server, and the ear between them and the protocol.

mod ear;
mod http;
mod process;
mod stderr;

pub(crate) use ear::{Ear, Live, Tap};
pub(crate) use http::{Client, is_lost, words};
pub(crate) use process::{Pipes, Process, start};
