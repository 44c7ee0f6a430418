//! The port that all peers share.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use str0m::config::DtlsCert;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use crate::answer::{Advertised, Answered, answer};
use crate::driver::{Driver, Inputs, Links, Terms};
use crate::events::{Events, Mailbox};
use crate::offer::{Offer, OfferError, Role};
use crate::peer::{MEDIA, Outlet, Peer, REQUESTS};
use crate::routes::{Packet, Routes, Transport};
use crate::settings::Settings;
use crate::tcp::Connections;
use crate::udp::{Datagram, Udp};

/// The most addresses that clients are told. They check each of theirs against each of these.
const MOST_ADDRESSES: usize = 8;

/// The sockets, and all peers behind them. Dropping it ends them all.
#[derive(Debug)]
pub struct Port {
    settings: Settings,
    advertised: Arc<Advertised>,
    links: Arc<Links>,
    routes: Arc<Routes>,
    /// One for all peers: making one takes longer than all the rest of an answer.
    certificate: Option<DtlsCert>,
    runtime: Handle,
    readers: Vec<AbortHandle>,
}

/// The answer to an offer.
#[derive(Debug)]
pub struct Answer {
    /// The connection.
    pub peer: Peer,
    /// What happens to it.
    pub events: Events,
    /// What the client is to be sent: an SDP with all candidates inside.
    pub sdp: String,
}

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A socket cannot be opened.
    #[error("cannot listen on UDP {address}: {error}")]
    Socket {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// More than one address of a family.
    #[error("there can be one address of IPv4 and one of IPv6 to listen on, not {0:?}")]
    Ambiguous(Vec<SocketAddr>),
    /// The machine's addresses cannot be listed.
    #[error("cannot list the network interfaces; name the addresses that clients are to send to: {0}")]
    Interfaces(io::Error),
    /// There is no address that clients could be told.
    #[error("there is no address that clients could send to; name one of the family that is listened on")]
    Nowhere,
}

impl Port {
    /// Opens the sockets. Has to be called within a tokio runtime, on which everything then runs.
    pub async fn bind(settings: Settings) -> Result<Self, BindError> {
        let of_family =
            |ipv4: bool| settings.listen.iter().filter(|address| address.is_ipv4() == ipv4).count();
        if of_family(true) > 1 || of_family(false) > 1 {
            return Err(BindError::Ambiguous(settings.listen));
        }
        let mut sockets = Vec::new();
        for &address in &settings.listen {
            match Udp::bind(address) {
                Ok(socket) => sockets.push(Arc::new(socket)),
                // "Everywhere" may include a family that the machine has not.
                Err(error)
                    if address.ip().is_unspecified() && settings.listen.len() > 1 && !is_taken(&error) =>
                {
                    warn!(%address, %error, "not listening there");
                }
                Err(error) => return Err(BindError::Socket { address, error }),
            }
        }
        let locals: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local()).collect();
        let advertised = Arc::new(advertised(&settings, &locals)?);
        info!(udp = ?advertised.udp, "media port open");

