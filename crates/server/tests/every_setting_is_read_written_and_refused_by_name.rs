//! Title, model, directory, effort, compaction, system prompt, status, deletion.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use server::{McpStatus, Parts};
use wire::extension::{McpServerInfo, McpServerState};

use crate::support::world::{Play, stop, text};
use crate::support::*;

#[tokio::test]
async fn what_is_unset_reads_as_nothing_and_creates_nothing() {
    let server = serve().await;
    for (path, expected) in [
        ("title", json!({"conversationId": "c", "title": "Untitled"})),
        ("model", json!({"conversationId": "c", "model": null})),
        ("cwd", json!({"conversationId": "c", "cwd": null})),
        ("reasoning-effort", json!({"conversationId": "c", "reasoningEffort": null})),
        ("compact-percent", json!({"conversationId": "c", "percent": 85, "threshold": 85})),
        ("status", json!({"conversationId": "c", "isActive": false, "status": "idle"})),
        ("queue", json!({"conversationId": "c", "queue": []})),
        ("metrics", json!({"turns": []})),
        ("last", json!({"conversationId": "c", "content": ""})),
        ("mcp", json!({"conversationId": "c", "cwd": null, "servers": []})),
        ("lsp", json!({"conversationId": "c", "cwd": null, "servers": []})),
    ] {
        assert_eq!(server.get(&format!("/conversations/c/{path}")).await, (200, expected), "{path}");
    }
    let deleted = server.delete("/conversations/c").await;
    assert_eq!(deleted, (200, json!({"conversationId": "c", "deleted": false})));
    let cancelled = server.delete("/conversations/c/queue/x").await;
    assert_eq!(cancelled, (200, json!({"conversationId": "c", "cancelled": false, "queue": []})));
    assert_eq!(
        server.delete("/conversations/c/cwd").await,
        (200, json!({"conversationId": "c", "cwd": null}))
    );
    let opened = server.post("/conversations/c/open", "").await;
    assert_eq!(opened, (200, json!({"conversationId": "c"})));
    assert_eq!(server.get("/conversations").await, (200, json!({"conversations": []})));
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let server = serve().await;
    for (path, body, expected) in [
        ("title", json!({"title": " A tour "}), json!({"conversationId": "c", "title": "A tour"})),
        ("model", json!({"model": "test/m"}), json!({"conversationId": "c", "model": "test/m"})),
        ("model", json!({"model": null}), json!({"conversationId": "c", "model": null})),
        ("cwd", json!({"cwd": " odd ", "workspaceId": "w"}), json!({"conversationId": "c", "cwd": " odd "})),
        (
            "reasoning-effort",
            json!({"reasoningEffort": "xhigh"}),
            json!({"conversationId": "c", "reasoningEffort": "xhigh"}),
        ),
        (
            "compact-percent",
            json!({"percent": 0}),
            json!({"conversationId": "c", "percent": 0, "threshold": 0}),
        ),
        (
            "compact-percent",
            json!({"threshold": 70.9}),
            json!({"conversationId": "c", "percent": 70, "threshold": 70}),
        ),
        (
            "compact-percent",
            json!({"percent": 60, "threshold": 1}),
            json!({"conversationId": "c", "percent": 60, "threshold": 60}),
        ),
    ] {
        let path = format!("/conversations/c/{path}");
        assert_eq!(server.put(&path, body).await, (200, expected.clone()), "{path}");
        assert_eq!(server.get(&path).await, (200, expected), "{path}");
    }
    let cleared = server.delete("/conversations/c/cwd").await;
    assert_eq!(cleared, (200, json!({"conversationId": "c", "cwd": null})));
    assert_eq!(server.get("/conversations/c/cwd").await.1["cwd"], Value::Null);
    let list = server.get("/conversations").await.1;
    assert_eq!(list["conversations"][0]["title"], "A tour", "a write creates the conversation");
}

