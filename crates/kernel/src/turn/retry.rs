use std::time::Duration;

/// When a provider call that failed before its first content is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait before the first retry; doubled for each further one.
    pub base: Duration,
    /// The longest wait that this policy chooses by itself. A provider may ask for a longer one.
    pub max_delay: Duration,
    /// The most time that one step may wait in all. Zero: no retries.
    pub budget: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            budget: Duration::from_secs(600),
        }
    }
}

impl RetryPolicy {
    /// The wait before that retry (counted from 1), or none when the budget does not allow it.
    ///
    /// A third of the wait is random, so that many turns that failed together do not come back together. What the
    /// provider asked for is never undercut.
    pub(super) fn delay(
        &self,
        retry: u32,
        waited: Duration,
        asked: Option<Duration>,
        jitter: &mut fastrand::Rng,
    ) -> Option<Duration> {
        let doubled = self.base.saturating_mul(1u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX));
        let chosen = doubled.min(self.max_delay).mul_f64(1.0 - jitter.f64() / 3.0);
        let delay = match asked {
            Some(asked) => asked.max(chosen),
            None => chosen,
        };
        (waited.saturating_add(delay) <= self.budget && !self.budget.is_zero()).then_some(delay)
    }
}
