//! A client connects, over each family and over TCP, sends frames and sound, and gets them back as they were.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Codec, Event, Reason, Role, Settings, is_ice};
use str0m::format::Codec as Format;
use str0m::media::Direction;
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Input, Output, Rtc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support;
use crate::support::{Client, Kind, PATIENCE, echo, local, local_port, number, port, vp8};

const FRAME: Option<Duration> = Some(Duration::from_millis(20));

async fn echoes(server: &str) {
    let port = port(Settings { listen: vec![server.parse().unwrap()], ..Settings::default() }).await;
    let near = SocketAddr::new(port.addresses()[0].ip(), 0);
    let mut client = Client::new(Kind::producer(), &near.to_string()).await;
    let (peer, events) = client.connect(&port, Role::Producer);
    assert_eq!(peer.codec(), Codec::Vp8);
    let echo = tokio::spawn(echo(peer, events, Arc::default()));
    client.until_sending("twenty frames back", FRAME, |client| client.frames.len() >= 20).await;
    for frame in &client.frames {
        let number = number(&frame.data);
        assert_eq!(frame.data[..], vp8(number, frame.is_keyframe(), client.frame_length));
        assert_eq!(frame.time.numer(), u64::from(number) * 3000, "the time of a frame is kept");
    }
    assert!(client.frames[0].is_keyframe());
    client.close().await;
    let told = tokio::time::timeout(PATIENCE, echo).await.unwrap().unwrap();
    assert_eq!(told.first(), Some(&Event::Connected));
    assert_eq!(told.last(), Some(&Event::Disconnected(Reason::ByPeer)));
    assert_eq!(port.entries(), 0);
}

#[tokio::test]
async fn over_ipv4() {
    echoes("127.0.0.1:0").await;
}

#[tokio::test]
async fn over_ipv6() {
    echoes("[::1]:0").await;
}

#[tokio::test]
async fn to_a_port_that_listens_everywhere() {
    echoes("0.0.0.0:0").await;
}

#[tokio::test]
async fn h264_when_the_client_has_only_that() {
    let port = local_port().await;
    let kind = Kind { formats: vec![Format::Vp9, Format::H264], ..Kind::producer() };
    let mut client = Client::new(kind, "127.0.0.1:0").await;
    let (peer, events) = client.connect(&port, Role::Producer);
    assert_eq!(peer.codec(), Codec::H264);
    let _echo = tokio::spawn(echo(peer, events, Arc::default()));
    client.until("connected", |client| client.connected).await;
    // Parameter sets and a slice of a keyframe, whose bytes cannot be taken for a start.
    let unit = |kind: u8, length: usize| {
        let mut unit = vec![0, 0, 0, 1, kind];
        unit.resize(length, 0xab);
        unit
    };
    let frame = [unit(0x67, 20), unit(0x68, 12), unit(0x65, 5000)].concat();
    for at in 0_u64.. {
        client.write(frame.clone(), Format::H264, at * 3000);
        client.run(Duration::from_millis(20), None).await;
        if !client.frames.is_empty() {
            break;
        }
        assert!(at < 1000, "no frame came back");
    }
    assert_eq!(client.frames[0].data[..], frame);
}

#[tokio::test]
async fn sound_with_its_line_before_and_after_the_video() {
    for audio_first in [true, false] {
        let port = local_port().await;
        let kind = Kind { audio: Some(Direction::SendRecv), audio_first, ..Kind::producer() };
        let mut client = Client::new(kind, "127.0.0.1:0").await;
        let (peer, events) = client.connect(&port, Role::Producer);
        let _echo = tokio::spawn(echo(peer, events, Arc::default()));
        client.until("connected", |client| client.connected).await;
        for packet in 0..20 {
            client.write(vec![packet; 80], Format::Opus, u64::from(packet) * 960);
            client.run(Duration::from_millis(20), FRAME).await;
        }
        client.until_sending("sound back", FRAME, |client| client.sound.len() >= 10).await;
        for packet in &client.sound {
            let value = packet.data[0];
            assert_eq!((&packet.data[..], packet.time.numer()), (&[value; 80][..], u64::from(value) * 960));
        }
        assert!(!client.frames.is_empty(), "and the video with it");
    }
}

#[tokio::test]
async fn without_sound_where_the_settings_say_so() {
    let port = port(Settings { audio: false, ..local() }).await;
    let kind = Kind { audio: Some(Direction::SendRecv), audio_first: true, ..Kind::producer() };
    let mut client = Client::new(kind, "127.0.0.1:0").await;
    let (peer, events) = client.connect(&port, Role::Producer);
    let _echo = tokio::spawn(echo(peer, events, Arc::default()));
    client.until_sending("frames back", FRAME, |client| client.frames.len() >= 3).await;
    let audio = client.audio.unwrap();
    assert_eq!(client.rtc.media(audio).unwrap().direction(), Direction::Inactive);
}

