//! The network is out for ten seconds: the session ends after five, its seconds end with its pictures, and a new
//! connection goes on with its prompt. All ways to be out, at one server at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::realtime::{Look, Options, Peer};
use meter::ActiveTime;
use serde_json::json;
use tokio::time::sleep_until;
use weather::tcp::Relay;
use weather::udp::{Network, Proxy};
use wire::account::SessionReceipt;

use crate::support::{House, PATIENCE, Seen, decoded};

const OUTAGE: Duration = Duration::from_secs(10);

/// How long a client may be silent: five seconds. A busy machine is given as much again.
const FOUND: Duration = Duration::from_secs(10);

/// How long a WebSocket may be silent whose media flow.
const SOCKET_SILENCE: Duration = Duration::from_secs(15);

/// A session that has generated for a while, with a prompt.
async fn begin(options: Options) -> (Peer, Seen) {
    let mut peer = Peer::produce(options).await.unwrap();
    peer.send(json!({ "type": "prompt", "prompt": "invert", "enhance_prompt": true })).await;
    let mut seen = Seen::default();
    seen.until(&mut peer, "two seconds", |seen| seen.ticks.len() >= 2).await;
    (peer, seen)
}

/// What a session says that ends because its client is not heard, and nothing else.
#[track_caller]
fn assert_ended_as_left(seen: &Seen) {
    let said = ["session_id", "answer", "prompt_ack", "generation_started", "generation_ended"];
    assert_eq!(seen.said, said, "{seen}");
    let ended = json!({ "type": "generation_ended", "seconds": seen.seconds(), "reason": "disconnect" });
    assert_eq!(seen.ended, Some(ended), "{seen}");
    assert_eq!(seen.closed.map(|(code, _)| code), Some(Some(1000)), "{seen}");
    seen.assert_ticks_are_gapless();
}

/// No second is billed that began after the last picture.
#[track_caller]
fn assert_billed_for_pictures(receipt: &SessionReceipt, generated: Duration) {
    let most = generated + ActiveTime::LONGEST_GAP;
    assert!(receipt.seconds <= most.as_secs(), "{} seconds are billed of {most:?}", receipt.seconds);
}

/// Goes on with a session at once, as the SDKs do when they are closed, and generates when the network is back.
async fn go_on(house: &House, options: Options, before: &str, mended: Instant) {
    let query = vec![("session".to_owned(), before.to_owned())];
    let mut peer = Peer::produce(Options { query, ..options }).await.unwrap();
    let connection = peer.session().to_owned();
    let mut seen = Seen::default();
    seen.until(&mut peer, "two seconds of the new connection", |seen| seen.ticks.len() >= 2).await;
    println!("going on {:?} after the network", seen.frames[0].at - mended);
    seen.assert_all_went_well();
    assert!(seen.frames[0].at > mended, "nothing came through");
    assert!(decoded(&seen.frames).iter().all(|shown| shown.stamp.look == Look::Inverted));
    peer.close().await;

    let receipt = house.settled(&connection).await;
    assert_eq!(receipt.session, before, "it is one session");
    let seconds: Vec<u64> = receipt.connections.iter().map(|connection| connection.seconds).collect();
    assert_eq!(seconds.len(), 2);
    assert_eq!(seconds[1], seen.seconds(), "ticks begin anew");
    assert_eq!(receipt.seconds, seconds.iter().sum::<u64>());
}

/// The WebSocket lives: the client is told at once, comes back into the outage, and waits there for its end.
async fn media_are_out(house: &House) {
    let proxy = house.network(Network::GOOD, 1).await;
    let options = Options { through: Some(proxy.address()), ..house.options() };
    let began = Instant::now();
    let (mut peer, mut seen) = begin(options.clone()).await;
    let session = peer.session().to_owned();

    let generated = began.elapsed();
    let mended = out(&proxy, None);
    let cut = Instant::now();
    seen.until(&mut peer, "the end", |seen| seen.closed.is_some()).await;
    println!("media out: told after {:?}", cut.elapsed());
    assert!(cut.elapsed() < FOUND, "{:?}", cut.elapsed());
    assert_ended_as_left(&seen);
    let receipt = house.settled(&session).await;
    assert_eq!((receipt.seconds, receipt.reason.as_deref()), (seen.seconds(), Some("disconnect")));
    assert_billed_for_pictures(&receipt, generated);

    go_on(house, options, &session, mended).await;
}

