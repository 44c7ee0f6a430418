//! [`client::Watch`] with a server whose connections break wherever they can.
use crate::servers;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::wire::ConversationId;
use client::{Client, Error, Retries, Seen, Watch};
use servers::http::{Answer, Server};

const SSE: &str = "text/event-stream";

const RETRIES: Retries = Retries {
    most: u32::MAX,
    within: Duration::from_secs(60),
    first: Duration::from_millis(1),
    longest: Duration::from_millis(5),
};

fn watch(server: &Server) -> Watch {
    let client = Client::new(&server.url(), Some("dsp_a-very-secret-key")).unwrap();
    Watch::new(&client.with_retries(RETRIES), ConversationId::new("c")).with_retries(RETRIES)
}

/// The events of a turn as they go over the wire: so many deltas between its first event and its last.
fn turn(name: &str, deltas: u64) -> Vec<String> {
    let event = |seq: u64| {
        let what = match seq {
            1 => r#""type":"user-message","text":"go""#.to_owned(),
            seq if seq == deltas + 2 => r#""type":"turn-sealed""#.to_owned(),
            seq => format!(r#""type":"text-delta","delta":"{seq} ""#),
        };
        format!("id: {name}:{seq}\ndata: {{{what},\"conversationId\":\"c\",\"turnId\":\"{name}\"}}\n\n")
    };
    (1..=deltas + 2).map(event).collect()
}

fn sealed(name: &str, seq: u64) -> String {
    format!(
        "id: {name}:{seq}\ndata: {{\"type\":\"turn-sealed\",\"conversationId\":\"c\",\"turnId\":\"{name}\"}}\n\n"
    )
}

/// What was seen, by the ids of events.
async fn seen(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        let next = tokio::time::timeout(Duration::from_secs(60), watch.next()).await.expect("it hangs");
        all.push(match next.unwrap() {
            Seen::Event(event) => event.id.unwrap(),
            Seen::Gap => "gap".to_owned(),
        });
    }
    all
}

