//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_client_that_leaves_while_it_is_let_in_is_settled;
mod a_refusal_is_told_so_that_each_client_understands_it;
mod a_session_says_what_the_contract_says;
mod a_viewer_watches_and_is_never_billed;
mod an_hour_is_3600_ticks_without_drift;
mod every_schedule_of_inputs_makes_a_lawful_session;
