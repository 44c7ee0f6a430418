//! How bytes are cut into pieces: by the bytes themselves, so that a finding is one file and nothing else.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Random numbers that depend on the input alone.
pub(crate) fn random(data: &[u8]) -> fastrand::Rng {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish())
}

/// Cuts anywhere: into single bytes, a few bytes, or large pieces.
pub(crate) fn cut<'d>(data: &'d [u8], random: &mut fastrand::Rng) -> Vec<&'d [u8]> {
    let longest = random.choice([1, 2, 5, 40, 400]).unwrap_or(1);
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=longest).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
