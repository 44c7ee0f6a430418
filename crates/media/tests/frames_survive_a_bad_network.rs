//! With losses and jitter frames still arrive, whole, in order, and each decodable after those before it.

use std::sync::Arc;
use std::time::Duration;

use media::Role;
use weather::udp::{Network, Proxy};

use crate::support;
use crate::support::{Client, Kind, echo, elsewhere, local_port, vp8};

/// With transport-wide feedback the sender's pacer follows the estimated bandwidth, which this weather lowers, and the
/// echo does not: some frames may be held back as too many. Without it all depends on retransmission.
async fn through(loss: f64, jitter: u64, with_feedback: bool) {
    let port = local_port().await;
    let network = Network { loss, jitter: Duration::from_millis(jitter), ..Network::GOOD };
    let server = port.addresses()[0];
    let proxy = Proxy::start(server, network, 7).await.unwrap();
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let offer: String = client
        .offer
        .split_inclusive("\r\n")
        .filter(|line| with_feedback || !line.contains("transport-"))
        .collect();
    let answer = port.answer(&offer, Role::Producer).unwrap();
    client.accept(&elsewhere(&answer.sdp, server, proxy.address()));
    client.frame_length = if with_feedback { 1500 } else { 4000 };
    let _echo = tokio::spawn(echo(answer.peer, answer.events, Arc::default()));

    let sent = 150;
    let every = Some(Duration::from_millis(33));
    client.until_sending("all frames sent", every, |client| client.next >= sent).await;
    // What is still under way may need to be sent again.
    client.until_sending("most frames back", every, |client| client.frames.len() >= 130).await;
    let numbers = client.numbers();
    let got = numbers.iter().filter(|number| **number < sent).count();
    println!("loss {loss} %, jitter {jitter} ms: {got} of {sent} came back, {} sent in all", client.next);
    assert!(numbers.is_sorted(), "{numbers:?}");
    // In the first second the round trip is not known by which packets are asked for again.
    let later = numbers.iter().filter(|number| (30..sent).contains(*number)).count();
    assert!(with_feedback || later >= 100, "{later} of {} came back: {numbers:?}", sent - 30);
    for frame in &client.frames {
        let number = support::number(&frame.data);
        assert_eq!(frame.data[..], vp8(number, frame.is_keyframe(), client.frame_length), "frame {number}");
    }
}

#[tokio::test]
async fn one_percent_is_lost() {
    through(1.0, 0, true).await;
}

#[tokio::test]
async fn three_percent_are_lost_with_jitter() {
    through(3.0, 50, true).await;
}

#[tokio::test]
async fn three_percent_are_lost_with_jitter_and_only_retransmission_helps() {
    through(3.0, 50, false).await;
}
