//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_compaction_loses_nothing_and_lets_nothing_through;
mod a_conversation_can_be_deleted;
mod a_cursor_goes_on_exactly_where_it_was;
mod a_live_turn_takes_bounded_memory;
mod a_message_sent_twice_is_taken_in_once;
mod a_prompt_cache_is_kept_warm;
mod a_queued_message_is_never_lost;
mod a_resumed_watcher_loses_and_doubles_nothing;
mod a_turn_always_ends;
mod a_turn_is_paid_by_whoever_started_it;
mod an_active_conversation_takes_a_message_anyway;
mod each_audience_hears_what_it_asked_for;
mod every_watcher_sees_the_same_turn;
mod watchers_come_and_go_at_random;
mod what_belongs_to_a_conversation_stays_with_it;
mod who_joins_late_knows_since_when_a_tool_runs;
