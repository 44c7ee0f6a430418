//! Whole sessions, message by message, as a client of the contract would see them.

use std::time::Duration;

use realtime::{
    Cause, Close, Credit, Denial, FromPeer, ImageFormat, Input, Look, MediaEvent, Options, Output, Prompt,
    Receipt, Session, Start, State, ToPeer,
};
use serde_json::{Value, json};
use wire::realtime::EndReason;

use crate::support::world::World;
use crate::support::{millis, options, patient, png, start};

fn new() -> World {
    World::new(start(), options())
}

/// What was sent since the greeting.
fn said(world: &World) -> &[Value] {
    assert_eq!(
        world.sent[0],
        json!({"type": "session_id", "session_id": "s-1", "server_ip": "203.0.113.7", "server_port": 8080})
    );
    &world.sent[1..]
}

fn ended(seconds: u64, reason: &str) -> Value {
    json!({"type": "generation_ended", "seconds": seconds, "reason": reason})
}

fn error(text: &str, kind: &str) -> Value {
    json!({"type": "error", "error": text, "error_type": kind})
}

#[test]
fn the_id_comes_first_and_by_itself() {
    let world = new();
    assert_eq!(said(&world), [] as [Value; 0]);
    assert_eq!(world.session.state(), State::Open);
}

/// The trace of a current client: passthrough, its ack, offer, candidates, prompt, leave.
#[test]
fn a_whole_session() {
    let mut world = new();
    world.text(json!({"type": "set_image", "image_data": null, "prompt": null}));
    world.text(json!({"type": "offer", "sdp": "theirs"}));
    assert_eq!(world.session.state(), State::Negotiating);
    world.media(MediaEvent::Answered("ours".to_owned()));
    world.text(json!({"type": "ice-candidate", "candidate": null}));
    world.media(MediaEvent::Connected);
    assert_eq!(world.session.state(), State::Negotiating);
    world.media(MediaEvent::Frame);
    assert_eq!(world.session.state(), State::Live);
    world.text(json!({"type": "prompt", "prompt": "Anime", "enhance_prompt": false}));
    world.run(millis(2_500));
    world.give(Input::Peer(FromPeer::Closed { code: None }));
    assert_eq!(
        said(&world),
        [
            json!({"type": "set_image_ack", "success": true, "error": null}),
            json!({"type": "answer", "sdp": "ours"}),
            json!({"type": "generation_started"}),
            json!({"type": "prompt_ack", "prompt": "Anime", "success": true, "error": null}),
            json!({"type": "generation_tick", "seconds": 1}),
            json!({"type": "generation_tick", "seconds": 2}),
        ]
    );
    assert_eq!((world.close, world.echo), (None, Some(None)));
    assert_eq!(world.settled, Some(Receipt { seconds: 2, reason: EndReason::Disconnect }));
    assert!(world.session.is_over());
}

// 4, 5: see `support/world.rs`, which refuses everything that is not to be sent, and a candidate before the answer.

#[test]
fn item_6_requests_are_acknowledged_before_and_after_the_offer_and_the_prompt_comes_back_as_it_was() {
    let mut world = new();
    let odd = " Ani\u{0}me \u{1f600}\"\\\n\u{2028}é";
    world.text(json!({"type": "prompt", "prompt": odd, "enhance_prompt": true}));
    world.text(json!({"type": "prompt", "prompt": odd, "enhance_prompt": true}));
    world.go_live();
    world.text(json!({"type": "set_image", "image_data": png()}));
    world.text(json!({"type": "prompt", "prompt": "x", "enhance_prompt": true}));
    let ack = |text: &str| json!({"type": "prompt_ack", "prompt": text, "success": true, "error": null});
    assert_eq!(
        said(&world),
        [
            ack(odd),
            ack(odd),
            json!({"type": "answer", "sdp": "our sdp"}),
            json!({"type": "generation_started"}),
            json!({"type": "set_image_ack", "success": true, "error": null}),
            ack("x"),
        ]
    );
}

#[test]
fn item_6_an_empty_prompt_and_one_that_is_too_long_are_not_taken() {
    let mut world = new();
    world.text(json!({"type": "prompt", "prompt": "kept", "enhance_prompt": true}));
    world.text(json!({"type": "prompt", "prompt": "", "enhance_prompt": true}));
    let long = "x".repeat(realtime::look::PROMPT_LIMIT + 1);
    world.text(json!({"type": "prompt", "prompt": long, "enhance_prompt": true}));
    assert_eq!(
        said(&world)[1..],
        [
            json!({"type": "prompt_ack", "prompt": "", "success": false, "error": "The prompt is empty"}),
            json!({"type": "prompt_ack", "prompt": long, "success": false, "error": "Prompt too long"}),
        ]
    );
    assert_eq!(world.applied.len(), 1);
    assert_eq!(world.session.look().prompt.as_ref().unwrap().text, "kept");
}