#[tokio::test]
async fn figures_and_bandwidth_are_told() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (peer, events) = client.connect(&port, Role::Producer);
    let closer = peer.clone();
    let echo = tokio::spawn(echo(peer, events, Arc::default()));
    client.until("connected", |client| client.connected).await;
    client.run(Duration::from_millis(2500), FRAME).await;
    closer.close();
    client.until("the goodbye", |client| client.closed).await;
    let told = echo.await.unwrap();
    let figures = told.iter().rev().find_map(|event| match event {
        Event::Statistics(figures) => Some(*figures),
        _ => None,
    });
    let figures = figures.expect("figures every second");
    assert!(figures.frames_in > 0 && figures.frames_out > 0 && figures.bytes_in > 4000, "{figures:?}");
    assert!(figures.round_trip.is_some(), "{figures:?}");
    assert!(told.iter().any(|event| matches!(event, Event::Bandwidth(bits) if *bits > 100_000)), "{told:?}");
    assert!(told.contains(&Event::Heard));
    assert_eq!(told.last(), Some(&Event::Disconnected(Reason::Here)));
}

/// As aiortc does: no reports on every packet, so the estimate goes by REMB.
#[tokio::test]
async fn a_sender_without_transport_wide_feedback_is_told_what_it_may_send() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let without: String =
        client.offer.split_inclusive("\r\n").filter(|line| !line.contains("transport-")).collect();
    let answer = port.answer(&without, Role::Producer).unwrap();
    assert!(!answer.sdp.contains("transport-"), "{}", answer.sdp);
    client.accept(&answer.sdp);
    let _echo = tokio::spawn(echo(answer.peer, answer.events, Arc::default()));
    client.until_sending("two estimates", FRAME, |client| client.remb.len() >= 2).await;
    assert!(client.remb.iter().all(|bits| (1_000_000..4_100_000).contains(bits)), "{:?}", client.remb);
    assert!(client.remb[1] > client.remb[0], "nothing is lost, so it grows: {:?}", client.remb);
}

/// A client behind a wall that lets no UDP through.
#[tokio::test]
async fn over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let number = listener.local_addr().unwrap().port();
    let port = Arc::new(local_port().await);
    port.announce_tcp(listener.local_addr().unwrap());
    let server = port.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut first = [0];
            stream.peek(&mut first).await.unwrap();
            assert!(is_ice(&first));
            server.accept_tcp(stream);
        }
    });
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let answer = port.answer(&client.offer, Role::Producer).unwrap();
    let tcp_only: String = answer
        .sdp
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=candidate:") || line.contains(" tcp "))
        .collect();
    assert!(tcp_only.contains("tcptype passive"), "{tcp_only}");
    let peer = answer.peer.clone();
    let _echo = tokio::spawn(echo(answer.peer, answer.events, Arc::default()));
    client.accept(&tcp_only);

    let mut stream = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
    let (from, to) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let candidate = Candidate::builder().tcp().host(from).tcptype(TcpType::Active).build().unwrap();
    client.rtc.add_local_candidate(candidate);
    let rtc = &mut client.rtc;
    let deadline = Instant::now() + PATIENCE;
    let (mut connected, mut got, mut number) = (false, None, 0);
    while got.is_none() {
        assert!(Instant::now() < deadline, "no frame came back, connected: {connected}");
        drain_into(rtc, &mut stream, &mut connected, &mut got).await;
        let packet = async {
            let length = usize::from(stream.read_u16().await.unwrap());
            let mut packet = vec![0; length];
            stream.read_exact(&mut packet).await.unwrap();
            packet
        };
        tokio::select! {
            biased;
            packet = packet => {
                let receive = Receive::new(Protocol::Tcp, to, from, &packet).unwrap();
                rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            }
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
                if connected {
                    drain_into(rtc, &mut stream, &mut connected, &mut got).await;
                    let mid = client.video;
                    let writer = rtc.writer(mid).unwrap();
                    let pt = writer.payload_params().next().unwrap().pt();
                    let time = str0m::media::MediaTime::from_90khz(number * 3000);
                    writer.write(pt, Instant::now(), time, vp8(number as u32, true, 3000)).unwrap();
                    number += 1;
                }
            }
        }
    }
    let got: Vec<u8> = got.unwrap();
    assert_eq!(got, vp8(support::number(&got), true, 3000));
    assert_eq!(port.entries(), 3, "a peer, its address, its connection");
    peer.close();
    let gone = async {
        while port.entries() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

async fn drain_into(rtc: &mut Rtc, stream: &mut TcpStream, connected: &mut bool, got: &mut Option<Vec<u8>>) {
    loop {
        match rtc.poll_output().unwrap() {
            Output::Timeout(_) => return,
            Output::Transmit(transmit) if transmit.proto == Protocol::Tcp => {
                let length = u16::try_from(transmit.contents.len()).unwrap();
                stream.write_all(&length.to_be_bytes()).await.unwrap();
                stream.write_all(&transmit.contents).await.unwrap();
            }
            Output::Event(str0m::Event::Connected) => *connected = true,
            Output::Event(str0m::Event::MediaData(data)) => *got = Some(data.data.to_vec()),
            Output::Transmit(_) | Output::Event(_) => {}
        }
    }
}
