//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod a_bad_network_does_what_it_is_told;
mod a_reply_is_played_as_it_was_scripted;
