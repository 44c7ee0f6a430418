//! The server says what the script says, when it says it, and remembers what it was asked.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weather::{Answer, Flavour, Reply, Script, Weather};

/// Posts `{"n":1}` and reads until the server closes the connection.
async fn post(weather: &Weather) -> String {
    let mut socket = send(weather).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn send(weather: &Weather) -> TcpStream {
    let address = weather.base_url().replace("http://", "");
    let mut socket = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST /v1/chat?x=1 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-test: yes\r\ncontent-length: 7\r\n\r\n\
         {{\"n\":1}}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// The frames of a chunked body.
fn frames(answer: &str) -> Vec<String> {
    let (_, mut body) = answer.split_once("\r\n\r\n").unwrap();
    let mut frames = Vec::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        frames.push(rest[..size].to_owned());
        body = &rest[size + 2..];
    }
    frames
}

/// The JSON of all `data:` lines; the end mark as a string.
fn data(answer: &str) -> Vec<Value> {
    let body: String = frames(answer).concat();
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
        .collect()
}

#[tokio::test]
async fn a_request_is_remembered() {
    let weather = Weather::start(Reply::status(418).header("x-reply", "tea").send("short")).await.unwrap();
    let before = Instant::now();
    let answer = post(&weather).await;
    assert!(answer.starts_with("HTTP/1.1 418"), "{answer}");
    assert!(answer.contains("x-reply: tea"), "{answer}");
    assert_eq!(frames(&answer), ["short"]);
    weather.settled().await;
    let request = weather.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat"));
    assert_eq!((request.query.as_deref(), request.header("x-test")), (Some("x=1"), Some("yes")));
    assert_eq!(request.json(), json!({"n": 1}));
    assert!(request.played && before <= request.arrived && request.arrived <= request.ended.unwrap());
    assert_eq!((request.first_token, weather.connections()), (None, 1));
}

#[tokio::test]
async fn replies_come_in_turn_and_then_run_out() {
    let weather = Weather::start(Script::new([Reply::status(200).send("a"), Reply::status(201).send("b")]))
        .await
        .unwrap();
    assert_eq!(frames(&post(&weather).await), ["a"]);
    assert_eq!(frames(&post(&weather).await), ["b"]);
    let answer = post(&weather).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert_eq!(frames(&answer), ["the script has no reply to this request"]);
    weather.change(Script::chosen_by(|request| Reply::json(&json!({"got": request.json()["n"]}))));
    assert_eq!(frames(&post(&weather).await), ["{\"got\":1}"]);
}

#[tokio::test]
async fn frames_are_cut_and_paced() {
    let weather = Weather::start(Script::new([
        Reply::events().send("data: ä\n\n").split(7),
        Reply::events().send_paced(["a".into(), "b".into(), "c".into()], Duration::from_millis(50)),
    ]))
    .await
    .unwrap();
    let mut raw = Vec::new();
    send(&weather).await.read_to_end(&mut raw).await.unwrap();
    assert!(raw.windows(12).any(|bytes| bytes == b"7\r\ndata: \xC3\r\n"), "a character is cut in two");

    let started = Instant::now();
    assert_eq!(frames(&post(&weather).await), ["a", "b", "c"]);
    assert!(started.elapsed() >= Duration::from_millis(100));
    weather.settled().await;
    let request = weather.requests().remove(1);
    assert!(request.ended.unwrap() - request.arrived >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_connection_breaks_or_stays_silent() {
    let weather = Weather::start(Script::new([
        Reply::events().send("half").hang_up(),
        Reply::events().send("half").stall(),
        Reply::silence(),
    ]))
    .await
    .unwrap();
    let broken = post(&weather).await;
    assert!(broken.ends_with("4\r\nhalf\r\n"), "no last chunk: {broken:?}");
    for expected in ["half", ""] {
        let mut socket = send(&weather).await;
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(expected) {
            socket.read_buf(&mut seen).await.unwrap();
        }
        let silence = tokio::time::timeout(Duration::from_millis(100), socket.read_buf(&mut seen)).await;
        assert!(silence.is_err());
    }
    weather.settled().await;
    let played: Vec<bool> = weather.requests().iter().map(|request| request.played).collect();
    assert_eq!(played, [true, false, false]);
}

#[tokio::test]
async fn an_answer_speaks_its_protocol() {
    let answer = |flavour| {
        Answer::new(flavour)
            .reasoning("Hm.")
            .text("Hello")
            .call("c1", "read", &json!({"p": 1}))
            .usage(12, 3)
            .finish()
    };
    let weather =
        Weather::start(Script::new([answer(Flavour::OpenAi), answer(Flavour::Anthropic)])).await.unwrap();

    let openai = data(&post(&weather).await);
    let joined = |pick: fn(&Value) -> &Value| -> String {
        openai.iter().filter_map(|chunk| pick(chunk).as_str().map(str::to_owned)).collect()
    };
    assert_eq!(joined(|chunk| &chunk["choices"][0]["delta"]["reasoning_content"]), "Hm.");
    assert_eq!(joined(|chunk| &chunk["choices"][0]["delta"]["content"]), "Hello");
    assert_eq!(
        joined(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]),
        "{\"p\":1}"
    );
    assert_eq!(joined(|chunk| &chunk["choices"][0]["finish_reason"]), "tool_calls");
    assert_eq!(openai[openai.len() - 2]["usage"]["prompt_tokens"], 12);
    assert_eq!(openai[openai.len() - 1], "[DONE]");

    let anthropic = data(&post(&weather).await);
    let kinds: Vec<&str> = anthropic.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let indices: Vec<u64> = anthropic.iter().filter_map(|event| event["index"].as_u64()).collect();
    assert_eq!(indices, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    assert_eq!(anthropic[12]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn tokens_for_a_benchmark_come_at_their_time() {
    for flavour in [Flavour::OpenAi, Flavour::Anthropic] {
        let weather = Weather::start(Answer::tokens(flavour, 20, Duration::from_millis(5))).await.unwrap();
        let events = data(&post(&weather).await);
        let said: String = events
            .iter()
            .filter_map(|event| match flavour {
                Flavour::OpenAi => event["choices"][0]["delta"]["content"].as_str(),
                Flavour::Anthropic => event["delta"]["text"].as_str(),
            })
            .collect();
        assert_eq!(said, (0..20).map(|n| format!("token{n} ")).collect::<String>());
        weather.settled().await;
        let request = weather.requests().remove(0);
        assert!(request.played);
        let (first, ended) = (request.first_token.unwrap(), request.ended.unwrap());
        assert!(request.arrived <= first && first < ended);
        assert!(ended - request.arrived >= Duration::from_millis(95));
    }
}
