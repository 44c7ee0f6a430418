//! Retries of requests, with a server that drops, refuses and delays.
use crate::servers;

use std::time::{Duration, Instant};

use client::wire::{AgentEvent, ConversationId, TurnId};
use client::{Client, ClientMessageId, Error, Message, Retries, Taken, Window};
use servers::http::{Answer, Server};
use tokio::net::TcpListener;

/// As the default, but faster.
const RETRIES: Retries = Retries {
    most: 4,
    within: Duration::from_secs(20),
    first: Duration::from_millis(10),
    longest: Duration::from_millis(50),
};

const HISTORY: &str = r#"{"chunks":[],"latestSeq":0}"#;
const STOPPED: &str = r#"{"conversationId":"c","abortedTurn":true}"#;
const QUEUED: &str = r#"{"conversationId":"c","startedTurn":false,"queue":[]}"#;
const BUSY: &str = r#"{"error":"come back later","code":"shutting-down"}"#;

fn client(server: &Server) -> Client {
    Client::new(&server.url(), Some("dsp_a-very-secret-key")).unwrap().with_retries(RETRIES)
}

fn conversation() -> ConversationId {
    ConversationId::new("c")
}

fn turn(kinds: &[&str]) -> Vec<String> {
    let line = |kind: &&str| {
        let event = format!(r#"{{"type":"{kind}","conversationId":"c","turnId":"t""#);
        match *kind {
            "user-message" => format!("{event},\"text\":\"go\",\"eventSeq\":1}}\n"),
            "turn-start" => format!("{event},\"eventSeq\":2}}\n"),
            "text-delta" => format!("{event},\"delta\":\"hello\",\"eventSeq\":3}}\n"),
            _ => format!("{event},\"eventSeq\":4}}\n"),
        }
    };
    kinds.iter().map(line).collect()
}

#[tokio::test]
async fn what_only_reads_is_tried_again_after_anything_that_may_pass() {
    let refused = |status| Answer::Whole(status, String::new(), BUSY.to_owned());
    let of_a_proxy = Answer::Whole("502 Bad Gateway", String::new(), "<html>".to_owned());
    for failure in [
        Answer::Nothing,
        refused("503 Service Unavailable"),
        refused("429 Too Many Requests"),
        of_a_proxy,
        // The answer breaks off.
        Answer::Broken("application/json", vec!["{\"chunks\":".to_owned()]),
    ] {
        let server = Server::scripted(vec![failure.clone(), failure.clone(), Answer::ok(HISTORY)]).await;
        let history = client(&server).history(&conversation(), Window::default()).await;
        assert_eq!(
            history.map(|chunks| chunks.len()).map_err(|error| error.to_string()),
            Ok(0),
            "{failure:?}"
        );
        assert_eq!(server.requests().len(), 3, "{failure:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_twice_is_not() {
    let server = Server::scripted(vec![Answer::Nothing, Answer::ok(STOPPED)]).await;
    let stopped = client(&server).stop(&conversation()).await;
    assert!(matches!(stopped, Err(Error::Unreachable { .. })));
    assert_eq!(server.requests().len(), 1);

    let server = Server::scripted(vec![Answer::Nothing, Answer::ok(r#"{"deleted":false}"#)]).await;
    assert!(client(&server).delete(&conversation(), true).await.is_err());
    assert_eq!(server.requests().len(), 1, "the second answer would say that nothing was there");

    let deposit = |id: Option<&str>| {
        let id = id.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
        serde_json::from_str(&format!(r#"{{"credits":"5","depositId":{id}}}"#)).unwrap()
    };
    for (id, requests) in [(None, 1), (Some("invoice"), 5)] {
        let server = Server::scripted(vec![Answer::Nothing]).await;
        assert!(client(&server).credit_key("k", &deposit(id)).await.is_err());
        assert_eq!(server.requests().len(), requests, "{id:?}");
    }
}

#[tokio::test]
async fn what_never_reached_the_server_is_tried_again_whatever_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let retries = Retries { most: 1_000, within: Duration::from_secs(60), ..RETRIES };
    let client = Client::new(&address.to_string(), None).unwrap().with_retries(retries);
    let stop = tokio::spawn(async move { client.stop(&conversation()).await.map(|answer| answer.json) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stop.is_finished());
    let listener = TcpListener::bind(address).await.unwrap();
    let server = Server::on(listener, |_, _| async { Answer::ok(STOPPED) });
    assert_eq!(stop.await.unwrap().unwrap(), STOPPED);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_message_is_taken_once_however_often_it_is_sent() {
    // The first one never arrives, the second one does, and its answer is lost at once; the third breaks in the middle.
    let (all, rest) = (
        turn(&["user-message", "turn-start", "text-delta", "turn-sealed"]),
        turn(&["text-delta", "turn-sealed"]),
    );
    let server = Server::scripted(vec![
        Answer::Nothing,
        Answer::Whole("503 Service Unavailable", String::new(), BUSY.to_owned()),
        Answer::Broken("application/x-ndjson", all[..2].to_vec()),
        Answer::ok(rest.concat()),
    ])
    .await;
    let turn =
        client(&server).stream(Message::new(Some(conversation()), "go".to_owned())).with_retries(RETRIES);
    assert_eq!(turn.text().await.unwrap(), "hello");
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    let id = requests[0].json()["clientMessageId"].as_str().unwrap().to_owned();
    assert!(requests.iter().all(|request| request.line == "POST /chat"
        && request.json()["clientMessageId"] == id.as_str()
        && request.json()["message"] == "go"));
    let after: Vec<_> = requests.iter().map(|request| request.json()["afterEventSeq"].as_u64()).collect();
    assert_eq!(after, [None, None, None, Some(2)], "it goes on where it was");
}

#[tokio::test]
async fn each_event_of_a_turn_is_heard_once_and_in_order() {
    let all = turn(&["user-message", "turn-start", "text-delta", "turn-sealed"]);
    let server = Server::scripted(vec![
        Answer::Broken("application/x-ndjson", vec![all[0].clone(), all[1][..20].to_owned()]),
        // It repeats what was heard already.
        Answer::Broken("application/x-ndjson", all[..3].to_vec()),
        Answer::ok(all[3].clone()),
    ])
    .await;
    let mut turn =
        client(&server).stream(Message::new(Some(conversation()), "go".to_owned())).with_retries(RETRIES);
    let mut kinds = Vec::new();
    while let Some(seen) = turn.next().await.unwrap() {
        match seen {
            client::Seen::Event(event) => kinds.push(event.of_turn().unwrap().kind()),
            client::Seen::Gap => kinds.push("gap"),
        }
    }
    assert_eq!(kinds, ["user-message", "turn-start", "text-delta", "turn-sealed"]);
}

#[tokio::test]
async fn a_turn_that_was_over_before_it_could_be_resumed_has_a_gap() {
    let all = turn(&["user-message", "turn-start"]);
    let sealed = "{\"type\":\"turn-sealed\",\"conversationId\":\"c\",\"turnId\":\"t\"}\n";
    let last = r#"{"conversationId":"c","content":"from the history"}"#;
    let server = Server::scripted(vec![
        Answer::Broken("application/x-ndjson", all),
        Answer::ok(sealed),
        Answer::ok(last),
    ])
    .await;
    let message = Message::new(Some(conversation()), "go".to_owned());
    let turn = client(&server).stream(message).with_retries(RETRIES);
    assert_eq!(turn.text().await.unwrap(), "from the history");
    assert_eq!(server.requests()[2].line, "GET /conversations/c/last");
}

#[tokio::test]
async fn a_message_that_is_sent_without_listening_is_a_turn_or_queued() {
    let server = Server::scripted(vec![
        Answer::Nothing,
        Answer::Silent("application/x-ndjson", turn(&["user-message"])),
    ])
    .await;
    let message = Message::new(Some(conversation()), "go".to_owned());
    assert_eq!(client(&server).send(&message).await.unwrap(), Taken::Turn(TurnId::new("t")));
    assert_eq!(server.requests().len(), 2);

    let server =
        Server::scripted(vec![Answer::Whole("202 Accepted", String::new(), QUEUED.to_owned())]).await;
    assert!(matches!(client(&server).send(&message).await, Ok(Taken::Queued(queue)) if !queue.started_turn));

    let error = r#"{"type":"error","conversationId":"c","turnId":"t","message":"a turn is running","code":"turn-active"}"#;
    let server = Server::scripted(vec![Answer::ok(format!("{error}\n"))]).await;
    let refused = client(&server).send(&message).await.unwrap_err();
    assert_eq!((refused.code(), refused.to_string()), (Some("turn-active"), "a turn is running".to_owned()));
    let parsed: AgentEvent = serde_json::from_str(error).unwrap();
    assert_eq!(parsed.kind(), "error");
}

#[tokio::test]
async fn what_is_queued_twice_has_one_id_and_steering_names_the_turn() {
    let server = Server::scripted(vec![Answer::Nothing, Answer::ok(QUEUED)]).await;
    let id = ClientMessageId::mint();
    client(&server).steer(&conversation(), &TurnId::new("t"), "and that", &id).await.unwrap();
    let bodies: Vec<_> = server.requests().iter().map(servers::http::Request::json).collect();
    let body = serde_json::json!(
        {"text": "and that", "clientMessageId": id.as_str(), "expectedTurnId": "t"});
    assert_eq!(bodies, [body.clone(), body]);
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    let later = Answer::Whole("503 Service Unavailable", "retry-after: 1\r\n".to_owned(), BUSY.to_owned());
    let server = Server::scripted(vec![later, Answer::ok(HISTORY)]).await;
    client(&server).history(&conversation(), Window::default()).await.unwrap();
    let requests = server.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));

    // Later than the budget: that is not waited for.
    let later = Answer::Whole("503 Service Unavailable", "retry-after: 3600\r\n".to_owned(), BUSY.to_owned());
    let server = Server::scripted(vec![later]).await;
    let begun = Instant::now();
    let error = client(&server).history(&conversation(), Window::default()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(matches!(
        &error,
        Error::Refused { status: Some(503), retry_after: Some(wait), .. } if *wait == Duration::from_secs(3600)
    ));
    assert_eq!((error.code(), error.may_pass(), server.requests().len()), (Some("shutting-down"), true, 1));
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up_with_its_last_error() {
    let server = Server::scripted(vec![Answer::Nothing]).await;
    let error = client(&server).history(&conversation(), Window::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(server.requests().len(), 5);

    let server = Server::scripted(vec![Answer::Nothing]).await;
    let alone = client(&server).with_retries(Retries::NONE);
    assert!(alone.history(&conversation(), Window::default()).await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    for (status, body) in [("404 Not Found", BUSY), ("401 Unauthorized", BUSY), ("200 OK", "<html>")] {
        let server = Server::scripted(vec![Answer::Whole(status, String::new(), body.to_owned())]).await;
        let error = client(&server).history(&conversation(), Window::default()).await.unwrap_err();
        assert_eq!((error.may_pass(), server.requests().len()), (false, 1), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_waited_for() {
    let late = Answer::Late(Duration::from_millis(300), "200 OK", HISTORY.to_owned());
    let server = Server::scripted(vec![late]).await;
    let quick = client(&server).with_retries(Retries { within: Duration::from_millis(10), ..RETRIES });
    quick.history(&conversation(), Window::default()).await.unwrap();
    assert_eq!(server.requests().len(), 1, "the budget is for attempts, not for answers");
}

#[tokio::test]
async fn pages_go_back_to_the_first_chunk() {
    let server = Server::start(|_, request| async move {
        let query = request.line.split_once('?').unwrap().1;
        let before = query.split('&').find_map(|part| part.strip_prefix("beforeSeq="));
        let end: u64 = before.map_or(8, |before| before.parse().unwrap());
        let chunk =
            |seq: u64| format!(r#"{{"seq":{seq},"role":"user","chunk":{{"type":"text","text":"{seq}"}}}}"#);
        let chunks: Vec<_> = (end.saturating_sub(3).max(1)..end).map(chunk).collect();
        Answer::ok(format!(r#"{{"chunks":[{}],"latestSeq":7}}"#, chunks.join(",")))
    })
    .await;
    let mut pages = client(&server).pages(&conversation(), 3);
    let mut seqs = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        seqs.push(page.iter().map(|stored| stored.chunk.seq).collect::<Vec<_>>());
    }
    assert_eq!(seqs, [vec![5, 6, 7], vec![2, 3, 4], vec![1]]);
}
