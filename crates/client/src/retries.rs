//! How often, and for how long, what has failed is tried again.

use std::time::Duration;

use tokio::time::Instant;

/// How often, and for how long, what has failed is tried again.
///
/// Waits double from [`first`](Self::first) to [`longest`](Self::longest); each is shortened at random by up to a half, so
/// that not all clients of a server come back at once. Where the server says how long to wait (`Retry-After`), it is at least
/// that long. An attempt that could not begin within the budget is not waited for: then the last error is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How many further attempts there are at most.
    pub most: u32,
    /// How long after the first attempt another one may begin.
    pub within: Duration,
    /// The wait before the first further attempt.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Retries {
    /// Nothing is tried again.
    pub const NONE: Self =
        Self { most: 0, within: Duration::ZERO, first: Duration::ZERO, longest: Duration::ZERO };

    /// Once more, at once: for a person who waits for the answer.
    pub const ONCE_MORE: Self = Self { most: 1, within: Duration::from_secs(10), ..Self::NONE };

    /// For what is watched: two minutes, however many attempts that takes.
    pub const PATIENT: Self = Self {
        most: u32::MAX,
        within: Duration::from_secs(120),
        first: Duration::from_millis(100),
        longest: Duration::from_secs(10),
    };
}

/// Six further attempts within 15 seconds: a server that is restarted is back by then.
impl Default for Retries {
    fn default() -> Self {
        Self {
            most: 6,
            within: Duration::from_secs(15),
            first: Duration::from_millis(200),
            longest: Duration::from_secs(4),
        }
    }
}

/// What is left of [`Retries`].
#[derive(Debug)]
pub(crate) struct Budget {
    retries: Retries,
    begun: Instant,
    spent: u32,
}

impl Budget {
    /// The first attempt begins, or has just failed.
    pub(crate) fn new(retries: Retries) -> Self {
        Self { retries, begun: Instant::now(), spent: 0 }
    }

    /// Waits for the next attempt, and at least for as long as the server has asked for. False if there is none.
    pub(crate) async fn wait(&mut self, asked: Option<Duration>) -> bool {
        match self.delay(asked, fastrand::f64()) {
            Some(delay) => {
                tokio::time::sleep(delay).await;
                true
            }
            None => false,
        }
    }

    /// `chance` is at least 0 and less than 1.
    fn delay(&mut self, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        let Retries { most, within, first, longest } = self.retries;
        if self.spent >= most {
            return None;
        }
        let whole = first.saturating_mul(2u32.saturating_pow(self.spent)).min(longest);
        let delay = whole.mul_f64(1.0 - chance / 2.0).max(asked.unwrap_or_default());
        if self.begun.elapsed().saturating_add(delay) > within {
            return None;
        }
        self.spent += 1;
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: Retries = Retries {
        most: 5,
        within: Duration::from_secs(10),
        first: Duration::from_secs(1),
        longest: Duration::from_secs(3),
    };

    fn delays(chance: f64) -> Vec<u64> {
        let mut budget = Budget::new(Retries { within: Duration::from_secs(100), ..RETRIES });
        std::iter::from_fn(|| budget.delay(None, chance)).map(|delay| delay.as_millis() as u64).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_chance_shortens_them_by_half_at_most() {
        assert_eq!(delays(0.0), [1_000, 2_000, 3_000, 3_000, 3_000]);
        assert_eq!(delays(1.0), [500, 1_000, 1_500, 1_500, 1_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_after_the_budget_whatever_chance_does() {
        for _ in 0..100 {
            let begun = Instant::now();
            let mut budget = Budget::new(RETRIES);
            let mut attempts = 0;
            while budget.wait(None).await {
                attempts += 1;
                // Each takes a while.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert!((2..=5).contains(&attempts), "{attempts}");
            assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_says_how_long_to_wait_but_not_longer_than_the_budget() {
        let mut budget = Budget::new(RETRIES);
        let begun = Instant::now();
        assert!(budget.wait(Some(Duration::from_secs(7))).await);
        assert_eq!(begun.elapsed().as_secs(), 7);
        assert!(!budget.wait(Some(Duration::from_secs(7))).await, "it would begin after 14 seconds");
        assert_eq!(begun.elapsed().as_secs(), 7, "and is not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_again_without_retries_and_once_more_is_at_once() {
        assert!(!Budget::new(Retries::NONE).wait(None).await);
        let (mut budget, begun) = (Budget::new(Retries::ONCE_MORE), Instant::now());
        assert!(budget.wait(None).await);
        assert!(!budget.wait(None).await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
