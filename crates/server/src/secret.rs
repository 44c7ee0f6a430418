//! New secrets.

use meter::{Kind, Secret};
use wire::ErrorCode;

use crate::answer::Refusal;

/// A secret that nobody has.
pub(crate) fn new(kind: Kind) -> Result<Secret, Refusal> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!("the operating system gives no randomness: {error}");
        Refusal::of(ErrorCode::Internal, "the operating system gives no randomness")
    })?;
    Ok(Secret::new(kind, random))
}
