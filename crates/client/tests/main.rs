//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod servers;
mod support;

mod a_film_is_shown_as_it_is;
mod a_session_survives_bad_weather;
mod a_watcher_misses_nothing_and_hears_nothing_twice;
mod every_case_of_the_connection_holds;
mod no_error_has_a_key_in_it;
mod no_schedule_of_events_breaks_a_connection;
mod what_fails_is_tried_again_within_a_budget;
