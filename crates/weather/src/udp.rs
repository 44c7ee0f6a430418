//! A bad network between clients and a server that speak UDP: packets are lost, late, out of order, doubled, or none
//! passes at all.
//!
//! ```no_run
//! # async fn example(server: std::net::SocketAddr) -> std::io::Result<()> {
//! use std::time::Duration;
//! use weather::udp::{Network, Proxy};
//!
//! let network = Network { loss: 3.0, jitter: Duration::from_millis(50), ..Network::GOOD };
//! let proxy = Proxy::start(server, network, 7).await?;
//! // … clients send to proxy.address() instead of to the server …
//! proxy.cut();
//! tokio::time::sleep(Duration::from_secs(10)).await;
//! proxy.mend();
//! # Ok(())
//! # }
//! ```
//!
//! What happens to a packet is decided by the seed, by which client it belongs to (in the order in which they came), by
//! its way, and by how many went that way before it: not by the time. Two runs with one seed lose the same packets if
//! the ends send the same.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// The largest datagram that there can be.
const LARGEST: usize = 65_536;

/// How a network treats packets, each way alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// How many of a hundred packets are lost.
    pub loss: f64,
    /// How many of a hundred packets come twice. Each copy takes its own time.
    pub duplicates: f64,
    /// How long every packet takes at least.
    pub delay: Duration,
    /// How much longer a packet may take. Each takes its own time, evenly spread, so packets that are sent within this
    /// time of each other may change places.
    pub jitter: Duration,
}

impl Network {
    /// Nothing is lost, and everything passes at once.
    pub const GOOD: Self = Self { loss: 0.0, duplicates: 0.0, delay: Duration::ZERO, jitter: Duration::ZERO };
}

/// What became of the packets of one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came to the proxy.
    pub taken: u64,
    /// Were lost by chance.
    pub lost: u64,
    /// Were passed on twice.
    pub doubled: u64,
    /// Were dropped because the network was cut.
    pub cut: u64,
}

/// Passes packets on between one server and any number of clients, each of which the server sees under an address of
/// its own. Dropping it drops all that is under way.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    network: Network,
    is_cut: bool,
    to_server: Counts,
    to_client: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

impl Proxy {
    /// Begins to pass packets on, on the loopback address of the server's family. Has to be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub async fn start(server: SocketAddr, network: Network, seed: u64) -> io::Result<Self> {
        let near = Arc::new(loopback(server).await?);
        let address = near.local_addr()?;
        let state =
            State { network, is_cut: false, to_server: Counts::default(), to_client: Counts::default() };
        let shared = Arc::new(Shared { server, seed, state: Mutex::new(state) });
        let task = tokio::spawn(listen(near, shared.clone())).abort_handle();
        Ok(Self { address, shared, task })
    }

    /// Where clients are to send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the network for the packets that come from now on.
    pub fn set(&self, network: Network) {
        self.shared.state().network = network;
    }

    /// From now on nothing passes, and what is under way is lost.
    pub fn cut(&self) {
        self.shared.state().is_cut = true;
    }

    /// Packets pass again.
    pub fn mend(&self) {
        self.shared.state().is_cut = false;
    }

    /// What became of the packets that clients sent.
    pub fn to_server(&self) -> Counts {
        self.shared.state().to_server
    }

    /// What became of the packets that the server sent.
    pub fn to_client(&self) -> Counts {
        self.shared.state().to_client
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long each copy of a packet takes that comes now.
    fn fate(&self, way: Way, random: &mut fastrand::Rng) -> impl Iterator<Item = Duration> + use<> {
        // Drawn in any case, so that no fate depends on that of others.
        let (loss, duplicate) = (random.f64() * 100.0, random.f64() * 100.0);
        let spreads = [random.f64(), random.f64()];
        let mut state = self.state();
        let Network { loss: lost_of_hundred, duplicates, delay, jitter } = state.network;
        let is_cut = state.is_cut;
        let counts = state.counts(way);
        counts.taken += 1;
        let copies = if is_cut {
            counts.cut += 1;
            0
        } else if loss < lost_of_hundred {
            counts.lost += 1;
            0
        } else if duplicate < duplicates {
            counts.doubled += 1;
            2
        } else {
            1
        };
        spreads.into_iter().take(copies).map(move |spread| delay + jitter.mul_f64(spread))
    }

    /// Whether a packet may leave that was under way.
    fn passes(&self, way: Way) -> bool {
        let mut state = self.state();
        let is_cut = state.is_cut;
        state.counts(way).cut += u64::from(is_cut);
        !is_cut
    }
}

