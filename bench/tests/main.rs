//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod a_client_that_is_cut_off_is_settled_and_can_go_on;
mod a_killed_server_bills_every_second_once;
mod a_killed_server_loses_nothing_that_a_client_saw;
mod a_session_generates_ticks_and_is_settled;
mod a_short_outage_is_bridged_and_not_billed;
mod clients_that_come_and_leave_leave_nothing_behind;
mod jitter_puts_no_frame_out_of_order;
mod loss_costs_frames_but_not_the_session;
