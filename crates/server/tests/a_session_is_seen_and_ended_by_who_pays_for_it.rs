//! `/v1/sessions`, `/v1/usage` and `/v1/realtime/models`.

use std::sync::Arc;
use std::time::Duration;

use meter::{ConnectionId, Rate};
use realtime::run::{Model, Realtime};
use reqwest::Method;
use serde_json::{Value, json};
use server::{Parts, Settings};
use store::{Ledger, Store};

use crate::ledger;
use crate::ledger::{OPERATOR, connect, credits, hang_up};
use crate::support::*;

/// The first of January 2026, at noon.
const NOON: u64 = 1_767_268_800_000;
const DAY: u64 = 24 * 3_600_000;

/// A server with two keys, and their secrets.
async fn with_two_keys() -> (Running, String, String) {
    let server = serve_with(Settings { api_keys: vec![OPERATOR.to_owned()], ..settings() }).await;
    let a = ledger::key(&*server.world.store, "a", "100").await;
    let b = ledger::key(&*server.world.store, "b", "100").await;
    (server, a, b)
}

async fn ask(server: &Running, key: &str, method: Method, path: &str) -> Answer {
    let request = server.client.request(method, server.url(path)).bearer_auth(key);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn get(server: &Running, key: &str, path: &str) -> Answer {
    ask(server, key, Method::GET, path).await
}

#[tokio::test]
async fn a_receipt_adds_the_connections_up_and_is_settled_when_none_is_open() {
    let (server, a, _) = with_two_keys().await;
    let store = &*server.world.store;
    connect(store, "a", "s", "s", NOON, 3).await;
    hang_up(store, "s", NOON + 3500).await;
    connect(store, "a", "s", "s2", NOON + 5000, 2).await;
    let first = json!({
        "connection": "s", "model": "restyle", "openedAt": NOON, "endedAt": NOON + 3500, "reason": "disconnect",
        "seconds": 3, "credits": "1.5",
    });
    let mut second = json!({"connection": "s2", "model": "restyle", "openedAt": NOON + 5000, "seconds": 2, "credits": "1"});
    let mut receipt = json!({
        "session": "s", "key": "a", "connections": [first, second], "seconds": 5, "credits": "2.5", "settled": false,
    });
    for id in ["s", "s2"] {
        let path = format!("/v1/sessions/{id}");
        assert_eq!(get(&server, &a, &path).await, (200, receipt.clone()), "by the id of any connection");
    }
    hang_up(store, "s2", NOON + 8000).await;
    second["endedAt"] = json!(NOON + 8000);
    second["reason"] = json!("disconnect");
    receipt["connections"] = json!([first, second]);
    receipt["settled"] = json!(true);
    receipt["reason"] = json!("disconnect");
    assert_eq!(get(&server, &a, "/v1/sessions/s").await, (200, receipt.clone()));
    assert_eq!(get(&server, &a, "/v1/sessions").await, (200, json!({"sessions": [receipt]})));
}

#[tokio::test]
async fn a_key_sees_its_own_and_the_operator_sees_all() {
    let (server, a, b) = with_two_keys().await;
    let store = &*server.world.store;
    for (number, key) in ["a", "b", "a", "a"].into_iter().enumerate() {
        let id = format!("s{number}");
        connect(store, key, &id, &id, NOON + number as u64, 0).await;
        hang_up(store, &id, NOON + 100).await;
    }
    let listed = async |key: &str, path: &str| -> Vec<String> {
        let (status, list) = get(&server, key, path).await;
        assert_eq!(status, 200);
        let sessions = list["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session["session"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(OPERATOR, "/v1/sessions").await, ["s3", "s2", "s1", "s0"]);
    assert_eq!(listed(&a, "/v1/sessions").await, ["s3", "s2", "s0"]);
    assert_eq!(listed(&b, "/v1/sessions").await, ["s1"]);
    assert_eq!(listed(&a, "/v1/sessions?limit=2").await, ["s3", "s2"]);
    assert_eq!(listed(OPERATOR, "/v1/sessions?key=a&limit=2").await, ["s3", "s2"]);
    assert_eq!(listed(OPERATOR, "/v1/sessions?key=b").await, ["s1"]);
    assert_eq!(listed(OPERATOR, "/v1/sessions?key=").await.len(), 4, "nothing is no key");
    assert_eq!(listed(OPERATOR, "/v1/sessions?key=nobody").await, [""; 0]);
    assert_eq!(listed(&a, "/v1/sessions?key=a").await, ["s3", "s2", "s0"]);
    let (status, refused) = get(&server, &a, "/v1/sessions?key=b").await;
    assert_eq!((status, &refused["code"]), (403, &json!("operator-only")));
    for limit in ["0", "-1", "many"] {
        let (status, refused) = get(&server, &a, &format!("/v1/sessions?limit={limit}")).await;
        assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")));
    }
    let (_, unknown) = get(&server, &b, "/v1/sessions/nothing").await;
    for (key, id, status) in [(&*b, "s1", 200), (&b, "s0", 404), (&a, "s0", 200), (OPERATOR, "s1", 200)] {
        for method in [Method::GET, Method::DELETE] {
            let (given, body) = ask(&server, key, method, &format!("/v1/sessions/{id}")).await;
            assert_eq!(given, status, "{body}");
            if status == 404 {
                assert_eq!(body, unknown, "another's is as good as none");
                assert_eq!(body["code"], "not-found");
            }
        }
    }
    assert_eq!(server.get("/v1/sessions").await.0, 401);
}

#[tokio::test]
async fn a_client_token_reads_the_receipt_of_what_it_opened_and_nothing_else() {
    let (server, a, b) = with_two_keys().await;
    let store = &*server.world.store;
    connect(store, "a", "of the key", "of the key", NOON, 1).await;
    for (session, connection, token) in [("s", "s", "ek_one"), ("t", "t", "ek_two"), ("s", "s2", "ek_three")]
    {
        ledger::connect_by(store, "a", Some(token), session, connection, NOON, 2).await;
        hang_up(store, connection, NOON + 5000).await;
    }
    let (_, unknown) = get(&server, &a, "/v1/sessions/nothing").await;
    for (token, session, status) in [
        ("ek_one", "s", 200),
        // By a connection that another token opened; of the whole session.
        ("ek_one", "s2", 200),
        ("ek_three", "s", 200),
        ("ek_one", "t", 404),
        ("ek_two", "t", 200),
        ("ek_two", "s", 404),
        ("ek_two", "of%20the%20key", 404),
        ("ek_nobody", "s", 404),
    ] {
        let path = format!("/v1/sessions/{session}");
        let (given, body) = get(&server, token, &path).await;
        assert_eq!(given, status, "{token} {session}: {body}");
        let expected = if status == 200 { get(&server, &a, &path).await.1 } else { unknown.clone() };
        assert_eq!(body, expected, "{token} {session}");
    }
    assert_eq!(get(&server, &a, "/v1/sessions/s").await.1["seconds"], 4);
    for (method, path) in [
        (Method::DELETE, "/v1/sessions/s"),
        (Method::GET, "/v1/sessions"),
        (Method::GET, "/v1/usage"),
        (Method::GET, "/v1/sessions/s/more"),
    ] {
        let (status, body) = ask(&server, "ek_one", method, path).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthorized")), "{path}");
    }
    assert_eq!(get(&server, &b, "/v1/sessions/s").await.0, 404);
    // A page of another origin may ask: it brings what no other page has.
    let foreign = |request: reqwest::RequestBuilder| request.header("Origin", "https://shop.example");
    let url = server.url("/v1/sessions/s");
    let preflight = foreign(server.client.request(Method::OPTIONS, &url)).send().await.unwrap();
    let answer = foreign(server.client.get(&url).bearer_auth("ek_one")).send().await.unwrap();
    for (response, status) in [(preflight, 204), (answer, 200)] {
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
    }
}

#[tokio::test]
async fn usage_is_added_up_by_day_key_and_model() {
    let (server, a, b) = with_two_keys().await;
    let store = &*server.world.store;
    connect(store, "a", "s1", "s1", NOON, 4).await;
    connect(store, "b", "s2", "s2", NOON, 1).await;
    connect(store, "a", "s3", "s3", NOON + DAY, 2).await;
    let row = |day: &str, key: &str, seconds: u64, credits: &str| {
        json!({
            "day": day, "key": key, "model": "restyle", "seconds": seconds, "steps": 0, "inputTokens": 0,
            "cachedTokens": 0, "outputTokens": 0, "credits": credits,
        })
    };
    let (first, other) = (row("2026-01-01", "a", 4, "2"), row("2026-01-01", "b", 1, "0.5"));
    let second = row("2026-01-02", "a", 2, "1");
    let january = "/v1/usage?from=2026-01-01&to=2026-01-31";
    let answer = |rows: Value| (200, json!({"from": "2026-01-01", "to": "2026-01-31", "usage": rows}));
    assert_eq!(get(&server, OPERATOR, january).await, answer(json!([first, other, second])));
    assert_eq!(get(&server, OPERATOR, &format!("{january}&key=b")).await, answer(json!([other])));
    assert_eq!(get(&server, OPERATOR, &format!("{january}&key=nobody")).await, answer(json!([])));
    assert_eq!(get(&server, &a, january).await, answer(json!([first, second])));
    assert_eq!(get(&server, &a, &format!("{january}&key=a")).await, answer(json!([first, second])));
    let (status, refused) = get(&server, &b, &format!("{january}&key=a")).await;
    assert_eq!((status, &refused["code"]), (403, &json!("operator-only")));
    let one = "/v1/usage?from=2026-01-02&to=2026-01-02";
    let (_, only) = get(&server, OPERATOR, one).await;
    assert_eq!(only["usage"], json!([second]), "both ends are meant");
    let (_, month) = get(&server, OPERATOR, "/v1/usage?to=2026-01-30").await;
    assert_eq!((&month["from"], &month["to"]), (&json!("2026-01-01"), &json!("2026-01-30")));
    let (_, future) = get(&server, OPERATOR, "/v1/usage?from=2999-01-01").await;
    assert_eq!((&future["from"], &future["to"]), (&json!("2999-01-01"), &json!("2999-01-01")));
    assert_eq!(get(&server, OPERATOR, "/v1/usage").await.0, 200);
    for wrong in ["from=yesterday", "to=2026-02-30", "from=2026-01-02&to=2026-01-01", "from=2026-1-1"] {
        let (status, refused) = get(&server, OPERATOR, &format!("/v1/usage?{wrong}")).await;
        assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")), "{wrong}");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_is_told_so_and_nobody_goes_on_with_it() {
    let world = world::world();
    let store: Arc<dyn Store> = world.store.clone();
    let model = |name: &str, price: &str| Model {
        name: name.to_owned(),
        generator: "restyle".to_owned(),
        size: video::Size::new(640, 352).unwrap(),
        fps: 20,
        per_second: Rate::try_from(credits(price)).unwrap(),
    };
    let media = media::Settings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() };
    let run = realtime::run::Settings {
        media,
        models: vec![model("restyle", "0.5"), model("cheap", "0")],
        max_sessions: 5,
        max_sessions_per_key: 5,
        max_viewers_per_session: 8,
        session: Default::default(),
    };
    let realtime = Realtime::start(run, store).await.unwrap();
    let settings = Settings { api_keys: vec![OPERATOR.to_owned()], ..settings() };
    let parts = Parts { realtime: Some(realtime.clone()), ..Parts::default() };
    let server = serve_over(settings, world, parts).await;
    let a = ledger::key(&*server.world.store, "a", "100").await;
    let b = ledger::key(&*server.world.store, "b", "100").await;
    let shown = |name: &str, price: &str| json!({"name": name, "width": 640, "height": 352, "fps": 20, "creditsPerSecond": price});
    let models = json!({"models": [shown("cheap", "0"), shown("restyle", "0.5")]});
    assert_eq!(get(&server, &a, "/v1/realtime/models").await, (200, models));

    let url = format!("ws://{}/v1/stream?api_key={a}&model=restyle", server.http);
    let (stream, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let mut socket = Socket::past_nothing(stream);
    let id = socket.next().await["session_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{id}");
    let (_, receipt) = get(&server, &a, &path).await;
    assert_eq!((&receipt["settled"], &receipt["key"]), (&json!(false), &json!("a")));
    assert_eq!(ask(&server, &b, Method::DELETE, &path).await.0, 404);
    assert!(server.world.store.resumable(&ConnectionId::new(id.clone())).await.unwrap().is_some());

    let (status, ended) = ask(&server, OPERATOR, Method::DELETE, &path).await;
    assert_eq!((status, &ended["session"]), (200, &json!(id)));
    let mut kinds = Vec::new();
    // Up to the close frame, at which reading ends.
    while let Some(frame) = socket.until_closed().await {
        kinds.push(frame["type"].as_str().unwrap().to_owned());
    }
    assert!(kinds.contains(&"error".to_owned()), "{kinds:?}");
    let receipt = loop {
        let (_, receipt) = get(&server, &a, &path).await;
        if receipt["settled"] == true {
            break receipt;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((&receipt["seconds"], &receipt["credits"]), (&json!(0), &json!("0")));
    assert!(receipt["reason"].is_string(), "{receipt}");
    assert_eq!(server.world.store.resumable(&ConnectionId::new(id.clone())).await.unwrap(), None);
    assert_eq!(ask(&server, &a, Method::DELETE, &path).await, (200, receipt), "once more changes nothing");
    realtime.shut_down().await;
}

#[tokio::test]
async fn a_server_without_realtime_sessions_lists_no_models() {
    let server = serve().await;
    assert_eq!(server.get("/v1/realtime/models").await, (200, json!({"models": []})));
    assert_eq!(server.get("/v1/sessions").await, (200, json!({"sessions": []})));
}
