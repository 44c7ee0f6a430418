//! Rule 10 at the door.

use std::collections::BTreeMap;

use engine::Options;
use meter::{Credits, Entry, Funds, KeyId, Price, Rate, SecretHash};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use server::{Error, Parts, Server, Settings};
use store::{Ledger, NewKey};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::*;

#[tokio::test]
async fn off_loopback_it_does_not_start_without_a_key() {
    let everywhere = ([0, 0, 0, 0], 0).into();
    let engine = world::world().engine;
    for settings in
        [Settings { http: everywhere, ..settings() }, Settings { ws: Some(everywhere), ..settings() }]
    {
        let refused = Server::bind(settings.clone(), engine.clone()).await.err();
        assert!(matches!(refused, Some(Error::Unprotected(_))), "{refused:?}");
        let key = Settings { api_keys: vec!["k".to_owned()], ..settings.clone() };
        assert!(Server::bind(key, engine.clone()).await.is_ok());
        let open = Settings { open: true, ..settings };
        assert!(Server::bind(open, engine.clone()).await.is_ok());
    }
}

#[tokio::test]
async fn with_a_key_nothing_is_answered_without_it() {
    let server = serve_with(Settings { api_keys: vec!["right".to_owned()], ..settings() }).await;
    for (method, path) in
        [("GET", "/models"), ("POST", "/chat"), ("GET", "/conversations/c"), ("GET", "/nothing")]
    {
        let request = server.client.request(method.parse().unwrap(), server.url(path));
        assert_eq!(request.try_clone().unwrap().send().await.unwrap().status(), 401, "{path}");
        assert_eq!(request.try_clone().unwrap().bearer_auth("wrong").send().await.unwrap().status(), 401);
        assert_ne!(request.bearer_auth("right").send().await.unwrap().status(), 401);
    }
    assert_eq!(server.get("/health").await.0, 200);
    for address in [server.http, server.ws] {
        assert!(tokio_tungstenite::connect_async(format!("ws://{address}/")).await.is_err());
        assert!(tokio_tungstenite::connect_async(format!("ws://{address}/?api_key=wrong")).await.is_err());
        Socket::open(&format!("ws://{address}/?api_key=right")).await;
    }
}

#[tokio::test]
async fn every_operation_wants_the_key_but_those_that_say_otherwise() {
    let server = serve_with(Settings { api_keys: vec!["right".to_owned()], ..settings() }).await;
    let (_, document) = server.get("/openapi.json").await;
    let mut public = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let url = server.url(&path.replace(['{', '}'], ""));
            let answer = server.client.request(method, url).send().await.unwrap();
            let open = described["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(answer.status() == 401, !open, "{path}");
            if open {
                public.push(path.as_str());
            }
        }
    }
    assert_eq!(
        public,
        [
            "/",
            "/assets/{asset}",
            "/asyncapi.json",
            "/c/{conversation}",
            "/docs",
            "/docs/docs.css",
            "/docs/docs.js",
            "/docs/websocket",
            "/health",
            "/keys",
            "/openapi.json",
            "/realtime",
            "/settings",
            "/usage",
            "/watch"
        ]
    );
    let events = server.client.get(server.url("/conversations/c/events?api_key=right"));
    let events = events.header("origin", "http://localhost:5173").send().await.unwrap();
    assert_eq!(events.status(), 200, "an EventSource cannot send a header");
    assert_eq!(events.headers()["access-control-allow-origin"], "http://localhost:5173");
    assert_eq!(server.get("/conversations/c/events?api_key=wrong").await.0, 401);
    assert_eq!(server.get("/conversations/c?api_key=right").await.0, 401);
}

#[tokio::test]
async fn a_web_page_of_another_origin_gets_no_socket_and_a_foreign_host_no_answer() {
    let server = serve().await;
    let url = format!("ws://{}/", server.http);
    for (origin, admitted) in
        [("http://localhost:24204", true), ("https://evil.example", false), ("null", false)]
    {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert_eq!(tokio_tungstenite::connect_async(request).await.is_ok(), admitted, "{origin}");
    }
    let rebound = server.client.get(server.url("/conversations")).header("host", "evil.example:24203");
    assert_eq!(rebound.send().await.unwrap().status(), 403);
}

/// A server with that key of its configuration, or none, and a key `alice` of the ledger, which has nothing left.
async fn serve_ledger(api_keys: &[&str]) -> Running {
    let rate = Rate::try_from("1".parse::<Credits>().unwrap()).unwrap();
    let price = Price { per_million_input_tokens: rate, ..Price::FREE };
    let options =
        Options { prices: BTreeMap::from([("test/priced".to_owned(), price)]), ..Options::default() };
    let world = world::world_with(options);
    let key = NewKey {
        id: KeyId::new("alice"),
        name: "Alice".to_owned(),
        hash: SecretHash::of("dsp_alice"),
        funds: Funds::Prepaid,
        at: 1,
    };
    world.store.create_key(key).await.unwrap();
    let api_keys = api_keys.iter().map(|key| (*key).to_owned()).collect();
    serve_over(Settings { api_keys, ..settings() }, world, Parts::default()).await
}