impl State {
    fn counts(&mut self, way: Way) -> &mut Counts {
        match way {
            Way::ToServer => &mut self.to_server,
            Way::ToClient => &mut self.to_client,
        }
    }
}

/// Hands what clients send to the task of each.
async fn listen(near: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut clients: HashMap<SocketAddr, mpsc::UnboundedSender<Vec<u8>>> = HashMap::new();
    // They end with this.
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; LARGEST];
    loop {
        // An error is about a packet that was sent earlier: its receiver is gone.
        let Ok((length, client)) = near.recv_from(&mut buffer).await else { continue };
        let packets = match clients.get(&client) {
            Some(packets) => packets,
            None => {
                let Ok(far) = loopback(shared.server).await else { continue };
                let (sender, packets) = mpsc::unbounded_channel();
                let number = u64::try_from(clients.len()).unwrap_or(u64::MAX);
                let line = Line { near: near.clone(), far, client, shared: shared.clone(), packets, number };
                tasks.spawn(line.run());
                clients.entry(client).or_insert(sender)
            }
        };
        // Its task ends with this one, and not before.
        let _ = packets.send(buffer[..length].to_vec());
    }
}

/// What lies between one client and the server.
struct Line {
    near: Arc<UdpSocket>,
    /// As which the server knows the client.
    far: UdpSocket,
    client: SocketAddr,
    shared: Arc<Shared>,
    packets: mpsc::UnboundedReceiver<Vec<u8>>,
    number: u64,
}

impl Line {
    async fn run(mut self) {
        // A generator for each way, so that what is lost of one does not depend on the pace of the other.
        let mut random =
            [0, 1].map(|way| fastrand::Rng::with_seed(seed(self.shared.seed, self.number * 2 + way)));
        let mut road: BinaryHeap<Reverse<Travelling>> = BinaryHeap::new();
        let mut count = 0;
        let mut buffer = vec![0; LARGEST];
        loop {
            // A timer is exact to a millisecond only: what is due already does not wait for one.
            let due = loop {
                let Some(Reverse(next)) = road.peek() else { break None };
                if next.due > Instant::now() {
                    break Some(next.due);
                }
                if let Some(Reverse(travelling)) = road.pop() {
                    self.arrive(&travelling).await;
                }
            };
            let (way, packet) = tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => continue,
                packet = self.packets.recv() => match packet {
                    Some(packet) => (Way::ToServer, packet),
                    None => return,
                },
                received = self.far.recv_from(&mut buffer) => match received {
                    Ok((length, source)) if source == self.shared.server => {
                        (Way::ToClient, buffer[..length].to_vec())
                    }
                    Ok(_) | Err(_) => continue,
                },
            };
            let now = Instant::now();
            let packet = Arc::new(packet);
            for time in self.shared.fate(way, &mut random[way as usize]) {
                count += 1;
                road.push(Reverse(Travelling { due: now + time, count, way, packet: packet.clone() }));
            }
        }
    }

    async fn arrive(&self, Travelling { way, packet, .. }: &Travelling) {
        if !self.shared.passes(*way) {
            return;
        }
        // What cannot be sent is lost: that is what networks do.
        let _ = match way {
            Way::ToServer => self.far.send_to(packet, self.shared.server).await,
            Way::ToClient => self.near.send_to(packet, self.client).await,
        };
    }
}

/// A packet that is under way.
#[derive(Debug)]
struct Travelling {
    due: Instant,
    /// Of two that are due at one instant, the one that set out first arrives first.
    count: u64,
    way: Way,
    packet: Arc<Vec<u8>>,
}

impl Ord for Travelling {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.count).cmp(&(other.due, other.count))
    }
}

impl PartialOrd for Travelling {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Travelling {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Travelling {}

async fn loopback(server: SocketAddr) -> io::Result<UdpSocket> {
    match server {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await,
    }
}

/// The `number`-th seed that comes of one.
fn seed(seed: u64, number: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    random.u64(..)
}
