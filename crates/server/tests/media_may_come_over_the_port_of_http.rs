//! ICE over TCP, on the port of HTTP: for clients whose network lets no UDP through.

use std::time::{Duration, Instant};

use serde_json::json;
use str0m::format::Codec;
use str0m::media::MediaTime;
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::ledger::OPERATOR;
use crate::stage;
use crate::stage::media_client::{Client, Kind};
use crate::stage::{PATIENCE, stage};

/// Sends what the client has to send, and says whether it is connected and how many frames it got.
async fn drain(rtc: &mut Rtc, stream: &mut OwnedWriteHalf, state: &mut (bool, usize)) {
    loop {
        match rtc.poll_output().unwrap() {
            Output::Timeout(_) => return,
            Output::Transmit(transmit) if transmit.proto == Protocol::Tcp => {
                let length = u16::try_from(transmit.contents.len()).unwrap();
                stream.write_all(&length.to_be_bytes()).await.unwrap();
                stream.write_all(&transmit.contents).await.unwrap();
            }
            Output::Event(Event::Connected) => state.0 = true,
            Output::Event(Event::MediaData(_)) => state.1 += 1,
            Output::Transmit(_) | Output::Event(_) => {}
        }
    }
}

#[tokio::test]
async fn a_session_without_udp() {
    let stage = stage().await;
    let (mut line, _) = stage.produce(OPERATOR, "free").await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    line.say(json!({"type": "offer", "sdp": client.offer})).await;
    let answer = line.next().await;
    let is_udp = |line: &&str| line.starts_with("a=candidate:") && line.contains(" udp ");
    let answer: String =
        answer["sdp"].as_str().unwrap().split_inclusive("\r\n").filter(|line| !is_udp(line)).collect();
    assert!(answer.contains("tcptype passive"), "{answer}");
    client.accept(&answer);

    let stream = TcpStream::connect(stage.server.http).await.unwrap();
    let (from, to) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let (mut reader, mut stream) = stream.into_split();
    let (sender, mut packets) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(length) = reader.read_u16().await {
            let mut packet = vec![0; usize::from(length)];
            reader.read_exact(&mut packet).await.unwrap();
            let _ = sender.send(packet);
        }
    });
    let candidate = Candidate::builder().tcp().host(from).tcptype(TcpType::Active).build().unwrap();
    let mid = client.video;
    let rtc = &mut client.rtc;
    rtc.add_local_candidate(candidate);
    let clip = stage::clip();
    let (mut state, mut number) = ((false, 0), 0);
    let deadline = Instant::now() + PATIENCE;
    while state.1 < 3 {
        assert!(Instant::now() < deadline, "no pictures came back, connected: {}", state.0);
        drain(rtc, &mut stream, &mut state).await;
        if state.0 {
            let writer = rtc.writer(mid).unwrap();
            let pt = writer.payload_params().find(|found| found.spec().codec == Codec::Vp8).unwrap().pt();
            let time = MediaTime::from_90khz(number as u64 * 3600);
            writer.write(pt, Instant::now(), time, clip[number % clip.len()].clone()).unwrap();
            number += 1;
            drain(rtc, &mut stream, &mut state).await;
        }
        let until = Instant::now() + Duration::from_millis(40);
        while let Ok(packet) =
            tokio::time::timeout(until.saturating_duration_since(Instant::now()), packets.recv()).await
        {
            let packet = packet.expect("the server closed the connection");
            let receive = Receive::new(Protocol::Tcp, to, from, &packet).unwrap();
            rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            drain(rtc, &mut stream, &mut state).await;
        }
        rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
    }
    line.until("generation_started").await;
    line.close(None).await;
    stage.is_empty().await;
    // The connection goes with its session.
    let ended = async { while packets.recv().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn http_waits_for_nobody_who_says_nothing() {
    let stage = stage().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(stage.server.http).await.unwrap());
    }
    drop(TcpStream::connect(stage.server.http).await.unwrap());
    // New connections each time, past all those.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    for _ in 0..5 {
        let answer = client.get(stage.server.url("/health")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    // One of them makes up its mind, a byte at a time.
    let mut slow = silent.pop().unwrap();
    for byte in b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n" {
        slow.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn what_only_looks_like_media_is_let_go() {
    let stage = stage().await;
    let long = [0xff, 0xff].map(|byte: u8| byte & 7);
    for rubbish in [&[0, 0][..], &[0, 4, 1, 2, 3, 4], &[7, 0xff, 0], &long, &[0]] {
        let mut stream = TcpStream::connect(stage.server.http).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(read.is_err() || answer.is_empty(), "{rubbish:?} was answered with {answer:?}");
    }
    assert_eq!(stage.realtime.held(), Default::default());
}