/// Sends it, and checks that no secret comes back.
async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    for secret in ["right", "dsp_alice", "dsp_nobody", "ek_token"] {
        assert!(!body.contains(secret), "{body}");
    }
    (status, body)
}

fn code(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap()["code"].clone()
}

/// Who paid for the steps of all turns so far, in their order.
async fn payers(server: &Running) -> Vec<String> {
    server.world.settled().await;
    let events = server.world.store.outbox(0, 1000).await.unwrap();
    let steps = events.into_iter().filter(|event| matches!(event.entry, Entry::Step { .. }));
    steps.map(|event| event.key.to_string()).collect()
}

#[tokio::test]
async fn a_turn_is_paid_with_the_key_that_was_presented_however_it_was() {
    let server = serve_ledger(&["right"]).await;
    let chat = || {
        let body = json!({ "conversationId": "c", "message": "hello" }).to_string();
        server.client.post(server.url("/chat")).body(body)
    };
    let queue = || {
        let body = json!({ "text": "hello" }).to_string();
        server.client.post(server.url("/conversations/c/queue")).body(body)
    };
    let mut expected = Vec::new();
    for (key, payer) in [("right", "local"), ("dsp_alice", "alice")] {
        for request in [
            chat().bearer_auth(key),
            chat().header("x-api-key", key),
            chat().bearer_auth(key).header("x-api-key", "wrong"),
            queue().bearer_auth(key),
        ] {
            assert_eq!(answer(request).await.0, 200, "{payer}");
            expected.push(payer.to_owned());
            assert_eq!(payers(&server).await, expected);
        }
        for address in [server.http, server.ws] {
            let mut socket = Socket::open(&format!("ws://{address}/?api_key={key}")).await;
            socket.send(json!({ "type": "chat.send", "conversationId": "c", "message": "hello" })).await;
            socket.until("turn-sealed").await;
            server.world.settled().await;
            socket.send(json!({ "type": "chat.queue", "conversationId": "c", "text": "hello" })).await;
            socket.until("turn-sealed").await;
            expected.extend([payer.to_owned(), payer.to_owned()]);
            assert_eq!(payers(&server).await, expected);
        }
        let events = server.client.get(server.url(&format!("/conversations/c/events?api_key={key}")));
        assert_eq!(events.send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn without_configured_keys_everybody_is_the_operator_but_those_with_a_key_of_the_ledger() {
    let server = serve_ledger(&[]).await;
    let chat = || {
        let body = json!({ "conversationId": "c", "message": "hello" }).to_string();
        server.client.post(server.url("/chat")).body(body)
    };
    let requests = [
        (chat(), "local"),
        (chat().bearer_auth("anything"), "local"),
        (chat().bearer_auth("dsp_alice"), "alice"),
        (chat().header("x-api-key", "dsp_alice"), "alice"),
    ];
    let mut expected = Vec::new();
    for (request, payer) in requests {
        assert_eq!(answer(request).await.0, 200);
        expected.push(payer.to_owned());
        assert_eq!(payers(&server).await, expected);
    }
    for wrong in ["dsp_nobody", "ek_token"] {
        let (status, body) = answer(chat().bearer_auth(wrong)).await;
        assert_eq!((status, code(&body)), (401, json!("unauthorized")), "{wrong}");
    }
}

#[tokio::test]
async fn a_revoked_key_and_a_client_token_open_no_conversation() {
    let server = serve_ledger(&["right"]).await;
    let models = |key: &str| server.client.get(server.url("/models")).bearer_auth(key);
    assert_eq!(answer(models("dsp_alice")).await.0, 200);
    let mut socket = Socket::open(&format!("ws://{}/?api_key=dsp_alice", server.http)).await;
    assert!(server.world.store.revoke_key(&KeyId::new("alice"), 2).await.unwrap());
    let revoked = answer(models("dsp_alice")).await;
    assert_eq!(revoked, answer(models("dsp_nobody")).await, "that there was such a key is nobody's business");
    assert_eq!((revoked.0, code(&revoked.1)), (401, json!("unauthorized")));
    let (status, body) = answer(models("ek_token")).await;
    assert_eq!((status, code(&body)), (401, json!("unauthorized")));
    assert!(
        body.contains("a client token opens realtime sessions, reads their receipts, and nothing else"),
        "{body}"
    );
    for key in ["dsp_alice", "ek_token"] {
        let url = format!("ws://{}/?api_key={key}", server.http);
        assert!(tokio_tungstenite::connect_async(url).await.is_err(), "{key}");
    }
    // A socket that was open by then starts nothing either.
    socket.send(json!({ "type": "chat.send", "conversationId": "c", "message": "hello" })).await;
    let refused = socket.next().await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("chat.error"), &json!("unauthorized")));
    assert!(payers(&server).await.is_empty());
}

#[tokio::test]
async fn what_is_the_operators_is_refused_to_a_key_of_the_ledger() {
    for configured in [&["right"][..], &[]] {
        let server = serve_ledger(configured).await;
        let keys = |key: &str| server.client.get(server.url("/v1/keys")).bearer_auth(key);
        let (status, body) = answer(keys("dsp_alice")).await;
        assert_eq!((status, code(&body)), (403, json!("operator-only")));
        assert_eq!(answer(keys("ek_token")).await.0, 401);
        assert_eq!(keys("right").send().await.unwrap().status(), 200);
        let template = |key: &str| {
            let body = json!({ "template": "Be kind." }).to_string();
            server.client.put(server.url("/system-prompt")).bearer_auth(key).body(body)
        };
        let (status, body) = answer(template("dsp_alice")).await;
        assert_eq!((status, code(&body)), (403, json!("operator-only")));
        assert_eq!(server.world.engine.system_prompt().await.unwrap(), "");
        assert_eq!(answer(template("right")).await.0, 200);
    }
}

#[tokio::test]
async fn a_key_with_nothing_left_starts_no_turn_that_costs_something() {
    let server = serve_ledger(&["right"]).await;
    let priced = json!({ "conversationId": "c", "message": "hello", "model": "test/priced" });
    let chat = || server.client.post(server.url("/chat")).body(priced.to_string());
    let (status, body) = answer(chat().bearer_auth("dsp_alice")).await;
    assert_eq!((status, code(&body)), (402, json!("insufficient_credits")));
    let mut socket = Socket::open(&format!("ws://{}/?api_key=dsp_alice", server.http)).await;
    let mut frame = priced.clone();
    frame["type"] = json!("chat.send");
    socket.send(frame).await;
    let refused = socket.next().await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("chat.error"), &json!("insufficient_credits")));
    let unknown = server.client.get(server.url("/conversations")).bearer_auth("dsp_alice");
    assert_eq!(answer(unknown).await.1, r#"{"conversations":[]}"#, "no message was taken in");
    assert_eq!(answer(chat().bearer_auth("right")).await.0, 200);
    // Now the model is the conversation's, and a message for the queue would start a turn.
    server.world.settled().await;
    let queue = server.client.post(server.url("/conversations/c/queue")).bearer_auth("dsp_alice");
    let (status, body) = answer(queue.body(json!({ "text": "hello" }).to_string())).await;
    assert_eq!((status, code(&body)), (402, json!("insufficient_credits")));
    assert_eq!(payers(&server).await, ["local"]);
}

