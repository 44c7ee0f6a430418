//! Systems that have no Landlock.

use std::fmt;
use std::path::PathBuf;

const REASON: &str = "only Linux has Landlock";

pub(super) enum Failure {
    CannotHide(String),
    Unconfined(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotHide(reason) | Self::Unconfined(reason) => f.write_str(reason),
        }
    }
}

pub(super) fn probe() -> Result<u8, String> {
    Err(REASON.to_owned())
}

pub(super) fn enter_base() -> Result<u8, String> {
    Err(REASON.to_owned())
}

pub(super) fn confine(_: &[PathBuf], _: &[PathBuf]) -> Result<(), Failure> {
    Err(Failure::Unconfined(REASON.to_owned()))
}
