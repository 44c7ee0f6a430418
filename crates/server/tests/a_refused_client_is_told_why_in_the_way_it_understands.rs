//! Every refusal of a signaling socket, as the public clients see it: those of Python by the status of the answer, all
//! others by a message and a close frame, and each in its first round trip.

use meter::KeyId;
use serde_json::{Value, json};

use crate::ledger::OPERATOR;
use crate::stage::{BROWSER, Line, PYTHON, Stage, stage_with};

/// A request, and the refusal that it gets.
struct Case {
    what: &'static str,
    path: String,
    query: Vec<(&'static str, String)>,
    origin: Option<&'static str>,
    text: &'static str,
    error_type: &'static str,
    code: u16,
    status: u16,
}

fn produces(
    what: &'static str,
    key: &str,
    model: &str,
    text: &'static str,
    error_type: &'static str,
) -> Case {
    let query = vec![("api_key", key.to_owned()), ("model", model.to_owned())];
    let path = "/v1/stream".to_owned();
    Case { what, path, query, origin: None, text, error_type, code: 1008, status: 401 }
}

fn watches(
    what: &'static str,
    key: &str,
    session: &str,
    text: &'static str,
    error_type: &'static str,
) -> Case {
    Case { path: format!("/subscribe/{session}"), ..produces(what, key, "", text, error_type) }
}

async fn check(stage: &Stage, case: &Case) {
    let Case { what, path, query, origin, text, error_type, code, status } = case;
    for agent in [Some(BROWSER), Some("someone-else/1"), None] {
        let mut query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.extend(agent.map(|agent| ("user_agent", agent)));
        let mut line = Line::try_open(&stage.url(path, &query), *origin).await.expect(what);
        let said = line.rest().await;
        let error = json!({"type": "error", "error": text, "error_type": error_type});
        assert_eq!(said, (vec![error], Some(*code)), "{what}, as {agent:?}");
    }
    let mut query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    query.push(("user_agent", PYTHON));
    let url = stage.url(path, &query);
    assert_eq!(Line::try_open(&url, *origin).await.err(), Some(*status), "{what}, as Python");
    // The same by hand, for the text.
    let request = stage.server.client.get(url.replacen("ws", "http", 1));
    let request = request.header("connection", "upgrade").header("upgrade", "websocket");
    let request =
        request.header("sec-websocket-version", "13").header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    let request = origin.iter().fold(request, |request, origin| request.header("origin", *origin));
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &*answer.text().await.unwrap()),
        (*status, *text),
        "{what}, as Python"
    );
}

