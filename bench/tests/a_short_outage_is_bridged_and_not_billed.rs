//! The network carries no media for three seconds: the same session goes on by itself, and what was out is not billed.

use std::time::{Duration, Instant};

use meter::ActiveTime;
use weather::udp::Network;

use crate::support::{House, Seen, decoded};

const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_is_bridged_and_not_billed() {
    let house = House::new().await;
    let proxy = house.network(Network::GOOD, 1).await;
    let began = Instant::now();
    let mut peer = house.behind(&proxy).await;
    let session = peer.session().to_owned();
    let mut seen = Seen::default();
    seen.until(&mut peer, "two seconds", |seen| seen.ticks.len() >= 2).await;

    proxy.cut();
    let cut = Instant::now();
    seen.during(&mut peer, OUTAGE).await;
    // The one that was about to be full, and one whose message was under way.
    let during = seen.ticks.iter().filter(|(_, at)| *at > cut).count();
    assert!(during <= 2, "{during} seconds were told of nothing");
    let frames = seen.frames.len();
    proxy.mend();
    let mended = Instant::now();

    seen.until(&mut peer, "a frame", |seen| seen.frames.len() > frames).await;
    let ticks = seen.ticks.len();
    seen.until(&mut peer, "two more seconds", |seen| seen.ticks.len() >= ticks + 2).await;
    let lived = began.elapsed();
    peer.close().await;

    // No word of it, and no second is doubled.
    seen.assert_all_went_well();
    // All that was shown was whole; it begins again at the latest with a keyframe that was asked for.
    let shown = decoded(&seen.frames);
    let back: Vec<Duration> =
        shown.iter().filter(|shown| shown.at > mended).map(|shown| shown.at - mended).collect();
    println!("{} pictures again, the first after {:?}", back.len(), back.first());
    // A second that is billed has two pictures at least.
    assert!(back.len() >= 4, "{back:?}");

    let receipt = house.settled(&session).await;
    assert_eq!((receipt.seconds, receipt.reason.as_deref()), (seen.seconds(), Some("disconnect")));
    let most = lived - OUTAGE + ActiveTime::LONGEST_GAP;
    assert!(receipt.seconds <= most.as_secs(), "{} seconds are billed of {most:?}", receipt.seconds);
    house.server.kill().await.unwrap();
}
