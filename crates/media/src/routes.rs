//! Whose a packet is.
//!
//! A check of ICE names the user name that the server gave the client in its answer. Whatever else comes (DTLS, RTP,
//! answers to the server's own checks) goes by the address it comes from, once a check from that address had the right
//! password. So nobody gets another's packets by naming his address: an address belongs to the peer that claimed it
//! first, until that peer is gone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

/// How many packets wait for a peer's task.
const QUEUE: usize = 512;
/// From how many addresses a peer may send. It has more than one while it changes networks.
const SOURCES: usize = 16;

/// How a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// A packet for a peer.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) transport: Transport,
    pub(crate) source: SocketAddr,
    /// The advertised address by which the peer's machine knows where it arrived.
    pub(crate) destination: SocketAddr,
    /// The local address to answer from.
    pub(crate) to: Option<IpAddr>,
    pub(crate) contents: Bytes,
}

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Routes(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    closed: bool,
    last: u64,
    by_ufrag: HashMap<String, mpsc::Sender<Packet>>,
    by_source: HashMap<(Transport, SocketAddr), (u64, mpsc::Sender<Packet>)>,
}

impl Routes {
    /// Enters a peer, unless the port is closed.
    pub(crate) fn register(
        self: &Arc<Self>,
        ufrag: String,
    ) -> Option<(Registration, mpsc::Receiver<Packet>)> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if tables.closed {
            return None;
        }
        tables.last += 1;
        let id = tables.last;
        let weak = sender.downgrade();
        tables.by_ufrag.insert(ufrag.clone(), sender);
        let registration =
            Registration { routes: self.clone(), id, ufrag, sender: weak, sources: Vec::new() };
        Some((registration, receiver))
    }

    /// Hands a packet to its peer. False if there is none.
    pub(crate) fn deliver(&self, packet: Packet) -> bool {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let peer = match requested_ufrag(&packet.contents) {
            Some(ufrag) => tables.by_ufrag.get(ufrag),
            None => tables.by_source.get(&(packet.transport, packet.source)).map(|(_, peer)| peer),
        };
        match peer {
            // A peer that does not keep up loses packets, as it would on the network.
            Some(peer) => !matches!(peer.try_send(packet), Err(mpsc::error::TrySendError::Closed(_))),
            None => false,
        }
    }

    /// How many entries there are: peers, and addresses of peers.
    pub(crate) fn count(&self) -> (usize, usize) {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (tables.by_ufrag.len(), tables.by_source.len())
    }

    /// Forgets all peers, which ends them, and takes no more.
    pub(crate) fn close(&self) {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tables.closed = true;
        tables.by_ufrag.clear();
        tables.by_source.clear();
    }
}

/// A peer's entries. They are gone with this.
#[derive(Debug)]
pub(crate) struct Registration {
    routes: Arc<Routes>,
    id: u64,
    ufrag: String,
    /// Weak, so that the queue ends when the tables forget the peer: see [`Routes::close`].
    sender: mpsc::WeakSender<Packet>,
    sources: Vec<(Transport, SocketAddr)>,
}

impl Registration {
    /// Whether packets from there come to this peer.
    pub(crate) fn has(&self, transport: Transport, source: SocketAddr) -> bool {
        self.sources.contains(&(transport, source))
    }

    /// The addresses from which it sends by that transport.
    pub(crate) fn sources(&self, by: Transport) -> impl Iterator<Item = SocketAddr> + '_ {
        self.sources.iter().filter(move |(transport, _)| *transport == by).map(|&(_, source)| source)
    }

    /// Claims an address that proved to know the peer's password. False if it is another's.
    pub(crate) fn claim(&mut self, transport: Transport, source: SocketAddr) -> bool {
        let Some(sender) = self.sender.upgrade() else { return false };
        let mut tables = self.routes.0.write().unwrap_or_else(PoisonError::into_inner);
        if tables.closed {
            return false;
        }
        match tables.by_source.entry((transport, source)) {
            Entry::Occupied(taken) if taken.get().0 != self.id => return false,
            Entry::Occupied(_) => return true,
            Entry::Vacant(free) => free.insert((self.id, sender)),
        };
        self.sources.push((transport, source));
        if self.sources.len() > SOURCES {
            let oldest = self.sources.remove(0);
            tables.by_source.remove(&oldest);
        }
        true
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut tables = self.routes.0.write().unwrap_or_else(PoisonError::into_inner);
        tables.by_ufrag.remove(&self.ufrag);
        for source in &self.sources {
            if tables.by_source.get(source).is_some_and(|(owner, _)| *owner == self.id) {
                tables.by_source.remove(source);
            }
        }
    }
}

