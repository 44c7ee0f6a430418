use serde_json::json;

use crate::common::{Home, Ran};

#[test]
fn its_title() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    assert_eq!(server.run(&["title", &id[..8]]).ok(), "say hi\n");
    assert_eq!(server.run(&["title", &id[..8], " A tour "]).ok(), "A tour\n");
    assert!(server.run(&["list"]).ok().ends_with("  A tour\n"));
    let title = server.run(&["title", &id, "--json"]).json();
    assert_eq!(title, [json!({"conversationId": id, "title": "A tour"})]);
    let empty = server.run(&["title", &id, " "]);
    assert!(empty.status == Some(1) && empty.stderr.ends_with("(invalid-request)\n"), "{empty:?}");
}

#[test]
fn its_model() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    let before = server.run(&["model", &id, "--json"]).json();
    assert_eq!(server.run(&["model", &id[..8], "demo/demo"]).ok(), "demo/demo\n");
    let model = server.run(&["model", &id, "--json"]).json();
    assert_eq!(model, [json!({"conversationId": id, "model": "demo/demo"})], "it was {before:?}");
    assert_eq!(server.run(&["model", &id, "--default"]).ok(), "the server's default\n");
    let unknown = server.run(&["model", &id, "nobody/none"]);
    assert!(unknown.status == Some(1) && unknown.stderr.ends_with("(unknown-model)\n"), "{unknown:?}");
    assert_eq!(server.run(&["model", &id]).ok(), "the server's default\n", "nothing was changed");
}

#[test]
fn its_effort() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    assert_eq!(server.run(&["effort", &id[..8]]).ok(), "high, the default\n");
    assert_eq!(server.run(&["effort", &id[..8], "low"]).ok(), "low\n");
    let effort = server.run(&["effort", &id, "--json"]).json();
    assert_eq!(effort, [json!({"conversationId": id, "reasoningEffort": "low"})]);
    let wrong = server.run(&["effort", &id, "huge"]);
    assert!(wrong.status == Some(2) && wrong.stderr.starts_with("error: "), "{wrong:?}");
}

#[test]
fn its_directory() {
    let home = Home::new();
    let server = home.start();
    let id =
        server.run(&["queue", &"a".repeat(32), "--json", "--text", "say hi"]).json()[0]["conversationId"]
            .as_str()
            .unwrap()
            .to_owned();
    server.run(&["read", &id]).ok();
    assert_eq!(server.run(&["cwd", &id]).ok(), "the server's own directory\n");
    let elsewhere = tempfile::tempdir().unwrap();
    let here = elsewhere.path().canonicalize().unwrap();
    std::fs::create_dir(here.join("sub")).unwrap();
    let set = Ran::of(server.client(&["cwd", &id[..8], "sub"]).current_dir(&here));
    let sub = here.join("sub");
    assert_eq!(set.ok(), format!("{}\n", sub.display()), "relative to where the caller is");
    let sent = server.run(&["send", &id, "--text", "run pwd"]).ok();
    assert!(sent.contains(sub.to_str().unwrap()), "{sent}");
    let cwd = server.run(&["cwd", &id, "--json"]).json();
    assert_eq!(cwd, [json!({"conversationId": id, "cwd": sub})]);
    assert_eq!(server.run(&["cwd", &id, "--clear"]).ok(), "the server's own directory\n");
    let empty = server.run(&["cwd", &id, ""]);
    assert!(empty.status == Some(2) && empty.stderr.starts_with("error: "), "{empty:?}");
}
