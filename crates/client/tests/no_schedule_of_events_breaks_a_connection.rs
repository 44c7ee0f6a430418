//! The guarantees of [`client::realtime::Connection`] over random schedules: everything delayed, doubled, cut off or
//! invented, of this attempt and of earlier ones, and the clock late or on time.
//!
//! What is checked at every output is in `support`. The schedules are the same in each run; `PROPTEST_CASES` and
//! `PROPTEST_RNG_SEED` set other ones. One that fails is shrunk and printed.

use client::realtime::connection::{Media, State};
use client::realtime::{Look, Options, Retry, Timeouts, Update};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use support::{Happening, World};
use wire::realtime::{ClientMessage, Field, Prompt, SetImage};

use crate::support;

#[derive(Clone, Debug)]
enum Action {
    /// All goes well, for so many things.
    GoOn(u8),
    /// The next thing takes longer than what comes after it.
    Hold,
    /// It arrives.
    Arrive,
    /// The last thing happens once more.
    Again,
    /// Something happens out of nothing, in the newest attempt.
    Stray(Happening),
    /// Something happens in an attempt that is over.
    Late(u32, Happening),
    /// What ends an attempt.
    End(Happening),
    Update(Update),
    Connect,
    Disconnect,
    /// Time passes, and the machine is told on time.
    Pass(u64),
    /// Time passes, and the machine is told after what comes next, if at all.
    Jump(u64),
}

fn prompt() -> impl Strategy<Value = String> {
    prop_oneof![5 => Just("a cat"), 5 => Just("a dog"), 1 => Just(" ")].prop_map(str::to_owned)
}

fn update() -> impl Strategy<Value = Update> {
    let field = |value: BoxedStrategy<String>| prop_oneof![1 => Just(Field::Absent), 1 => Just(Field::Null), 2 => value.prop_map(Field::Value)];
    prop_oneof![
        (prompt(), any::<bool>())
            .prop_map(|(prompt, enhance_prompt)| Update::Prompt(Prompt { prompt, enhance_prompt })),
        (field(Just("aW1hZ2U=".to_owned()).boxed()), field(prompt().boxed())).prop_map(
            |(image_data, prompt)| Update::Image(SetImage { image_data, prompt, enhance_prompt: None })
        ),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let success = any::<bool>();
    prop_oneof![
        3 => (prompt(), success)
            .prop_map(|(prompt, success)| json!({"type": "prompt_ack", "prompt": prompt, "success": success})),
        3 => success.prop_map(|success| json!({"type": "set_image_ack", "success": success, "error": null})),
        2 => Just(json!({"type": "answer", "sdp": "another answer"})),
        3 => (0..100u64).prop_map(|seconds| json!({"type": "generation_tick", "seconds": seconds})),
        2 => Just(json!({"type": "generation_started"})),
        1 => Just(json!({"type": "generation_ended", "seconds": 3, "reason": "error"})),
        2 => (0..9u8).prop_map(|n| {
            json!({"type": "session_id", "session_id": format!("s-{n}"), "server_ip": "192.0.2.1", "server_port": 1})
        }),
        1 => prop_oneof![Just(Value::Null), Just(json!({"candidate": "candidate:1", "sdpMid": "0"}))]
            .prop_map(|candidate| json!({"type": "ice-candidate", "candidate": candidate})),
        1 => Just(json!({"type": "ready"})),
        1 => Just(json!({"type": "offer", "sdp": "of the server"})),
        1 => Just(json!({"type": "of_a_later_contract"})),
    ]
}

fn error() -> impl Strategy<Value = Happening> {
    let kind = prop_oneof![
        Just(None),
        Just(Some("upstream_capacity")),
        Just(Some("insufficient_credits")),
        Just(Some("of_a_later_contract"))
    ];
    let words = prop_oneof![3 => Just("something is odd"), 1 => Just("not allowed")];
    (kind, words).prop_map(|(kind, words)| Happening::Error(kind, words))
}

/// What changes nothing for good.
fn stray() -> impl Strategy<Value = Happening> {
    prop_oneof![
        10 => message().prop_map(Happening::Message),
        2 => error(),
        1 => prop_oneof![Just(""), Just("{"), Just("[]"), Just("{\"type\":7}"), Just("{\"type\":\"answer\"}")]
            .prop_map(Happening::Garbage),
        1 => Just(Happening::Opened),
        1 => Just(Happening::Offer),
        2 => prop_oneof![Just(None), Just(Some("candidate:2"))].prop_map(Happening::Candidate),
        1 => Just(Happening::Media(Media::Connected)),
        3 => Just(Happening::Media(Media::Interrupted)),
    ]
}

fn end() -> impl Strategy<Value = Happening> {
    let code = prop_oneof![
        4 => Just(None),
        2 => Just(Some(1000)),
        2 => Just(Some(1006)),
        2 => Just(Some(1011)),
        2 => Just(Some(1013)),
        1 => Just(Some(1008)),
    ];
    let status =
        prop_oneof![2 => Just(None), 1 => Just(Some(401)), 1 => Just(Some(429)), 2 => Just(Some(503))];
    prop_oneof![
        3 => code.prop_map(Happening::Closed),
        1 => status.prop_map(Happening::Refused),
        1 => Just(Happening::Media(Media::Failed)),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (1..10u8).prop_map(Action::GoOn),
        4 => Just(Action::Hold),
        3 => Just(Action::Arrive),
        4 => Just(Action::Again),
        8 => stray().prop_map(Action::Stray),
        4 => (1..3u32, prop_oneof![stray(), end()]).prop_map(|(back, late)| Action::Late(back, late)),
        4 => end().prop_map(Action::End),
        6 => update().prop_map(Action::Update),
        3 => Just(Action::Connect),
        1 => Just(Action::Disconnect),
        6 => (0..4_000u64).prop_map(Action::Pass),
        2 => (0..40_000u64).prop_map(Action::Pass),
        2 => (0..40_000u64).prop_map(Action::Jump),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let delays = prop_oneof![
        4 => Just(vec![1_000, 2_000, 4_000]),
        1 => Just(vec![]),
        1 => Just(vec![0, 500]),
    ];
    let look = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Look::default())),
        2 => Just(Some(whole("a cat", None))),
        1 => Just(Some(whole("a cat", Some("aW1hZ2U=")))),
    ];
    let session = prop_oneof![3 => Just(None), 1 => Just(Some("s-0".to_owned()))];
    let timeouts = prop_oneof![
        3 => Just(Timeouts::default()),
        1 => Just(Timeouts { prompt: 300, image: 700, attempt: 1_000, interruption: 400 }),
        1 => Just(Timeouts { prompt: u64::MAX, image: u64::MAX, attempt: u64::MAX, interruption: u64::MAX }),
    ];
    let (produces, reconnects) = (prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    (produces, reconnects, look, session, timeouts, delays, prop_oneof![Just(10_000), Just(1_000)]).prop_map(
        |(produces, reconnects, look, session, timeouts, delays, stable)| Options {
            produces,
            reconnects,
            look,
            session,
            timeouts,
            retry: Retry { delays, stable },
        },
    )
}

