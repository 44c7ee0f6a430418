//! What the crate promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

mod a_generator_may_live_elsewhere;
mod an_unknown_prompt_has_a_look_of_its_own;
mod each_word_does_what_it_says;
mod frames_keep_their_pixels;
mod garbage_never_breaks_a_decoder;
mod packets_carry_pictures;
mod sizes_of_all_kinds_are_drawn_and_scaled;
mod the_colours_of_an_image_reach_the_picture;
mod the_manual_of_restyle_is_true;
