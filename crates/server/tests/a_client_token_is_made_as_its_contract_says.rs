//! `POST /v1/client/tokens`: bodies, statuses and headers as the public clients know them.

use jiff::Timestamp;
use meter::{Denied, KeyId, SecretHash};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use server::Settings;
use store::Ledger;

use crate::ledger;
use crate::ledger::OPERATOR;
use crate::support::*;

const PATH: &str = "/v1/client/tokens";

async fn guarded() -> Running {
    serve_with(Settings { api_keys: vec![OPERATOR.to_owned()], ..settings() }).await
}

async fn mint(server: &Running, key: Option<&str>, body: Option<&str>) -> Answer {
    let request = server.client.post(server.url(PATH));
    let request = key.into_iter().fold(request, |request, key| request.header("X-API-KEY", key));
    let request = body.into_iter().fold(request, |request, body| {
        request.header("content-type", "application/json").body(body.to_owned())
    });
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn kept(server: &Running, answer: &Value) -> meter::ClientToken {
    let hash = SecretHash::of(answer["apiKey"].as_str().unwrap());
    server.world.store.find_token(hash).await.unwrap().expect("it is kept")
}

#[tokio::test]
async fn without_a_body_it_lives_for_a_minute_and_opens_everything() {
    let server = guarded().await;
    let secret = ledger::key(&*server.world.store, "a", "10").await;
    let untyped = server.client.post(server.url(PATH)).header("X-API-KEY", &secret);
    let typed = server.client.post(server.url(PATH)).header("X-API-KEY", &secret);
    let typed = typed.header("content-type", "application/octet-stream").header("content-length", "0");
    for request in [untyped, typed] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let answer: Value = response.json().await.unwrap();
        let fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["apiKey", "expiresAt"]);
        let token = kept(&server, &answer).await;
        assert_eq!((token.key.clone(), token.limits.expires_in()), (KeyId::new("a"), 60));
        let expires_at = answer["expiresAt"].as_str().unwrap();
        assert_eq!(
            expires_at.len(),
            "2026-06-22T08:00:00.000Z".len(),
            "milliseconds, which every client reads"
        );
        let at: Timestamp = expires_at.parse().unwrap();
        assert_eq!(u64::try_from(at.as_millisecond()).unwrap(), token.expires_at());
        assert_eq!(token.admit(token.expires_at() - 1, "any", None), Ok(()));
        assert_eq!(token.admit(token.expires_at(), "any", None), Err(Denied::Expired));
    }
    let (_, answer) = mint(&server, Some(OPERATOR), Some("{}")).await;
    assert_eq!(kept(&server, &answer).await.key, KeyId::local(), "the operator's are metered as such");
}

