//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_connection_serves_many_requests;
mod a_key_is_never_shown;
mod a_model_that_can_see_gets_the_image;
mod a_request_begins_like_the_one_before;
mod a_request_says_what_the_protocol_wants;
mod any_history_is_legal_for_every_provider;
mod bad_weather_ends_in_a_clear_error;
mod models_are_listed;
mod recorded_streams_become_the_events_of_the_contract;
mod servers_by_other_hands_are_understood;
mod the_demo_does_what_it_is_told;