/// The user name of the receiver in a binding request of STUN (RFC 8489), without checking more than is needed to find
/// it.
fn requested_ufrag(packet: &[u8]) -> Option<&str> {
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const HEADER: usize = 20;
    const USERNAME: u16 = 6;
    if packet.get(..2)? != BINDING_REQUEST || packet.get(4..8)? != COOKIE {
        return None;
    }
    let mut rest = packet.get(HEADER..)?;
    loop {
        let (head, tail) = rest.split_at_checked(4)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if kind == USERNAME {
            return std::str::from_utf8(tail.get(..length)?).ok()?.split(':').next();
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding_request(username: &str) -> Vec<u8> {
        let mut packet = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        packet.extend([7; 12]);
        // PRIORITY comes before USERNAME here.
        packet.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
        packet.extend([0, 6, 0, username.len() as u8]);
        packet.extend(username.as_bytes());
        packet.resize(packet.len().next_multiple_of(4), 0);
        let length = (packet.len() - 20) as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    }

    fn packet(contents: Vec<u8>, port: u16) -> Packet {
        Packet {
            at: Instant::now(),
            transport: Transport::Udp,
            source: SocketAddr::from(([192, 0, 2, 1], port)),
            destination: SocketAddr::from(([127, 0, 0, 1], 1)),
            to: None,
            contents: contents.into(),
        }
    }

    fn source(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_check_goes_by_its_user_name_and_the_rest_by_a_claimed_address() {
        let routes = Arc::new(Routes::default());
        let (mut one, mut to_one) = routes.register("one".into()).unwrap();
        let (mut two, mut to_two) = routes.register("two".into()).unwrap();

        assert!(routes.deliver(packet(binding_request("one:other"), 1)));
        assert!(to_one.try_recv().is_ok());
        assert!(!routes.deliver(packet(binding_request("three:other"), 1)), "nobody's name");
        assert!(!routes.deliver(packet(vec![0x80; 20], 1)), "an address that nobody claimed");

        assert!(one.claim(Transport::Udp, source(1)));
        assert!(!two.claim(Transport::Udp, source(1)), "an address is its first owner's");
        assert!(routes.deliver(packet(vec![0x80; 20], 1)));
        assert!(to_one.try_recv().is_ok() && to_two.try_recv().is_err());

        drop(one);
        assert!(two.claim(Transport::Udp, source(1)), "until that is gone");
        drop(two);
        assert_eq!(routes.count(), (0, 0));
    }

    #[test]
    fn a_peer_has_few_addresses_and_the_oldest_goes_first() {
        let routes = Arc::new(Routes::default());
        let (mut peer, _packets) = routes.register("peer".into()).unwrap();
        for port in 1..=20 {
            assert!(peer.claim(Transport::Udp, source(port)));
        }
        assert_eq!(routes.count(), (1, SOURCES));
        assert!(!peer.has(Transport::Udp, source(4)) && peer.has(Transport::Udp, source(5)));
    }

    #[test]
    fn a_user_name_is_found_only_in_a_whole_request() {
        let whole = binding_request("here:there");
        assert_eq!(requested_ufrag(&whole), Some("here"));
        for end in 0..whole.len() - 2 {
            assert_eq!(requested_ufrag(&whole[..end]), None, "cut at {end}");
        }
        let mut response = whole;
        response[0] = 1;
        assert_eq!(requested_ufrag(&response), None);
    }
}
