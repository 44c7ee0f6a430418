//! What a producer is told on its signaling socket before there are media, and how sockets are closed.

use std::time::Duration;

use futures_util::SinkExt;
use meter::ConnectionId;
use serde_json::{Value, json};
use store::{Resumable, SessionPrompt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::ledger::OPERATOR;
use crate::stage::media_client::{Client, Kind};
use crate::stage::{Line, PATIENCE, PIXEL, Stage, end, stage, stage_with};

fn prompt_ack(text: &str) -> Value {
    json!({"type": "prompt_ack", "prompt": text, "success": true, "error": null})
}

fn image_ack(error: Option<&str>) -> Value {
    json!({"type": "set_image_ack", "success": error.is_none(), "error": error})
}

fn invalid(error: &str) -> Value {
    json!({"type": "error", "error": error, "error_type": "invalid_message"})
}

/// What is kept of a session, once that is so.
async fn kept(stage: &Stage, id: &str, is: impl Fn(&Resumable) -> bool) -> Resumable {
    let kept = async {
        loop {
            if let Some(found) = stage.ledger().resumable(&ConnectionId::new(id)).await.unwrap().filter(&is) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.expect("it is never kept")
}

#[tokio::test]
async fn the_greeting_says_where_media_are() {
    let stage = stage().await;
    let url = stage.url("/v1/stream", &[("api_key", OPERATOR), ("model", "free")]);
    let mut line = Line::open(&url).await;
    let greeting = line.next().await;
    let id = greeting["session_id"].as_str().unwrap();
    assert!(!id.is_empty() && id.chars().all(|char| char.is_ascii_alphanumeric() || char == '-'), "{id}");
    let port = stage.realtime.addresses()[0].port();
    assert_eq!(
        greeting,
        json!({"type": "session_id", "session_id": id, "server_ip": "127.0.0.1", "server_port": port})
    );
    line.close(None).await;
}

#[tokio::test]
async fn each_request_is_acknowledged_once_and_in_order_and_what_cannot_be_read_changes_nothing() {
    let stage = stage().await;
    let (mut line, id) = stage.produce(OPERATOR, "free").await;
    let words = "a \"café\" at night\n日本語 🎨";
    line.say(json!({"type": "set_image", "image_data": PIXEL, "prompt": words, "enhance_prompt": false}))
        .await;
    assert_eq!(line.next().await, image_ack(None));
    let before = kept(&stage, &id, |kept| kept.image.is_some() && kept.prompt.is_some()).await;
    assert_eq!(before.prompt, Some(SessionPrompt { text: words.to_owned(), enhance: false }));

    // All at once, so that answers could overtake each other.
    let said: [&str; 12] = [
        "this is no JSON",
        "[]",
        r#"{"type": 5}"#,
        r#"{"no": "type"}"#,
        r#"{"type": "prompt"}"#,
        r#"{"type": "prompt", "prompt": ""}"#,
        r#"{"type": "offer"}"#,
        r#"{"type": "set_image", "image_data": 7}"#,
        r#"{"type": "set_image", "image_data": "%%%", "prompt": "changed"}"#,
        r#"{"type": "set_image", "image_data": "aGVsbG8=", "prompt": "changed"}"#,
        r#"{"type": "ice-candidate", "candidate": 5}"#,
        r#"{"type": "from_the_future", "prompt": "changed"}"#,
    ];
    for text in said {
        line.say_text(text.to_owned()).await;
    }
    line.0.send(Message::binary(r#"{"type": "prompt", "prompt": "changed"}"#)).await.unwrap();
    line.say(json!({"type": "prompt", "prompt": words, "enhance_prompt": false, "unknown": [1]})).await;
    let mut answers = Vec::new();
    while answers.last() != Some(&prompt_ack(words)) {
        answers.push(line.next().await);
    }
    let kinds: Vec<&str> = answers.iter().map(|answer| answer["type"].as_str().unwrap()).collect();
    let acks = ["prompt_ack", "error", "set_image_ack", "set_image_ack", "set_image_ack", "prompt_ack"];
    assert_eq!(kinds, [&["error"; 5][..], &acks[..]].concat(), "{answers:?}");
    for (answer, beginning) in answers.iter().zip([
        "a frame is one JSON object with a `type`: ",
        "a frame is one JSON object with a `type`: ",
        "a frame is one JSON object with a `type`: ",
        "a frame is one JSON object with a `type`: ",
        "this `prompt` message cannot be read: ",
        "The prompt is empty",
        "this `offer` message cannot be read: ",
        "this `set_image` message cannot be read: ",
        "The image is not base64",
        "The image is not a JPEG, PNG or WebP file",
    ]) {
        let error = answer["error"].as_str().unwrap();
        assert!(error.starts_with(beginning), "{answer}");
        match answer["type"].as_str().unwrap() {
            "error" => assert_eq!(*answer, invalid(error)),
            "set_image_ack" => assert_eq!(*answer, image_ack(Some(error))),
            _ => assert_eq!(
                *answer,
                json!({"type": "prompt_ack", "prompt": "", "success": false, "error": error})
            ),
        }
    }
    assert_eq!(kept(&stage, &id, |_| true).await, before, "nothing else was taken");
    assert_eq!(line.close(Some(1000)).await, Some(1000));
}

#[tokio::test]
async fn an_image_that_is_too_large_is_told_so_and_a_frame_that_is_costs_its_sender_the_session() {
    let stage = stage().await;
    let (mut line, id) = stage.produce(OPERATOR, "free").await;
    let image = |bytes: usize| {
        // Only its first bytes are looked at before it is taken.
        let data = format!("{}{}", &PIXEL[..16], "A".repeat(bytes * 4 / 3 - 16));
        json!({"type": "set_image", "image_data": data})
    };
    line.say(image(9_999_999)).await;
    assert_eq!(line.next().await, image_ack(None));
    // 16 MiB in a frame, and more.
    for bytes in [10_000_002, 12_582_912, 22_000_002] {
        line.say(image(bytes)).await;
        assert_eq!(line.next().await, image_ack(Some("Image too large")), "{bytes}");
    }
    line.say(json!({"type": "prompt", "prompt": "still here"})).await;
    assert_eq!(line.next().await, prompt_ack("still here"));

    let _ = line.0.send(Message::text("x".repeat(realtime::FRAME_LIMIT + 1))).await;
    assert_eq!(line.rest().await.0, [] as [Value; 0]);
    assert_eq!(stage.settled(&id).await.reason.as_deref(), Some("disconnect"));
    stage.is_empty().await;
    let (mut another, _) = stage.produce(OPERATOR, "free").await;
    another.close(None).await;
}

/// A slow upload: the client sends all the time, and can answer no ping before its message is out.
#[tokio::test]
async fn who_sends_an_image_slowly_is_heard_all_the_while() {
    let impatient = |settings: &mut realtime::run::Settings| {
        settings.session.limits.ping = Duration::from_secs(1);
        settings.session.limits.socket_silence = Duration::from_secs(5);
    };
    let stage = stage_with(impatient, Box::new(video::builtin)).await;
    let mut stream = TcpStream::connect(stage.server.http).await.unwrap();
    let request = format!(
        "GET /v1/stream?model=free&api_key={OPERATOR} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let message = json!({"type": "set_image", "image_data": PIXEL}).to_string();
    // Text, masked with zeros.
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(message.as_bytes());
    for piece in frame.chunks(frame.len().div_ceil(35)) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut answers = Vec::new();
    let ack = r#"{"type":"set_image_ack","success":true,"error":null}"#;
    let acknowledged = async {
        while !answers.windows(ack.len()).any(|window| window == ack.as_bytes()) {
            assert!(
                stream.read_buf(&mut answers).await.unwrap() > 0,
                "{}",
                String::from_utf8_lossy(&answers)
            );
        }
    };
    tokio::time::timeout(PATIENCE, acknowledged).await.unwrap();

    // Who sends nothing is not.
    let silent = stage.ledger().sessions(None, 1).await.unwrap().remove(0);
    assert_eq!(stage.settled(silent.session.as_str()).await.reason.as_deref(), Some("disconnect"));
    drop(stream);
}

#[tokio::test]
async fn an_offer_is_answered_with_all_candidates_inside_and_none_follows() {
    let stage = stage().await;
    let (mut line, _) = stage.produce(OPERATOR, "free").await;
    let client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let candidate = |text: Value| json!({"type": "ice-candidate", "candidate": text});
    for early in [
        json!({"candidate": client.candidate(), "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": null}),
        json!({"candidate": "candidate:2 1 udp 1 4f7d9a3c-0000-4000-8000-1234567890ab.local 50001 typ host"}),
        json!({"candidate": "candidate:3 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active"}),
        json!({"candidate": ""}),
        Value::Null,
    ] {
        line.say(candidate(early)).await;
    }
    line.say(json!({"type": "offer", "sdp": client.offer})).await;
    let answer = line.next().await;
    assert_eq!(answer["type"], "answer");
    let sdp = answer["sdp"].as_str().unwrap();
    let udp = stage.realtime.addresses()[0].port();
    let told: Vec<&str> = sdp.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    let has = |protocol: &str, port: u16| {
        let address = format!(" 127.0.0.1 {port} typ host");
        told.iter().any(|line| line.contains(protocol) && line.contains(&address))
    };
    assert!(told.len() == 2 && has(" udp ", udp) && has(" tcp ", stage.server.http.port()), "{told:?}");
    assert!(sdp.contains("a=mid:") && sdp.contains("VP8/90000"), "{sdp}");
    line.say(candidate(Value::Null)).await;
    line.say(json!({"type": "prompt", "prompt": "next"})).await;
    assert_eq!(line.next().await, prompt_ack("next"), "no candidate comes by itself");
    line.close(None).await;
}

#[tokio::test]
async fn what_can_never_work_ends_with_words_after_which_nobody_tries_again() {
    let impatient = |settings: &mut realtime::run::Settings| {
        settings.session.limits.offer = Duration::from_millis(300);
    };
    let stage = stage().await;
    let (mut line, id) = stage.produce(OPERATOR, "free").await;
    line.say(json!({"type": "livekit_join", "passthrough": true})).await;
    let text = "LiveKit transport is not allowed on this server; use @decartai/sdk ≤0.0.68 / decart ≤0.0.40";
    let refusal = json!({"type": "error", "error": text, "error_type": "transport_not_supported"});
    assert_eq!(line.rest().await, (vec![refusal], Some(1008)));
    assert_eq!(stage.settled(&id).await.reason.as_deref(), Some("error"));

    let (mut line, id) = stage.produce(OPERATOR, "free").await;
    line.say(json!({"type": "offer", "sdp": "this is no SDP"})).await;
    let (said, code) = line.rest().await;
    let error = said[1]["error"].as_str().unwrap();
    assert!(error.starts_with("This offer is not allowed: "), "{error}");
    assert_eq!((said.clone(), code), (end(0, "error", error, "upstream_rejected"), Some(1008)));
    assert_eq!(stage.settled(&id).await.reason.as_deref(), Some("error"));
    stage.is_empty().await;

    // Who makes no offer at all may come again.
    let stage = stage_with(impatient, Box::new(video::builtin)).await;
    let (mut line, id) = stage.produce(OPERATOR, "free").await;
    let no_offer = end(0, "timeout", "No offer came in time", "upstream_timeout");
    assert_eq!(line.rest().await, (no_offer, Some(1008)));
    assert_eq!(stage.settled(&id).await.reason.as_deref(), Some("timeout"));
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_nothing_comes_after_it() {
    let stage = stage().await;
    for code in [None, Some(1000), Some(1001), Some(4321)] {
        let (mut line, id) = stage.produce(OPERATOR, "free").await;
        // What is answered while the close is under way.
        line.say(json!({"type": "prompt", "prompt": "before"})).await;
        assert_eq!(line.next().await, prompt_ack("before"));
        assert_eq!(line.close(code).await, code, "echoed as it came");
        let receipt = stage.settled(&id).await;
        assert_eq!((receipt.reason.as_deref(), receipt.seconds), (Some("disconnect"), 0));
    }
    // One that is gone without a word.
    let (line, id) = stage.produce(OPERATOR, "free").await;
    drop(line);
    assert_eq!(stage.settled(&id).await.reason.as_deref(), Some("disconnect"));
    // One that does not answer the server's close.
    let (mut line, id) = stage.produce(OPERATOR, "free").await;
    line.say(json!({"type": "livekit_join"})).await;
    stage.settled(&id).await;
    stage.is_empty().await;
}