#[tokio::test]
async fn wherever_connections_break() {
    let tape: Vec<String> = (0..20).flat_map(|n| turn(&format!("t{n}"), n)).collect();
    let ids: Vec<String> = tape
        .iter()
        .map(|event| event.lines().next().unwrap().strip_prefix("id: ").unwrap().to_owned())
        .collect();
    for seed in 0..10 {
        let chance = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let (known, whole, resumed) = (ids.clone(), tape.clone(), Mutex::<String>::default());
        let server = Server::start(move |_, request| {
            let mut chance = chance.lock().unwrap();
            let last = request.header("last-event-id").map(str::to_owned);
            if request.line.ends_with("/metrics") {
                // It has heard the end of that turn twice. There was no other one.
                let turn = resumed.lock().unwrap().clone();
                let usage = r#""usage":{"inputTokens":1,"outputTokens":1}"#;
                let metrics = format!(r#"{{"turns":[{{"turnId":"{turn}",{usage},"steps":[]}}]}}"#);
                return futures_util::future::ready(Answer::ok(metrics));
            }
            if let Some((turn, _)) = last.as_deref().and_then(|last| last.split_once(':')) {
                turn.clone_into(&mut resumed.lock().unwrap());
            }
            let from = last.map_or(0, |last| known.iter().position(|id| *id == last).unwrap() + 1);
            // Some events more, some that were heard already, and then anywhere in the middle of one.
            let from = from.saturating_sub(chance.usize(0..3));
            let until = (from + chance.usize(0..9)).min(whole.len());
            let mut said = format!("retry: 1000\n\n:\n\n{}", whole[from..until].concat());
            said.truncate(said.len() - chance.usize(0..30).min(said.len() - 1));
            let answer = match chance.usize(0..10) {
                0 => Answer::Nothing,
                1 => Answer::Whole(
                    "503 Service Unavailable",
                    String::new(),
                    "{\"error\":\"later\"}".to_owned(),
                ),
                2 => Answer::Whole("502 Bad Gateway", String::new(), "<html>".to_owned()),
                _ => Answer::Broken(SSE, vec![said]),
            };
            futures_util::future::ready(answer)
        })
        .await;
        let mut watch = watch(&server);
        let mut all = seen(&mut watch, ids.len()).await;
        // Before anything was heard, nobody knows what was missed.
        all.retain(|id| id != "gap");
        let rest = ids.len() - all.len();
        all.extend(seen(&mut watch, rest).await);
        assert_eq!(all, ids, "with seed {seed}");
        assert_eq!(watch.cursor(), ids.last().map(String::as_str));
    }
}

#[tokio::test]
async fn a_turn_that_was_over_before_it_could_be_resumed_is_a_gap() {
    let first = turn("t", 3)[..2].to_vec();
    let next = [vec![sealed("t", 2)], turn("u", 1)].concat();
    let server = Server::scripted(vec![Answer::Broken(SSE, first), Answer::Silent(SSE, next)]).await;
    let all = seen(&mut watch(&server), 7).await;
    assert_eq!(all, ["t:1", "t:2", "gap", "t:2", "u:1", "u:2", "u:3"]);
    assert_eq!(server.requests()[1].header("last-event-id"), Some("t:2"));
}

#[tokio::test]
async fn turns_that_came_and_went_unheard_are_a_gap_and_none_is_not() {
    for (last, expected) in
        [("t", vec!["t:1", "t:2", "t:3", "u:1", "u:2"]), ("between", vec!["t:1", "t:2", "t:3", "gap", "u:1"])]
    {
        // The last turn that was heard was heard to its end, and the server has forgotten it.
        let server = Server::start(move |_, request| async move {
            match (request.header("last-event-id"), request.line.as_str()) {
                (_, "GET /conversations/c/metrics") => Answer::ok(format!(
                    r#"{{"turns":[{{"turnId":"t","usage":{{"inputTokens":1,"outputTokens":1}},"steps":[]}},{{"turnId":"{last}","usage":{{"inputTokens":1,"outputTokens":1}},"steps":[]}}]}}"#
                )),
                (None, _) => Answer::Broken(SSE, turn("t", 1)),
                (Some(_), _) => Answer::Silent(SSE, [vec![sealed("t", 3)], turn("u", 1)].concat()),
            }
        })
        .await;
        assert_eq!(seen(&mut watch(&server), 5).await, expected);
    }
}

#[tokio::test]
async fn a_gap_is_told_once_however_often_the_connection_is_lost_after_it() {
    let usage = r#""usage":{"inputTokens":1,"outputTokens":1},"steps":[]"#;
    let metrics = format!(r#"{{"turns":[{{"turnId":"t",{usage}}},{{"turnId":"u",{usage}}}]}}"#);
    let server = Server::start(move |number, request| {
        let metrics = metrics.clone();
        async move {
            match (request.header("last-event-id"), request.line.as_str()) {
                (_, "GET /conversations/c/metrics") => Answer::ok(metrics),
                (None, _) => Answer::Broken(SSE, turn("t", 1)),
                (Some(_), _) if number < 12 => Answer::Broken(SSE, vec![sealed("t", 3)]),
                (Some(_), _) => Answer::Silent(SSE, turn("v", 1)),
            }
        }
    })
    .await;
    assert_eq!(seen(&mut watch(&server), 6).await, ["t:1", "t:2", "t:3", "gap", "v:1", "v:2"]);
}

#[tokio::test]
async fn a_quiet_connection_is_alive_and_a_silent_one_is_not() {
    let silence = Duration::from_secs(2);
    let comments = Answer::Paced(SSE, ":\n\n".to_owned(), 30, Duration::from_millis(100), turn("t", 1));
    let server = Server::scripted(vec![comments]).await;
    assert_eq!(seen(&mut watch(&server).with_silence(silence), 3).await, ["t:1", "t:2", "t:3"]);
    assert_eq!(server.requests().len(), 1, "comments are a sign of life");

    let silent = Answer::Silent(SSE, turn("t", 1)[..1].to_vec());
    let server = Server::scripted(vec![silent, Answer::Silent(SSE, turn("t", 1)[1..].to_vec())]).await;
    let mut watch = watch(&server).with_silence(Duration::from_millis(100));
    assert_eq!(seen(&mut watch, 3).await, ["t:1", "t:2", "t:3"]);
}

#[tokio::test]
async fn another_watcher_goes_on_where_one_was() {
    let server = Server::scripted(vec![Answer::Silent(SSE, turn("t", 3)[2..].to_vec())]).await;
    let mut watch = watch(&server).after("t:2");
    assert_eq!(watch.cursor(), Some("t:2"));
    assert_eq!(seen(&mut watch, 3).await, ["t:3", "t:4", "t:5"]);
    assert_eq!(server.requests()[0].header("last-event-id"), Some("t:2"));
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up_and_the_stream_ends() {
    use futures_util::StreamExt;
    let server =
        Server::scripted(vec![Answer::Broken(SSE, turn("t", 1)[..2].to_vec()), Answer::Nothing]).await;
    let budget = Retries { within: Duration::from_millis(200), ..RETRIES };
    let begun = Instant::now();
    let mut stream = watch(&server).with_retries(budget).into_stream();
    for id in ["t:1", "t:2"] {
        assert!(
            matches!(stream.next().await, Some(Ok(Seen::Event(event))) if event.id.as_deref() == Some(id))
        );
    }
    assert!(matches!(stream.next().await, Some(Err(Error::Unreachable { .. }))));
    assert!(stream.next().await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(30) && server.requests().len() > 2);
}

#[tokio::test]
async fn a_server_that_refuses_for_good_is_asked_once_and_may_be_asked_again() {
    let no = r#"{"error":"the key is wrong","code":"unauthorized"}"#;
    let server = Server::scripted(vec![
        Answer::Whole("401 Unauthorized", String::new(), no.to_owned()),
        Answer::Silent(SSE, turn("t", 1)),
    ])
    .await;
    let mut watch = watch(&server);
    let error = watch.next().await.unwrap_err();
    assert_eq!((error.code(), error.may_pass(), server.requests().len()), (Some("unauthorized"), false, 1));
    assert_eq!(seen(&mut watch, 1).await, ["t:1"]);
}

#[tokio::test]
async fn asking_may_be_left_off_at_any_time() {
    let server = Server::scripted(vec![
        Answer::Broken(SSE, turn("t", 20)[..9].to_vec()),
        Answer::Silent(SSE, turn("t", 20)[9..].to_vec()),
    ])
    .await;
    let (mut watch, mut all) = (watch(&server), Vec::new());
    while all.len() < 22 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            seen = watch.next() => if let Seen::Event(event) = seen.unwrap() { all.push(event.id.unwrap()) },
        }
        if let Ok(seen) = tokio::time::timeout(Duration::from_millis(2), watch.next()).await
            && let Seen::Event(event) = seen.unwrap()
        {
            all.push(event.id.unwrap());
        }
    }
    let expected: Vec<_> = (1..=22).map(|seq| format!("t:{seq}")).collect();
    assert_eq!(all, expected);
}
