//! Hostile offers and packets end in an error or in nothing.

use std::sync::Arc;
use std::time::Duration;

use media::{Codec, Role};
use proptest::prelude::*;

use crate::support::offers::{ALL, sdp};
use crate::support::{Client, Kind, echo, local_port};

/// What is done to an offer.
#[derive(Clone, Debug)]
enum Harm {
    Remove(usize),
    Repeat(usize, usize),
    Swap(usize, usize),
    /// The rest of a line, from its n-th byte on, becomes this.
    Rewrite(usize, usize, String),
    Take(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = || any::<usize>();
    let nasty = prop_oneof![
        Just(String::new()),
        Just("-1".to_owned()),
        Just("0".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("255 255 255".to_owned()),
        Just(":".to_owned()),
        Just(" ".to_owned()),
        Just("=;=;".to_owned()),
        Just("\u{e9}\u{1f980}".to_owned()),
        "[ -~]{0,40}",
        ".{0,20}",
    ];
    prop_oneof![
        at().prop_map(Harm::Remove),
        (at(), 1_usize..40).prop_map(|(line, times)| Harm::Repeat(line, times)),
        (at(), at()).prop_map(|(one, other)| Harm::Swap(one, other)),
        (at(), at(), nasty).prop_map(|(line, byte, text)| Harm::Rewrite(line, byte, text)),
        (0_usize..ALL.len(), at()).prop_map(|(offer, line)| Harm::Take(offer, line)),
    ]
}

fn harmed(offer: &str, harms: Vec<Harm>) -> String {
    let mut lines: Vec<String> = offer.lines().map(str::to_owned).collect();
    for harm in harms {
        if lines.is_empty() {
            break;
        }
        let count = lines.len();
        match harm {
            Harm::Remove(line) => drop(lines.remove(line % count)),
            Harm::Repeat(line, times) => {
                let again = lines[line % count].clone();
                lines.splice(line % count..line % count, std::iter::repeat_n(again, times));
            }
            Harm::Swap(one, other) => lines.swap(one % count, other % count),
            Harm::Rewrite(line, byte, text) => {
                let line = &mut lines[line % count];
                let mut end = byte % (line.len() + 1);
                while !line.is_char_boundary(end) {
                    end -= 1;
                }
                line.truncate(end);
                line.push_str(&text);
            }
            Harm::Take(offer, line) => {
                let from: Vec<&str> = ALL[offer].lines().collect();
                let at = line % count;
                lines.insert(at, from[line % from.len()].to_owned());
            }
        }
    }
    sdp(&(lines.join("\n") + "\n"))
}

#[test]
fn no_offer_panics() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let port = runtime.block_on(local_port());
    let roles = [Role::Producer, Role::Viewer { codec: Codec::Vp8 }, Role::Viewer { codec: Codec::H264 }];
    let offers = (0..ALL.len()).prop_flat_map(|at| {
        let harms = proptest::collection::vec(harm(), 0..6);
        harms.prop_map(move |harms| harmed(ALL[at], harms))
    });
    let any_text = prop_oneof![9 => offers, 1 => ".{0,200}".prop_map(|text| format!("v=0\r\n{text}"))];
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let answered = std::cell::Cell::new(0);
    runner
        .run(&(any_text, 0_usize..3), |(offer, role)| {
            if let Ok(answer) = port.answer(&offer, roles[role]) {
                answered.set(answered.get() + 1);
                prop_assert!(answer.sdp.starts_with("v=0\r\n"));
                let count = |text: &str| text.matches("\nm=").count();
                prop_assert_eq!(count(&answer.sdp), count(&offer), "{}\n{}", offer, answer.sdp);
            }
            Ok(())
        })
        .unwrap();
    println!("{} offers were answered", answered.get());
    assert!(answered.get() > 100, "harm is not so great that nothing is tested");
}

#[tokio::test]
async fn rubbish_on_the_wire_disturbs_nobody() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (peer, events) = client.connect(&port, Role::Producer);
    let _echo = tokio::spawn(echo(peer, events, Arc::default()));
    let every = Some(Duration::from_millis(10));
    client.until_sending("frames back", every, |client| client.frames.len() >= 3).await;

    // From the client's own address, so that it reaches the peer: of every kind, and cut.
    let server = port.addresses()[0];
    let mut random = fastrand::Rng::with_seed(3);
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for at in 0..2000 {
        let first = [0, 1, 20, 22, 23, 63, 128, 144, 200, 255][at % 10];
        let length = random.usize(0..300);
        let mut packet: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        if let Some(byte) = packet.first_mut() {
            *byte = first;
        }
        if at % 3 == 0 && packet.len() >= 20 {
            // With the mark of STUN.
            packet[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        }
        let from = if at % 2 == 0 { &client.socket } else { &stranger };
        from.send_to(&packet, server).await.unwrap();
        if at % 20 == 0 {
            client.run(Duration::from_millis(2), every).await;
        }
    }
    let before = client.frames.len();
    client.until_sending("frames go on", every, |client| client.frames.len() >= before + 20).await;
    assert_eq!((port.peers(), port.entries()), (1, 2));
}