#[test]
fn item_7_every_shape_of_set_image_does_what_it_says() {
    let mut world = new();
    let prompt = |text: &str, enhance| Some(Prompt { text: text.to_owned(), enhance });
    let has = |world: &World| {
        let look = world.session.look();
        (look.prompt.clone(), look.image.as_ref().map(|image| image.format))
    };
    let png_image = Some(ImageFormat::Png);
    // Both.
    world.text(json!({"type": "set_image", "image_data": png(), "prompt": "a", "enhance_prompt": false}));
    assert_eq!(has(&world), (prompt("a", false), png_image));
    // The prompt alone takes the image away: `null`, or not there at all.
    world.text(json!({"type": "set_image", "image_data": null, "prompt": "b", "enhance_prompt": true}));
    assert_eq!(has(&world), (prompt("b", true), None));
    world.text(json!({"type": "set_image", "image_data": png()}));
    assert_eq!(has(&world), (prompt("b", true), png_image));
    world.text(json!({"type": "set_image", "prompt": "c"}));
    assert_eq!(has(&world), (prompt("c", true), None));
    // The image alone leaves the prompt, and how it was meant.
    world.text(json!({"type": "prompt", "prompt": "d", "enhance_prompt": false}));
    world.text(json!({"type": "set_image", "image_data": png(), "enhance_prompt": true}));
    assert_eq!(has(&world), (prompt("d", false), png_image));
    // Taken away: `null`, or an empty message.
    world.text(json!({"type": "set_image", "image_data": null}));
    assert_eq!(has(&world), (prompt("d", false), None));
    world.text(json!({"type": "set_image", "image_data": png()}));
    world.text(json!({"type": "set_image"}));
    assert_eq!(has(&world), (prompt("d", false), None));
    // Passthrough.
    world.text(json!({"type": "set_image", "image_data": null, "prompt": null}));
    assert_eq!(world.session.look(), &Look::default());
    assert!(said(&world).iter().all(|message| message["success"] == true));
    assert_eq!(world.applied.len(), said(&world).len());
}

#[test]
fn item_7_an_image_that_is_too_large_is_refused_and_the_session_goes_on() {
    let mut world = new();
    world.text(json!({"type": "set_image", "image_data": png(), "prompt": "kept"}));
    let refused = |error: &str| json!({"type": "set_image_ack", "success": false, "error": error});
    // More than sixteen megabytes of frame.
    world.text(json!({"type": "set_image", "image_data": "A".repeat(17 << 20), "prompt": "lost"}));
    // One group of base64 over the limit, and a file of exactly the limit.
    let groups = realtime::look::IMAGE_LIMIT.div_ceil(3);
    world.text(json!({"type": "set_image", "image_data": "A".repeat((groups + 1) * 4)}));
    world.text(json!({"type": "set_image", "image_data": "not base64!"}));
    world.text(json!({"type": "set_image", "image_data": "aGVsbG8="}));
    world.text(json!({"type": "set_image", "image_data": png(), "prompt": ""}));
    world.text(json!({"type": "set_image", "image_data": 5}));
    let last = said(&world).last().unwrap();
    assert_eq!((&last["type"], &last["success"]), (&json!("set_image_ack"), &json!(false)));
    assert_eq!(
        said(&world)[1..6],
        [
            refused("Image too large"),
            refused("Image too large"),
            refused("The image is not base64"),
            refused("The image is not a JPEG, PNG or WebP file"),
            refused("The prompt is empty"),
        ]
    );
    assert_eq!(world.applied.len(), 1, "what was refused changed nothing");
    assert_eq!(world.session.look().prompt.as_ref().unwrap().text, "kept");
    assert_eq!(world.session.state(), State::Open);
}

