//! Where each packet takes another time, up to 50 ms more than the next, frames come back in their order, none is late
//! for long, and no second is missing or doubled.

use std::time::Duration;

use weather::udp::Network;

use crate::support::{House, Returned, Seen};

const SECONDS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn jitter_puts_no_frame_out_of_order() {
    let house = House::new().await;
    let mut lines = Vec::new();
    for jitter in [0, 50] {
        let network = Network { jitter: Duration::from_millis(jitter), ..Network::GOOD };
        let proxy = house.network(network, jitter).await;
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
        println!("{returned:?}; to the client {:?}", proxy.to_client());
        outcomes.push(returned);
    }
    let [good, jittery] = outcomes.try_into().ok().unwrap();
    let share = jittery.share / good.share;
    assert!(share >= 0.90, "{share:.3} of what comes back on a good network");
    jittery.assert_no_delay_builds_up();
    house.server.kill().await.unwrap();
}
