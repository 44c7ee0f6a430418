//! A client that vanishes without a word is found, and so is one that never comes.

use std::time::{Duration, Instant};

use media::{Event, Reason, Role, Settings};

use crate::support::{Client, Kind, event, local, local_port, port};

#[tokio::test]
async fn a_client_that_vanishes() {
    assert!(Settings::default().silence < Duration::from_secs(5));
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (_peer, mut events) = client.connect(&port, Role::Producer);
    client.until_sending("connected", Some(Duration::from_millis(20)), |client| client.next > 5).await;
    let vanished = Instant::now();
    drop(client);
    let end = event(&mut events, "the end", |event| matches!(event, Event::Disconnected(_))).await;
    assert_eq!(end, Event::Disconnected(Reason::Silent));
    let took = vanished.elapsed();
    println!("found after {took:?}");
    // A busy machine is given as much again.
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(events.next().await, None);
    assert_eq!(port.entries(), 0);
}

/// A viewer sends no media: its answers to checks have to be enough.
#[tokio::test]
async fn a_quiet_client_is_not_dead() {
    let port = port(Settings { silence: Duration::from_secs(3), ..local() }).await;
    let mut client = Client::new(Kind::viewer(), "127.0.0.1:0").await;
    let (peer, _events) = client.connect(&port, Role::Viewer { codec: media::Codec::Vp8 });
    client.until("connected", |client| client.connected).await;
    client.run(Duration::from_secs(7), None).await;
    assert!(!peer.is_closed());
    assert_eq!(port.peers(), 1);
}

#[tokio::test]
async fn a_client_that_never_comes() {
    let port = port(Settings { connect: Duration::from_millis(300), ..local() }).await;
    let client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let mut answer = port.answer(&client.offer, Role::Producer).unwrap();
    assert_eq!(answer.events.next().await, Some(Event::Disconnected(Reason::NeverConnected)));
    assert_eq!(answer.events.next().await, None);
    assert_eq!(port.entries(), 0);
}