#[test]
fn item_7_an_image_of_up_to_ten_megabytes_in_any_of_the_three_formats_is_taken() {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    let mut world = new();
    for (head, format, size) in [
        (&b"\xff\xd8\xff\xe0"[..], ImageFormat::Jpeg, 100),
        (b"\x89PNG\r\n\x1a\n", ImageFormat::Png, 101),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ImageFormat::WebP, realtime::look::IMAGE_LIMIT),
    ] {
        let mut file = head.to_vec();
        file.resize(size, 7);
        let data = engine.encode(&file);
        world.text(json!({"type": "set_image", "image_data": data}));
        let image = world.session.look().image.clone().unwrap();
        assert_eq!((image.format, image.file.as_ref()), (format, file.as_slice()));
        // As some clients write it.
        world.text(json!({"type": "set_image", "image_data": data.trim_end_matches('=')}));
        assert_eq!(world.session.look().image.as_ref(), Some(&image));
        file.resize(realtime::look::IMAGE_LIMIT + 1, 7);
        world.text(json!({"type": "set_image", "image_data": engine.encode(&file)}));
        assert_eq!(world.sent.last().unwrap()["error"], "Image too large");
    }
}

#[test]
fn item_8_a_second_offer_replaces_the_peer_connection_and_the_ticks_go_on() {
    let mut world = new();
    world.go_live();
    world.run(millis(1_500));
    let first = world.pc;
    world.text(json!({"type": "offer", "sdp": "second"}));
    assert_eq!(world.session.state(), State::Negotiating);
    // Whatever the old one still says is not heard.
    world.give(Input::Peer(FromPeer::Media { pc: first, event: MediaEvent::Frame }));
    world.give(Input::Peer(FromPeer::Media { pc: first, event: MediaEvent::Answered("old".to_owned()) }));
    world.give(Input::Peer(FromPeer::Media { pc: first, event: MediaEvent::Failed("old".to_owned()) }));
    world.pass(millis(2_000));
    world.media(MediaEvent::Answered("new".to_owned()));
    world.media(MediaEvent::Connected);
    world.media(MediaEvent::Frame);
    world.run(millis(600));
    assert_eq!(
        said(&world),
        [
            json!({"type": "answer", "sdp": "our sdp"}),
            json!({"type": "generation_started"}),
            json!({"type": "generation_tick", "seconds": 1}),
            json!({"type": "answer", "sdp": "new"}),
            json!({"type": "generation_started"}),
            json!({"type": "generation_tick", "seconds": 2}),
        ],
        "what was counted before the second offer is not lost, and the negotiation is not billed"
    );
}

#[test]
fn item_8_an_answer_to_an_offer_that_was_replaced_is_not_sent() {
    let mut world = new();
    world.text(json!({"type": "offer", "sdp": "first"}));
    let first = world.pc;
    world.text(json!({"type": "offer", "sdp": "second"}));
    world
        .give(Input::Peer(FromPeer::Media { pc: first, event: MediaEvent::Answered("to first".to_owned()) }));
    assert_eq!(said(&world), [] as [Value; 0]);
    world.media(MediaEvent::Answered("to second".to_owned()));
    assert_eq!(said(&world), [json!({"type": "answer", "sdp": "to second"})]);
}

