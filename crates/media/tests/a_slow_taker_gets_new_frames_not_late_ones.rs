//! Where one side does not keep up, frames are dropped up to the next keyframe, which is asked for.

use std::time::Duration;

use media::{Event, Role, Written};

use crate::support;
use crate::support::{Client, Kind, event, local_port, number, video_frame};

#[tokio::test]
async fn an_owner_that_takes_no_events() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (_peer, mut events) = client.connect(&port, Role::Producer);
    // It looks away for sixty frames.
    let every = Some(Duration::from_millis(20));
    client.until_sending("sixty frames", every, |client| client.next >= 60).await;
    assert!(client.keyframe_requests > 0, "the sender is asked");
    let mut waiting = Vec::new();
    let quiet = Duration::from_millis(200);
    while let Ok(Some(event)) = tokio::time::timeout(quiet, events.next()).await {
        if let Event::Video(video) = event {
            waiting.push((number(&video.frame.data), video.frame.keyframe));
        }
    }
    assert!(waiting.len() <= 16, "{waiting:?}");
    if let Some((_, keyframe)) = waiting.first() {
        assert!(keyframe, "what waits can be decoded: {waiting:?}");
    }
    let last = waiting.last().map_or(0, |(number, _)| *number);
    // And it goes on from there.
    let wanted = client.next + 20;
    let (next, ()) = tokio::join!(
        event(&mut events, "a new frame", |event| matches!(event, Event::Video(video) if
            number(&video.frame.data) > last)),
        client.until_sending("more frames", every, |client| client.next >= wanted),
    );
    assert!(matches!(next, Event::Video(_)));
}

#[tokio::test]
async fn a_writer_that_is_too_fast() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (peer, mut events) = client.connect(&port, Role::Producer);
    client.until("connected", |client| client.connected).await;
    event(&mut events, "the connection", |event| *event == Event::Connected).await;
    event(&mut events, "the first wish", |event| *event == Event::KeyframeRequested).await;
    // All at once: the peer's task has no chance to run meanwhile.
    let written: Vec<Written> =
        (0..20).map(|number| peer.write_video(video_frame(number, number == 0, 1000))).collect();
    assert_eq!(written[..8], [Written::Sent; 8]);
    assert_eq!(written[8], Written::Congested);
    assert_eq!(written[9..], [Written::NeedsKeyframe; 11]);
    event(&mut events, "a wish", |event| *event == Event::KeyframeRequested).await;
    client.until("what was sent", |client| client.frames.len() == 8).await;
    assert_eq!(peer.write_video(video_frame(30, true, 1000)), Written::Sent);
    client.until("the keyframe", |client| client.frames.len() == 9).await;
    assert_eq!(client.numbers(), [0, 1, 2, 3, 4, 5, 6, 7, 30]);
}

/// Far more than the path is known to carry: the pacer holds packets back, and the writer is told.
#[tokio::test]
async fn a_path_that_is_too_narrow() {
    let port = local_port().await;
    let mut client = Client::new(Kind::producer(), "127.0.0.1:0").await;
    let (peer, mut events) = client.connect(&port, Role::Producer);
    client.until("connected", |client| client.connected).await;
    event(&mut events, "the connection", |event| *event == Event::Connected).await;
    let mut congested = 0;
    // 80 Mbit/s, against 1.5 at the start.
    for number in 0..200 {
        if peer.write_video(video_frame(number, true, 100_000)) == Written::Congested {
            congested += 1;
        }
        client.run(Duration::from_millis(10), None).await;
    }
    assert!(congested > 0, "frames are refused");
    // When it is through, frames go out again.
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while peer.write_video(video_frame(1000, true, 500)) != Written::Sent {
        assert!(std::time::Instant::now() < deadline, "never free again");
        client.run(Duration::from_millis(50), None).await;
    }
    client.until("the small one", |client| client.numbers().contains(&1000)).await;
}