#[tokio::test]
async fn bad_values_are_refused_by_name_and_change_nothing() {
    let server = serve().await;
    let percent = "a number `percent` (or `threshold`, its other name) is required";
    for (path, body, code, message) in [
        ("title", json!({"title": " "}), "invalid-request", "a non-empty string `title` is required"),
        ("title", json!({"title": 5}), "invalid-request", "a non-empty string `title` is required"),
        ("title", json!([]), "invalid-json", "The body must be a JSON object"),
        ("cwd", json!({"cwd": ""}), "invalid-request", "a non-empty string `cwd` is required"),
        ("cwd", json!({"cwd": null}), "invalid-request", "a non-empty string `cwd` is required"),
        (
            "model",
            json!({}),
            "invalid-request",
            "`model` is required: `credential/model`, or null for the default",
        ),
        (
            "model",
            json!({"model": 7}),
            "invalid-request",
            "`model` is required: `credential/model`, or null for the default",
        ),
        (
            "model",
            json!({"model": "nobody/m"}),
            "unknown-model",
            "no credential serves `nobody/m`; GET /models has the names",
        ),
        (
            "model",
            json!({"model": ""}),
            "unknown-model",
            "no credential serves ``; GET /models has the names",
        ),
        (
            "reasoning-effort",
            json!({"reasoningEffort": null}),
            "invalid-request",
            "`reasoningEffort` must be one of: low, medium, high, xhigh, max",
        ),
        ("compact-percent", json!({}), "invalid-request", percent),
        ("compact-percent", json!({"percent": "50"}), "invalid-request", "`percent` must be a number"),
        ("compact-percent", json!({"threshold": -1}), "invalid-request", "`threshold` must not be negative"),
    ] {
        let answer = server.put(&format!("/conversations/c/{path}"), body.clone()).await;
        assert_eq!(answer, (400, json!({"error": message, "code": code})), "{path} {body}");
    }
    assert_eq!(server.get("/conversations").await, (200, json!({"conversations": []})));
    for body in [json!({}), json!({"template": 5}), json!({"template": null})] {
        let (status, answer) = server.put("/system-prompt", body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")));
    }
    for query in ["force=yes", "force=1", "force=true&force=true"] {
        let (status, answer) = server.delete(&format!("/conversations/c?{query}")).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")), "{query}");
    }
    let (status, answer) = server.get("/conversations/%ff/title").await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")), "a path that is no UTF-8");
}

#[tokio::test]
async fn the_system_prompt_is_a_template_for_all() {
    let server = serve().await;
    assert_eq!(server.get("/system-prompt").await, (200, json!({"template": ""})));
    let template = json!({"template": "You work in [prompt:cwd]."});
    assert_eq!(server.put("/system-prompt", template.clone()).await, (200, template.clone()));
    assert_eq!(server.get("/system-prompt").await, (200, template));
    let (status, known) = server.get("/system-prompt/variables").await;
    assert_eq!(status, 200);
    let variables = known["variables"].as_array().unwrap();
    assert!(variables.iter().any(|variable| variable["type"] == "prompt" && variable["name"] == "cwd"));
    assert_eq!(server.put("/system-prompt", json!({"template": ""})).await.0, 200);
}

#[tokio::test]
async fn a_conversation_in_which_something_runs_is_deleted_only_by_force() {
    let server = serve().await;
    let gate = Arc::new(tokio::sync::Notify::new());
    server.world.plays(vec![vec![Play::Gate(gate.clone()), stop()]]);
    let running = server.client.post(server.url("/chat")).body(r#"{"message":"a","conversationId":"c"}"#);
    let running = running.send().await.unwrap();
    let status = server.get("/conversations/c/status").await;
    assert_eq!(status, (200, json!({"conversationId": "c", "isActive": true, "status": "active"})));
    let (status, refused) = server.delete("/conversations/c").await;
    assert_eq!((status, &refused["code"]), (409, &json!("conversation-active")));
    let deleted = server.delete("/conversations/c?force=true").await;
    assert_eq!(deleted, (200, json!({"conversationId": "c", "deleted": true})));
    let events = running.text().await.unwrap();
    assert!(events.contains(r#""reason":"aborted""#), "{events}");
    assert_eq!(server.get("/conversations").await, (200, json!({"conversations": []})));
    assert_eq!(server.get("/conversations/c").await, (200, json!({"chunks": [], "latestSeq": 0})));
}

/// Says which directories it was asked about.
#[derive(Default)]
struct Asked(Mutex<Vec<PathBuf>>);

impl McpStatus for Asked {
    fn servers(&self, cwd: PathBuf) -> BoxFuture<'_, Vec<McpServerInfo>> {
        self.0.lock().unwrap().push(cwd);
        let connected = McpServerInfo {
            id: "files".to_owned(),
            state: McpServerState::Connected,
            error: None,
            tool_count: 3,
            config_source: None,
        };
        Box::pin(std::future::ready(vec![connected]))
    }
}

#[tokio::test]
async fn mcp_servers_are_those_of_the_directory() {
    let asked = Arc::new(Asked::default());
    let parts = Parts { mcp: Some(asked.clone()), ..Parts::default() };
    let server = serve_over(settings(), world::world(), parts).await;
    let servers = json!([{"id": "files", "state": "connected", "toolCount": 3}]);
    let unset = server.get("/conversations/c/mcp").await;
    assert_eq!(unset, (200, json!({"conversationId": "c", "cwd": null, "servers": servers})));
    server.put("/conversations/c/cwd", json!({"cwd": "/srv/project"})).await;
    let set = server.get("/conversations/c/mcp").await;
    assert_eq!(set, (200, json!({"conversationId": "c", "cwd": "/srv/project", "servers": servers})));
    let here = std::env::current_dir().unwrap();
    assert_eq!(*asked.0.lock().unwrap(), [here, PathBuf::from("/srv/project")]);
}

#[tokio::test]
async fn compaction_and_warming_say_why_not() {
    let server = serve().await;
    for body in ["", "nonsense", "[]", r#"{"keepLastN": "many", "modelName": 5}"#] {
        let (status, refused) = server.post("/conversations/c/compact", body).await;
        assert_eq!((status, &refused["code"]), (409, &json!("compaction-refused")), "{body}");
    }
    let (status, refused) = server.post("/chat/warm", r#"{"conversationId": "c"}"#).await;
    assert_eq!((status, &refused["code"]), (409, &json!("warm-refused")));
    for body in [json!({}), json!({"conversationId": 5}), json!({"conversationId": "c", "model": 5})] {
        let (status, refused) = server.post("/chat/warm", &body.to_string()).await;
        assert_eq!((status, &refused["code"]), (400, &json!("invalid-request")), "{body}");
    }
    for n in 0..4 {
        let message = format!("m{n} {}", "of many words ".repeat(50));
        server.chat(json!({"message": message, "conversationId": "c"})).await;
    }
    server.world.settled().await;
    server.world.plays(vec![vec![text("a short summary"), stop()]]);
    let (status, done) = server.post("/conversations/c/compact", r#"{"keepLastN": 2.9}"#).await;
    assert_eq!(status, 200, "{done}");
    assert_eq!((&done["messagesSummarized"], &done["messagesKept"]), (&json!(6), &json!(2)));
    let archive = done["newConversationId"].as_str().unwrap();
    let (_, archived) = server.get(&format!("/conversations/{archive}")).await;
    assert_eq!(archived["latestSeq"], 8);
    let (_, now) = server.get("/conversations/c").await;
    assert_eq!(now["chunks"][0]["role"], "system");
    let (status, warmed) = server.post("/chat/warm", r#"{"conversationId": "c"}"#).await;
    assert_eq!(status, 200, "{warmed}");
    assert_eq!(warmed["cachePct"], 0);
}