#[test]
fn item_9_candidates_wait_for_the_answer_and_those_of_no_use_are_skipped() {
    let candidate = |text: &str| {
        json!({"type": "ice-candidate", "candidate":
            {"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "u"}})
    };
    let host = "candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host generation 0 ufrag x";
    let v6 = "candidate:2 1 UDP 2130706431 2001:db8::1 40000 typ host";
    let reflexive = "candidate:3 1 udp 1 198.51.100.7 5 typ srflx raddr 192.0.2.1 rport 40000";
    let mut world = new();
    world.text(candidate(host));
    for useless in [
        "",
        "candidate:1 1 udp 2130706431 0f3c-11.local 40000 typ host",
        "candidate:1 1 udp 2130706431 example.org 40000 typ host",
        "candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
        "candidate:1 1 udp 2130706431 192.0.2.1 0 typ host",
        "candidate:1 1 udp 2130706431 192.0.2.1 99999 typ host",
        "candidate:1 1 udp",
        "garbage",
    ] {
        world.text(candidate(useless));
    }
    world.text(json!({"type": "ice-candidate", "candidate": null}));
    world.text(json!({"type": "ice-candidate"}));
    world.text(json!({"type": "ice-candidate", "candidate": 5}));
    world.text(json!({"type": "offer", "sdp": "s"}));
    world.text(candidate(v6));
    assert_eq!(world.candidates, []);
    world.media(MediaEvent::Answered("a".to_owned()));
    world.text(candidate(reflexive));
    assert_eq!(
        world.candidates,
        [(1, host.to_owned()), (1, v6.to_owned()), (1, reflexive.to_owned())],
        "in their order, and after the answer"
    );
    assert_eq!(said(&world), [json!({"type": "answer", "sdp": "a"})], "and no error for the others");
}

#[test]
fn item_9_candidates_of_a_peer_connection_that_was_replaced_are_forgotten() {
    let candidate = |n: usize| {
        let text = format!("candidate:{n} 1 udp 1 192.0.2.1 4000 typ host");
        (json!({"type": "ice-candidate", "candidate": {"candidate": text}}), text)
    };
    let mut world = new();
    world.text(json!({"type": "offer", "sdp": "first"}));
    for n in 0..100 {
        world.text(candidate(n).0);
    }
    world.text(json!({"type": "offer", "sdp": "second"}));
    for n in 100..200 {
        world.text(candidate(n).0);
    }
    world.media(MediaEvent::Answered("a".to_owned()));
    let kept: Vec<_> = (100..164).map(|n| (2, candidate(n).1)).collect();
    assert_eq!(world.candidates, kept, "and of the others, as many as anybody can have");
}

#[test]
fn item_11_started_is_said_when_media_are_up_and_the_first_frame_is_there() {
    let mut world = new();
    world.text(json!({"type": "offer", "sdp": "s"}));
    world.media(MediaEvent::Frame);
    world.media(MediaEvent::Connected);
    world.media(MediaEvent::Frame);
    assert_eq!(said(&world), [] as [Value; 0], "not before the answer, whatever the media say");
    world.media(MediaEvent::Answered("a".to_owned()));
    world.media(MediaEvent::Frame);
    world.media(MediaEvent::Connected);
    assert_eq!(said(&world).len(), 1, "not before the first frame");
    world.media(MediaEvent::Frame);
    world.media(MediaEvent::Frame);
    world.media(MediaEvent::Connected);
    assert_eq!(said(&world)[1..], [json!({"type": "generation_started"})]);
}

#[test]
fn item_11_no_frames_no_billing() {
    let mut world = World::new(start(), patient());
    world.go_live();
    world.run(millis(1_700));
    assert_eq!(world.ticks.len(), 1);
    // The generator is stuck. It counts for half a second more, and then not at all.
    world.pass(Duration::from_secs(1));
    world.pay();
    world.pass(Duration::from_secs(600));
    assert_eq!((world.ticks.len(), world.asked), (2, None));
    // What was left of a second is still there.
    world.media(MediaEvent::Frame);
    world.run(millis(760));
    assert_eq!(world.ticks.len(), 2);
    world.run(millis(80));
    assert_eq!(world.ticks.len(), 3);
}

#[test]
fn item_17_a_live_session_without_video_ends_and_frees_its_place() {
    let mut world = new();
    let idle = Options::default().idle;
    // Its client is there all the time, and sends no video.
    let keep_quiet = |world: &mut World, time: Duration| {
        for _ in 0..time.as_secs() {
            world.media(MediaEvent::Heard);
            world.give(Input::Peer(FromPeer::Pong));
            world.pass(Duration::from_secs(1));
            world.pay();
        }
    };
    world.go_live();
    keep_quiet(&mut world, idle - Duration::from_secs(1));
    world.media(MediaEvent::Frame);
    keep_quiet(&mut world, idle - Duration::from_secs(1));
    assert_eq!(world.session.state(), State::Live, "each frame begins the time anew");
    let said_before = said(&world).len();
    keep_quiet(&mut world, Duration::from_secs(1));
    assert_eq!(
        said(&world)[said_before..],
        [
            // Each of the two frames was shown for half a second.
            json!({"type": "generation_ended", "seconds": 1, "reason": "timeout"}),
            error("No video came for too long: an idle session is not allowed", "upstream_timeout"),
        ]
    );
    assert_eq!(world.close.unwrap().code, Close::POLICY);
    assert_eq!(world.settled.unwrap().reason.as_str(), "timeout");

    // While another connection is made, its own time counts.
    let mut world = new();
    world.go_live();
    keep_quiet(&mut world, idle - Duration::from_secs(1));
    world.text(json!({"type": "offer", "sdp": "another"}));
    keep_quiet(&mut world, Duration::from_secs(20));
    assert_eq!(world.session.state(), State::Negotiating);
}

#[test]
fn item_11_a_tick_waits_for_the_ledger_and_the_clock_does_not() {
    let mut world = World::new(start(), patient());
    world.go_live();
    for _ in 0..24 {
        world.advance(millis(50));
        world.media(MediaEvent::Frame);
    }
    assert_eq!((world.asked, world.ticks.len()), (Some(1), 0), "delivered, and not charged yet");
    world.give(Input::Credit { n: 2, answer: Credit::Granted { left: None } });
    assert_eq!(world.ticks.len(), 0, "that was not asked for");
    world.pay();
    assert_eq!(world.ticks.len(), 1);
    world.pass(millis(799));
    assert_eq!(world.asked, None);
    world.media(MediaEvent::Frame);
    world.pass(millis(1));
    assert_eq!(world.asked, None, "of the last gap only half a second counts");
    world.pass(millis(298));
    assert_eq!(world.asked, None);
    world.pass(millis(1));
    assert_eq!(world.asked, Some(2), "the second began when the first one was complete: 0.2 + 0.5 + 0.3");
}

#[test]
fn item_12_a_prompt_may_be_enhanced_if_nothing_is_said() {
    let mut world = new();
    for (message, enhance) in [
        (json!({"type": "prompt", "prompt": "a"}), true),
        (json!({"type": "prompt", "prompt": "a", "enhance_prompt": null}), true),
        (json!({"type": "prompt", "prompt": "a", "enhance_prompt": false}), false),
        (json!({"type": "set_image", "prompt": "a"}), true),
        (json!({"type": "set_image", "prompt": "a", "enhance_prompt": false}), false),
    ] {
        world.text(message.clone());
        assert_eq!(world.session.look().prompt.as_ref().unwrap().enhance, enhance, "{message}");
    }
}

#[test]
fn item_13_every_end_says_why_and_closes_with_its_code() {
    type Give = fn(&mut World);
    let cases: [(Give, &str, Option<Value>, u16); 12] = [
        (
            |world| {
                world.give(Input::Credit {
                    n: 1,
                    answer: Credit::Last { denial: Denial::InsufficientCredits, left: None },
                })
            },
            "insufficient_credits",
            Some(error("Insufficient credits", "insufficient_credits")),
            Close::POLICY,
        ),
        (
            |world| {
                world.give(Input::Credit {
                    n: 1,
                    answer: Credit::Last { denial: Denial::Revoked, left: None },
                })
            },
            "error",
            Some(error("Invalid API key: it was revoked", "invalid_api_key")),
            Close::POLICY,
        ),
        (
            |world| {
                world.give(Input::Credit {
                    n: 1,
                    answer: Credit::Last { denial: Denial::Failed("x".to_owned()), left: None },
                })
            },
            "error",
            Some(error("Credits could not be checked: x", "internal_error")),
            Close::FAILED,
        ),
        (
            |world| world.give(Input::End(Cause::Moderation)),
            "moderation_violation",
            Some(error("moderation_violation", "moderation_violation")),
            Close::POLICY,
        ),
        (
            |world| world.give(Input::End(Cause::Deleted)),
            "deleted_by_operator",
            Some(error("This session was ended by the operator of the server", "session_deleted")),
            Close::POLICY,
        ),
        (
            |world| world.give(Input::End(Cause::Shutdown)),
            "error",
            Some(error("The server is shutting down. Please try again later.", "server_shutdown")),
            Close::GOING_AWAY,
        ),
        (
            |world| world.give(Input::End(Cause::Failed("worker died".to_owned()))),
            "error",
            Some(error("The generation failed: worker died", "model_server_disconnected")),
            Close::FAILED,
        ),
        (
            |world| world.media(MediaEvent::Failed("no encoder".to_owned())),
            "error",
            Some(error("The generation failed: no encoder", "model_server_disconnected")),
            Close::FAILED,
        ),
        (
            |world| world.media(MediaEvent::Refused("no video".to_owned())),
            "error",
            Some(error("This offer is not allowed: no video", "upstream_rejected")),
            Close::POLICY,
        ),
        // The client is silent: the media first, whatever the socket does.
        (
            |world| {
                for _ in 0..5 {
                    world.advance(millis(1_000));
                    world.give(Input::Peer(FromPeer::Pong));
                    world.media(MediaEvent::Frame);
                    world.pay();
                    world.give(Input::Time);
                }
            },
            "disconnect",
            None,
            Close::NORMAL,
        ),
        (
            |world| {
                for _ in 0..150 {
                    world.advance(millis(100));
                    world.media(MediaEvent::Heard);
                    world.media(MediaEvent::Frame);
                    world.pay();
                    world.give(Input::Time);
                }
            },
            "disconnect",
            None,
            Close::NORMAL,
        ),
        // The ledger is silent.
        (
            |world| {
                for _ in 0..50 {
                    world.advance(millis(100));
                    world.media(MediaEvent::Heard);
                    world.give(Input::Peer(FromPeer::Pong));
                    world.give(Input::Time);
                }
            },
            "error",
            Some(error("Credits could not be checked in time", "internal_error")),
            Close::FAILED,
        ),
    ];
    for (n, (give, reason, error, code)) in cases.into_iter().enumerate() {
        let mut world = new();
        world.go_live();
        for _ in 0..25 {
            world.advance(millis(40));
            world.media(MediaEvent::Frame);
        }
        world.media(MediaEvent::Heard);
        assert_eq!(world.asked, Some(1));
        give(&mut world);
        world.pay();
        let seconds = world.ticks.len() as u64;
        let tail: Vec<Value> = [ended(seconds, reason)].into_iter().chain(error).collect();
        assert_eq!(world.sent[world.sent.len() - tail.len()..], tail, "case {n}");
        assert_eq!(world.close.map(|close| close.code), Some(code), "case {n}");
        let receipt = world.settled.unwrap();
        assert_eq!((receipt.seconds, receipt.reason.as_str()), (seconds, reason), "case {n}");
        assert_eq!(world.session.state(), State::Ending);
        world.give(Input::Peer(FromPeer::Closed { code: Some(code) }));
        assert_eq!((world.session.is_over(), world.echo), (true, None), "an answer is not answered");
    }
}

#[test]
fn item_13_a_close_of_the_client_is_echoed_at_once_and_nothing_is_said_after_it() {
    let mut world = new();
    world.go_live();
    for _ in 0..26 {
        world.advance(millis(40));
        world.media(MediaEvent::Frame);
    }
    let asked = world.asked.unwrap();
    let pc = world.pc;
    let mut outputs = Vec::new();
    world.session.handle(world.now, Input::Peer(FromPeer::Closed { code: Some(1000) }));
    outputs.extend(std::iter::from_fn(|| world.session.poll()));
    assert_eq!(
        outputs,
        [Output::Peer(ToPeer::EchoClose { code: Some(1000) }), Output::Peer(ToPeer::StopMedia)],
        "the echo waits for nothing"
    );
    assert!(!world.session.is_over(), "the second that is being charged is waited for");
    for input in [
        Input::Peer(FromPeer::Text(json!({"type": "prompt", "prompt": "late"}).to_string())),
        Input::Peer(FromPeer::Media { pc, event: MediaEvent::Frame }),
        Input::Credit { n: asked, answer: Credit::Granted { left: None } },
    ] {
        world.session.handle(world.now, input);
    }
    let receipt = Receipt { seconds: 1, reason: EndReason::Disconnect };
    assert_eq!(world.session.poll(), Some(Output::Settle(receipt)));
    assert_eq!(world.session.poll(), None);
    assert!(world.session.is_over());
}

#[test]
fn item_13_the_last_second_is_told_before_the_end_if_the_ledger_answers() {
    let mut world = new();
    world.go_live();
    for _ in 0..25 {
        world.advance(millis(40));
        world.media(MediaEvent::Frame);
    }
    world.give(Input::End(Cause::Deleted));
    assert_eq!((world.session.state(), world.settled), (State::Ending, None));
    world.give(Input::Credit {
        n: 1,
        answer: Credit::Last { denial: Denial::InsufficientCredits, left: None },
    });
    assert_eq!(
        world.sent[world.sent.len() - 3..],
        [
            json!({"type": "generation_tick", "seconds": 1}),
            ended(1, "deleted_by_operator"),
            error("This session was ended by the operator of the server", "session_deleted"),
        ],
        "and it is the first reason that counts"
    );
    // And it is not waited for without end.
    let mut world = new();
    world.go_live();
    for _ in 0..25 {
        world.advance(millis(40));
        world.media(MediaEvent::Frame);
    }
    world.give(Input::End(Cause::Deleted));
    world.pass(millis(4_999));
    assert_eq!(world.settled, None);
    world.pass(millis(1));
    assert_eq!(world.settled, Some(Receipt { seconds: 0, reason: EndReason::DeletedByOperator }));
}

#[test]
fn item_14_when_the_credits_are_gone_the_seconds_that_were_paid_are_delivered_and_told() {
    let mut world = new();
    world.go_live();
    for n in 1..=3 {
        while world.asked.is_none() {
            world.advance(millis(40));
            world.media(MediaEvent::Heard);
            world.media(MediaEvent::Frame);
        }
        let left = Some(meter::Credits::from_micros(70_000 - 20_000 * i64::try_from(n).unwrap()));
        let denial = Denial::InsufficientCredits;
        let answer = if n < 3 { Credit::Granted { left } } else { Credit::Last { denial, left } };
        world.give(Input::Credit { n, answer });
    }
    assert_eq!(
        said(&world)[2..],
        [
            json!({"type": "generation_tick", "seconds": 1, "credits": "0.05"}),
            json!({"type": "generation_tick", "seconds": 2, "credits": "0.03"}),
            json!({"type": "generation_tick", "seconds": 3, "credits": "0.01"}),
            ended(3, "insufficient_credits"),
            error("Insufficient credits", "insufficient_credits"),
        ]
    );
    assert_eq!(world.close, Some(Close { code: 1008, reason: "insufficient_credits" }));
}

#[test]
fn item_14_a_second_that_is_refused_is_not_told() {
    let mut world = new();
    world.go_live();
    while world.asked.is_none() {
        world.advance(millis(40));
        world.media(MediaEvent::Frame);
    }
    world.give(Input::Credit { n: 1, answer: Credit::Refused(Denial::InsufficientCredits) });
    assert_eq!(said(&world)[2], ended(0, "insufficient_credits"));
    assert_eq!(world.settled, Some(Receipt { seconds: 0, reason: EndReason::InsufficientCredits }));
}

#[test]
fn item_14_the_answers_of_the_ledger_are_those_of_the_meter() {
    let left = Some(meter::Credits::from_micros(40_000));
    let grant = |next| Ok(meter::Grant { n: 1, is_new: true, next, left });
    let last = |denial| Credit::Last { denial, left };
    for (answer, credit) in [
        (grant(meter::Next::Held), Credit::Granted { left }),
        (grant(meter::Next::InsufficientCredits), last(Denial::InsufficientCredits)),
        (grant(meter::Next::Revoked), last(Denial::Revoked)),
        (grant(meter::Next::Ended), last(Denial::Failed("the connection has ended".to_owned()))),
        (Err(meter::Refusal::InsufficientCredits), Credit::Refused(Denial::InsufficientCredits)),
        (Err(meter::Refusal::Revoked), Credit::Refused(Denial::Revoked)),
        (Err(meter::Refusal::Ended), Credit::Refused(Denial::Failed("the connection has ended".to_owned()))),
    ] {
        assert_eq!(Credit::from(answer), credit);
    }
}

#[test]
fn item_17_a_client_that_is_gone_is_found_by_any_of_its_silences() {
    // No offer.
    let mut world = new();
    for _ in 0..29 {
        world.pass(millis(1_000));
        world.give(Input::Peer(FromPeer::Pong));
    }
    assert_eq!(world.session.state(), State::Open);
    world.pass(millis(1_000));
    assert_eq!(said(&world), [ended(0, "timeout"), error("No offer came in time", "upstream_timeout")]);
    assert_eq!(world.pings, 5);

    // No media, though it offers again and again.
    let mut world = new();
    for n in 0..30 {
        assert!(world.is_open(), "{n}");
        world.text(json!({"type": "offer", "sdp": "again"}));
        world.pass(millis(1_000));
    }
    assert_eq!(
        said(&world),
        [ended(0, "timeout"), error("No media connection came up in time", "upstream_timeout")]
    );

    // No word over the socket.
    let mut world = new();
    world.pass(millis(14_999));
    assert_eq!(world.session.state(), State::Open);
    world.pass(millis(1));
    assert_eq!(said(&world), [ended(0, "disconnect")]);
    assert_eq!(world.close, Some(Close { code: 1000, reason: "disconnect" }));
    world.pass(millis(2_000));
    assert!(world.session.is_over(), "and its close frame is not waited for without end");

    // No word over the peer connection, though frames are made and the socket is alive.
    let mut world = new();
    world.go_live();
    for n in 0..50 {
        assert_eq!(world.session.state(), State::Live, "{n}");
        world.pass(millis(100));
        world.give(Input::Peer(FromPeer::Pong));
        world.media(MediaEvent::Frame);
        world.pay();
    }
    assert_eq!(world.session.state(), State::Ending);
    assert_eq!(said(&world)[6..], [ended(4, "disconnect")]);

    // The socket breaks.
    let mut world = new();
    world.go_live();
    world.run(millis(1_200));
    world.give(Input::Peer(FromPeer::Lost));
    assert_eq!((world.close, world.echo), (None, None));
    assert_eq!(world.settled, Some(Receipt { seconds: 1, reason: EndReason::Disconnect }));
    assert!(world.session.is_over());
}

#[test]
fn item_16_a_session_lasts_no_longer_than_its_token_permits() {
    let mut world = World::new(Start { max_duration: Some(Duration::from_secs(10)), ..start() }, options());
    world.advance(millis(500));
    world.go_live();
    world.run(Duration::from_secs(60));
    assert_eq!(world.now - world.began, Duration::from_millis(10_020), "found with the frame that was due");
    let reason = ended(9, "timeout");
    let error = error("Session duration limit reached", "session_duration_limit");
    assert_eq!(said(&world)[11..], [reason, error]);
    assert_eq!(world.close, Some(Close { code: 1008, reason: "timeout" }));
}

#[test]
fn item_20_every_connection_counts_from_one_and_can_take_up_the_look_of_an_earlier_one() {
    let mut first = new();
    first.text(json!({"type": "set_image", "image_data": png(), "prompt": "Anime", "enhance_prompt": false}));
    first.go_live();
    first.run(millis(2_100));
    let kept = first.applied.last().unwrap().clone();

    let resumed = || World::new(Start { resumed: Some(kept.clone()), ..start() }, options());
    let mut second = resumed();
    assert_eq!(second.applied, std::slice::from_ref(&kept));
    // A client that has nothing of its own to set.
    second.text(json!({"type": "set_image", "image_data": null, "prompt": null}));
    assert_eq!(second.session.look(), &kept);
    second.go_live();
    second.run(millis(1_100));
    assert_eq!(
        said(&second),
        [
            json!({"type": "set_image_ack", "success": true, "error": null}),
            json!({"type": "answer", "sdp": "our sdp"}),
            json!({"type": "generation_started"}),
            json!({"type": "generation_tick", "seconds": 1}),
        ]
    );
    // Once it is up, passthrough is meant.
    second.text(json!({"type": "set_image", "image_data": null, "prompt": null}));
    assert_eq!(second.session.look(), &Look::default());
    // Just as after anything else that it set, or if it takes but one of them away.
    let mut third = resumed();
    third.text(json!({"type": "prompt", "prompt": "other"}));
    third.text(json!({"type": "set_image", "image_data": null, "prompt": null}));
    assert_eq!(third.session.look(), &Look::default());
    let mut fourth = resumed();
    fourth.text(json!({"type": "set_image", "image_data": null}));
    assert_eq!(fourth.session.look(), &Look { image: None, ..kept.clone() });
}

#[test]
fn item_21_a_client_that_speaks_livekit_is_told_for_good() {
    let mut world = new();
    world.text(json!({"type": "livekit_join", "passthrough": true}));
    let text = "LiveKit transport is not allowed on this server; use @decartai/sdk ≤0.0.68 / decart ≤0.0.40";
    assert_eq!(said(&world), [error(text, "transport_not_supported")]);
    assert!(realtime::text::is_final(text));
    assert_eq!(world.close.unwrap().code, Close::POLICY);
    assert_eq!(world.settled, Some(Receipt { seconds: 0, reason: EndReason::Error }));
}

#[test]
fn what_cannot_be_read_is_told_and_what_is_not_known_is_passed_over() {
    let mut world = new();
    for unknown in [
        json!({"type": "frobnicate"}),
        json!({"type": "answer", "sdp": "to nothing"}),
        json!({"type": "ready", "x": {"y": [1]}}),
        json!({"type": "ice-candidate", "candidate": "x"}),
    ] {
        world.text(unknown);
    }
    assert_eq!(said(&world), [] as [Value; 0]);
    for frame in ["", "{", "[]", "7", "{\"type\":7}", "{\"kind\":\"prompt\"}", "{\"type\":\"offer\"}"] {
        let before = world.sent.len();
        world.give(Input::Peer(FromPeer::Text(frame.to_owned())));
        assert_eq!(world.sent.len(), before + 1, "{frame}");
        assert_eq!(world.sent[before]["error_type"], "invalid_message", "{frame}");
    }
    assert_eq!(world.session.state(), State::Open);
}

#[test]
fn what_is_sent_is_the_text_of_the_contract() {
    let now = std::time::Instant::now();
    let mut session = Session::new(now, start(), Options::default());
    let Some(Output::Peer(ToPeer::Send(greeting))) = session.poll() else { panic!() };
    assert_eq!(
        serde_json::to_string(&greeting).unwrap(),
        r#"{"type":"session_id","session_id":"s-1","server_ip":"203.0.113.7","server_port":8080}"#
    );
    session.handle(
        now,
        Input::Peer(FromPeer::Text(r#"{"type":"prompt","prompt":"Anime","enhance_prompt":true}"#.to_owned())),
    );
    let Some(Output::Peer(ToPeer::Send(ack))) = session.poll() else { panic!() };
    assert_eq!(
        serde_json::to_string(&ack).unwrap(),
        r#"{"type":"prompt_ack","prompt":"Anime","success":true,"error":null}"#
    );
}
