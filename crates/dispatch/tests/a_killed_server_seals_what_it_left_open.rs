use serde_json::{Value, json};

use crate::common::{Home, Working};

#[test]
fn and_loses_nothing_that_a_client_saw() {
    let home = Home::new();
    let server = home.start();
    let mut command =
        server.client(&["chat", "--json", "--text", "count to 5 then run echo started; exec sleep 60"]);
    let chat = Working::start(command.current_dir(home.work()));
    let events = chat.until(|event| event["type"] == "tool-output");
    let id = events[0]["conversationId"].as_str().unwrap().to_owned();
    let seen: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    server.kill();
    let ended = chat.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let advice = format!("A turn goes on without it; see how it ends with: dispatch read {}", &id[..8]);
    let error: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["code"], "connection-broken");
    assert!(error["error"].as_str().unwrap().ends_with(&advice), "{error}");

    let server = home.start();
    let recovered = "1 turn that had been left open, now sealed as interrupted";
    assert_eq!(server.said("recovered"), Some(recovered), "{}", server.announcement);
    assert!(server.run(&["list"]).ok().starts_with(&format!("{}  idle  ", &id[..8])));
    let history = server.run(&["read", &id, "--all", "--json"]).json();
    let said: String = history[1..].iter().filter_map(|stored| stored["chunk"]["text"].as_str()).collect();
    assert_eq!(said, seen);
    let result = &history[history.len() - 1];
    assert_eq!((&result["role"], &result["chunk"]["isError"]), (&json!("tool"), &json!(true)), "{result}");
    assert!(result["chunk"]["content"].as_str().unwrap().contains("interrupted"), "{result}");

    // And the conversation goes on.
    assert_eq!(server.run(&["send", &id, "--text", "say back again"]).ok(), "back again\n");
    server.kill();
    assert_eq!(home.start().said("recovered"), None);
}
