//! The HTTP half of the contract: answers, errors, streams.

use serde_json::{Value, json};

use crate::support;
use crate::support::world::{call, tools};
use crate::support::*;

#[tokio::test]
async fn a_turn_is_streamed_as_lines_and_read_back_as_history() {
    let server = serve().await;
    server.world.plays(vec![vec![call("a", "obey", json!({"say": "done"})), tools()]]);
    let events = server.chat(json!({"message": "  hello ", "conversationId": "c"})).await;
    assert_eq!(
        kinds(&events),
        [
            "user-message",
            "turn-start",
            "tool-call",
            "step-complete",
            "tool-result",
            "text-delta",
            "step-complete",
            "done",
            "turn-sealed"
        ]
    );
    assert_eq!(events[0]["text"], "hello", "trimmed");
    let step = format!("{}#0", events[0]["turnId"].as_str().unwrap());
    let (status, history) = server.get("/conversations/c").await;
    assert_eq!(status, 200);
    let input = json!({"say": "done"});
    assert_eq!(
        history,
        json!({"chunks": [
            {"seq": 1, "role": "user", "chunk": {"type": "text", "text": "hello"}},
            {"seq": 2, "role": "assistant", "chunk":
                {"type": "tool-call", "toolCallId": "a", "toolName": "obey", "input": input, "stepId": step}},
            {"seq": 3, "role": "tool", "chunk":
                {"type": "tool-result", "toolCallId": "a", "toolName": "obey", "content": "done", "isError": false,
                 "stepId": step}},
            {"seq": 4, "role": "assistant", "chunk": {"type": "text", "text": "you said: hello"}},
        ], "latestSeq": 4})
    );
    let (_, metrics) = server.get("/conversations/c/metrics").await;
    assert_eq!(metrics["turns"][0]["turnId"], events[0]["turnId"]);
    assert_eq!(metrics["turns"][0]["steps"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn history_comes_in_windows() {
    let server = serve().await;
    for n in 0..4 {
        server.chat(json!({"message": format!("m{n}"), "conversationId": "c"})).await;
    }
    let seqs = |answer: Value| -> (Vec<u64>, u64) {
        let chunks = answer["chunks"].as_array().unwrap().iter();
        (chunks.map(|chunk| chunk["seq"].as_u64().unwrap()).collect(), answer["latestSeq"].as_u64().unwrap())
    };
    for (query, expected) in [
        ("", ((1..=8).collect(), 8)),
        ("?sinceSeq=", ((1..=8).collect(), 8)),
        ("?sinceSeq=6", (vec![7, 8], 8)),
        ("?sinceSeq=8", (vec![], 8)),
        ("?sinceSeq=99", (vec![], 99)),
        ("?sinceSeq=0&limit=3", (vec![6, 7, 8], 8)),
        ("?beforeSeq=4&limit=2", (vec![2, 3], 3)),
        ("?beforeSeq=1", (vec![], 0)),
        ("?sinceSeq=2&beforeSeq=5&limit=9", (vec![3, 4], 4)),
    ] {
        let (status, answer) = server.get(&format!("/conversations/c{query}")).await;
        assert_eq!((status, seqs(answer)), (200, expected), "{query}");
    }
    for query in
        ["sinceSeq=-1", "sinceSeq=x", "beforeSeq=0", "limit=0", "limit=1e3", "limit=1.5", "beforeSeq=%201"]
    {
        let (status, answer) = server.get(&format!("/conversations/c?{query}")).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")), "{query}");
    }
    let unknown = server.get("/conversations/nobody%2Fknows?sinceSeq=0").await;
    assert_eq!(unknown, (200, json!({"chunks": [], "latestSeq": 0})));
}

#[tokio::test]
async fn bad_input_is_refused_with_words_and_a_code_and_changes_nothing() {
    let server = serve().await;
    let long = format!(r#"{{"message": "{}"}}"#, "x".repeat(100_000));
    let id = "i".repeat(300);
    for (path, body, status, code) in [
        ("/chat", "", 400, "invalid-json"),
        ("/chat", "{", 400, "invalid-json"),
        ("/chat", "[1]", 400, "invalid-json"),
        ("/chat", "{}", 400, "invalid-request"),
        ("/chat", r#"{"message": " \n "}"#, 400, "invalid-request"),
        ("/chat", r#"{"message": 5}"#, 400, "invalid-request"),
        ("/chat", r#"{"message": "m", "model": 5}"#, 400, "invalid-request"),
        ("/chat", r#"{"message": "m", "cwd": null}"#, 400, "invalid-request"),
        ("/chat", r#"{"message": "m", "reasoningEffort": "extreme"}"#, 400, "invalid-request"),
        ("/chat", r#"{"message": "m", "reasoningEffort": null}"#, 400, "invalid-request"),
        ("/chat", r#"{"message": "m", "conversationId": "a\u0000b"}"#, 400, "invalid-request"),
        ("/chat", long.as_str(), 413, "body-too-large"),
        ("/conversations/c/queue", r#"{"text": ""}"#, 400, "invalid-request"),
        ("/conversations/c/queue", r#"{"message": "x"}"#, 400, "invalid-request"),
        (&format!("/conversations/{id}/stop"), "", 400, "invalid-request"),
        ("/conversations/c/nothing", "", 404, "not-found"),
        ("/models", "", 405, "not-found"),
    ] {
        let (got, answer) = server.post(path, body).await;
        let shown = &body[..body.len().min(60)];
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{path} {shown}");
        assert!(answer["error"].as_str().unwrap().len() > 5);
    }
    let levels = server.post("/chat", r#"{"message": "m", "reasoningEffort": "extreme"}"#).await.1;
    assert_eq!(levels["error"], "`reasoningEffort` must be one of: low, medium, high, xhigh, max");
    assert_eq!(server.get("/conversations").await, (200, json!({"conversations": []})));
}

#[tokio::test]
async fn a_connection_on_which_a_body_was_left_unread_is_said_to_end() {
    let server = serve().await;
    let post = |body: String| server.client.post(server.url("/chat")).body(body).send();
    let refused = post(format!(r#"{{"message": "{}"}}"#, "x".repeat(100_000))).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["connection"]),
        (413, &"close".parse().unwrap())
    );
    let read = post("{}".to_owned()).await.unwrap();
    assert_eq!((read.status().as_u16(), read.headers().get("connection")), (400, None));
}

#[tokio::test]
async fn conversations_are_listed_stopped_queued_and_closed() {
    let server = serve().await;
    assert_eq!(server.get("/health").await, (200, json!({"ok": true})));
    assert_eq!(server.get("/models").await, (200, json!({"models": ["test/m"]})));
    server.chat(json!({"message": "first", "conversationId": "a%_1"})).await;
    // Activity is known by the millisecond.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let (status, queued) = server.post("/conversations/b1/queue", r#"{"text": " second "}"#).await;
    assert_eq!((status, queued), (200, json!({"conversationId": "b1", "startedTurn": true, "queue": []})));
    server.world.settled().await;
    let ids = |answer: Answer| -> Vec<String> {
        let list = answer.1["conversations"].as_array().unwrap().clone();
        list.iter().map(|meta| meta["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(server.get("/conversations").await), ["b1", "a%_1"]);
    assert_eq!(ids(server.get("/conversations?q=a%25_").await), ["a%_1"]);
    assert_eq!(ids(server.get("/conversations?q=A").await), Vec::<String>::new());
    let stopped = server.post("/conversations/b1/stop", "").await;
    assert_eq!(stopped, (200, json!({"conversationId": "b1", "abortedTurn": false})));
    server.post("/conversations/b1/close", "").await;
    assert_eq!(ids(server.get("/conversations?status=active, idle,bogus").await), ["a%_1"]);
    assert_eq!(ids(server.get("/conversations?status=closed").await), ["b1"]);
    assert_eq!(ids(server.get("/conversations?status=bogus").await).len(), 2);
    let meta = &server.get("/conversations?q=a").await.1["conversations"][0];
    assert_eq!((&meta["title"], &meta["status"]), (&json!("first"), &json!("idle")));
}

#[tokio::test]
async fn a_second_message_is_answered_with_one_error_event() {
    let server = serve().await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    server.world.plays(vec![vec![support::world::Play::Gate(gate.clone()), support::world::stop()]]);
    let first = server.client.post(server.url("/chat")).body(r#"{"message":"a","conversationId":"c"}"#);
    let first = first.send().await.unwrap();
    assert_eq!(first.headers()["x-conversation-id"], "c");
    let second = server.chat(json!({"message": "b", "conversationId": "c"})).await;
    assert_eq!(kinds(&second), ["error"]);
    assert_eq!(second[0]["code"], "turn-active");
    assert_eq!(second[0]["message"], "turn already active for this conversation");
    drop(first);
    gate.notify_one();
    server.world.settled().await;
    let (_, history) = server.get("/conversations/c").await;
    assert_eq!(history["latestSeq"], 1, "who sent it went away; the turn ran to its end");
}

#[tokio::test]
async fn every_answer_names_the_origin_and_the_request() {
    let server = serve().await;
    for (path, status) in [("/health", 200), ("/nothing", 404), ("/conversations/c?limit=0", 400)] {
        let request = server.client.get(server.url(path)).header("origin", "http://localhost:24204");
        let response = request.header("x-request-id", "r-1").send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(response.status(), status);
        assert_eq!(header("access-control-allow-origin"), "http://localhost:24204");
        assert_eq!(header("access-control-expose-headers"), "x-conversation-id, x-request-id");
        assert_eq!(header("x-request-id"), "r-1");
    }
    let preflight = server.client.request(reqwest::Method::OPTIONS, server.url("/chat"));
    let preflight = preflight.header("origin", "http://localhost:24204").send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-methods"], "GET, POST, PUT, DELETE, OPTIONS");
    let foreign = server.client.get(server.url("/health")).header("origin", "https://evil.example");
    let foreign = foreign.send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let server = serve().await;
    let response = server.client.get(server.url("/")).send().await.unwrap();
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = response.text().await.unwrap();
    assert!(page.contains("<title>Dispatch</title>") && !page.contains("https://"));
}
