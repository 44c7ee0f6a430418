//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_stored_history_is_made_fit_for_any_provider;
mod a_turn_says_what_the_contract_says;
mod every_schedule_of_inputs_makes_a_lawful_turn;