fn whole(prompt: &str, image: Option<&str>) -> Look {
    let prompt = Prompt { prompt: prompt.to_owned(), enhance_prompt: true };
    Look { prompt: Some(prompt), image: image.map(str::to_owned) }
}

fn act(world: &mut World, action: Action) {
    match action {
        Action::GoOn(count) => {
            for _ in 0..count {
                world.go_on();
            }
        }
        Action::Hold => world.hold(),
        Action::Arrive => world.arrive(),
        Action::Again => world.again(),
        Action::Stray(happening) | Action::End(happening) => world.happens(0, &happening),
        Action::Late(back, happening) => world.happens(back, &happening),
        Action::Update(update) => {
            world.update(update);
        }
        Action::Connect => world.connect(),
        Action::Disconnect => world.disconnect(),
        Action::Pass(time) => world.pass(time),
        Action::Jump(time) => world.jump(time),
    }
}

fn check(options: Options, actions: Vec<Action>, leaves: bool) {
    let mut world = World::new(options);
    world.connect();
    for action in actions {
        act(&mut world, action);
    }
    if !leaves {
        // Whatever was, it can be well again.
        world.heal();
        if world.options.produces {
            restores_what_is_acknowledged(&mut world);
        }
    }
    world.disconnect();
    for back in 0..5 {
        for happening in [Happening::Opened, Happening::Offer, Happening::Closed(Some(1008))] {
            world.happens(back, &happening);
        }
    }
    world.pass(3_600_000);
    assert_eq!(world.shown, State::Disconnected);
}

fn restores_what_is_acknowledged(world: &mut World) {
    let (session, look) = (world.connection.session().cloned(), whole("a horse", Some("aG9yc2U=")));
    let call = world.update(Update::whole(&look));
    world.finish(call);
    world.happens(0, &Happening::Closed(None));
    if world.shown == State::Reconnecting {
        world.heal();
        let Some(ClientMessage::SetImage(message)) = &world.begun_with else {
            panic!("after {session:?} it begins with {:?}", world.begun_with)
        };
        assert_eq!(Update::Image(message.clone()), Update::whole(&look));
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 10_000;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config.failure_persistence = None;
    config.max_shrink_iters = 20_000;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_schedule_of_events_breaks_a_connection(
        options in options(),
        actions in proptest::collection::vec(action(), 0..50),
        leaves in any::<bool>(),
    ) {
        check(options, actions, leaves);
    }
}
