use serde_json::{Value, json};

use crate::common::{Home, of_kind};

#[test]
fn everywhere() {
    let home = Home::new();
    let server = home.start();
    let chat = server.run(&["chat", "--json", "--text", "run echo hi"]);
    assert_eq!(chat.status, Some(0), "{chat:?}");
    let events = chat.json();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(&kinds[..2], ["user-message", "turn-start"]);
    assert_eq!(&kinds[kinds.len() - 2..], ["done", "turn-sealed"]);
    assert_eq!(of_kind(&events, "tool-call")[0]["input"], json!({"command": "echo hi"}));
    assert_eq!(of_kind(&events, "tool-output")[0]["data"], "hi\n");
    let id = events[0]["conversationId"].as_str().unwrap();
    assert_eq!(chat.conversation(), id);

    let models = server.run(&["models", "--json"]).json();
    let known = json!({"models": ["demo/demo"], "modelInfo": {"demo/demo": {"contextWindow": 200_000, "vision": true}}});
    assert_eq!(models, [known]);
    assert_eq!(server.run(&["models"]).ok(), "demo/demo  context 200,000\n");

    let list = server.run(&["list", "--json"]).json();
    assert_eq!(list[0]["conversations"][0]["id"], id);
    assert_eq!(list[0]["conversations"][0]["status"], "idle");

    let read = server.run(&["read", id, "--json"]).json();
    assert_eq!(read, [json!({"conversationId": id, "content": "Running `echo hi` gave one line: “hi”."})]);
    let all = server.run(&["read", id, "--all", "--json"]).json();
    let seqs: Vec<&Value> = all.iter().map(|chunk| &chunk["seq"]).collect();
    assert_eq!(seqs, (1..=all.len()).collect::<Vec<_>>());
    assert_eq!(all[0]["chunk"], json!({"type": "text", "text": "run echo hi"}));

    let send = server.run(&["send", id, "--json", "--text", "say more"]).json();
    assert_eq!((&send[0]["content"], send[0]["turnId"].is_string()), (&json!("more"), true));
    let stop = server.run(&["stop", id, "--json"]).json();
    assert_eq!(stop, [json!({"conversationId": id, "abortedTurn": false})]);
    let queue = server.run(&["queue", id, "--json", "--text", "say queued"]).json();
    assert_eq!(queue, [json!({"conversationId": id, "startedTurn": true, "queue": []})]);
    assert_eq!(server.run(&["read", id]).ok(), "queued\n");
    let close = server.run(&["close", id, "--json"]).json();
    assert_eq!(close, [json!({"conversationId": id, "abortedTurn": false})]);
}

#[test]
fn errors_too() {
    let home = Home::new();
    let server = home.start();
    let unknown = server.run(&["read", "zzz", "--json"]);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (Some(1), ""));
    let error: Value = serde_json::from_str(&unknown.stderr).unwrap();
    let message = "no conversation's id begins with `zzz`; `dispatch list --all` shows all of them";
    assert_eq!(error, json!({"error": message, "code": "unknown-conversation"}));

    let failed = server.run(&["chat", "--json", "--text", "fail"]);
    assert_eq!(failed.status, Some(1));
    let events = failed.json();
    assert_eq!(of_kind(&events, "error").len(), 1);
    assert_eq!(of_kind(&events, "turn-sealed").len(), 1);
}
