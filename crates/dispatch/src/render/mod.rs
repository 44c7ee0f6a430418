//! What people see in a terminal.

mod clean;
mod markdown;
mod number;
mod screen;
mod short;
mod style;
mod table;
mod transcript;

pub(crate) use clean::clean;
pub(crate) use number::{ago, duration, grouped, now};
pub(crate) use screen::Screen;
pub(crate) use short::{short, short_text};
pub(crate) use style::{Palette, Target};
pub(crate) use table::{Column, table};
pub(crate) use transcript::transcript;
