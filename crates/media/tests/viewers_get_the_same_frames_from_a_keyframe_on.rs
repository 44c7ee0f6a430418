//! Viewers that come and go get what is encoded once, each from a keyframe on, which is asked for when it joins.

use std::sync::Arc;
use std::time::Duration;

use media::{Codec, Event, Fanout, OfferError, Role, Written};

use crate::support;
use crate::support::{Client, Kind, event, local_port, video_frame, vp8};

#[tokio::test]
async fn viewers_get_the_same_frames_from_a_keyframe_on() {
    let port = local_port().await;
    let fanout = Arc::new(Fanout::default());
    let role = Role::Viewer { codec: Codec::Vp8 };
    let mut number = 0;
    let mut clients = Vec::new();
    for joined in 0..3 {
        let mut client = Client::new(Kind::viewer(), "127.0.0.1:0").await;
        let (peer, mut events) = client.connect(&port, role);
        assert_eq!(peer.write_video(video_frame(0, true, 100)), Written::NoTaker, "not connected yet");
        client.until("connected", |client| client.connected).await;
        event(&mut events, "the connection", |event| *event == Event::Connected).await;
        fanout.join(peer);
        // Frames between keyframes go to those who can use them.
        assert_eq!(fanout.write_video(&video_frame(number, false, 3000)), joined);
        number += 1;
        event(&mut events, "the wish", |event| *event == Event::KeyframeRequested).await;
        let first = number;
        for _ in 0..10 {
            assert_eq!(fanout.write_video(&video_frame(number, number == first, 3000)), joined + 1);
            number += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        clients.push((client, events, first));
        let expected = number - 1;
        for (client, _, _) in &mut clients {
            client.until("the last frame", |client| client.numbers().last() == Some(&expected)).await;
        }
    }
    for (client, _, first) in &clients {
        assert_eq!(client.numbers()[0], *first);
        for frame in &client.frames {
            let number = support::number(&frame.data);
            assert_eq!(frame.data[..], vp8(number, frame.is_keyframe(), 3000));
        }
    }
    // One that loses the picture asks for a keyframe.
    let (client, events, _) = &mut clients[0];
    client.request_keyframe();
    client.run(Duration::from_millis(50), None).await;
    event(events, "the wish", |event| *event == Event::KeyframeRequested).await;

    assert_eq!(fanout.len(), 3);
    let (mut leaver, mut events, _) = clients.remove(0);
    leaver.close().await;
    event(&mut events, "the end", |event| matches!(event, Event::Disconnected(_))).await;
    assert_eq!(fanout.len(), 2, "who left is forgotten");
    fanout.close();
    for (_, events, _) in &mut clients {
        event(events, "the end", |event| matches!(event, Event::Disconnected(_))).await;
    }
    assert_eq!((fanout.len(), port.entries()), (0, 0));
}

#[tokio::test]
async fn a_viewer_without_the_codec_is_refused() {
    let port = local_port().await;
    let client = Client::new(Kind::viewer(), "127.0.0.1:0").await;
    let refused = port.answer(&client.offer, Role::Viewer { codec: Codec::H264 }).unwrap_err();
    assert_eq!(refused, OfferError::NoCodec { offered: vec!["VP8".into()], needed: vec!["H264".into()] });
    assert_eq!(port.entries(), 0);
}