#[tokio::test]
async fn who_may_not_come_in_is_told_at_once_and_for_good() {
    let stage = stage_with(|_| {}, Box::new(video::builtin)).await;
    let poor = stage.key("poor", "0.499999").await;
    let revoked = stage.key("revoked", "10").await;
    stage.ledger().revoke_key(&KeyId::new("revoked"), 2).await.unwrap();
    let expired = stage.token("ek_expired", json!({"age_ms": 60_001})).await;
    let of_model = stage.token("ek_of_a_model", json!({"models": ["free"]})).await;
    let of_page = stage.token("ek_of_a_page", json!({"origins": ["https://a.example"]})).await;
    let (mut ended, session) = stage.produce(OPERATOR, "paid").await;
    assert_eq!(ended.close(None).await, None);
    stage.settled(&session).await;

    const NO_KEY: &str =
        "Invalid API key: none was given; put a key or a client token into the query parameter `api_key`";
    const NO_MODEL: &str = "Model not allowed: this server has no realtime model of that name";
    let cases = [
        produces("an empty key", "", "paid", NO_KEY, "invalid_api_key"),
        Case {
            query: vec![("model", "paid".to_owned())],
            ..produces("no key", "", "", NO_KEY, "invalid_api_key")
        },
        produces("an unknown key", "dsp_nobodys", "paid", "Invalid API key", "invalid_api_key"),
        produces("an unknown token", "ek_nobodys", "paid", "Invalid API key", "invalid_api_key"),
        produces("a revoked key", &revoked, "paid", "Invalid API key", "invalid_api_key"),
        produces(
            "an expired token",
            &expired,
            "paid",
            "Unauthorized: this client token has expired",
            "invalid_api_key",
        ),
        produces(
            "a token of another model",
            &of_model,
            "paid",
            "Model not allowed: this client token is for other models",
            "invalid_model",
        ),
        Case {
            origin: Some("https://b.example"),
            ..produces("another page's token", &of_page, "paid", "Origin not allowed", "origin_not_allowed")
        },
        produces(
            "a page's token without a page",
            &of_page,
            "paid",
            "Origin not allowed",
            "origin_not_allowed",
        ),
        produces("an unknown model", OPERATOR, "unknown", NO_MODEL, "invalid_model"),
        produces("no model", OPERATOR, "", NO_MODEL, "invalid_model"),
        produces(
            "no credits",
            &poor,
            "paid",
            "Insufficient credits: session not allowed",
            "insufficient_credits",
        ),
        watches("an unknown session", OPERATOR, "nobodys", "Invalid session", "session_not_found"),
        watches(
            "a session that has ended",
            OPERATOR,
            &session,
            "invalid session: producer ended",
            "session_not_found",
        ),
        watches(
            "a session with an unknown key",
            "dsp_nobodys",
            &session,
            "Invalid API key",
            "invalid_api_key",
        ),
    ];
    for case in &cases {
        check(&stage, case).await;
    }

    // None of them was a session, or kept a place.
    assert_eq!(stage.ledger().sessions(None, 100).await.unwrap().len(), 1);
    assert_eq!(stage.realtime.held(), Default::default());
    // And who may come in with the same means does.
    let page =
        stage.url("/v1/avatar-live/stream", &[("api_key", &of_page), ("model", "paid"), ("unknown", "x")]);
    let mut page = Line::try_open(&page, Some("https://a.example")).await.unwrap();
    assert_eq!(page.next().await["type"], "session_id");
    let (mut free, _) = stage.produce(&poor, "free").await;
    for line in [&mut page, &mut free] {
        line.close(Some(1000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_room_may_try_again() {
    let limits = |settings: &mut realtime::run::Settings| {
        settings.max_sessions = 2;
        settings.max_sessions_per_key = 1;
    };
    let stage = stage_with(limits, Box::new(video::builtin)).await;
    let (a, b, c) = (stage.key("a", "9").await, stage.key("b", "9").await, stage.key("c", "9").await);
    let token = stage.token("ek_of_a", json!({"key": "a"})).await;
    let no_room = |what, key: &str, text| Case {
        code: 1013,
        status: 503,
        ..produces(what, key, "paid", text, "upstream_capacity")
    };
    let (mut of_a, _) = stage.produce(&a, "paid").await;
    for key in [&a, &token] {
        check(&stage, &no_room("the key is full", key, "Concurrent session limit reached.")).await;
    }
    let (mut of_b, _) = stage.produce(&b, "paid").await;
    for key in [&a, &b, &c] {
        check(&stage, &no_room("the server is full", key, "Server at capacity. Please try again later."))
            .await;
    }
    // Somebody with a wrong key is told that, and not how full the server is.
    check(&stage, &produces("a wrong key", "dsp_x", "paid", "Invalid API key", "invalid_api_key")).await;

    // Who comes back as soon as the close is answered finds the place that it had.
    for _ in 0..20 {
        assert_eq!(of_a.close(Some(1000)).await, Some(1000));
        (of_a, _) = stage.produce(&a, "paid").await;
    }
    of_b.close(None).await;
    let (mut of_c, _) = stage.produce(&c, "paid").await;
    for line in [&mut of_a, &mut of_c] {
        line.close(None).await;
    }
    stage.is_empty().await;
    let held: Vec<Value> = stage
        .ledger()
        .keys()
        .await
        .unwrap()
        .into_iter()
        .map(|key| json!([key.balance.to_string(), key.held.to_string()]))
        .collect();
    assert_eq!(held, [json!(["0", "0"]), json!(["9", "0"]), json!(["9", "0"]), json!(["9", "0"])]);
}