#[tokio::test]
async fn it_is_limited_to_what_was_asked_for() {
    let server = guarded().await;
    let body = json!({
        "metadata": {"user": {"id": 7}},
        "expiresIn": 3600,
        "allowedModels": ["restyle", "mirage_v2"],
        "allowedOrigins": ["https://shop.example", "http://localhost:3000"],
        "constraints": {"realtime": {"maxSessionDuration": 10}},
    });
    let (status, answer) = mint(&server, Some(OPERATOR), Some(&body.to_string())).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["permissions"],
        json!({"models": ["restyle", "mirage_v2"], "origins": ["https://shop.example", "http://localhost:3000"]})
    );
    assert_eq!(answer["constraints"], json!({"realtime": {"maxSessionDuration": 10}}));
    let token = kept(&server, &answer).await;
    let now = token.issued_at;
    assert_eq!(token.limits.expires_in(), 3600);
    assert_eq!(token.limits.max_duration(), Some(10));
    assert_eq!(token.admit(now, "restyle", Some("https://shop.example")), Ok(()));
    assert_eq!(token.admit(now, "other", Some("https://shop.example")), Err(Denied::Model));
    assert_eq!(token.admit(now, "restyle", Some("https://evil.example")), Err(Denied::Origin));

    let nothing = json!({"metadata": null, "expiresIn": null, "allowedModels": null, "constraints": {"realtime": null}});
    let (status, answer) = mint(&server, Some(OPERATOR), Some(&nothing.to_string())).await;
    assert_eq!((status, answer.get("permissions"), answer.get("constraints")), (200, None, None));
    let (_, answer) = mint(&server, Some(OPERATOR), Some(r#"{"allowedModels": []}"#)).await;
    assert_eq!(answer["permissions"], json!({"models": []}), "an empty list allows none");
}

#[tokio::test]
async fn what_cannot_be_had_is_said_with_the_path_of_the_field() {
    let server = guarded().await;
    let many = vec!["m"; 21];
    let many_origins = vec!["https://a.example"; 21];
    let duration = |value: Value| json!({"constraints": {"realtime": {"maxSessionDuration": value}}});
    let duration_path = json!(["body", "constraints", "realtime", "maxSessionDuration"]);
    for (body, kind, path) in [
        (json!({"expiresIn": 0}), "value_error", json!(["body", "expiresIn"])),
        (json!({"expiresIn": -1}), "value_error", json!(["body", "expiresIn"])),
        (json!({"expiresIn": 3601}), "value_error", json!(["body", "expiresIn"])),
        (json!({"expiresIn": u64::MAX}), "value_error", json!(["body", "expiresIn"])),
        (json!({"expiresIn": "60"}), "type_error", json!(["body", "expiresIn"])),
        (json!({"expiresIn": 1.5}), "type_error", json!(["body", "expiresIn"])),
        (json!({"allowedModels": many}), "value_error", json!(["body", "allowedModels"])),
        (json!({"allowedModels": "restyle"}), "type_error", json!(["body", "allowedModels"])),
        (json!({"allowedModels": ["restyle", 7]}), "type_error", json!(["body", "allowedModels"])),
        (json!({"allowedOrigins": many_origins}), "value_error", json!(["body", "allowedOrigins"])),
        (json!({"allowedOrigins": ["shop.example"]}), "value_error", json!(["body", "allowedOrigins"])),
        (
            json!({"allowedOrigins": ["https://shop.example/"]}),
            "value_error",
            json!(["body", "allowedOrigins"]),
        ),
        (json!({"metadata": "x"}), "type_error", json!(["body", "metadata"])),
        (json!({"constraints": 1}), "type_error", json!(["body", "constraints"])),
        (json!({"constraints": {"realtime": 1}}), "type_error", json!(["body", "constraints", "realtime"])),
        (duration(json!(9)), "value_error", duration_path.clone()),
        (duration(json!("9")), "type_error", duration_path),
        (json!([]), "json_invalid", json!(["body"])),
    ] {
        let (status, refused) = mint(&server, Some(OPERATOR), Some(&body.to_string())).await;
        assert_eq!(status, 422, "{body}: {refused}");
        let message = refused["error"].as_str().unwrap();
        assert!(message.len() > 10, "{refused}");
        assert_eq!(refused["detail"], json!([{"type": kind, "loc": path, "msg": message}]), "{body}");
        let code = if kind == "json_invalid" { "invalid-json" } else { "invalid-request" };
        assert_eq!(refused["code"], code);
    }
    let (status, refused) = mint(&server, Some(OPERATOR), Some("{")).await;
    assert_eq!((status, &refused["detail"][0]["type"]), (422, &json!("json_invalid")));
    let (status, refused) = mint(&server, Some(OPERATOR), Some(&" ".repeat(70_000))).await;
    assert_eq!((status, &refused["code"]), (413, &json!("body-too-large")));
}

#[tokio::test]
async fn only_a_good_key_makes_one() {
    let server = guarded().await;
    let secret = ledger::key(&*server.world.store, "a", "10").await;
    let (_, answer) = mint(&server, Some(&secret), None).await;
    let token = answer["apiKey"].as_str().unwrap();
    for (key, status) in [
        (None, 401),
        (Some(""), 401),
        (Some("no-such-key"), 401),
        (Some("dsp_no-such-key"), 401),
        (Some(token), 403),
        (Some("ek_no-such-token"), 403),
    ] {
        // Even with a body that cannot be taken: who asks comes first.
        for body in [None, Some("{")] {
            let (given, refused) = mint(&server, key, body).await;
            assert_eq!((given, &refused["code"]), (status, &json!("unauthorized")), "{key:?}");
        }
    }
    let bearer = server.client.post(server.url(PATH)).bearer_auth(&secret).send().await.unwrap();
    assert_eq!(bearer.status(), 200);
    let (query, _) = mint(&server, None, None).await;
    assert_eq!(query, 401);
    server.world.store.revoke_key(&KeyId::new("a"), 2).await.unwrap();
    assert_eq!(mint(&server, Some(&secret), None).await.0, 401);
    for path in ["/models", "/v1/sessions", "/v1/usage"] {
        let answer = server.client.get(server.url(path)).header("X-API-KEY", token).send().await.unwrap();
        assert_eq!(answer.status(), 401, "a token opens sessions and nothing else");
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_where_a_key_is_needed() {
    let server = guarded().await;
    for (origin, wanted) in [
        ("https://shop.example", "x-api-key"),
        ("https://shop.example:8443", "content-type,x-api-key"),
        ("http://localhost:3000", "content-type,x-api-key"),
    ] {
        let preflight = server
            .client
            .request(Method::OPTIONS, server.url(PATH))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", wanted);
        let preflight = preflight.send().await.unwrap();
        assert!(preflight.status().is_success(), "{}", preflight.status());
        assert_eq!(header(&preflight, "access-control-allow-origin"), origin);
        assert!(header(&preflight, "access-control-allow-methods").contains("POST"));
        let allowed: Vec<&str> =
            header(&preflight, "access-control-allow-headers").split(',').map(str::trim).collect();
        assert!(wanted.split(',').all(|name| allowed.contains(&name)), "{allowed:?}");
        for (key, status) in [(OPERATOR, 200), ("no-such-key", 401), ("ek_token", 403)] {
            let post = server.client.post(server.url(PATH)).header("origin", origin).header("x-api-key", key);
            let answer = post.send().await.unwrap();
            assert_eq!(answer.status(), status, "{key}");
            assert_eq!(
                header(&answer, "access-control-allow-origin"),
                origin,
                "the page can read the answer"
            );
        }
        let elsewhere = server.client.get(server.url("/v1/keys")).header("origin", "https://shop.example");
        assert_eq!(elsewhere.header("x-api-key", OPERATOR).send().await.unwrap().status(), 403);
    }
    // Where no key is needed a page of somebody else's would act as the operator.
    let open = serve().await;
    let post =
        open.client.post(open.url(PATH)).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(post.status(), 403);
    assert_eq!(header(&post, "access-control-allow-origin"), "");
    assert_eq!(open.post(PATH, "").await.0, 200);
}
