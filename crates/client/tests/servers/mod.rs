//! Servers that do what a test tells them to.

pub(crate) mod http;
pub(crate) mod signaling;