#[tokio::test]
async fn pages_of_any_origin_get_to_realtime_with_a_key_and_nowhere_else() {
    let shop = |request: RequestBuilder| request.header("origin", "https://shop.example");
    let tokens =
        |server: &Running, method| shop(server.client.request(method, server.url("/v1/client/tokens")));
    let stream = async |server: &Running, path: &str| {
        let mut request = format!("ws://{}{path}", server.http).into_client_request().unwrap();
        request.headers_mut().insert("origin", "https://shop.example".parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
            other => panic!("{other:?}"),
        }
    };

    let server = serve_ledger(&["right"]).await;
    let preflight = tokens(&server, Method::OPTIONS).send().await.unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://shop.example");
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("x-api-key") && allowed.contains("content-type"), "{allowed}");
    for (key, status) in [("right", 200), ("dsp_alice", 200), ("dsp_nobody", 401), ("ek_token", 403)] {
        let answer = tokens(&server, Method::POST).header("x-api-key", key).send().await.unwrap();
        assert_eq!(answer.status(), status, "{key}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://shop.example");
    }
    assert_eq!(answer(tokens(&server, Method::POST)).await.0, 401);
    assert_eq!(stream(&server, "/v1/stream?api_key=right").await, 404, "this server has none");
    assert_eq!(stream(&server, "/subscribe/s?api_key=right").await, 404);
    assert_eq!(stream(&server, "/any?api_key=right").await, 403);
    let elsewhere = shop(server.client.get(server.url("/models"))).bearer_auth("right");
    assert_eq!(answer(elsewhere).await.0, 403);
    let rebound = server.client.post(server.url("/v1/client/tokens")).header("host", "evil.example");
    assert_eq!(answer(rebound.header("x-api-key", "right")).await.0, 403);

    // Without keys, what keeps pages out is where they come from.
    let server = serve_ledger(&[]).await;
    assert_eq!(answer(tokens(&server, Method::POST)).await.0, 403);
    assert_eq!(answer(tokens(&server, Method::POST).header("x-api-key", "dsp_alice")).await.0, 403);
    assert_ne!(tokens(&server, Method::OPTIONS).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(stream(&server, "/v1/stream").await, 403);
}
