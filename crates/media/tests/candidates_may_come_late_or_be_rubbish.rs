//! A client's candidates may come with its offer, after it, or never, and between them may be anything.

use std::sync::Arc;
use std::time::Duration;

use media::{Event, Reason, Role};

use crate::support::{Client, Kind, PATIENCE, echo, event, local_port};

const RUBBISH: [&str; 9] = [
    "",
    "null",
    "candidate:",
    "candidate:1 1 udp 2122260223 3f2a-11.local 40000 typ host",
    "candidate:1 1 tcp 1518280447 192.0.2.2 9 typ host tcptype active",
    "candidate:1 1 udp 2122260223 2001:db8::1 40000 typ host",
    "candidate:1 1 udp 2122260223 127.0.0.1 1 typ host",
    "candidate:1 1 udp 99999999999999999999 127.0.0.1 40000 typ host",
    "a=candidate:\u{0}\u{1f980}",
];

const FRAME: Option<Duration> = Some(Duration::from_millis(20));

#[tokio::test]
async fn late_ones_among_rubbish() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (peer, events) = client.connect(&port, Role::Producer);
    for _ in 0..20 {
        for candidate in RUBBISH {
            peer.add_candidate(candidate);
        }
    }
    peer.add_candidate(&client.candidate());
    let handle = peer.clone();
    let _echo = tokio::spawn(echo(peer, events, Arc::default()));
    client.until_sending("frames back", FRAME, |client| client.frames.len() >= 3).await;
    // After the connection is up, more of them change nothing.
    for candidate in RUBBISH {
        handle.add_candidate(candidate);
    }
    let before = client.frames.len();
    client.until_sending("more frames", FRAME, |client| client.frames.len() >= before + 5).await;
}

#[tokio::test]
async fn in_the_offer_among_rubbish() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let mut offer = client.offer.clone();
    for candidate in RUBBISH.iter().filter(|candidate| candidate.is_ascii()) {
        offer.push_str(&format!("a={}\r\n", candidate.strip_prefix("a=").unwrap_or(candidate)));
    }
    offer.push_str(&format!("a={}\r\na=end-of-candidates\r\n", client.candidate()));
    let answer = port.answer(&offer, Role::Producer).unwrap();
    client.accept(&answer.sdp);
    let _echo = tokio::spawn(echo(answer.peer, answer.events, Arc::default()));
    client.until_sending("frames back", FRAME, |client| client.frames.len() >= 3).await;
}

#[tokio::test]
async fn a_second_offer_replaces_the_first() {
    let port = local_port().await;
    let mut first = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (old, mut old_events) = first.connect(&port, Role::Producer);
    first.until("connected", |client| client.connected).await;

    let mut second = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (new, events) = second.connect(&port, Role::Producer);
    old.close();
    let end = event(&mut old_events, "the end", |event| matches!(event, Event::Disconnected(_))).await;
    assert_eq!(end, Event::Disconnected(Reason::Here));
    let _echo = tokio::spawn(echo(new, events, Arc::default()));
    second.until_sending("frames back", FRAME, |client| client.frames.len() >= 3).await;
    assert_eq!((port.peers(), port.entries()), (1, 2), "nothing of the first is left");
    assert!(old.is_closed());
}

#[tokio::test]
async fn dropping_the_handles_or_the_events_closes() {
    let port = local_port().await;
    for drop_events in [true, false] {
        let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
        let (peer, events) = client.connect(&port, Role::Producer);
        client.until("connected", |client| client.connected).await;
        let kept: Box<dyn std::any::Any> = if drop_events {
            drop(events);
            Box::new(peer)
        } else {
            drop(peer);
            Box::new(events)
        };
        client.until("the goodbye", |client| client.closed).await;
        let gone = async {
            while port.entries() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
        drop(kept);
    }
}
