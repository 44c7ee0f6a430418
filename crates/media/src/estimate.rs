//! How much a sender without transport-wide feedback is asked to send (REMB).
//!
//! Such a sender (aiortc is one) starts low and goes where the receiver's estimate points. The estimate here is the
//! loss-based one of the GCC draft: up while little is lost, down when much is. Delay is not looked at; those who can do
//! better offer transport-wide feedback, and then this is not used.

/// The least that is asked for.
const LEAST: f32 = 150_000.0;
/// Up to this loss the estimate grows.
const LITTLE: f32 = 0.02;
/// Beyond this loss it shrinks.
const MUCH: f32 = 0.10;

/// The estimate of what a sender may send.
#[derive(Debug)]
pub(crate) struct Estimate {
    bits_per_second: f32,
    most: f32,
}

impl Estimate {
    pub(crate) fn new(start: u32, most: u32) -> Self {
        let most = (most as f32).max(LEAST);
        Self { bits_per_second: (start as f32).clamp(LEAST, most), most }
    }

    /// Takes in what part of the packets of the last second was lost, 0 to 1, and returns what to ask for.
    pub(crate) fn after(&mut self, loss: f32) -> u64 {
        if loss < LITTLE {
            self.bits_per_second *= 1.08;
        } else if loss > MUCH {
            self.bits_per_second *= 1.0 - 0.5 * loss.min(1.0);
        }
        self.bits_per_second = self.bits_per_second.clamp(LEAST, self.most);
        self.bits_per_second as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_nothing_is_lost_and_shrinks_when_much_is() {
        let mut estimate = Estimate::new(1_000_000, 2_000_000);
        assert_eq!(estimate.after(0.0), 1_080_000);
        assert_eq!(estimate.after(0.05), 1_080_000, "some loss is borne");
        assert_eq!(estimate.after(0.5), 810_000);
        for _ in 0..100 {
            estimate.after(0.0);
        }
        assert_eq!(estimate.after(0.0), 2_000_000, "never beyond the most");
        for _ in 0..100 {
            estimate.after(1.0);
        }
        assert_eq!(estimate.after(1.0), 150_000, "never below the least");
    }
}