        let routes = Arc::new(Routes::default());
        let runtime = Handle::current();
        let readers = sockets
            .iter()
            .map(|socket| {
                let (routes, advertised) = (routes.clone(), advertised.clone());
                let local = socket.local();
                let take = move |datagram| deliver(&routes, &advertised, local, datagram);
                runtime.spawn(socket.clone().read(take)).abort_handle()
            })
            .collect();
        let links = Arc::new(Links { udp: sockets, tcp: Arc::default() });
        let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
        Ok(Self { settings, advertised, links, routes, certificate, runtime, readers })
    }

    /// Answers an offer: the connection is made as soon as the client has the answer. A second offer of the same client
    /// is answered like a first one, and the peer of the first one closed by its owner.
    ///
    /// Takes a millisecond or two and waits for nothing.
    pub fn answer(&self, offer: &str, role: Role) -> Result<Answer, OfferError> {
        let offer = Offer::read(offer, role, &self.settings.codecs, self.settings.audio)?;
        let now = Instant::now();
        let bitrates = self.settings.bitrates;
        let Answered { rtc, sdp, ufrag } =
            answer(&offer, self.certificate.clone(), &self.advertised, bitrates, now)?;
        let (registration, packets) = self.routes.register(ufrag).ok_or(OfferError::Closed)?;

        let mailbox = Arc::new(Mailbox::default());
        let outlet = Arc::new(Outlet::new(mailbox.clone()));
        let (media_sender, media) = mpsc::channel(MEDIA);
        let (request_sender, requests) = mpsc::channel(REQUESTS);
        let terms = Terms {
            codec: offer.codec,
            video: offer.video.as_str().into(),
            audio: offer.audio.as_deref().map(Into::into),
            has_feedback: offer.has_feedback,
            bitrates,
            connect: self.settings.connect,
            silence: self.settings.silence,
        };
        let driver = Driver::new(
            rtc,
            terms,
            self.links.clone(),
            Inputs { registration, packets, media, requests },
            outlet.clone(),
            mailbox.clone(),
            now,
        );
        self.runtime.spawn(driver.run());
        let peer = Peer::new(offer.codec, outlet.clone(), media_sender, request_sender);
        Ok(Answer { peer, events: Events { mailbox, outlet }, sdp })
    }

    /// Says where connections arrive that are handed to [`Port::accept_tcp`], for clients whose network lets no UDP
    /// through. From now on they are told of it, if what listens there can be reached where media can. Only the first call
    /// counts.
    pub fn announce_tcp(&self, listener: SocketAddr) {
        let told = tcp_addresses(&self.settings, &self.advertised.udp, listener);
        info!(tcp = ?told, "media over TCP");
        let _ = self.advertised.tcp.set(told);
    }

    /// Takes over a connection that [`is_ice`](crate::is_ice), from its first byte on. It ends with its peer.
    pub fn accept_tcp(&self, stream: TcpStream) {
        let Ok(local) = stream.local_addr() else { return };
        let Some(destination) = nearest(self.advertised.tcp(), canonical(local)) else { return };
        let (connections, routes): (Arc<Connections>, _) = (self.links.tcp.clone(), self.routes.clone());
        self.runtime.spawn(async move {
            if let Err(error) = connections.serve(routes, stream, destination).await {
                debug!(%error, "a connection of ICE ended");
            }
        });
    }

    /// The addresses that clients are told to send to by UDP, with the port.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.advertised.udp
    }

    /// How many peers there are, those included that are not connected yet.
    pub fn peers(&self) -> usize {
        self.routes.count().0
    }

    /// How many entries the tables have: peers, addresses they send from, TCP connections. Without peers: none.
    pub fn entries(&self) -> usize {
        let (peers, sources) = self.routes.count();
        peers + sources + self.links.tcp.count()
    }

    /// Ends all peers and takes no more.
    pub fn close(&self) {
        self.routes.close();
        self.links.tcp.close();
        for reader in &self.readers {
            reader.abort();
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn deliver(routes: &Routes, advertised: &Advertised, local: SocketAddr, datagram: Datagram) {
    let Datagram { at, source, to, contents } = datagram;
    let arrived = SocketAddr::new(to.unwrap_or_else(|| local.ip()), local.port());
    let Some(destination) = nearest(&advertised.udp, arrived) else { return };
    routes.deliver(Packet { at, transport: Transport::Udp, source, destination, to, contents });
}

/// The advertised address that stands for a local one: itself, or, where a public one is translated to it, the first.
fn nearest(advertised: &[SocketAddr], local: SocketAddr) -> Option<SocketAddr> {
    let same_ip = advertised.iter().find(|address| address.ip() == local.ip());
    let same_family = || advertised.iter().find(|address| address.is_ipv4() == local.is_ipv4());
    same_ip.or_else(same_family).copied()
}

fn advertised(settings: &Settings, locals: &[SocketAddr]) -> Result<Advertised, BindError> {
    let mut udp = Vec::new();
    for local in locals {
        let ips: Vec<IpAddr> = if !settings.public.is_empty() {
            settings.public.iter().copied().filter(|ip| ip.is_ipv4() == local.is_ipv4()).collect()
        } else if local.ip().is_unspecified() {
            interfaces(local.is_ipv4()).map_err(BindError::Interfaces)?
        } else {
            vec![local.ip()]
        };
        udp.extend(ips.into_iter().take(MOST_ADDRESSES).map(|ip| SocketAddr::new(ip, local.port())));
    }
    if udp.is_empty() {
        return Err(BindError::Nowhere);
    }
    Ok(Advertised { udp, ..Advertised::default() })
}

/// What clients are told of a TCP listener: those of the addresses for media at which it is reached as well.
fn tcp_addresses(settings: &Settings, udp: &[SocketAddr], listener: SocketAddr) -> Vec<SocketAddr> {
    let listener = canonical(listener);
    let is_reached = |ip: IpAddr| match listener.ip() {
        // One for all of IPv6 takes what is IPv4, too.
        everywhere if everywhere.is_unspecified() => everywhere.is_ipv6() || ip.is_ipv4(),
        // Something before it passes HTTP on, and not this.
        loopback if loopback.is_loopback() => ip == loopback,
        one => ip == one || (settings.public.contains(&ip) && ip.is_ipv4() == one.is_ipv4()),
    };
    let ips = udp.iter().map(SocketAddr::ip).filter(|ip| is_reached(*ip));
    ips.map(|ip| SocketAddr::new(ip, listener.port())).collect()
}

/// An address of IPv4 as such, which a socket for both families shows as one of IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The machine's own addresses of a family; those of the loopback only if there are no others.
fn interfaces(ipv4: bool) -> io::Result<Vec<IpAddr>> {
    let mut outer = Vec::new();
    let mut loopback = Vec::new();
    for interface in if_addrs::get_if_addrs()? {
        let ip = interface.ip();
        if ip.is_ipv4() != ipv4 || interface.is_link_local() {
            continue;
        }
        let list = if interface.is_loopback() { &mut loopback } else { &mut outer };
        if !list.contains(&ip) {
            list.push(ip);
        }
    }
    Ok(if outer.is_empty() { loopback } else { outer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_replace_local_ones_and_go_by_family() {
        let locals = [address("0.0.0.0:7000"), address("[::]:7001")];
        let mut settings = Settings {
            public: vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
            ..Settings::default()
        };
        let both = advertised(&settings, &locals).unwrap();
        assert_eq!(both.udp, [address("203.0.113.7:7000"), address("[2001:db8::7]:7001")]);
        assert_eq!(nearest(&both.udp, address("10.0.0.4:7000")), Some(address("203.0.113.7:7000")));
        settings.public = vec!["2001:db8::7".parse().unwrap()];
        assert!(matches!(advertised(&settings, &locals[..1]), Err(BindError::Nowhere)));
    }

    #[test]
    fn a_bound_address_is_told_as_it_is() {
        let told = advertised(&Settings::default(), &[address("127.0.0.1:7000")]).unwrap();
        assert_eq!((told.udp.as_slice(), told.tcp()), (&[address("127.0.0.1:7000")][..], &[][..]));
    }

    #[test]
    fn tcp_is_told_where_it_can_be_reached() {
        let public = |ips: &[&str]| Settings {
            public: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            ..Settings::default()
        };
        let none: &[&str] = &[];
        let both: &[&str] = &["192.0.2.1:7000", "[2001:db8::7]:7001"];
        let cases = [
            (none, &["127.0.0.1:7000"][..], "127.0.0.1:80", &["127.0.0.1:80"][..]),
            (none, both, "0.0.0.0:80", &["192.0.2.1:80"]),
            (none, both, "[::]:80", &["192.0.2.1:80", "[2001:db8::7]:80"]),
            (none, both, "192.0.2.1:80", &["192.0.2.1:80"]),
            (none, both, "192.0.2.9:80", &[]),
            (none, both, "127.0.0.1:80", &[]),
            (&["192.0.2.1"], &["192.0.2.1:7000"], "10.0.0.7:80", &["192.0.2.1:80"]),
            (&["192.0.2.1"], &["192.0.2.1:7000"], "[2001:db8::1]:80", &[]),
            (&["192.0.2.1"], &["192.0.2.1:7000"], "127.0.0.1:80", &[]),
        ];
        for (of_public, udp, listener, expected) in cases {
            let addresses = |texts: &[&str]| texts.iter().map(|text| address(text)).collect::<Vec<_>>();
            let told = tcp_addresses(&public(of_public), &addresses(udp), address(listener));
            assert_eq!(told, addresses(expected), "{udp:?} and a listener at {listener}");
        }
    }

    #[tokio::test]
    async fn two_addresses_of_a_family_are_refused() {
        let settings =
            Settings { listen: vec![address("127.0.0.1:0"), address("127.0.0.2:0")], ..Settings::default() };
        assert!(matches!(Port::bind(settings).await, Err(BindError::Ambiguous(_))));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it() {
        let first =
            Port::bind(Settings { listen: vec![address("127.0.0.1:0")], ..Settings::default() }).await;
        let taken = first.as_ref().unwrap().addresses()[0];
        let error = Port::bind(Settings { listen: vec![taken], ..Settings::default() }).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot listen on UDP {taken}: ")), "{error}");
    }
}
