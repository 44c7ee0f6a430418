//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;
mod validator;

mod a_conversation_id_is_any_sensible_string;
mod a_field_that_is_not_known_is_ignored;
mod an_event_that_is_not_known_survives_a_relay;
mod an_optional_field_is_left_out_and_never_null;
mod every_type_has_the_names_of_the_contract;
mod realtime_messages_are_read_kindly_and_written_exactly;
mod the_published_schemas_say_what_is_written;
mod usage_adds_up_without_inventing_counters;
mod what_rides_on_the_contract_is_left_out_when_unused;
