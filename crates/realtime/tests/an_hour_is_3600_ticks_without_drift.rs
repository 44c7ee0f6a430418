//! A virtual hour, with frames that come unevenly and a ledger that takes its time.

use std::time::Duration;

use realtime::{Credit, FromPeer, Input, MediaEvent};

use crate::support::world::World;
use crate::support::{options, start};

/// A cheap generator of numbers, the same ones in every run.
fn shuffle(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn every_second_of_an_hour_is_asked_for_at_its_very_instant_whatever_the_ledger_takes() {
    let mut world = World::new(start(), options());
    world.go_live();
    let began = world.now;
    let mut seed = 1;
    let mut answer_at = None;
    let mut asked_at = Vec::new();
    let mut next_frame = began;
    let end = began + Duration::from_secs(3600);
    while world.now < end {
        // Whatever comes first: a frame, an answer of the ledger, a deadline of the session.
        let deadline = world.session.deadline().unwrap();
        let until =
            [Some(next_frame), answer_at, Some(deadline), Some(end)].into_iter().flatten().min().unwrap();
        world.now = until.max(world.now);
        if answer_at.is_some_and(|at| at <= world.now) {
            answer_at = None;
            let n = world.asked.unwrap();
            world.give(Input::Credit { n, answer: Credit::Granted { left: None } });
        } else if deadline <= world.now {
            world.give(Input::Time);
        } else if next_frame <= world.now {
            world.media(MediaEvent::Frame);
            world.media(MediaEvent::Heard);
            world.give(Input::Peer(FromPeer::Pong));
            // 30 frames a second on the average, some late, some early.
            next_frame += Duration::from_micros(13_333 + shuffle(&mut seed) % 40_000);
        }
        if world.asked.is_some() && answer_at.is_none() {
            asked_at.push(world.now - began);
            answer_at = Some(world.now + Duration::from_micros(shuffle(&mut seed) % 900_000));
        }
    }
    let expected: Vec<Duration> = (1..=3600).map(Duration::from_secs).collect();
    assert_eq!(asked_at, expected);
    world.pay();
    assert_eq!((world.ticks.len(), world.charged), (3600, 3600));
}

#[test]
fn an_hour_of_frames_alone_is_told_to_a_frame() {
    let mut world = World::new(start(), options());
    world.go_live();
    let began = world.now;
    // 3600 s of 25 frames; the driver is woken by frames alone, which do not fall on whole seconds.
    let frame = Duration::from_nanos(33_366_667);
    while world.now - began < Duration::from_secs(3600) {
        world.advance(frame);
        world.media(MediaEvent::Heard);
        world.give(Input::Peer(FromPeer::Pong));
        world.media(MediaEvent::Frame);
        world.pay();
    }
    assert_eq!(world.ticks.len(), 3600);
    for (n, tick) in world.ticks.iter().enumerate() {
        let late = (*tick - began).checked_sub(Duration::from_secs(n as u64 + 1)).expect("a tick is early");
        assert!(late < frame, "tick {} is {late:?} late", n + 1);
    }
}
