//! What the networks are said to do, they do; and the same again with the same seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use weather::tcp::Relay;
use weather::udp::{Counts, Network, Proxy};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends everything back to where it came from.
async fn echo() -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 64];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&buffer[..length], from).await.unwrap();
        }
    });
    (address, task)
}

async fn client(proxy: &Proxy) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(proxy.address()).await.unwrap();
    socket
}

async fn number(socket: &UdpSocket) -> u32 {
    let mut buffer = [0; 64];
    let received = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await;
    assert_eq!(received.expect("a packet comes").unwrap(), 4);
    u32::from_be_bytes(buffer[..4].try_into().unwrap())
}

/// Sends so many numbered packets and returns what comes back, in that order. At the end a packet goes over a good
/// network and says that no others come.
async fn back(proxy: &Proxy, count: u32) -> Vec<u32> {
    let socket = Arc::new(client(proxy).await);
    let reader = tokio::spawn({
        let socket = socket.clone();
        async move {
            let mut numbers = Vec::new();
            loop {
                match number(&socket).await {
                    u32::MAX => return numbers,
                    number => numbers.push(number),
                }
            }
        }
    });
    for number in 0..count {
        socket.send(&number.to_be_bytes()).await.unwrap();
        // So few at once that no buffer overflows.
        if number % 16 == 15 || number + 1 == count {
            until(|| proxy.to_server().taken == u64::from(number) + 1).await;
        }
    }
    until_still(proxy).await;
    proxy.set(Network::GOOD);
    socket.send(&u32::MAX.to_be_bytes()).await.unwrap();
    reader.await.unwrap()
}

async fn until(is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "it never came to that");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Until nothing has come back for far longer than anything takes.
async fn until_still(proxy: &Proxy) {
    let mut last = (proxy.to_client(), Instant::now());
    while last.1.elapsed() < Duration::from_millis(300) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if proxy.to_client() != last.0 {
            last = (proxy.to_client(), Instant::now());
        }
    }
}

#[tokio::test]
async fn a_good_network_passes_everything_in_order() {
    let (server, _echo) = echo().await;
    let proxy = Proxy::start(server, Network::GOOD, 1).await.unwrap();
    assert_eq!(back(&proxy, 500).await, (0..500).collect::<Vec<_>>());
    let all = Counts { taken: 501, ..Counts::default() };
    assert_eq!((proxy.to_server(), proxy.to_client()), (all, all));
}

#[tokio::test]
async fn each_client_gets_its_own_packets() {
    let (server, _echo) = echo().await;
    let proxy = Proxy::start(server, Network::GOOD, 1).await.unwrap();
    let (one, two) = (client(&proxy).await, client(&proxy).await);
    for at in 0..20_u32 {
        one.send(&at.to_be_bytes()).await.unwrap();
        two.send(&(1000 + at).to_be_bytes()).await.unwrap();
    }
    for at in 0..20 {
        assert_eq!((number(&one).await, number(&two).await), (at, 1000 + at));
    }
}

