//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_file_has_every_event_once;
mod a_webhook_gets_every_event_at_least_once;
