//! What was sent of a clip, and when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What was sent of a clip, and when.
#[derive(Debug, Default)]
pub struct Sent(Mutex<Vec<Handed>>);

/// A frame that was handed to the packetiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Which picture of the clip it is: the number on its [`Stamp`](super::Stamp).
    pub number: u32,
    /// When.
    pub at: Instant,
    /// Its length.
    pub bytes: usize,
}

impl Sent {
    pub(super) fn add(&self, handed: Handed) {
        self.list().push(handed);
    }

    /// When that picture was sent last before that moment.
    pub fn before(&self, number: u32, moment: Instant) -> Option<Instant> {
        self.list().iter().rev().find(|sent| sent.number == number && sent.at <= moment).map(|sent| sent.at)
    }

    /// All that was sent since that moment, in order.
    pub fn since(&self, moment: Instant) -> Vec<Handed> {
        let list = self.list();
        let first = list.partition_point(|sent| sent.at < moment);
        list[first..].to_vec()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Handed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
