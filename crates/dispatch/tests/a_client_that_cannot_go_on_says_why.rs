use std::io::{Read, Write};
use std::net::TcpListener;

use crate::common::{Home, Ran, dispatch};

/// A server that answers one request with these bytes and hangs up.
fn strange_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 65536]).unwrap();
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn nobody_is_there() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    for arguments in [
        &["list"][..],
        &["models"],
        &["chat", "--text", "hi"],
        &["send", "abc", "--text", "hi"],
        &["read", "abc"],
        &["stop", "abc"],
        &["close", "abc"],
        &["queue", "abc", "--text", "hi"],
        &["queue", "abc", "--list"],
        &["queue", "abc", "--cancel", "x"],
        &["open", "abc"],
        &["status", "abc"],
        &["compact", "abc"],
        &["delete", "abc", "--yes"],
        &["title", "abc"],
        &["model", "abc"],
        &["effort", "abc"],
        &["cwd", "abc"],
        &["metrics", "abc"],
        &["throughput"],
        &["warm", "abc"],
        &["mcp", "abc"],
    ] {
        let ran = Ran::of(dispatch().args(arguments).env("BACKEND_PORT", address.port().to_string()));
        let expected = format!(
            "error: no server answers at http://{address}: nothing listens there. Start one with `dispatch serve`, or \
             say where it is with --server or DISPATCH_SERVER (server-unreachable)\n"
        );
        assert_eq!(ran, Ran { status: Some(1), stdout: String::new(), stderr: expected }, "{arguments:?}");
    }
}

#[test]
fn somebody_else_is_there() {
    let address = strange_server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let ran = Ran::of(dispatch().args(["list", "--server", &address]));
    let message = format!("error: what answers at http://{address} is not a Dispatch server: ");
    assert!(ran.status == Some(1) && ran.stderr.starts_with(&message), "{ran:?}");

    let ran = Ran::of(dispatch().args(["list", "--server", "ftp://x"]));
    assert!(ran.stderr.starts_with("error: `ftp://x` is not the address of a server"), "{ran:?}");
}

#[test]
fn the_connection_breaks_in_the_middle_of_a_turn() {
    let address = strange_server(concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n",
        "x-conversation-id: 0123456789abcdef0123456789abcdef\r\ntransfer-encoding: chunked\r\n\r\n",
        "58\r\n",
        r#"{"type":"text-delta","conversationId":"0123456789abcdef0123","turnId":"t","delta":"Hel"}"#,
        "\r\n1\r\n\n\r\n",
    ));
    let ran = Ran::of(dispatch().args(["chat", "--text", "hi", "--server", &address]));
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), "Hel\n"), "{ran:?}");
    assert!(ran.stderr.contains("error: the connection to the server broke: "), "{ran:?}");
    assert!(
        ran.stderr.contains("see how it ends with: dispatch read 01234567 (connection-broken)"),
        "{ran:?}"
    );
}

#[test]
fn a_short_id_fits_none_or_several() {
    let home = Home::new();
    let server = home.start();
    // More conversations than there are first digits: two begin alike.
    let ids: Vec<String> =
        (0..17).map(|at| server.run(&["chat", "--text", &format!("say {at}")]).conversation()).collect();
    let alike = |digit: char| ids.iter().filter(move |id| id.starts_with(digit)).collect::<Vec<_>>();
    let digit = "0123456789abcdef".chars().find(|digit| alike(*digit).len() > 1).unwrap();
    let found = alike(digit);
    let ran = server.run(&["read", &digit.to_string()]);
    let message = format!(
        "error: the ids of {} conversations begin with `{digit}`; write more of the one that you mean \
             (ambiguous-conversation)",
        found.len()
    );
    assert_eq!((ran.status, ran.stderr.lines().next()), (Some(1), Some(message.as_str())), "{ran:?}");
    for id in found {
        let title = format!("  {}  say ", &id[..8]);
        assert!(ran.stderr.contains(&title), "{id} is not in {ran:?}");
    }
    let message = "error: no conversation's id begins with `zzz`; `dispatch list --all` shows all of them \
             (unknown-conversation)\n";
    for arguments in [
        &["stop", "zzz"][..],
        &["close", "zzz"],
        &["send", "zzz", "--text", "hi"],
        &["queue", "zzz", "--text", "hi"],
        &["queue", "zzz", "--list"],
        &["open", "zzz"],
        &["status", "zzz"],
        &["compact", "zzz"],
        &["delete", "zzz", "--yes"],
        &["title", "zzz", "T"],
        &["model", "zzz"],
        &["effort", "zzz"],
        &["cwd", "zzz"],
        &["metrics", "zzz"],
        &["warm", "zzz"],
        &["mcp", "zzz"],
    ] {
        let none = server.run(arguments);
        assert_eq!((none.status, none.stderr.as_str()), (Some(1), message), "{arguments:?}");
    }
}

#[test]
fn the_turn_fails() {
    let home = Home::new();
    let server = home.start();
    let failed = server.run(&["chat", "--text", "fail after 3 words"]);
    assert_eq!(failed.status, Some(1));
    assert!(
        failed.stderr.contains("error: ") && failed.stderr.contains(" (provider-failed)\n"),
        "{failed:?}"
    );
    assert!(!failed.stdout.is_empty(), "what was said before is shown");
    let id = failed.conversation();
    let read = server.run(&["read", &id]);
    assert!(read.status == Some(1) && read.stderr.contains("(provider-failed)"), "{read:?}");
    let sent = server.run(&["send", &id, "--text", "fail"]);
    assert!(sent.status == Some(1) && sent.stderr.contains("(provider-failed)"), "{sent:?}");
    assert_eq!(sent.stdout, "");

    let unknown = server.run(&["chat", "--model", "nobody/none", "--text", "hi"]);
    assert!(unknown.status == Some(1) && unknown.stderr.contains("(unknown-model)"), "{unknown:?}");
}

#[test]
fn wrong_usage_is_status_2() {
    for arguments in [
        &["chat", "--effort", "huge"][..],
        &["list", "--status", "sleeping"],
        &["chat", "--text", "  "],
        &["queue", "abc", "--text", ""],
        &["fly"],
        &["read"],
        &["send", "abc", "--queue", "--model", "a/b", "--text", "x"],
        &["send", "abc", "--queue", "--image", "a.png", "--text", "x"],
        &["send", "abc", "--queue", "--interrupt", "--text", "x"],
        &["queue", "abc", "--list", "--text", "x"],
        &["queue", "abc", "--list", "--cancel", "x"],
        &["compact", "abc", "--keep", "0"],
        &["delete", "abc"],
        &["model", "abc", "a/b", "--default"],
        &["effort", "abc", "huge"],
        &["cwd", "abc", "/tmp", "--clear"],
        &["throughput", "--period", "year"],
    ] {
        let ran = Ran::of(dispatch().args(arguments));
        assert!(ran.status == Some(2) && ran.stderr.starts_with("error: "), "{arguments:?}: {ran:?}");
    }
    let missing = Ran::of(dispatch().args(["chat", "--text", "x", "--file", "/nowhere"]));
    assert!(
        missing.status == Some(1) && missing.stderr.starts_with("error: /nowhere cannot be read"),
        "{missing:?}"
    );
}
