//! The UDP sockets.
//!
//! A client accepts an answer only from the address that it sent to. On a socket that is bound to all addresses the
//! system would choose the sender's address by its routes, so each datagram is read and sent with the local address.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::consume_budget;
use tracing::debug;

/// How many datagrams, or runs of them that the system put together, are read by one call.
const BATCH: usize = 8;
/// The longest such run.
const RUN: usize = 64 * 1024;
/// How much is asked for of the system's buffers: a hundred peers' packets of some 100 ms. It may give less.
const BUFFER: usize = 4 * 1024 * 1024;
/// Read datagrams are slices of allocations of this size.
const ARENA: usize = 64 * 1024;

/// How long a socket that reports an error is left alone.
const PAUSE: Duration = Duration::from_millis(5);

/// A datagram that came in.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) at: Instant,
    pub(crate) source: SocketAddr,
    /// The local address to which it was sent, where the system tells.
    pub(crate) to: Option<IpAddr>,
    pub(crate) contents: Bytes,
}

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct Udp {
    /// Only what is to be read wakes anybody: a socket can nearly always be written to, and would say so after each send.
    io: AsyncFd<Socket>,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Udp {
    /// Has to be called within a tokio runtime.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Smaller buffers are no reason to fail: what does not fit is lost and sent again.
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), BUFFER);
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), BUFFER);
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        // SAFETY: a socket has the same open descriptor for as long as it lives, and it lives in there, out of reach of
        // whatever could close it, until it is not watched any more.
        #[allow(unsafe_code)]
        let io = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { io, state, local })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends, or drops what the system would have to wait for: retransmission is the peer's to ask for. With a length,
    /// the contents are datagrams of it one after another, of which the last may be shorter.
    pub(crate) fn send(
        &self,
        destination: SocketAddr,
        from: Option<IpAddr>,
        contents: &[u8],
        each: Option<usize>,
    ) -> bool {
        let datagrams = Transmit { destination, ecn: None, contents, segment_size: each, src_ip: from };
        self.state.try_send(UdpSockRef::from(self.io.get_ref()), &datagrams).is_ok()
    }

    /// How many datagrams can be sent at once; 1 where the system cannot.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Hands all datagrams to `take`, for ever.
    pub(crate) async fn read(self: Arc<Self>, mut take: impl FnMut(Datagram)) {
        let mut buffer = vec![0_u8; BATCH * RUN];
        let mut arena = BytesMut::with_capacity(ARENA);
        loop {
            let Ok(mut readable) = self.io.readable().await else { return };
            // However much comes, the other tasks get their turn.
            consume_budget().await;
            let mut chunks = buffer.chunks_mut(RUN);
            let mut slices: [_; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let mut runs = [RecvMeta::default(); BATCH];
            let read = readable
                .try_io(|socket| self.state.recv(UdpSockRef::from(socket.get_ref()), &mut slices, &mut runs));
            let count = match read {
                Ok(Ok(count)) => count,
                // There is nothing more for now.
                Err(_) => continue,
                // It is about a datagram sent earlier, or a network that went away and may come back.
                Ok(Err(error)) => {
                    debug!(%error, "a media socket cannot be read");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let at = Instant::now();
            for (run, bytes) in runs.iter().zip(buffer.chunks(RUN)).take(count) {
                let bytes = &bytes[..run.len.min(RUN)];
                for contents in bytes.chunks(run.stride.max(1)) {
                    if arena.capacity() < contents.len() {
                        arena.reserve(ARENA);
                    }
                    arena.extend_from_slice(contents);
                    let contents = arena.split().freeze();
                    take(Datagram { at, source: run.addr, to: run.dst_ip, contents });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_carry_the_address_they_were_sent_to_and_are_answered_from_it() {
        let socket = Arc::new(Udp::bind("0.0.0.0:0".parse().unwrap()).unwrap());
        let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
        let reader = tokio::spawn(socket.clone().read(move |datagram| {
            let _ = sender.send(datagram);
        }));
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = SocketAddr::new("127.0.0.2".parse().unwrap(), socket.local().port());
        client.send_to(b"hello", address).await.unwrap();

        let datagram = received.recv().await.unwrap();
        assert_eq!(
            (datagram.source, datagram.to, &datagram.contents[..]),
            (client.local_addr().unwrap(), Some(address.ip()), &b"hello"[..])
        );
        assert!(socket.send(datagram.source, datagram.to, b"back", None));
        let mut answer = [0; 16];
        let (length, from) = client.recv_from(&mut answer).await.unwrap();
        assert_eq!((&answer[..length], from), (&b"back"[..], address));
        reader.abort();
    }
}
