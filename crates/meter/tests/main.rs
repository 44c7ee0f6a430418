//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod a_client_token_permits_what_it_says;
mod amounts_are_exact;
mod connections_of_a_key_never_overdraw_it;
mod the_bill_is_the_sum_of_the_events;
mod time_without_frames_is_not_counted;
