//! The guarantees of [`realtime::Session`] over random schedules of client messages, media, credit answers and time.
//!
//! What is checked at every output is in `support/world.rs`. A failing schedule is shrunk and printed with its seed;
//! `PROPTEST_CASES` sets another number.

use std::time::Duration;

use proptest::prelude::*;
use realtime::{Cause, Credit, Denial, FromPeer, Input, MediaEvent, Start, State};
use serde_json::{Value, json};

use crate::support::world::World;
use crate::support::{options, png, start};

#[derive(Clone, Debug)]
enum Action {
    Text(Value),
    Garbage(&'static str),
    Pong,
    Closed(Option<u16>),
    Lost,
    Media(MediaEvent),
    /// An event of a peer connection that was replaced, or never was.
    Stray(u32, MediaEvent),
    /// A client that does everything right, up to the first frame.
    GoLive,
    /// A healthy connection for so many milliseconds.
    Run(u64),
    /// So many frames, so many milliseconds apart.
    Frames(u8, u64),
    Credit(Credit),
    StrayCredit(u64),
    End(Cause),
    /// Time passes and the session is told at the end of it.
    Time(u64),
    /// Time passes and the session is told when it wants to be.
    Pass(u64),
}

fn client_message() -> impl Strategy<Value = Value> {
    let prompt = prop_oneof![Just(""), Just("a"), Just("Anime é\u{1f600} \"quoted\"\n"), Just("b")];
    let image = prop_oneof![
        2 => Just(json!(png())),
        1 => Just(json!("%%%")),
        1 => Just(json!("aGVsbG8=")),
        1 => Just(Value::Null),
        1 => Just(json!(7)),
    ];
    let candidate = prop_oneof![
        3 => Just(json!({"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host", "sdpMid": "0"})),
        1 => Just(json!({"candidate": "candidate:1 1 udp 2130706431 aaaa.local 40000 typ host"})),
        1 => Just(json!({"candidate": ""})),
        1 => Just(Value::Null),
    ];
    prop_oneof![
        3 => Just(json!({"type": "offer", "sdp": "v=0"})),
        3 => (prompt.clone(), proptest::option::of(any::<bool>())).prop_map(|(prompt, enhance)| {
            let mut message = json!({"type": "prompt", "prompt": prompt});
            if let Some(enhance) = enhance {
                message["enhance_prompt"] = json!(enhance);
            }
            message
        }),
        3 => (proptest::option::of(image), proptest::option::of(proptest::option::of(prompt))).prop_map(
            |(image, prompt)| {
                let mut message = json!({"type": "set_image"});
                if let Some(image) = image {
                    message["image_data"] = image;
                }
                if let Some(prompt) = prompt {
                    message["prompt"] = json!(prompt);
                }
                message
            }
        ),
        3 => candidate.prop_map(|candidate| json!({"type": "ice-candidate", "candidate": candidate})),
        1 => Just(json!({"type": "answer", "sdp": "v=0"})),
        1 => Just(json!({"type": "frobnicate", "x": [1, 2]})),
        1 => Just(json!({"type": "prompt"})),
    ]
}

fn media_event() -> impl Strategy<Value = MediaEvent> {
    prop_oneof![
        4 => Just(MediaEvent::Answered("v=0".to_owned())),
        4 => Just(MediaEvent::Connected),
        4 => Just(MediaEvent::Heard),
        8 => Just(MediaEvent::Frame),
    ]
}

fn denial() -> impl Strategy<Value = Denial> {
    prop_oneof![
        3 => Just(Denial::InsufficientCredits),
        1 => Just(Denial::Revoked),
        1 => Just(Denial::Failed("the disk is full".to_owned())),
    ]
}

fn ending() -> impl Strategy<Value = Action> {
    prop_oneof![
        proptest::option::of(1000..1015u16).prop_map(Action::Closed),
        Just(Action::Lost),
        Just(Action::Text(json!({"type": "livekit_join"}))),
        Just(Action::Media(MediaEvent::Refused("no video".to_owned()))),
        Just(Action::Media(MediaEvent::Failed("no encoder".to_owned()))),
        denial().prop_map(|denial| Action::Credit(Credit::Last { denial, left: None })),
        denial().prop_map(|denial| Action::Credit(Credit::Refused(denial))),
        prop_oneof![
            Just(Cause::Moderation),
            Just(Cause::Deleted),
            Just(Cause::Shutdown),
            Just(Cause::Failed("worker died".to_owned()))
        ]
        .prop_map(Action::End),
        (5_000..40_000u64).prop_map(Action::Time),
        (5_000..40_000u64).prop_map(Action::Pass),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => client_message().prop_map(Action::Text),
        1 => prop_oneof![Just("{"), Just("[]"), Just("{\"type\":1}"), Just(""), Just("{\"type\":\"offer\"}")]
            .prop_map(Action::Garbage),
        2 => Just(Action::Pong),
        6 => media_event().prop_map(Action::Media),
        2 => (0..4u32, media_event()).prop_map(|(pc, event)| Action::Stray(pc, event)),
        3 => Just(Action::GoLive),
        4 => (1..3_500u64).prop_map(Action::Run),
        6 => (1..40u8, 1..900u64).prop_map(|(count, gap)| Action::Frames(count, gap)),
        8 => Just(Action::Credit(Credit::Granted { left: None })),
        1 => (0..5u64).prop_map(Action::StrayCredit),
        4 => (0..3_000u64).prop_map(Action::Time),
        4 => (0..3_000u64).prop_map(Action::Pass),
        1 => ending(),
    ]
}

fn act(world: &mut World, action: Action) {
    match action {
        Action::Text(message) => world.text(message),
        Action::Garbage(frame) => world.give(Input::Peer(FromPeer::Text(frame.to_owned()))),
        Action::Pong => world.give(Input::Peer(FromPeer::Pong)),
        Action::Closed(code) => world.give(Input::Peer(FromPeer::Closed { code })),
        Action::Lost => world.give(Input::Peer(FromPeer::Lost)),
        Action::Media(event) => world.media(event),
        Action::Stray(pc, event) => {
            if pc != world.pc {
                world.give(Input::Peer(FromPeer::Media { pc, event }));
            }
        }
        Action::GoLive => world.go_live(),
        Action::Run(ms) => world.run(Duration::from_millis(ms)),
        Action::Frames(count, gap) => {
            for _ in 0..count {
                world.advance(Duration::from_millis(gap));
                world.media(MediaEvent::Frame);
            }
        }
        Action::Credit(answer) => {
            if let Some(n) = world.asked {
                world.give(Input::Credit { n, answer });
            }
        }
        Action::StrayCredit(n) => {
            if world.asked != Some(n) {
                world.give(Input::Credit { n, answer: Credit::Granted { left: None } });
            }
        }
        Action::End(cause) => world.give(Input::End(cause)),
        Action::Time(ms) => {
            world.advance(Duration::from_millis(ms));
            world.give(Input::Time);
        }
        Action::Pass(ms) => world.pass(Duration::from_millis(ms)),
    }
}

fn check(start: Start, actions: Vec<Action>, frames_go_on: bool) {
    let mut world = World::new(start, options());
    for action in actions {
        act(&mut world, action);
    }
    // Nothing comes from the client any more: the session ends all the same, and soon.
    world.finish(frames_go_on);
    assert_eq!(world.session.state(), State::Gone);
    let receipt = world.settled.expect("never settled");
    assert_eq!(receipt.seconds, world.charged);
    assert_eq!(receipt.seconds, world.ticks.len() as u64 + world.untold, "the bill is not what was ticked");
    assert!(world.untold <= 1, "at most the second that was asked for when the client left");

    // A session that closed by itself said why, in this order; one whose client left said nothing.
    let last: Vec<&Value> = world.sent.iter().rev().take(2).collect();
    if world.close.is_some() {
        let is_ended = |message: &Value| {
            message["type"] == "generation_ended"
                && message["seconds"] == json!(receipt.seconds)
                && message["reason"] == json!(receipt.reason.as_str())
        };
        let is_error = |message: &Value| message["type"] == "error" && message["error_type"].is_string();
        let refused_transport = last[0]["error_type"] == "transport_not_supported";
        assert!(
            match receipt.reason.as_str() {
                "disconnect" => is_ended(last[0]),
                _ => is_error(last[0]) && (refused_transport || is_ended(last[1])),
            },
            "{last:?}"
        );
    } else {
        assert!(world.sent.iter().all(|message| message["type"] != "generation_ended"));
    }

    // Afterwards nothing at all happens.
    let sent = world.sent.len();
    world.text(json!({"type": "prompt", "prompt": "late"}));
    world.give(Input::Peer(FromPeer::Closed { code: None }));
    world.give(Input::End(Cause::Deleted));
    world.advance(Duration::from_secs(3600));
    world.give(Input::Time);
    assert_eq!(world.sent.len(), sent);
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 30_000;
    }
    config.max_shrink_iters = 20_000;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_schedule_of_inputs_makes_a_lawful_session(
        lives in any::<bool>(),
        max_duration in proptest::option::weighted(0.2, 1..30u64),
        frames_go_on in any::<bool>(),
        mut actions in proptest::collection::vec(action(), 0..60),
    ) {
        if lives {
            actions.insert(0, Action::GoLive);
        }
        let max_duration = max_duration.map(Duration::from_secs);
        check(Start { max_duration, ..start() }, actions, frames_go_on);
    }
}
