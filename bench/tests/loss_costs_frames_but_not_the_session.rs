//! Where packets are lost, nearly all frames come back whole and in time, and no second is missing or doubled.
//!
//! Three sessions at a time: one on a good network to compare with, so that a busy machine, which costs all of them
//! frames, does not look like a bad network; one that loses 1 of 100 packets each way; one that loses 3.

use weather::udp::Network;

use crate::support::{House, Returned, Seen};

/// How many seconds each session generates.
const SECONDS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn loss_costs_frames_but_not_the_session() {
    let house = House::new().await;
    let mut lines = Vec::new();
    for (loss, seed) in [(0.0, 1), (1.0, 2), (3.0, 3)] {
        let proxy = house.network(Network { loss, ..Network::GOOD }, seed).await;
        let mut peer = house.behind(&proxy).await;
        let generating = tokio::spawn(async move {
            let sent = peer.sent();
            let mut seen = Seen::default();
            seen.until(&mut peer, "the seconds", |seen| seen.ticks.len() >= SECONDS).await;
            seen.assert_all_went_well();
            peer.close().await;
            Returned::of(&seen, &sent)
        });
        lines.push((proxy, generating));
    }
    let mut outcomes = Vec::new();
    for (proxy, generating) in lines {
        let returned = generating.await.unwrap();
        let (to_server, to_client) = (proxy.to_server(), proxy.to_client());
        println!("{returned:?}; to the server {to_server:?}, to the client {to_client:?}");
        outcomes.push((returned, to_server.lost + to_client.lost));
    }
    let [(good, none), (one, some), (three, more)] = outcomes.try_into().ok().unwrap();
    assert!(none == 0 && some > 0 && more > some, "{none}, {some} and {more} packets were lost");
    // What is sent again is lost again with the same likelihood, and takes with it all up to the next keyframe.
    for (name, returned, least) in [("1 %", one, 0.95), ("3 %", three, 0.90)] {
        let share = returned.share / good.share;
        assert!(share >= least, "at {name}: {share:.3} of what comes back on a good network");
        returned.assert_no_delay_builds_up();
    }
    house.server.kill().await.unwrap();
}
