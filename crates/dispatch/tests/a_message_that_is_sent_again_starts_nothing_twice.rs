use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{Home, Ran, Server, dispatch};

/// When a connection to the server breaks.
#[derive(Clone, Copy)]
enum Breaks {
    /// As soon as the server begins to answer.
    Early,
    /// When the server has said everything.
    Late,
}

/// Something between client and server that passes everything on, except for the answer to the first so many requests
/// that begin like that.
fn passage(
    server: &Server,
    request: &'static str,
    times: usize,
    breaks: Breaks,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let upstream = server.address.strip_prefix("http://").unwrap().to_owned();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (upstream, count) = (upstream.clone(), count.clone());
            std::thread::spawn(move || pass(client.unwrap(), &upstream, request, &count, times, breaks));
        }
    });
    (address, seen)
}

fn pass(
    mut client: TcpStream,
    upstream: &str,
    begin: &str,
    count: &AtomicUsize,
    times: usize,
    breaks: Breaks,
) {
    let Some(request) = one_request(&mut client) else { return };
    let mut server = TcpStream::connect(upstream).unwrap();
    server.write_all(&request).unwrap();
    let is_meant = request.starts_with(begin.as_bytes());
    if is_meant && count.fetch_add(1, Ordering::SeqCst) < times {
        let _ = match breaks {
            Breaks::Early => server.read(&mut [0; 1]).unwrap(),
            Breaks::Late => server.read_to_end(&mut Vec::new()).unwrap(),
        };
        return;
    }
    let _ = std::io::copy(&mut server, &mut client);
}

/// The bytes of a request, with the wish for no other one on the same connection.
fn one_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match client.read(&mut piece) {
            Ok(length @ 1..) => bytes.extend_from_slice(&piece[..length]),
            Ok(0) | Err(_) => return None,
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    while bytes.len() < end + length.unwrap_or(0) {
        let length = client.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..length]);
    }
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    Some([head.as_bytes(), &bytes[end..]].concat())
}

fn through(address: &str, arguments: &[&str]) -> Ran {
    Ran::of(dispatch().args(arguments).args(["--server", address]))
}

fn said(server: &Server, id: &str, text: &str) -> usize {
    server.run(&["read", id, "--all"]).ok().matches(&format!("› {text}\n")).count()
}

#[test]
fn while_its_turn_is_running_and_when_it_is_over() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    for (breaks, text) in [(Breaks::Early, "count to 300 slowly"), (Breaks::Late, "say once")] {
        let (address, seen) = passage(&server, "POST /chat ", 1, breaks);
        let sent = through(&address, &["send", &id[..8], "--text", text]);
        assert_eq!(sent.status, Some(0), "{sent:?}");
        assert_eq!(sent.stdout, server.run(&["read", &id]).ok());
        assert_eq!((seen.load(Ordering::SeqCst), said(&server, &id, text)), (2, 1));
    }
}

#[test]
fn in_a_conversation_that_it_begins() {
    let home = Home::new();
    let server = home.start();
    for breaks in [Breaks::Early, Breaks::Late] {
        let (address, _) = passage(&server, "POST /chat ", 1, breaks);
        let chat = through(&address, &["chat", "--text", "say once"]);
        assert_eq!((chat.status, chat.stdout.as_str()), (Some(0), "once\n"), "{chat:?}");
        assert_eq!(said(&server, &chat.conversation(), "say once"), 1);
    }
    assert_eq!(server.run(&["list"]).ok().lines().count(), 2);
}

#[test]
fn when_it_is_queued() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    let (address, seen) =
        passage(&server, &*format!("POST /conversations/{id}/queue ").leak(), 1, Breaks::Late);
    through(&address, &["queue", &id, "--text", "say queued"]).ok();
    server.run(&["read", &id]).ok();
    assert_eq!((seen.load(Ordering::SeqCst), said(&server, &id, "say queued")), (2, 1));
}

#[test]
fn and_is_given_up_after_the_second_time() {
    let home = Home::new();
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    let (address, seen) = passage(&server, "POST /chat ", 2, Breaks::Late);
    let sent = through(&address, &["send", &id, "--text", "say once"]);
    assert!(sent.status == Some(1) && sent.stderr.ends_with("(server-unreachable)\n"), "{sent:?}");
    assert_eq!((seen.load(Ordering::SeqCst), said(&server, &id, "say once")), (2, 1));
}
