//! One session from the first message to the receipt, against the server's binary: the pictures of the clip come back
//! with the effect of the prompt, seconds are told in order, and the receipt says the same.

use std::sync::Arc;
use std::time::Duration;

use bench::client;
use bench::realtime::{Clip, Happening, Look, Media, Options, Peer, Refused, Screen, Stamp};
use bench::server::{Launch, Server};
use serde_json::{Value, json};
use tokio::time::timeout;
use video::Size;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server(directory: &std::path::Path) -> Server {
    let binary = bench::binary_of_this_build().unwrap();
    Launch::in_directory(&binary, directory, "").unwrap().start().await.unwrap()
}

fn options(server: &Server, model: &str) -> Options {
    Options {
        url: server.url(),
        key: "any".to_owned(),
        model: model.to_owned(),
        query: Vec::new(),
        clip: Arc::new(Clip::new(Size::new(640, 352).unwrap(), 22, 2)),
        through: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_generates_ticks_and_is_settled() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let mut peer = Peer::produce(options(&server, "mirage_v2")).await.unwrap();
    let session = peer.session().to_owned();
    peer.send(json!({"type": "prompt", "prompt": "invert", "enhance_prompt": true})).await;

    let (mut kinds, mut ticks, mut frames, mut connections) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while ticks.len() < 3 {
        match timeout(PATIENCE, peer.next()).await.unwrap().expect("the session goes on") {
            Happening::Message(message) if message["type"] == "generation_tick" => {
                ticks.push(message["seconds"].clone());
            }
            Happening::Message(message) => kinds.push(message["type"].as_str().unwrap().to_owned()),
            Happening::Media(media) => connections.push(media),
            Happening::Frame(frame) => frames.push(frame),
            Happening::Closed { code, reason } => panic!("closed with {code:?}: {reason}"),
        }
    }
    assert_eq!(ticks, [json!(1), json!(2), json!(3)]);
    assert_eq!(kinds, ["session_id", "answer", "prompt_ack", "generation_started"]);
    assert_eq!(connections, [Media::Connected]);
    let sent = peer.sent();
    assert_eq!(peer.close().await, Some(1000));

    let mut screen = Screen::new();
    let shown: Vec<(Stamp, Size)> = frames
        .iter()
        .filter_map(|frame| {
            let picture = screen.show(frame)?;
            let stamp = Stamp::read(&picture).expect("every picture has its stamp");
            let taken = sent.before(stamp.number, frame.at);
            assert!(taken.is_some_and(|taken| taken < frame.at), "{stamp:?} was not sent before it came");
            Some((stamp, picture.size()))
        })
        .collect();
    assert!(shown.len() >= 3, "{} pictures in three seconds", shown.len());
    let size = Size::new(1280, 704).unwrap();
    assert!(shown.iter().all(|(stamp, seen)| stamp.look == Look::Inverted && *seen == size), "{shown:?}");

    let url = format!("{}/v1/sessions/{session}", server.url());
    let receipt = settled(&url).await;
    assert_eq!(receipt["connections"].as_array().map(Vec::len), Some(1), "{receipt}");
    let connection = &receipt["connections"][0];
    assert_eq!(
        [
            &receipt["session"],
            &receipt["seconds"],
            &receipt["reason"],
            &connection["model"],
            &connection["seconds"]
        ],
        [&json!(session), &json!(3), &json!("disconnect"), &json!("mirage_v2"), &json!(3)],
        "{receipt}"
    );
    server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_what_the_producer_does() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let options = options(&server, "mirage_v2");
    let producer = Peer::produce(options.clone()).await.unwrap();
    let mut viewer = Peer::watch(options, producer.session()).await.unwrap();
    let mut screen = Screen::new();
    let stamp = loop {
        match timeout(PATIENCE, viewer.next()).await.unwrap().expect("it goes on") {
            Happening::Frame(frame) => {
                if let Some(stamp) = screen.read(&frame) {
                    break stamp;
                }
            }
            Happening::Message(_) | Happening::Media(_) => {}
            Happening::Closed { code, reason } => panic!("closed with {code:?}: {reason}"),
        }
    };
    assert_eq!(stamp.look, Look::Plain);
    assert_eq!(producer.close().await, Some(1000));
    // It is told that there is nothing more to see.
    let mut last = None;
    while let Some(happening) = timeout(PATIENCE, viewer.next()).await.unwrap() {
        last = Some(happening);
    }
    assert!(matches!(last, Some(Happening::Closed { code: Some(1008), .. })), "{last:?}");
    server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_error_that_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let python = ("user_agent".to_owned(), "decart-python-sdk/0.0.40 lang/py".to_owned());
    let refused = async |query: Vec<(String, String)>| {
        let options = Options { query, ..options(&server, "no-such-model") };
        let error = Peer::produce(options).await.err().expect("there is no such model");
        error.downcast::<Refused>().expect("it is a refusal")
    };
    let over_http = refused(vec![python]).await;
    let over_socket = refused(Vec::new()).await;
    assert_eq!((over_http.status, over_http.close), (Some(401), None));
    assert_eq!((over_socket.status, over_socket.close), (None, Some(1008)));
    assert_eq!(over_socket.error_type.as_deref(), Some("invalid_model"));
    assert_eq!(over_http.error, over_socket.error);
    server.kill().await.unwrap();
}

/// The receipt, once it is final.
async fn settled(url: &str) -> Value {
    let http = client::http().unwrap();
    loop {
        let receipt = http.get(url).send().await.unwrap().text().await.unwrap();
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        if receipt["settled"] == true {
            return receipt;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
