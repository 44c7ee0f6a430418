//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_file_comes_from_inside_the_working_directory;
mod any_text_is_a_template;
mod git_runs_nothing_that_a_repository_names;
mod tags_are_replaced_by_what_holds;
