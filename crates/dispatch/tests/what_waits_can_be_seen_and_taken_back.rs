use serde_json::{Value, json};

use crate::common::{Home, Server, Working, of_kind};

fn counting(server: &Server) -> (Working, String) {
    let chat = Working::start(&mut server.client(&["chat", "--json", "--text", "count to 10000 slowly"]));
    let events = chat.until(|event| event["type"] == "text-delta");
    let id = events[0]["conversationId"].as_str().unwrap().to_owned();
    (chat, id)
}

#[test]
fn by_its_id() {
    let home = Home::new();
    let server = home.start();
    let (_chat, id) = counting(&server);
    assert_eq!(server.run(&["queue", &id, "--list"]).ok(), format!("nothing waits in {}\n", &id[..8]));
    assert_eq!(server.run(&["queue", &id, "--text", "say one"]).ok(), format!("queued in {}\n", &id[..8]));
    server.run(&["queue", &id, "--text", "say two"]).ok();
    let queue = server.run(&["queue", &id, "--list", "--json"]).json();
    let message = |at: usize| queue[0]["queue"][at]["id"].as_str().unwrap().to_owned();
    assert!(
        queue[0]["queue"][0]["clientMessageId"].is_string(),
        "every message can be sent again: {queue:?}"
    );
    let shown = server.run(&["queue", &id[..8], "--list"]).ok();
    let expected = [(message(0), "say one"), (message(1), "say two")]
        .map(|(id, text)| format!("{}      just now  {text}\n", &id[..8]))
        .concat();
    assert_eq!(shown, expected);

    let taken = server.run(&["queue", &id, "--cancel", &message(0)[..8]]).ok();
    assert_eq!(taken, format!("took {} out\n", &message(0)[..8]));
    let json = server.run(&["queue", &id, "--cancel", &message(1), "--json"]).json();
    assert_eq!(json, [json!({"conversationId": id, "cancelled": true, "queue": []})]);
    let again = server.run(&["queue", &id, "--cancel", &message(1)]);
    let expected = format!(
        "error: no message that begins with `{}` waits in {}: a turn has taken it in, or it never was there (not-queued)\n",
        &message(1)[..8],
        &id[..8]
    );
    assert_eq!((again.status, again.stderr), (Some(1), expected));
}

#[test]
fn unless_several_begin_alike() {
    let home = Home::new();
    let server = home.start();
    let (_chat, id) = counting(&server);
    server.run(&["queue", &id, "--text", "say one"]).ok();
    server.run(&["queue", &id, "--text", "say two"]).ok();
    let several = server.run(&["queue", &id, "--cancel", ""]);
    assert_eq!(several.status, Some(1));
    let first = several.stderr.lines().next().unwrap();
    assert_eq!(first, "error: the ids of 2 messages begin with ``; write more of it (ambiguous-message)");
    assert!(several.stderr.contains("  say one\n") && several.stderr.contains("  say two\n"), "{several:?}");
}

#[test]
fn or_the_turn_makes_room_for_it() {
    let home = Home::new();
    let server = home.start();
    let (chat, id) = counting(&server);
    assert_eq!(server.run(&["send", &id[..8], "--interrupt", "--text", "say now"]).ok(), "now\n");
    let ended = chat.end();
    assert_eq!(of_kind(&ended.json(), "done")[0]["reason"], "aborted");
    assert_eq!(server.run(&["send", &id, "--interrupt", "--text", "say idle"]).ok(), "idle\n");
}

#[test]
fn a_retry_is_shown_to_people_only() {
    let home = Home::new();
    let server = Server::start(
        home.serve(&[])
            .env("DISPATCH_CREDENTIALS__DEMO__KIND", "demo")
            .env("DISPATCH_LIMITS__RETRY_DELAY", "10ms"),
    );
    let chat = server.run(&["chat", "--text", "fail once"]);
    let note = "error: the demo model was asked to fail once; the next attempt will succeed (provider-failed); retry 1 in ";
    assert!(chat.status == Some(0) && chat.stderr.contains(note), "{chat:?}");
    let events: Vec<Value> = server.run(&["chat", "--json", "--text", "fail once"]).json();
    assert_eq!(of_kind(&events, "provider-retry"), Vec::<&Value>::new());
    assert_eq!(of_kind(&events, "turn-sealed").len(), 1);
}
