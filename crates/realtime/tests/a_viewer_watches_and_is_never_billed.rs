use std::time::{Duration, Instant};

use proptest::prelude::*;
use realtime::{Close, FromPeer, Limits, MediaEvent, State, ToPeer, Viewer, ViewerInput};
use serde_json::{Value, json};

use crate::support;
use crate::support::millis;
use crate::support::world::World;

struct Seat {
    viewer: Viewer,
    now: Instant,
    sent: Vec<Value>,
    others: Vec<ToPeer>,
    pc: u32,
    is_shut: bool,
}

impl Seat {
    fn new() -> Self {
        let now = Instant::now();
        let viewer = Viewer::new(now, Limits::default());
        let mut seat = Self { viewer, now, sent: Vec::new(), others: Vec::new(), pc: 0, is_shut: false };
        seat.perform();
        seat
    }

    fn give(&mut self, input: ViewerInput) {
        if matches!(input, ViewerInput::Peer(FromPeer::Lost)) {
            self.is_shut = true;
        }
        self.viewer.handle(self.now, input);
        self.perform();
    }

    fn perform(&mut self) {
        while let Some(output) = self.viewer.poll() {
            match output {
                ToPeer::Send(message) => {
                    assert!(!self.is_shut, "sent after the close");
                    let message = serde_json::to_value(message).unwrap();
                    let kind = message["type"].as_str().unwrap();
                    assert!(
                        ["answer", "prompt_ack", "set_image_ack", "error"].contains(&kind),
                        "{kind} is not for viewers"
                    );
                    self.sent.push(message);
                }
                ToPeer::Ping => assert!(!self.is_shut, "pinged after the close"),
                output => {
                    match output {
                        ToPeer::Negotiate { pc, .. } => {
                            assert_eq!(pc, self.pc + 1);
                            self.pc = pc;
                        }
                        ToPeer::Close(_) | ToPeer::EchoClose { .. } => {
                            assert!(!self.is_shut, "closed twice");
                            self.is_shut = true;
                        }
                        _ => {}
                    }
                    self.others.push(output);
                }
            }
        }
    }

    fn text(&mut self, message: Value) {
        self.give(ViewerInput::Peer(FromPeer::Text(message.to_string())));
    }

    fn media(&mut self, event: MediaEvent) {
        let pc = self.pc;
        self.give(ViewerInput::Peer(FromPeer::Media { pc, event }));
    }

    fn connect(&mut self) {
        self.text(json!({"type": "offer", "sdp": "recvonly"}));
        self.media(MediaEvent::Answered("sendonly".to_owned()));
        self.media(MediaEvent::Connected);
    }
}

#[test]
fn a_viewer_is_answered_and_told_when_the_producer_ends() {
    let mut seat = Seat::new();
    assert_eq!(seat.sent, [] as [Value; 0]);
    seat.connect();
    seat.media(MediaEvent::Frame);
    assert_eq!(seat.viewer.state(), State::Live);
    seat.give(ViewerInput::ProducerEnded);
    assert_eq!(
        seat.sent,
        [
            json!({"type": "answer", "sdp": "sendonly"}),
            json!({"type": "error", "error": "invalid session: producer ended", "error_type": "session_not_found"}),
        ]
    );
    assert_eq!(
        seat.others,
        [
            ToPeer::Negotiate { pc: 1, offer: "recvonly".to_owned() },
            ToPeer::StopMedia,
            ToPeer::Close(Close { code: 1008, reason: "invalid session: producer ended" }),
        ]
    );
    seat.give(ViewerInput::ProducerEnded);
    seat.give(ViewerInput::Peer(FromPeer::Closed { code: Some(1008) }));
    assert!(seat.viewer.is_over());
    assert_eq!((seat.sent.len(), seat.others.len()), (2, 3));
}

#[test]
fn a_viewer_changes_nothing_and_is_told_so_once_for_each_request() {
    let mut seat = Seat::new();
    seat.text(json!({"type": "prompt", "prompt": "Anime", "enhance_prompt": true}));
    seat.text(json!({"type": "set_image", "image_data": null, "prompt": null}));
    let why = "Only the producer of a session can change it";
    assert_eq!(
        seat.sent,
        [
            json!({"type": "prompt_ack", "prompt": "Anime", "success": false, "error": why}),
            json!({"type": "set_image_ack", "success": false, "error": why}),
        ]
    );
    assert_eq!(seat.viewer.state(), State::Open);
}

#[test]
fn a_viewer_that_speaks_livekit_is_told_for_good() {
    let mut seat = Seat::new();
    seat.text(json!({"type": "livekit_join"}));
    assert!(realtime::text::is_final(seat.sent[0]["error"].as_str().unwrap()));
    assert_eq!(seat.others, [ToPeer::Close(Close { code: 1008, reason: "error" })]);
}

