//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_call_always_ends;
mod a_connection_is_shared_and_kept_while_it_is_used;
mod a_dead_or_slow_server_never_holds_a_turn_up;
mod a_misbehaving_server_harms_nobody;
mod nothing_outlives_its_server;
mod secrets_are_never_shown;
mod tools_of_a_server_are_offered_and_called;
