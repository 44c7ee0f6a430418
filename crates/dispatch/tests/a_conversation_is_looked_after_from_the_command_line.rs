use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::terminal::Terminal;
use crate::common::{Home, PATIENCE, Server, Working};

fn counting(server: &Server) -> (Working, String) {
    let chat = Working::start(&mut server.client(&["chat", "--json", "--text", "count to 10000 slowly"]));
    let events = chat.until(|event| event["type"] == "text-delta");
    let id = events[0]["conversationId"].as_str().unwrap().to_owned();
    (chat, id)
}

#[test]
fn whether_a_turn_is_running() {
    let home = Home::new();
    let server = home.start();
    let (_chat, id) = counting(&server);
    assert_eq!(server.run(&["status", &id[..8]]).ok(), "active\n");
    server.run(&["stop", &id]).ok();
    server.run(&["read", &id]);
    assert_eq!(server.run(&["status", &id[..8]]).ok(), "idle\n");
    server.run(&["close", &id]).ok();
    let status = server.run(&["status", &id, "--json"]).json();
    assert_eq!(status, [json!({"conversationId": id, "isActive": false, "status": "closed"})]);
    assert_eq!(server.run(&["reopen", &id[..8]]).ok(), format!("{} is idle\n", &id[..8]));
}

/// A client of the other kind, which only listens.
struct Socket {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Socket {
    fn open(server: &Server) -> Self {
        let address = server.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut socket = Self { stream, bytes: Vec::new() };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(socket.take(1));
        }
        socket
    }

    /// Waits until a conversation is to be shown.
    fn asked_to_show(&mut self) -> String {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "nobody asks");
            let frame = self.frame();
            if frame["type"] == "conversation.open" {
                return frame["conversationId"].as_str().unwrap().to_owned();
            }
        }
    }

    /// The next frame; null for one that is no text.
    fn frame(&mut self) -> Value {
        let head = self.take(2);
        let length = match head[1] {
            126 => self.take(2).iter().fold(0, |length, byte| length * 256 + usize::from(*byte)),
            length => usize::from(length),
        };
        let payload = self.take(length);
        if head[0] == 0x81 { serde_json::from_slice(&payload).unwrap() } else { Value::Null }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut piece = [0; 4096];
        while self.bytes.len() < length {
            let read = self.stream.read(&mut piece).unwrap();
            assert!(read > 0, "the server hung up");
            self.bytes.extend_from_slice(&piece[..read]);
        }
        self.bytes.drain(..length).collect()
    }
}

#[test]
fn every_client_is_asked_to_show_it() {
    let home = Home::new();
    let server = home.start();
    let mut socket = Socket::open(&server);
    let id = server.run(&["chat", "--open", "--text", "say hi"]).conversation();
    assert_eq!(socket.asked_to_show(), id);
    assert_eq!(server.run(&["open", &id[..8]]).ok(), format!("asked every client to show {}\n", &id[..8]));
    assert_eq!(socket.asked_to_show(), id);
    assert_eq!(server.run(&["send", &id, "--open", "--text", "say there"]).ok(), "there\n");
    assert_eq!(socket.asked_to_show(), id);
    server.run(&["send", &id, "--open", "--queue", "--text", "say again"]).ok();
    assert_eq!(socket.asked_to_show(), id);
    assert_eq!(server.run(&["open", &id, "--json"]).json(), [json!({"conversationId": id})]);
}

#[test]
fn its_older_messages_become_a_summary() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "count to 500"]).conversation();
    server.run(&["send", &id, "--text", "count to 400"]).ok();
    let refused = server.run(&["compact", &id]);
    assert!(refused.status == Some(1) && refused.stderr.ends_with("(compaction-refused)\n"), "{refused:?}");
    let unknown = server.run(&["compact", &id, "--keep", "2", "--model", "nobody/none"]);
    assert!(unknown.status == Some(1) && unknown.stderr.contains("unknown model"), "{unknown:?}");

    let compacted = server.run(&["compact", &id[..8], "--keep", "2"]).ok();
    let expected = format!(
        "compacted {}: 2 messages became a summary, 2 stayed; all of them are in the archive ",
        &id[..8]
    );
    assert!(compacted.starts_with(&expected), "{compacted}");
    let archive = compacted.trim_end().rsplit(' ').next().unwrap();
    let whole = server.run(&["read", &id, "--all"]).ok();
    assert!(whole.starts_with("The conversation up to here was long and has been summarised:"), "{whole}");
    assert!(!whole.contains("› count to 500") && whole.contains("› count to 400"), "{whole}");
    assert!(server.run(&["read", archive, "--all"]).ok().starts_with("› count to 500\n"));

    server.run(&["send", &id, "--text", "count to 600"]).ok();
    let again = server.run(&["compact", &id, "--keep", "2", "--json"]).json();
    assert_eq!((&again[0]["conversationId"], &again[0]["messagesKept"]), (&json!(id), &json!(2)));
}