/// Nothing passes: the server settles it all the same, and the client learns of it when the network is back.
async fn everything_is_out(house: &House) {
    let proxy = house.network(Network::GOOD, 2).await;
    let relay = relay(house).await;
    let url = format!("http://{}", relay.address());
    let options = Options { url, through: Some(proxy.address()), ..house.options() };
    let began = Instant::now();
    let (mut peer, mut seen) = begin(options.clone()).await;
    let session = peer.session().to_owned();

    let generated = began.elapsed();
    let mended = out(&proxy, Some(relay));
    let cut = Instant::now();
    let receipt = house.settled(&session).await;
    println!("everything out: settled after {:?}", cut.elapsed());
    assert!(cut.elapsed() < FOUND, "{:?}", cut.elapsed());
    assert_eq!(receipt.reason.as_deref(), Some("disconnect"));
    assert_billed_for_pictures(&receipt, generated);

    seen.until(&mut peer, "the end", |seen| seen.closed.is_some()).await;
    assert_ended_as_left(&seen);
    assert!(seen.closed.is_some_and(|(_, at)| at >= mended), "it was told through a dead network");
    assert_eq!(receipt.seconds, seen.seconds());
    go_on(house, options, &session, mended).await;
}

/// The client is gone for good and its system says nothing: nobody is ever told.
async fn nobody_is_there_any_more(house: &House) {
    let proxy = house.network(Network::GOOD, 3).await;
    let relay = relay(house).await;
    let url = format!("http://{}", relay.address());
    let options = Options { url, through: Some(proxy.address()), ..house.options() };
    let (peer, _) = begin(options).await;
    let session = peer.session().to_owned();
    proxy.cut();
    relay.stall();
    let cut = Instant::now();
    drop(peer);
    let receipt = house.settled(&session).await;
    println!("gone: settled after {:?}", cut.elapsed());
    assert!(cut.elapsed() < FOUND, "{:?}", cut.elapsed());
    assert_eq!(receipt.reason.as_deref(), Some("disconnect"));
}

/// The WebSocket breaks and media flow: that is how clients leave, and nothing is waited for.
async fn the_socket_breaks(house: &House) {
    let (peer, _) = begin(house.options()).await;
    let session = peer.session().to_owned();
    let broken = Instant::now();
    drop(peer);
    let receipt = house.settled(&session).await;
    println!("broken: settled after {:?}", broken.elapsed());
    // That media are silent is found out later.
    assert!(broken.elapsed() < Duration::from_secs(4), "{:?}", broken.elapsed());
    assert_eq!(receipt.reason.as_deref(), Some("disconnect"));
}

/// Nothing comes over the WebSocket and media flow: seconds go on, for as long as a socket may be silent.
async fn the_socket_is_out(house: &House) {
    let relay = relay(house).await;
    let url = format!("http://{}", relay.address());
    let began = Instant::now();
    let (mut peer, mut seen) = begin(Options { url, ..house.options() }).await;
    let session = peer.session().to_owned();
    relay.stall();
    let cut = Instant::now();
    let (receipt, ()) = tokio::join!(house.settled(&session), seen.during(&mut peer, SOCKET_SILENCE / 2));
    println!("socket out: settled after {:?}", cut.elapsed());
    assert!(cut.elapsed() < 2 * SOCKET_SILENCE, "{:?}", cut.elapsed());
    assert_billed_for_pictures(&receipt, began.elapsed());
    relay.go_on();
    // All that was said meanwhile comes, in order.
    seen.until(&mut peer, "the end", |seen| seen.closed.is_some()).await;
    assert_ended_as_left(&seen);
    assert_eq!((receipt.seconds, receipt.reason.as_deref()), (seen.seconds(), Some("disconnect")));
    assert!(receipt.seconds > 2, "media flowed");
}

async fn relay(house: &House) -> Arc<Relay> {
    let url = house.server.url();
    Arc::new(Relay::start(url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap())
}

/// Cuts the network, for as long as an outage takes. Returns when that will be over.
fn out(proxy: &Arc<Proxy>, relay: Option<Arc<Relay>>) -> Instant {
    let (proxy, end) = (proxy.clone(), Instant::now() + OUTAGE);
    proxy.cut();
    if let Some(relay) = &relay {
        relay.stall();
    }
    tokio::spawn(async move {
        sleep_until(end.into()).await;
        proxy.mend();
        if let Some(relay) = &relay {
            relay.go_on();
        }
        // The network is there until the test ends.
        tokio::time::sleep(PATIENCE).await;
    });
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_cut_off_is_settled_and_can_go_on() {
    let house = House::new().await;
    tokio::join!(
        media_are_out(&house),
        everything_is_out(&house),
        nobody_is_there_any_more(&house),
        the_socket_breaks(&house),
        the_socket_is_out(&house),
    );
    house.server.kill().await.unwrap();
}
