//! A key is in no error and in nothing that is printed, even where a server says it back.
use crate::servers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::realtime::{Camera, Event, Options, Retry, Session, Start};
use client::wire::ConversationId;
use client::{Client, Message, Retries, Watch, Window};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use servers::http::{Answer, Server};
use servers::signaling::{Socket, say};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Which has another form in a URL.
const KEY: &str = "dsp_a+very/secret=key";
const ENCODED: &str = "dsp_a%2Bvery%2Fsecret%3Dkey";

fn check(what: &str, shown: &str) {
    assert!(!shown.contains(KEY) && !shown.contains(ENCODED) && !shown.contains("secret"), "{what}: {shown}");
    assert!(!shown.is_empty());
}

fn both(error: &(impl std::fmt::Display + std::fmt::Debug)) -> String {
    format!("{error} {error:?} {error:#?}")
}

fn echo() -> String {
    format!("{KEY} {ENCODED} api_key={ENCODED}&model=x api_key={KEY}")
}

#[tokio::test]
async fn of_requests() {
    let id = ConversationId::new("c");
    let refusal = json!({"error": echo(), "code": KEY}).to_string();
    let event = json!({"type": "error", "conversationId": "c", "turnId": "t", "message": echo(), "code": "turn-active"});
    for answer in [
        Answer::Whole("401 Unauthorized", String::new(), refusal.clone()),
        Answer::Whole("503 Service Unavailable", String::new(), refusal),
        Answer::Whole("500 Internal Server Error", String::new(), echo()),
        Answer::Whole("302 Found", format!("location: http://127.0.0.1/?{ENCODED}\r\n"), String::new()),
        Answer::ok(echo()),
        Answer::ok(format!("{event}\n")),
        Answer::ok(format!("data: {}\n\n", echo())),
        Answer::Nothing,
    ] {
        let server = Server::scripted(vec![answer.clone()]).await;
        let client = Client::new(&server.url(), Some(KEY)).unwrap().with_retries(Retries::NONE);
        check("client", &format!("{client:?} {client:#?}"));
        let watch = Watch::new(&client, id.clone()).with_retries(Retries::NONE);
        let turn = client.stream(Message::new(Some(id.clone()), "go".to_owned())).with_retries(Retries::NONE);
        let errors = [
            client.history(&id, Window::default()).await.err().map(|error| both(&error)),
            client.models().await.err().map(|error| both(&error)),
            watch.into_stream().next().await.and_then(Result::err).map(|error| both(&error)),
            turn.text().await.err().map(|error| both(&error)),
        ];
        for error in errors.into_iter().flatten() {
            check(&format!("{answer:?}"), &error);
        }
    }
    let with_password = Client::new(
        &format!("http://user:{KEY}@127.0.0.1:9/?api_key={KEY}").replace("/secret", "%2Fsecret"),
        Some(KEY),
    );
    let client = with_password.unwrap().with_retries(Retries::NONE);
    check("address", &format!("{client:?} {}", client.server()));
    check("address", &both(&client.models().await.err().unwrap()));
    check(
        "not of a header",
        &both(&Client::new("http://127.0.0.1", Some(&format!("{KEY}\u{7}"))).err().unwrap()),
    );
}

/// Serves each WebSocket so.
async fn signaling<F: Future<Output = Option<()>> + Send>(
    serve: impl Fn(Socket) -> F + Send + Sync + Copy + 'static,
) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                    serve(socket).await;
                }
            });
        }
    });
    Client::new(&url, Some(KEY)).unwrap()
}

fn start() -> Start {
    let retry = Retry { delays: vec![1], ..Retry::default() };
    let options = Options { retry, ..Options::default() };
    Start { model: "mirage".to_owned(), camera: Camera::new(25).unwrap(), options }
}

#[tokio::test]
async fn of_sessions_that_do_not_come_about() {
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", refused.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = refused.accept().await.unwrap();
            let body = echo();
            let answer =
                format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\nx-echo: {KEY}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let nobody = Client::new("http://127.0.0.1:1", Some(KEY)).unwrap();
    let told = signaling(async |mut socket| {
        say(&mut socket, json!({"type": "error", "error": echo(), "error_type": KEY})).await?;
        socket.close(None).await.ok()
    })
    .await;
    let closed = signaling(async |mut socket| {
        let reason = echo().chars().take(120).collect::<String>().into();
        socket.close(Some(CloseFrame { code: 1011.into(), reason })).await.ok()
    })
    .await;
    let rejected = signaling(async |mut socket| {
        say(&mut socket, json!({"type": "set_image_ack", "success": false, "error": echo()})).await?;
        socket.next().await.map(|_| ())
    })
    .await;
    let no_answer = signaling(async |mut socket| {
        say(&mut socket, json!({"type": "set_image_ack", "success": true, "error": null})).await?;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && message.to_text().ok()?.contains("\"offer\"") {
                say(&mut socket, json!({"type": "answer", "sdp": echo()})).await?;
            }
        }
        Some(())
    })
    .await;
    let clients = [Client::new(&url, Some(KEY)).unwrap(), nobody, told, closed, rejected, no_answer];
    for (number, client) in clients.into_iter().enumerate() {
        let error = tokio::time::timeout(Duration::from_secs(60), Session::connect(&client, start())).await;
        let error = error.expect("it hangs").err().unwrap();
        check(&format!("client {number}"), &both(&error));
        check("as JSON", &serde_json::to_string(&error).unwrap());
    }
}

#[tokio::test]
async fn of_sessions_that_end() {
    let client = signaling(async |mut socket| {
        say(&mut socket, json!({"type": "set_image_ack", "success": true, "error": null})).await?;
        while let Some(Ok(message)) = socket.next().await {
            let text = message.to_text().ok()?;
            if text.contains("\"offer\"") {
                let offer: serde_json::Value = serde_json::from_str(text).unwrap();
                let answer = servers::signaling::answer(offer["sdp"].as_str().unwrap());
                say(&mut socket, json!({"type": "answer", "sdp": answer})).await?;
                say(&mut socket, json!({"type": "generation_started"})).await?;
            } else if text.contains("\"type\":\"prompt\"") {
                say(
                    &mut socket,
                    json!({"type": "prompt_ack", "prompt": "a cat", "success": false, "error": echo()}),
                )
                .await?;
                say(&mut socket, json!({"type": "error", "error": echo(), "error_type": KEY})).await?;
                let frame = CloseFrame { code: 1008.into(), reason: KEY.into() };
                socket.send(tokio_tungstenite::tungstenite::Message::Close(Some(frame))).await.ok()?;
            }
        }
        Some(())
    })
    .await;
    let session = Session::connect(&client, start()).await.unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    session.on(move |event| heard.lock().unwrap().push(event.clone()));
    let rejected =
        tokio::time::timeout(Duration::from_secs(60), session.set_prompt("a cat", true)).await.unwrap();
    check("rejected", &both(&rejected.unwrap_err()));
    let is_error = |event: &Event| matches!(event, Event::Error { .. });
    tokio::time::timeout(Duration::from_secs(60), async {
        while !events.lock().unwrap().iter().any(is_error) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("no error was told");
    check("events", &format!("{:?}", events.lock().unwrap()));
    check("receipt", &both(&session.receipt().await.unwrap_err()));
}