#[test]
fn a_viewer_whose_producer_pauses_stays() {
    let mut seat = Seat::new();
    seat.connect();
    for _ in 0..120 {
        seat.now += millis(1_000);
        seat.media(MediaEvent::Heard);
        seat.give(ViewerInput::Peer(FromPeer::Pong));
        seat.give(ViewerInput::Time);
    }
    assert_eq!(seat.viewer.state(), State::Live);
}

#[test]
fn a_producer_is_billed_the_same_whoever_watches() {
    let mut alone = World::new(support::start(), support::options());
    alone.go_live();
    alone.run(millis(5_500));
    let mut watched = World::new(support::start(), support::options());
    watched.go_live();
    let mut seats: Vec<Seat> = std::iter::repeat_with(Seat::new).take(3).collect();
    for _ in 0..11 {
        watched.run(millis(500));
        for seat in &mut seats {
            seat.connect();
            seat.media(MediaEvent::Frame);
        }
    }
    assert_eq!(watched.sent, alone.sent);
    assert_eq!(watched.charged, 5);
}

#[derive(Clone, Debug)]
enum Action {
    Text(Value),
    Media(u32, MediaEvent),
    Pong,
    Closed,
    Lost,
    ProducerEnded,
    Shutdown,
    Time(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let text = prop_oneof![
        3 => Just(json!({"type": "offer", "sdp": "v=0"})),
        1 => Just(json!({"type": "prompt", "prompt": "x"})),
        1 => Just(json!({"type": "set_image"})),
        1 => Just(json!({"type": "set_image", "image_data": 1})),
        1 => Just(json!({"type": "ice-candidate", "candidate": {"candidate":
            "candidate:1 1 udp 1 192.0.2.1 4 typ host"}})),
        1 => Just(json!(7)),
    ];
    let event = prop_oneof![
        3 => Just(MediaEvent::Answered("a".to_owned())),
        3 => Just(MediaEvent::Connected),
        3 => Just(MediaEvent::Frame),
        2 => Just(MediaEvent::Heard),
    ];
    prop_oneof![
        6 => text.prop_map(Action::Text),
        8 => (0..3u32, event).prop_map(|(behind, event)| Action::Media(behind, event)),
        2 => Just(Action::Pong),
        1 => Just(Action::Closed),
        1 => Just(Action::Lost),
        1 => Just(Action::ProducerEnded),
        1 => Just(Action::Shutdown),
        4 => (0..4_000u64).prop_map(Action::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn every_schedule_of_inputs_makes_a_lawful_viewer(actions in proptest::collection::vec(action(), 0..40)) {
        let mut seat = Seat::new();
        for action in actions {
            match action {
                Action::Text(message) => {
                    let kind = message["type"].as_str().unwrap_or_default().to_owned();
                    let was_open = matches!(
                        seat.viewer.state(),
                        State::Open | State::Negotiating | State::Live
                    );
                    let before = seat.sent.len();
                    seat.text(message);
                    let acks = seat.sent[before..].iter().filter(|ack| ack["success"] == false).count();
                    let is_request = was_open && (kind == "prompt" || kind == "set_image");
                    prop_assert_eq!(acks, usize::from(is_request));
                }
                Action::Media(behind, event) => {
                    let pc = seat.pc.saturating_sub(behind);
                    seat.give(ViewerInput::Peer(FromPeer::Media { pc, event }));
                }
                Action::Pong => seat.give(ViewerInput::Peer(FromPeer::Pong)),
                Action::Closed => {
                    let was_shut = seat.is_shut;
                    seat.give(ViewerInput::Peer(FromPeer::Closed { code: None }));
                    let echoed =
                        seat.others.iter().any(|output| matches!(output, ToPeer::EchoClose { .. }));
                    prop_assert!(was_shut || echoed);
                    prop_assert!(seat.viewer.is_over());
                }
                Action::Lost => seat.give(ViewerInput::Peer(FromPeer::Lost)),
                Action::ProducerEnded => seat.give(ViewerInput::ProducerEnded),
                Action::Shutdown => seat.give(ViewerInput::Shutdown),
                Action::Time(ms) => {
                    seat.now += millis(ms);
                    seat.give(ViewerInput::Time);
                }
            }
        }
        // Nothing comes from the client any more, though frames are made: it ends all the same, and soon.
        let gone = seat.now;
        while !seat.viewer.is_over() {
            let deadline = seat.viewer.deadline().expect("waits for nothing, and for ever");
            seat.now = seat.now.max(deadline);
            seat.media(MediaEvent::Frame);
            seat.give(ViewerInput::Time);
        }
        prop_assert!(seat.now - gone <= Duration::from_secs(17));
        let stops = seat.others.iter().filter(|output| **output == ToPeer::StopMedia).count();
        prop_assert_eq!(stops, usize::from(seat.pc > 0), "media are stopped once, if there were any");
    }
}
