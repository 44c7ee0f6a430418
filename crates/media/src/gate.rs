//! Which frames of a stream may pass, so that a decoder never sees one that builds on a frame it has not got.

use std::time::{Duration, Instant};

/// How long a keyframe that was asked for may take before it is asked for again.
const PATIENCE: Duration = Duration::from_millis(400);

/// A stream's gate: shut until a keyframe comes, and again after a loss.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: bool,
    asked: Option<Instant>,
}

impl Gate {
    /// Whether this frame may pass.
    pub(crate) fn pass(&mut self, keyframe: bool) -> bool {
        if keyframe {
            self.open = true;
            self.asked = None;
        }
        self.open
    }

    /// A frame was lost: those that follow cannot be decoded.
    pub(crate) fn lost(&mut self) {
        self.open = false;
    }

    /// Whether it is time to ask for a keyframe, which counts as done.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        let due = !self.open && self.asked.is_none_or(|asked| now.duration_since(asked) >= PATIENCE);
        if due {
            self.asked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_between_a_loss_and_the_next_keyframe() {
        let mut gate = Gate::default();
        let mut passed = Vec::new();
        for (lost, keyframe) in
            [(false, false), (false, true), (false, false), (true, false), (false, false), (false, true)]
        {
            if lost {
                gate.lost();
            }
            passed.push(gate.pass(keyframe));
        }
        assert_eq!(passed, [false, true, true, false, false, true]);
    }

    #[test]
    fn a_keyframe_is_asked_for_once_until_patience_ends() {
        let mut gate = Gate::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(
            [0, 10, 399, 400, 500, 800].map(|ms| gate.ask(at(ms))),
            [true, false, false, true, false, true]
        );
        gate.pass(true);
        assert!(!gate.ask(at(5000)), "an open gate needs no keyframe");
        gate.lost();
        assert!(gate.ask(at(5001)), "a new loss asks at once");
    }
}
