use serde_json::{Value, json};
use wire::realtime::{
    ClientMessage, Description, EndReason, ErrorType, Field, IceCandidate, MessageKind, Prompt,
    ServerMessage, SetImage, Trickle, TurnConfig,
};

fn client() -> Vec<(ClientMessage, &'static str)> {
    let some = |text: &str| Field::Value(text.to_owned());
    let set = |image_data, prompt, enhance_prompt| {
        ClientMessage::SetImage(SetImage { image_data, prompt, enhance_prompt })
    };
    let browser = IceCandidate {
        candidate: "candidate:1 1 udp 1 192.0.2.1 4 typ host".to_owned(),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: Some(0),
        username_fragment: Some("u".to_owned()),
    };
    let bare = IceCandidate {
        candidate: String::new(),
        sdp_mid: None,
        sdp_m_line_index: Some(1),
        username_fragment: None,
    };
    vec![
        (
            ClientMessage::Offer(Description { sdp: "v=0\r\n".to_owned() }),
            r#"{"type":"offer","sdp":"v=0\r\n"}"#,
        ),
        (ClientMessage::Answer(Description { sdp: "a".to_owned() }), r#"{"type":"answer","sdp":"a"}"#),
        (
            ClientMessage::IceCandidate(Trickle { candidate: Some(browser) }),
            concat!(
                r#"{"type":"ice-candidate","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 4 typ host","#,
                r#""sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"u"}}"#
            ),
        ),
        (
            ClientMessage::IceCandidate(Trickle { candidate: Some(bare) }),
            r#"{"type":"ice-candidate","candidate":{"candidate":"","sdpMid":null,"sdpMLineIndex":1}}"#,
        ),
        (
            ClientMessage::IceCandidate(Trickle { candidate: None }),
            r#"{"type":"ice-candidate","candidate":null}"#,
        ),
        (
            ClientMessage::Prompt(Prompt { prompt: "Anime".to_owned(), enhance_prompt: false }),
            r#"{"type":"prompt","prompt":"Anime","enhance_prompt":false}"#,
        ),
        (
            set(some("aGk="), some("p"), Some(true)),
            r#"{"type":"set_image","image_data":"aGk=","prompt":"p","enhance_prompt":true}"#,
        ),
        (
            set(Field::Null, some("p"), Some(true)),
            r#"{"type":"set_image","image_data":null,"prompt":"p","enhance_prompt":true}"#,
        ),
        (
            set(Field::Absent, some("p"), Some(true)),
            r#"{"type":"set_image","prompt":"p","enhance_prompt":true}"#,
        ),
        (set(some("aGk="), Field::Absent, None), r#"{"type":"set_image","image_data":"aGk="}"#),
        (set(Field::Null, Field::Null, None), r#"{"type":"set_image","image_data":null,"prompt":null}"#),
        (set(Field::Absent, Field::Absent, None), r#"{"type":"set_image"}"#),
        (ClientMessage::LivekitJoin, r#"{"type":"livekit_join"}"#),
    ]
}

fn server() -> Vec<(ServerMessage, &'static str)> {
    let no = || Some("Image too large".to_owned());
    vec![
        (
            ServerMessage::SessionId {
                session_id: "0f3c".to_owned(),
                server_ip: "203.0.113.7".to_owned(),
                server_port: 8080,
            },
            r#"{"type":"session_id","session_id":"0f3c","server_ip":"203.0.113.7","server_port":8080}"#,
        ),
        (ServerMessage::Answer { sdp: "v=0\r\n".to_owned() }, r#"{"type":"answer","sdp":"v=0\r\n"}"#),
        (ServerMessage::Offer { sdp: "v".to_owned() }, r#"{"type":"offer","sdp":"v"}"#),
        (
            ServerMessage::IceCandidate(Trickle { candidate: None }),
            r#"{"type":"ice-candidate","candidate":null}"#,
        ),
        (
            ServerMessage::PromptAck { prompt: "Anime".to_owned(), success: true, error: None },
            r#"{"type":"prompt_ack","prompt":"Anime","success":true,"error":null}"#,
        ),
        (
            ServerMessage::SetImageAck { success: false, error: no() },
            r#"{"type":"set_image_ack","success":false,"error":"Image too large"}"#,
        ),
        (
            ServerMessage::SetImageAck { success: true, error: None },
            r#"{"type":"set_image_ack","success":true,"error":null}"#,
        ),
        (ServerMessage::GenerationStarted, r#"{"type":"generation_started"}"#),
        (
            ServerMessage::GenerationTick { seconds: 7, credits: None },
            r#"{"type":"generation_tick","seconds":7}"#,
        ),
        (
            ServerMessage::GenerationTick { seconds: 7, credits: Some("0.86".to_owned()) },
            r#"{"type":"generation_tick","seconds":7,"credits":"0.86"}"#,
        ),
        (
            ServerMessage::GenerationEnded { seconds: 7, reason: EndReason::InsufficientCredits.to_string() },
            r#"{"type":"generation_ended","seconds":7,"reason":"insufficient_credits"}"#,
        ),
        (
            ServerMessage::Error { error: "Insufficient credits".to_owned(), error_type: None },
            r#"{"type":"error","error":"Insufficient credits"}"#,
        ),
        (
            ServerMessage::Error {
                error: "x".to_owned(),
                error_type: Some(ErrorType::InvalidModel.as_str().to_owned()),
            },
            r#"{"type":"error","error":"x","error_type":"invalid_model"}"#,
        ),
        (ServerMessage::Ready, r#"{"type":"ready"}"#),
        (
            ServerMessage::IceRestart {
                turn_config: Some(TurnConfig {
                    username: "u".to_owned(),
                    credential: "c".to_owned(),
                    server_url: "turn:x".to_owned(),
                }),
            },
            r#"{"type":"ice-restart","turn_config":{"username":"u","credential":"c","server_url":"turn:x"}}"#,
        ),
        (ServerMessage::Status { status: "Ready".to_owned() }, r#"{"type":"status","status":"Ready"}"#),
        (
            ServerMessage::QueuePosition { position: 2, queue_size: 9 },
            r#"{"type":"queue_position","position":2,"queue_size":9}"#,
        ),
    ]
}

#[test]
fn every_message_is_written_as_the_contract_has_it_and_read_again() {
    for (message, text) in client() {
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
        assert_eq!(ClientMessage::parse(text), Ok(message));
    }
    for (message, text) in server() {
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
        assert_eq!(serde_json::from_str::<ServerMessage>(text).unwrap(), message);
    }
}

#[test]
fn fields_and_types_that_are_not_known_are_passed_over() {
    let with_more = |text: &str| {
        let mut message: Value = serde_json::from_str(text).unwrap();
        message["unheard_of"] = json!({"a": [1, null]});
        message.to_string()
    };
    for (message, text) in client() {
        assert_eq!(ClientMessage::parse(&with_more(text)), Ok(message));
    }
    for (message, text) in server() {
        assert_eq!(serde_json::from_str::<ServerMessage>(&with_more(text)).unwrap(), message);
    }
    assert_eq!(ClientMessage::parse(r#"{"type":"new","sdp":1}"#), Ok(ClientMessage::Unknown));
    let unknown: ServerMessage = serde_json::from_str(r#"{"type":"livekit_room_info","token":"t"}"#).unwrap();
    assert_eq!(unknown, ServerMessage::Unknown);
    // What is not known is never said.
    assert!(serde_json::to_string(&ClientMessage::Unknown).is_err());
    assert!(serde_json::to_string(&ServerMessage::Unknown).is_err());
}

#[test]
fn a_prompt_may_be_enhanced_unless_it_says_no() {
    for (rest, enhance) in [
        ("", true),
        (r#","enhance_prompt":null"#, true),
        (r#","enhance_prompt":true"#, true),
        (r#","enhance_prompt":false"#, false),
    ] {
        let text = format!(r#"{{"type":"prompt","prompt":"p"{rest}}}"#);
        let prompt = Prompt { prompt: "p".to_owned(), enhance_prompt: enhance };
        assert_eq!(ClientMessage::parse(&text), Ok(ClientMessage::Prompt(prompt)));
        let text = format!(r#"{{"type":"set_image"{rest}}}"#);
        let Ok(ClientMessage::SetImage(set)) = ClientMessage::parse(&text) else { panic!("{text}") };
        assert_eq!(set.enhances(), enhance);
    }
}

#[test]
fn only_two_nulls_are_passthrough() {
    for (text, is) in [
        (r#"{"type":"set_image","image_data":null,"prompt":null}"#, true),
        (r#"{"type":"set_image","image_data":null}"#, false),
        (r#"{"type":"set_image","prompt":null}"#, false),
        (r#"{"type":"set_image"}"#, false),
        (r#"{"type":"set_image","image_data":"","prompt":null}"#, false),
    ] {
        let Ok(ClientMessage::SetImage(set)) = ClientMessage::parse(text) else { panic!("{text}") };
        assert_eq!(set.is_passthrough(), is, "{text}");
    }
}

#[test]
fn what_cannot_be_read_says_which_message_it_was() {
    for (text, kind) in [
        ("", None),
        ("{", None),
        ("[]", None),
        ("null", None),
        (r#"{"sdp":"v=0"}"#, None),
        (r#"{"type":null}"#, None),
        (r#"{"type":"offer"}"#, Some(MessageKind::Offer)),
        (r#"{"type":"offer","sdp":null}"#, Some(MessageKind::Offer)),
        (r#"{"type":"answer","sdp":1}"#, Some(MessageKind::Answer)),
        (r#"{"type":"prompt"}"#, Some(MessageKind::Prompt)),
        (r#"{"type":"prompt","prompt":"\ud800"}"#, Some(MessageKind::Prompt)),
        (r#"{"type":"prompt","prompt":"p","enhance_prompt":"yes"}"#, Some(MessageKind::Prompt)),
        (r#"{"type":"set_image","image_data":{}}"#, Some(MessageKind::SetImage)),
        (r#"{"type":"ice-candidate","candidate":"c"}"#, Some(MessageKind::IceCandidate)),
    ] {
        let malformed = ClientMessage::parse(text).expect_err(text);
        assert_eq!(malformed.kind, kind, "{text}: {malformed}");
    }
    let malformed = ClientMessage::parse(r#"{"type":"offer"}"#).unwrap_err();
    assert_eq!(
        malformed.to_string(),
        "this `offer` message cannot be read: missing field `sdp` at line 1 column 16"
    );
}

#[test]
fn seconds_are_whole() {
    let tick = |seconds: &str| {
        serde_json::from_str::<ServerMessage>(&format!(r#"{{"type":"generation_tick","seconds":{seconds}}}"#))
    };
    for (text, seconds) in [("0", 0), ("7", 7), ("7.0", 7), ("7.9", 7), ("18446744073709551615", u64::MAX)] {
        assert_eq!(tick(text).unwrap(), ServerMessage::GenerationTick { seconds, credits: None }, "{text}");
    }
    for text in ["-1", "-0.5", "1e300", "\"7\"", "null"] {
        assert!(tick(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_left_costs_nobody_a_tick() {
    for (credits, read) in [
        ("\"0.86\"", Some("0.86")),
        ("-1.5", Some("-1.5")),
        ("7", Some("7")),
        ("null", None),
        ("{\"amount\": 7}", None),
    ] {
        let text = format!(r#"{{"type":"generation_tick","seconds":1,"credits":{credits}}}"#);
        let credits = read.map(str::to_owned);
        assert_eq!(
            serde_json::from_str::<ServerMessage>(&text).unwrap(),
            ServerMessage::GenerationTick { seconds: 1, credits },
            "{text}"
        );
    }
}

#[test]
fn names_are_those_of_the_contract() {
    let reasons: Vec<&str> = EndReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "disconnect",
            "timeout",
            "error",
            "moderation_violation",
            "insufficient_credits",
            "deleted_by_operator"
        ]
    );
    for reason in EndReason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), json!(reason.as_str()));
        assert_eq!(EndReason::parse(reason.as_str()), Some(*reason));
    }
    for kind in ErrorType::ALL {
        assert_eq!(ErrorType::parse(kind.as_str()), Some(*kind));
    }
}
