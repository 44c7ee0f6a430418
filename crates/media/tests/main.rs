//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_dead_peer_is_found_within_five_seconds;
mod a_hundred_peers_leave_nothing_behind;
mod a_slow_taker_gets_new_frames_not_late_ones;
mod answers_fit_their_offers;
mod candidates_may_come_late_or_be_rubbish;
mod frames_survive_a_bad_network;
mod media_flow_both_ways;
mod nothing_that_is_sent_breaks_the_port;
mod viewers_get_the_same_frames_from_a_keyframe_on;
