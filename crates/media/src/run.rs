//! Datagrams that leave together.
//!
//! The packets of a frame follow one another, go to the same place, and are all of the same length but for the last one.
//! The system takes such a run in one call and cuts it up as late as it can, where there is hardware for it even in the
//! network card; for each packet on its own it would go the whole way through its network stack.

use std::net::{IpAddr, SocketAddr};

use crate::udp::Udp;

/// The system's own limit is that of one datagram's length, 65,507 bytes.
const MOST_BYTES: usize = 60_000;

/// Datagrams that wait to be sent in one call, for as long as it takes to put them together.
#[derive(Debug, Default)]
pub(crate) struct Run {
    bytes: Vec<u8>,
    /// Where they go, from which local address, and how long each is but for the last one. None when there are none.
    head: Option<(SocketAddr, Option<IpAddr>, usize)>,
    count: usize,
}

impl Run {
    /// Whether the datagram can follow those that are there, of which there may be `most`.
    pub(crate) fn fits(
        &self,
        destination: SocketAddr,
        from: Option<IpAddr>,
        length: usize,
        most: usize,
    ) -> bool {
        self.head.is_none_or(|(to, by, each)| {
            let is_last_whole = self.bytes.len() == each * self.count;
            (to, by) == (destination, from)
                && is_last_whole
                && length <= each
                && self.count < most
                && self.bytes.len() + length <= MOST_BYTES
        })
    }

    pub(crate) fn push(&mut self, destination: SocketAddr, from: Option<IpAddr>, contents: &[u8]) {
        self.head.get_or_insert((destination, from, contents.len()));
        self.bytes.extend_from_slice(contents);
        self.count += 1;
    }

    /// Where they go.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.head.map(|(destination, ..)| destination)
    }

    /// Sends them. Returns how many were not.
    pub(crate) fn send(&mut self, socket: Option<&Udp>) -> usize {
        let count = std::mem::take(&mut self.count);
        let sent = self.head.take().is_none_or(|(destination, from, each)| {
            let each = (count > 1).then_some(each);
            socket.is_some_and(|socket| socket.send(destination, from, &self.bytes, each))
        });
        self.bytes.clear();
        if sent { 0 } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 64;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_last_may_be_shorter_and_none_goes_elsewhere() {
        let (here, there) = (address("192.0.2.1:1"), address("192.0.2.1:2"));
        let local: Option<IpAddr> = Some("192.0.2.9".parse().unwrap());
        let mut run = Run::default();
        assert!(run.fits(here, local, 1200, 1));
        run.push(here, local, &[1; 1200]);
        assert!(run.fits(here, local, 1200, MANY));
        assert!(run.fits(here, local, 3, MANY));
        assert!(!run.fits(here, local, 1201, MANY), "longer than the first");
        assert!(!run.fits(there, local, 1200, MANY), "elsewhere");
        assert!(!run.fits(here, None, 1200, MANY), "from elsewhere");
        assert!(!run.fits(here, local, 1200, 1), "too many");
        run.push(here, local, &[2; 3]);
        assert!(!run.fits(here, local, 3, MANY), "after a shorter one");
    }

    #[test]
    fn a_run_is_no_longer_than_the_system_takes() {
        let here = address("192.0.2.1:1");
        let mut run = Run::default();
        for _ in 0..50 {
            assert!(run.fits(here, None, 1200, MANY));
            run.push(here, None, &[0; 1200]);
        }
        assert!(!run.fits(here, None, 1200, MANY));
    }

    #[tokio::test]
    async fn a_run_arrives_as_the_datagrams_that_it_is_made_of() {
        let socket = Udp::bind(address("127.0.0.1:0")).unwrap();
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = client.local_addr().unwrap();
        let datagrams: [&[u8]; 3] = [&[1; 1000], &[2; 1000], &[3; 10]];
        let mut run = Run::default();
        for datagram in datagrams {
            if !run.fits(to, None, datagram.len(), socket.most_at_once()) {
                assert_eq!(run.send(Some(&socket)), 0);
            }
            run.push(to, None, datagram);
        }
        assert_eq!(run.send(Some(&socket)), 0);
        assert_eq!(run.send(Some(&socket)), 0, "nothing is left");
        let mut buffer = [0; 2000];
        for datagram in datagrams {
            let length = client.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], datagram);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_counted() {
        let mut run = Run::default();
        run.push(address("192.0.2.1:1"), None, &[0; 9]);
        run.push(address("192.0.2.1:1"), None, &[0; 9]);
        assert_eq!(run.send(None), 2);
    }
}
