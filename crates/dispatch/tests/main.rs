//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

mod a_client_that_cannot_go_on_says_why;
mod a_conversation_is_looked_after_from_the_command_line;
mod a_killed_server_seals_what_it_left_open;
mod a_message_that_is_sent_again_starts_nothing_twice;
mod a_server_stops_when_it_is_told_to;
mod a_server_that_cannot_start_says_why;
mod a_terminal_is_a_place_to_talk;
mod a_turn_is_stopped_by_whoever_wants_to;
mod chat_reads_a_real_file_and_runs_a_real_command;
mod configuration_comes_from_everywhere;
mod images_go_with_a_message;
mod json_is_one_object_a_line;
mod keys_and_what_they_use;
mod sessions_and_what_they_cost;
mod what_a_conversation_goes_by_is_shown_and_set;
mod what_waits_can_be_seen_and_taken_back;
