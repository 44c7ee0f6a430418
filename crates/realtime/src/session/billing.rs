//! The seconds of a session: what the clock has counted, what the ledger was asked, what it said.

use std::time::Instant;

use meter::ActiveTime;

#[derive(Debug, Default)]
pub(super) struct Billing {
    clock: ActiveTime,
    /// The seconds that the ledger said are charged.
    charged: u64,
    /// When the ledger was asked for the one after these, if it has not answered.
    asked: Option<Instant>,
}

impl Billing {
    /// A frame went out.
    pub(super) fn on_frame(&mut self, now: Instant) {
        self.clock.on_frame(now);
    }

    /// No frames go out until the next one.
    pub(super) fn pause(&mut self, now: Instant) {
        self.clock.pause(now);
    }

    /// The second that the ledger is to be asked for now, if one is complete and none is being asked for.
    pub(super) fn ask(&mut self, now: Instant) -> Option<u64> {
        if self.asked.is_some() || self.clock.seconds(now) <= self.charged {
            return None;
        }
        self.asked = Some(now);
        Some(self.charged + 1)
    }

    /// When the next second is complete, if that takes no other frame and the ledger has answered.
    pub(super) fn next_second(&self) -> Option<Instant> {
        match self.asked {
            Some(_) => None,
            None => self.clock.when(self.charged + 1),
        }
    }

    /// Whether the ledger is being asked for that second.
    pub(super) fn is_asked(&self, n: u64) -> bool {
        self.asked.is_some() && n == self.charged + 1
    }

    /// When the ledger was asked, if it has not answered.
    pub(super) fn asked_at(&self) -> Option<Instant> {
        self.asked
    }

    /// The second that was asked for is charged; says how many are.
    pub(super) fn on_charged(&mut self) -> u64 {
        self.asked = None;
        self.charged += 1;
        self.charged
    }

    /// The second that was asked for is not charged.
    pub(super) fn on_refused(&mut self) {
        self.asked = None;
    }

    pub(super) fn charged(&self) -> u64 {
        self.charged
    }
}
