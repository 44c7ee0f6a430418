//! Rule 10 at the door.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use server::{Error, Server, Settings};
use support::*;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

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
            "/asyncapi.json",
            "/docs",
            "/docs/docs.css",
            "/docs/docs.js",
            "/docs/websocket",
            "/health",
            "/openapi.json"
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
