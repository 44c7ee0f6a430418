//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[macro_use]
mod support;

mod a_directory_belongs_to_one_process;
mod a_full_disk_stops_writes_and_nothing_else;
mod a_killed_process_bills_every_second_once;
mod a_killed_process_leaves_no_half_of_a_compaction_or_a_deletion;
mod a_killed_process_loses_nothing_that_was_journalled;
mod both_stores_compact_delete_and_remember_alike;
mod both_stores_keep_the_same_books;
mod both_stores_keep_the_same_promises;
mod memory_fails_when_it_is_told_to;
mod sqlite_and_memory_agree_on_every_bill;
mod sqlite_and_memory_agree_on_every_history;
