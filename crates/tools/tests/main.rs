//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_command_says_how_it_ended;
mod a_confined_command_writes_only_where_it_may;
mod a_flood_is_cut_and_takes_no_memory;
mod a_model_is_told_the_same_every_time;
mod commands_do_not_see_secrets;
mod file_tools_do_what_their_specs_say;
mod live_output_arrives_while_a_command_runs;
mod no_path_leads_out_of_the_working_directory;
mod nothing_outlives_its_command;
mod skills_are_listed_and_loaded;
mod what_is_protected_is_left_alone;
