use rustix::process::Signal;

use crate::common;
use crate::common::{Home, Working, of_kind};

#[test]
fn and_seals_what_is_running() {
    let home = Home::new();
    for signal in [Signal::TERM, Signal::INT] {
        let server = home.start();
        let chat = Working::start(&mut server.client(&["chat", "--json", "--text", "count to 10000 slowly"]));
        chat.until(|event| event["type"] == "text-delta");
        server.signal(signal);
        let (status, stderr) = server.wait();
        assert_eq!(status.code(), Some(0), "{stderr}");
        let events = chat.end().json();
        assert_eq!(of_kind(&events, "done")[0]["reason"], "aborted");
        assert_eq!(of_kind(&events, "turn-sealed").len(), 1);
    }
    let server = home.start();
    assert_eq!(server.said("recovered"), None, "nothing was left open");
    assert_eq!(server.run(&["list", "--status", "active"]).ok(), "");
    assert_eq!(server.run(&["list"]).ok().lines().count(), 2);
}

#[test]
fn and_announces_where_to_look_when_it_starts() {
    let home = Home::new();
    home.write(
        "dispatch.toml",
        "default_model = 'demo/demo'\n[[credentials]]\nname = 'demo'\nkind = 'demo'\n",
    );
    let mut serve = home.serve(&["--ws", "0"]);
    let server = common::Server::start(serve.env("OPENAI_API_KEY", "sk-secret").env("DISPATCH_TYPO", "1"));
    assert!(server.address.starts_with("http://127.0.0.1:"), "{}", server.announcement);
    let sockets: Vec<&str> = server.said("websocket").unwrap().split(" and ").collect();
    assert_eq!(sockets[0], format!("{}/", server.address.replace("http", "ws")));
    assert_eq!(sockets.len(), 2);
    assert_eq!(server.said("data"), home.data().to_str());
    assert_eq!(server.said("credentials"), Some("demo (demo), openai (openai, https://api.openai.com/v1)"));
    assert_eq!(server.said("model"), Some("demo/demo"));
    assert!(server.said("tools").unwrap().starts_with("read_file, "), "{}", server.announcement);
    assert!(server.said("sandbox").unwrap().starts_with("Shell commands "), "{}", server.announcement);
    assert!(!server.announcement.contains("sk-secret"));
    server.signal(Signal::TERM);
    let (status, stderr) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert!(stderr.contains("warning: DISPATCH_TYPO is set, but there is no such setting\n"), "{stderr}");
}

#[test]
fn at_once_when_it_is_told_twice() {
    let home = Home::new();
    let server = home.start();
    // A tool that does not listen keeps the turn for as long as its grace.
    let mut command = server.client(&["chat", "--json", "--text", "run trap '' TERM INT; echo up; sleep 30"]);
    let chat = Working::start(command.current_dir(home.work()));
    chat.until(|event| event["type"] == "tool-output");
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    let (status, _) = server.wait();
    // The second may come when all is done already.
    assert!(matches!(status.code(), Some(0 | 130)), "{status}");
}
