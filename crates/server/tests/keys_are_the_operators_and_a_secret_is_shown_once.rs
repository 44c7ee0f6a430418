//! `/v1/keys`, and where secrets do not go.

use std::io::Write;
use std::sync::{Arc, Mutex};

use engine::{Catalog, Engine, Options, Toolbox};
use reqwest::Method;
use serde_json::{Value, json};
use server::Settings;
use store::{Ledger, Sqlite};

use crate::ledger;
use crate::ledger::OPERATOR;
use crate::support::*;

async fn guarded() -> Running {
    serve_with(Settings { api_keys: vec![OPERATOR.to_owned()], ..settings() }).await
}

async fn ask(server: &Running, key: &str, method: Method, path: &str, body: Value) -> Answer {
    let request = server.client.request(method, server.url(path)).header("x-api-key", key);
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn operator(server: &Running, method: Method, path: &str, body: Value) -> Answer {
    ask(server, OPERATOR, method, path, body).await
}

#[tokio::test]
async fn a_key_is_made_used_credited_and_revoked() {
    let server = guarded().await;
    let (status, made) =
        operator(&server, Method::POST, "/v1/keys", json!({"name": "shop", "credits": "2.5"})).await;
    assert_eq!(status, 200, "{made}");
    let (id, secret) = (made["key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(secret.starts_with("dsp_") && secret.len() > 40, "256 bits");
    let created_at = made["key"]["createdAt"].clone();
    let shown = |balance: &str| {
        json!({
            "id": id, "name": "shop", "createdAt": created_at, "funds": "prepaid", "balance": balance, "held": "0",
        })
    };
    assert_eq!(made["key"], shown("2.5"));
    assert_eq!(ask(&server, secret, Method::GET, "/models", Value::Null).await.0, 200, "it opens the door");

    let path = format!("/v1/keys/{id}/credit");
    let deposit = json!({"credits": 10, "depositId": "invoice-1", "note": "June"});
    for _ in 0..3 {
        let answer = operator(&server, Method::POST, &path, deposit.clone()).await;
        assert_eq!(answer, (200, shown("12.5")), "the same deposit counts once");
    }
    let (status, refused) =
        operator(&server, Method::POST, &path, json!({"credits": 11, "depositId": "invoice-1"})).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")), "{refused}");
    for balance in ["12", "11.5"] {
        let correction = json!({"credits": "-0.5"});
        assert_eq!(operator(&server, Method::POST, &path, correction).await, (200, shown(balance)));
    }

    let path = format!("/v1/keys/{id}");
    let (status, revoked) = operator(&server, Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, 200);
    assert!(revoked["revokedAt"].as_u64() >= created_at.as_u64(), "{revoked}");
    assert_eq!(operator(&server, Method::DELETE, &path, Value::Null).await, (200, revoked.clone()));
    assert_eq!(ask(&server, secret, Method::GET, "/models", Value::Null).await.0, 401);
    let (_, list) = operator(&server, Method::GET, "/v1/keys", Value::Null).await;
    let ids: Vec<&Value> = list["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert_eq!(ids, ["local", id]);
    assert_eq!(list["keys"][1], revoked);
}

#[tokio::test]
async fn what_a_key_begins_with_is_said_or_nothing() {
    let server = guarded().await;
    for (body, funds, balance) in [
        (Value::Null, "prepaid", "0"),
        (json!({}), "prepaid", "0"),
        (json!({"credits": 0.000001}), "prepaid", "0.000001"),
        (json!({"unlimited": true}), "unlimited", "0"),
    ] {
        let (status, made) = operator(&server, Method::POST, "/v1/keys", body.clone()).await;
        assert_eq!(status, 200, "{body}: {made}");
        assert_eq!(
            (&made["key"]["funds"], &made["key"]["balance"]),
            (&json!(funds), &json!(balance)),
            "{body}"
        );
    }
    let long = "n".repeat(257);
    for body in [
        json!({"credits": "lots"}),
        json!({"credits": "0.0000001"}),
        json!({"credits": -1}),
        json!({"credits": null}),
        json!({"credits": "1", "unlimited": true}),
        json!({"name": 7}),
        json!({"name": long}),
    ] {
        let (status, refused) = operator(&server, Method::POST, "/v1/keys", body.clone()).await;
        assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")), "{body}: {refused}");
    }
    let (status, refused) = operator(&server, Method::POST, "/v1/keys", json!([])).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid-json")));
    let (_, list) = operator(&server, Method::GET, "/v1/keys", Value::Null).await;
    assert_eq!(list["keys"].as_array().unwrap().len(), 5, "nothing was made of what was refused");
}

#[tokio::test]
async fn nobody_but_the_operator_has_to_do_with_keys() {
    let server = guarded().await;
    let secret = ledger::key(&*server.world.store, "a", "10").await;
    let before = server.world.store.keys().await.unwrap();
    for (method, path) in [
        (Method::GET, "/v1/keys"),
        (Method::POST, "/v1/keys"),
        (Method::DELETE, "/v1/keys/a"),
        (Method::POST, "/v1/keys/a/credit"),
    ] {
        let body = if method == Method::POST { json!({"credits": "5"}) } else { Value::Null };
        let (status, refused) = ask(&server, &secret, method.clone(), path, body.clone()).await;
        assert_eq!((status, &refused["code"]), (403, &json!("operator-only")), "{method} {path}");
        for nobody in ["dsp_nobody", "wrong"] {
            let (status, refused) = ask(&server, nobody, method.clone(), path, body.clone()).await;
            assert_eq!((status, &refused["code"]), (401, &json!("unauthorized")), "{method} {path}");
        }
    }
    assert_eq!(server.world.store.keys().await.unwrap(), before);
    for (method, path) in [(Method::DELETE, "/v1/keys/nobody"), (Method::POST, "/v1/keys/nobody/credit")] {
        let (status, refused) = operator(&server, method, path, json!({"credits": "5"})).await;
        assert_eq!((status, &refused["code"]), (404, &json!("not-found")), "{path}");
    }
    let (status, refused) = operator(&server, Method::DELETE, "/v1/keys/local", Value::Null).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")));
    let (status, refused) = operator(&server, Method::POST, "/v1/keys/a/credit", json!({})).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")));
}

#[tokio::test]
async fn a_key_sees_itself_with_what_it_has_spent_and_no_other() {
    let server = guarded().await;
    let store = &*server.world.store;
    let (a, b) = (ledger::key(store, "a", "10").await, ledger::key(store, "b", "1").await);
    ledger::connect(store, "a", "s", "s", 1, 3).await;
    let read = async |key: &str, path: &str| ask(&server, key, Method::GET, path, Value::Null).await;
    let expected = json!({
        "id": "a", "name": "the key a", "createdAt": 1, "funds": "prepaid", "balance": "8.5", "held": "0.5",
        "spent": "1.5",
    });
    for (key, path) in [(&*a, "/v1/keys/self"), (&a, "/v1/keys/a"), (OPERATOR, "/v1/keys/a")] {
        assert_eq!(read(key, path).await, (200, expected.clone()), "{path}");
    }
    let (_, local) = read(OPERATOR, "/v1/keys/self").await;
    assert_eq!((&local["id"], &local["funds"]), (&json!("local"), &json!("unlimited")));
    ledger::hang_up(store, "s", 5000).await;
    let (_, settled) = read(&a, "/v1/keys/self").await;
    assert_eq!((&settled["held"], &settled["spent"]), (&json!("0"), &json!("1.5")));
    let (_, other) = read(&b, "/v1/keys/self").await;
    assert_eq!((&other["id"], &other["balance"], &other["spent"]), (&json!("b"), &json!("1"), &json!("0")));
    for path in ["/v1/keys/a", "/v1/keys/local", "/v1/keys/nobody"] {
        let (status, refused) = read(&b, path).await;
        assert_eq!((status, &refused["code"]), (403, &json!("operator-only")), "{path}");
    }
    let (status, refused) = read(OPERATOR, "/v1/keys/nobody").await;
    assert_eq!((status, &refused["code"]), (404, &json!("not-found")));
    // A page of somebody else's has a token, and is not told what the key has.
    let (_, token) = ask(&server, &a, Method::POST, "/v1/client/tokens", Value::Null).await;
    let (status, refused) = read(token["apiKey"].as_str().unwrap(), "/v1/keys/self").await;
    assert_eq!((status, &refused["code"]), (401, &json!("unauthorized")));
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn a_secret_is_in_one_answer_and_neither_on_the_disk_nor_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    // All levels, and of all crates.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(directory.path()).unwrap();
    let store = Arc::new(store);
    let catalog = Catalog::new(Vec::new(), None);
    let engine = Engine::new(Options::default(), store.clone(), catalog, Toolbox::default());
    let server =
        server::Server::bind(Settings { api_keys: vec![OPERATOR.to_owned()], ..settings() }, engine.clone());
    let server = server.await.unwrap();
    let address = server.http_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(server.run(stop.clone().cancelled_owned()));

    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |method: Method, path: &str, key: &str| {
        let request = client.request(method, format!("http://{address}{path}")).header("x-api-key", key);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let kept = response.headers().get("cache-control").map(|value| value.to_str().unwrap().to_owned());
        (kept, response.text().await.unwrap())
    };
    let (kept, made) = ask(Method::POST, "/v1/keys", OPERATOR).await;
    assert_eq!(kept.as_deref(), Some("no-store"));
    let secret = serde_json::from_str::<Value>(&made).unwrap()["secret"].as_str().unwrap().to_owned();
    let (kept, made) = ask(Method::POST, "/v1/client/tokens", &secret).await;
    assert_eq!(kept.as_deref(), Some("no-store"));
    let token = serde_json::from_str::<Value>(&made).unwrap()["apiKey"].as_str().unwrap().to_owned();
    assert!(token.starts_with("ek_"));
    let (_, other) = ask(Method::POST, "/v1/keys", OPERATOR).await;
    assert!(!other.contains(&secret), "no two are the same");
    let (_, list) = ask(Method::GET, "/v1/keys", OPERATOR).await;
    assert!(!list.contains("dsp_") && !list.contains("ek_") && !list.contains("hash"), "{list}");

    engine.shut_down().await;
    stop.cancel();
    let mut read = 0;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        if !file.file_type().unwrap().is_file() {
            continue;
        }
        let bytes = std::fs::read(file.path()).unwrap();
        read += bytes.len();
        for shown in [&secret[4..], &token[3..], OPERATOR] {
            assert!(!contains(&bytes, shown), "{:?} has a secret", file.file_name());
        }
    }
    assert!(read > 4096, "only {read} bytes were looked through");
    let log = log.0.lock().unwrap();
    assert!(contains(&log, "/v1/client/tokens"), "requests are in the log");
    for shown in [&secret[4..], &token[3..], OPERATOR] {
        assert!(!contains(&log, shown), "the log has a secret");
    }
}
