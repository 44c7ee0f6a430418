//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/stage.rs"]
mod stage;
mod support;
#[path = "../../wire/tests/validator/mod.rs"]
mod validator;

mod a_client_token_is_made_as_its_contract_says;
mod a_conversation_is_watched_as_server_sent_events;
mod a_message_is_taken_in_as_it_wishes;
mod a_producer_is_answered_message_by_message;
mod a_refused_client_is_told_why_in_the_way_it_understands;
mod a_session_ends_once_whatever_ends_it;
mod a_session_is_seen_and_ended_by_who_pays_for_it;
mod a_session_is_taken_up_again_by_who_pays_for_it;
mod a_socket_gets_what_it_asked_for_and_no_more;
mod a_socket_speaks_the_contract;
mod a_surface_shows_what_changes;
mod an_image_is_words_for_those_who_do_not_ask_for_more;
mod clients_of_the_first_contract_are_served;
mod every_error_has_a_paragraph;
mod every_operation_answers_as_it_is_documented;
mod every_setting_is_read_written_and_refused_by_name;
mod http_answers_as_the_contract_says;
mod keys_are_the_operators_and_a_secret_is_shown_once;
mod media_may_come_over_the_port_of_http;
mod nobody_gets_in_by_accident;
mod the_history_says_more_only_to_those_who_ask;
mod the_web_app_is_served_as_it_was_built;
mod viewers_see_what_is_produced_and_cost_nothing;
mod what_is_served_is_documented_and_holds_together;