#[test]
fn it_is_deleted_for_good() {
    let home = Home::new();
    let server = home.start();
    let (chat, id) = counting(&server);
    let missing = server.run(&["delete", &id]);
    assert!(missing.status == Some(2) && missing.stderr.contains("--yes"), "{missing:?}");
    let active = server.run(&["delete", &id, "--yes"]);
    assert!(active.status == Some(1) && active.stderr.ends_with("(conversation-active)\n"), "{active:?}");
    let said = server.run(&["delete", &id[..8], "--yes", "--force"]).ok();
    assert_eq!(said, format!("deleted {}\n", &id[..8]));
    chat.end();
    assert_eq!(server.run(&["list", "--all"]).ok(), "");
    let again = server.run(&["delete", &id, "--yes", "--json"]).json();
    assert_eq!(again, [json!({"conversationId": id, "deleted": false})]);
    let said = server.run(&["delete", &id, "--yes"]).ok();
    assert_eq!(said, format!("there was no conversation {}\n", &id[..8]));
}

#[test]
fn somebody_at_a_terminal_is_asked_before_it_is_deleted() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say precious"]).conversation();
    let delete = || -> Command { server.client(&["delete", &id[..8]]) };
    let question = format!("Delete {} (say precious) with everything that was said in it? [y/N] ", &id[..8]);
    let mut terminal = Terminal::start(delete());
    terminal.until(&question);
    terminal.type_in("\n");
    terminal.until("error: nothing was deleted");
    assert_eq!(terminal.end(), Some(1));
    assert_eq!(server.run(&["list"]).ok().lines().count(), 1);
    let mut terminal = Terminal::start(delete());
    terminal.until(&question);
    terminal.type_in("y\n");
    terminal.until("deleted ");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(server.run(&["list"]).ok(), "");
}

#[test]
fn its_tokens_and_times_are_a_table() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "run echo hi"]).conversation();
    server.run(&["send", &id, "--text", "say hi"]).ok();
    let metrics = server.run(&["metrics", &id[..8]]).ok();
    let lines: Vec<&str> = metrics.lines().collect();
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heading[..5], ["turn", "step", "input", "cached", "output"], "{metrics}");
    let begin: Vec<&str> = lines[1..].iter().map(|line| line[..10].trim_end()).collect();
    assert_eq!(begin, ["1", "      1", "      2", "2", "      1"], "{metrics}");
    let json = server.run(&["metrics", &id, "--json"]).json();
    let steps = |turn: &Value| turn["steps"].as_array().unwrap().len();
    let turns: Vec<usize> = json[0]["turns"].as_array().unwrap().iter().map(steps).collect();
    assert_eq!(turns, [2, 1]);
    let none = server.run(&["metrics", &"b".repeat(32)]).ok();
    assert_eq!(none, "no turn of bbbbbbbb is finished\n");
}

#[test]
fn how_fast_models_were_is_a_table() {
    let home = Home::new();
    let server = home.start();
    assert!(server.run(&["throughput"]).ok().starts_with("no turn was finished in the day of 2"));
    server.run(&["chat", "--text", "count to 300"]);
    for period in ["day", "week", "month"] {
        let shown = server.run(&["throughput", "--period", period]).ok();
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["model", "tokens/s", "output", "generation", "turns"], "{shown}");
        assert_eq!((lines[1][0], lines[1][lines[1].len() - 1]), ("demo/demo", "1"), "{shown}");
    }
    let past = server.run(&["throughput", "--period", "month", "--date", "2001-02", "--json"]).json();
    assert_eq!((&past[0]["date"], &past[0]["models"]), (&json!("2001-02"), &json!([])));
    let wrong = server.run(&["throughput", "--date", "2001-02"]);
    assert!(wrong.status == Some(1) && wrong.stderr.ends_with("(invalid-request)\n"), "{wrong:?}");
}

#[test]
fn its_prompt_cache_is_warmed() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    let warmed = server.run(&["warm", &id[..8]]).ok();
    assert!(warmed.starts_with(&format!("warmed {}: ", &id[..8])), "{warmed}");
    assert!(server.run(&["warm", &id, "--json"]).json()[0]["cachePct"].is_u64());
    let refused = server.run(&["warm", &"b".repeat(32)]);
    assert!(refused.status == Some(1) && refused.stderr.ends_with("(warm-refused)\n"), "{refused:?}");
}

#[test]
fn how_its_mcp_servers_do() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    assert_eq!(
        server.run(&["mcp", &id[..8]]).ok(),
        format!("no MCP server is configured for {}\n", &id[..8])
    );
    assert_eq!(server.run(&["mcp", &id, "--json"]).json()[0]["servers"], json!([]));
    drop(server);

    home.write("mcp.json", r#"{"mcpServers": {"off": {"command": "true", "disabled": true}}}"#);
    let server = Server::start(
        home.serve(&[])
            .env("DISPATCH_CREDENTIALS__DEMO__KIND", "demo")
            .env("DISPATCH_MCP__FILE", home.work().join("mcp.json")),
    );
    let shown = server.run(&["mcp", &id]).ok();
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["server", "state", "tools", "configured", "in"], "{shown}");
    assert_eq!(lines[1][..3], ["off", "disabled", "0"], "{shown}");
}
