//! A hundred clients at once all get every frame, and when they are gone, so is all that was made for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use media::{Codec, Event, Fanout, Role};
use tokio::runtime::Handle;
use tokio::sync::Barrier;

use crate::support::{Client, Kind, PATIENCE, local_port, video_frame};

const CLIENTS: usize = 100;
const FRAMES: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_peers_leave_nothing_behind() {
    let port = Arc::new(local_port().await);
    let tasks = Handle::current().metrics().num_alive_tasks();
    let fanout = Arc::new(Fanout::default());
    let all_up = Arc::new(Barrier::new(CLIENTS + 1));
    let served = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut viewers = Vec::new();
    for at in 0..CLIENTS {
        let (port, fanout) = (port.clone(), fanout.clone());
        let (all_up, served) = (all_up.clone(), served.clone());
        viewers.push(tokio::spawn(async move {
            let mut client = Client::new(Kind::viewer(), "127.0.0.1:0").await;
            let (peer, mut events) = client.connect(&port, Role::Viewer { codec: Codec::Vp8 });
            fanout.join(peer);
            let told = tokio::spawn(async move {
                let mut last = None;
                while let Some(event) = events.next().await {
                    last = Some(event);
                }
                last
            });
            client.until("connected", |client| client.connected).await;
            // Waiting must not make it look dead.
            tokio::select! {
                _ = all_up.wait() => {}
                () = client.run(PATIENCE, None) => panic!("not all came up"),
            }
            client.until("the frames", |client| client.frames.len() >= FRAMES).await;
            served.fetch_add(1, Ordering::Relaxed);
            // Some say goodbye, some are shown out.
            if at % 2 == 0 {
                client.close().await;
            } else {
                client.until("the goodbye", |client| client.closed).await;
            }
            (client.numbers(), told.await.unwrap())
        }));
    }
    all_up.wait().await;
    println!("{CLIENTS} clients connected after {:?}", start.elapsed());
    // On a machine that is too busy for all of this, frames are dropped: each is one to begin with.
    let mut number = 0;
    while served.load(Ordering::Relaxed) < CLIENTS {
        assert!(start.elapsed() < PATIENCE, "{served:?} of {CLIENTS} have their frames");
        fanout.write_video(&video_frame(number, true, 2000));
        number += 1;
        tokio::time::sleep(Duration::from_millis(33)).await;
    }
    println!("{FRAMES} frames each after {:?}, {number} were written", start.elapsed());
    fanout.close();
    for viewer in viewers {
        let (numbers, last) = viewer.await.unwrap();
        assert!(numbers.len() >= FRAMES && numbers.is_sorted(), "{numbers:?}");
        assert!(matches!(last, Some(Event::Disconnected(_))), "{last:?}");
    }
    assert_eq!(port.entries(), 0);
    let ended = async {
        while Handle::current().metrics().num_alive_tasks() > tasks {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("tasks are left");
    let address = port.addresses()[0];
    drop(port);
    let freed = async {
        while std::net::UdpSocket::bind(address).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("the socket is left");
}
