//! The clock of a connection starts with a frame, runs while there are frames, and pauses without.

use std::time::{Duration, Instant};

use meter::ActiveTime;
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn nothing_is_counted_before_the_first_frame() {
    let start = Instant::now();
    let mut time = ActiveTime::default();
    assert_eq!((time.at(start + ms(60_000)), time.when(1)), (Duration::ZERO, None));
    time.on_frame(start + ms(60_000));
    assert_eq!(time.at(start + ms(60_000)), Duration::ZERO);
    assert_eq!(time.at(start + ms(60_040)), ms(40));
}

#[test]
fn a_steady_picture_counts_every_second() {
    let start = Instant::now();
    let mut time = ActiveTime::default();
    for frame in 0..=75 {
        time.on_frame(start + ms(frame * 40));
    }
    assert_eq!((time.at(start + ms(3000)), time.seconds(start + ms(3000))), (ms(3000), 3));
    assert_eq!(time.when(3), Some(start + ms(3000)));
    assert_eq!(time.when(4), None, "that takes more frames");
}

#[test]
fn the_end_of_a_second_is_known_while_it_takes_no_further_frame() {
    let start = Instant::now();
    let mut time = ActiveTime::default();
    time.on_frame(start);
    time.on_frame(start + ms(499));
    assert_eq!(time.when(1), None);
    time.on_frame(start + ms(500));
    assert_eq!(time.when(1), Some(start + ms(1000)));
    assert_eq!((time.seconds(start + ms(999)), time.seconds(start + ms(1000))), (0, 1));
}

#[test]
fn a_generator_that_is_stuck_costs_half_a_second() {
    let start = Instant::now();
    let mut time = ActiveTime::default();
    time.on_frame(start);
    assert_eq!(time.at(start + ms(86_400_000)), ms(500));
    time.on_frame(start + ms(10_000));
    assert_eq!(time.at(start + ms(10_000)), ms(500));
    assert_eq!(time.at(start + ms(10_300)), ms(800));
}

#[test]
fn a_pause_is_at_once_and_ends_with_a_frame() {
    let start = Instant::now();
    let mut time = ActiveTime::default();
    time.pause(start);
    time.on_frame(start);
    time.pause(start + ms(100));
    assert_eq!((time.at(start + ms(9000)), time.when(1)), (ms(100), None));
    time.on_frame(start + ms(9000));
    assert_eq!(time.at(start + ms(9100)), ms(200));
}

proptest! {
    #[test]
    fn what_is_counted_never_falls_and_never_exceeds_time_or_frames(
        calls in prop::collection::vec((any::<bool>(), 0..3000u64, 0..50u64), 1..60),
    ) {
        let start = Instant::now();
        let mut time = ActiveTime::default();
        let (mut now, mut counted, mut frames) = (start + ms(1000), Duration::ZERO, 0u32);
        let first = calls.iter().position(|(is_frame, ..)| *is_frame);
        let mut began = None;
        for (index, (is_frame, wait, back)) in calls.into_iter().enumerate() {
            now += ms(wait);
            if Some(index) == first {
                began = Some(now);
            }
            // Some calls bring a time that is a little in the past.
            let at = now - ms(back);
            match is_frame {
                true => { time.on_frame(at); frames += 1; }
                false => time.pause(at),
            }
            let there = time.at(now);
            prop_assert!(there >= counted, "{there:?} after {counted:?}");
            prop_assert!(there <= ActiveTime::LONGEST_GAP * frames);
            let most = began.map_or(Duration::ZERO, |began| now + ms(50) - began);
            prop_assert!(there <= most, "{there:?} of {most:?}");
            if let Some(when) = time.when(there.as_secs() + 1) {
                prop_assert_eq!(time.seconds(when), there.as_secs() + 1);
                prop_assert_eq!(time.seconds(when - Duration::from_nanos(1)), there.as_secs());
            }
            counted = time.at(at);
        }
    }
}