#[tokio::test]
async fn packets_are_lost_both_ways_as_often_as_said_and_the_same_ones_again() {
    let (server, _echo) = echo().await;
    let network = Network { loss: 10.0, ..Network::GOOD };
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let proxy = Proxy::start(server, network, seed).await.unwrap();
        let numbers = back(&proxy, 2000).await;
        let (to_server, to_client) = (proxy.to_server(), proxy.to_client());
        assert!((150..250).contains(&to_server.lost), "{to_server:?}");
        assert!((120..240).contains(&to_client.lost), "{to_client:?}");
        // The one that ends it got through, both ways.
        assert_eq!(to_client.taken, 2001 - to_server.lost);
        assert_eq!(numbers.len() as u64, 2000 - to_server.lost - to_client.lost);
        assert!(numbers.is_sorted(), "nothing overtakes");
        runs.push(numbers);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn packets_that_are_doubled_come_twice_each_way() {
    let (server, _echo) = echo().await;
    let proxy = Proxy::start(server, Network { duplicates: 20.0, ..Network::GOOD }, 3).await.unwrap();
    let numbers = back(&proxy, 1000).await;
    let (to_server, to_client) = (proxy.to_server(), proxy.to_client());
    assert!((150..250).contains(&to_server.doubled), "{to_server:?}");
    assert_eq!(numbers.len() as u64, 1000 + to_server.doubled + to_client.doubled);
    let mut times = BTreeMap::<u32, usize>::new();
    for number in numbers {
        *times.entry(number).or_default() += 1;
    }
    assert_eq!(times.len(), 1000, "none is lost");
    assert!(times.values().all(|times| (1..=4).contains(times)), "{times:?}");
}

#[tokio::test]
async fn with_jitter_packets_overtake_each_other_and_none_is_lost_or_early() {
    let (server, _echo) = echo().await;
    let delay = Duration::from_millis(20);
    let network = Network { delay, jitter: Duration::from_millis(50), ..Network::GOOD };
    let proxy = Proxy::start(server, network, 5).await.unwrap();
    let began = Instant::now();
    let socket = client(&proxy).await;
    for at in 0..50_u32 {
        socket.send(&at.to_be_bytes()).await.unwrap();
    }
    let mut numbers = vec![number(&socket).await];
    assert!(began.elapsed() >= 2 * delay, "there and back: {:?}", began.elapsed());
    for _ in 1..50 {
        numbers.push(number(&socket).await);
    }
    assert!(!numbers.is_sorted(), "{numbers:?}");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn through_a_cut_network_nothing_passes_not_even_what_is_under_way() {
    let (server, _echo) = echo().await;
    let delay = Duration::from_millis(100);
    let proxy = Proxy::start(server, Network { delay, ..Network::GOOD }, 1).await.unwrap();
    let socket = client(&proxy).await;
    socket.send(&1_u32.to_be_bytes()).await.unwrap();
    until(|| proxy.to_server().taken == 1).await;
    proxy.cut();
    socket.send(&2_u32.to_be_bytes()).await.unwrap();
    until(|| proxy.to_server().cut == 2).await;
    proxy.mend();
    socket.send(&3_u32.to_be_bytes()).await.unwrap();
    assert_eq!(number(&socket).await, 3);
    assert_eq!(
        (proxy.to_server(), proxy.to_client()),
        (Counts { taken: 3, cut: 2, ..Counts::default() }, Counts { taken: 1, ..Counts::default() })
    );
}

#[tokio::test]
async fn a_stalled_connection_keeps_what_was_said_until_it_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::start(listener.local_addr().unwrap()).await.unwrap();
    let mut client = TcpStream::connect(relay.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"one ").await.unwrap();
    let mut one = [0; 4];
    server.read_exact(&mut one).await.unwrap();

    relay.stall();
    client.write_all(b"two").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    let early = tokio::time::timeout(Duration::from_millis(200), server.read_to_string(&mut rest)).await;
    assert!(early.is_err(), "{early:?} {rest:?}");
    relay.go_on();
    let mut rest = String::new();
    tokio::time::timeout(PATIENCE, server.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "two");

    server.write_all(b"back").await.unwrap();
    drop(server);
    let mut back = String::new();
    tokio::time::timeout(PATIENCE, client.read_to_string(&mut back)).await.unwrap().unwrap();
    assert_eq!(back, "back", "the other way is open until it ends too");
}

#[tokio::test]
async fn connections_are_cut_and_refused_and_others_come_through() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::start(listener.local_addr().unwrap()).await.unwrap();
    let connect = async || {
        let client = TcpStream::connect(relay.address()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, server)
    };
    let ended = async |stream: &mut TcpStream| {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("it goes on");
        matches!(read, Ok(0) | Err(_))
    };
    let (mut client, mut server) = connect().await;
    relay.cut();
    assert!(ended(&mut client).await && ended(&mut server).await);

    let (mut client, mut server) = connect().await;
    relay.refuse(true);
    let mut refused = TcpStream::connect(relay.address()).await.unwrap();
    assert!(ended(&mut refused).await);
    client.write_all(b"one ").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();

    relay.stall();
    relay.cut();
    assert!(ended(&mut client).await, "also while nothing passes");
    relay.go_on();
    relay.refuse(false);
    let (mut client, mut server) = connect().await;
    client.write_all(b"one ").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_is_dropped_leaves_no_socket() {
    let (server, _echo) = echo().await;
    let proxy = Arc::new(Proxy::start(server, Network::GOOD, 1).await.unwrap());
    back(&proxy, 1).await;
    let address = proxy.address();
    drop(proxy);
    let deadline = Instant::now() + PATIENCE;
    while std::net::UdpSocket::bind(address).is_err() {
        assert!(Instant::now() < deadline, "the socket is left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
