//! ICE over TCP (RFC 6544), for clients whose network lets no UDP through.
//!
//! The connections come from whoever listens, as the port's number is to be that of HTTP: that one looks at the first
//! byte ([`is_ice`]) and hands over those that are meant for here. Each packet is preceded by its length in two bytes
//! (RFC 4571).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::port::canonical;
use crate::routes::{Packet, Routes, Transport};

/// How many packets wait for a connection. They are dropped beyond that, as the media are better late than never, but
/// best lost.
const QUEUE: usize = 256;
/// The longest packet that is taken.
const LONGEST: usize = 4096;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(15);

/// Whether a connection that begins with this is ICE's rather than HTTP's or TLS's. One byte is enough to tell.
pub fn is_ice(beginning: &[u8]) -> bool {
    // The first byte is the upper one of the length of a STUN request. HTTP begins with a letter, TLS with 22.
    beginning.first().is_some_and(|&byte| byte < 8)
}

/// The connections of all peers.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<SocketAddr, mpsc::Sender<Bytes>>>);

impl Connections {
    /// Sends a packet, or drops it.
    pub(crate) fn send(&self, destination: SocketAddr, contents: &[u8]) -> bool {
        let connections = self.lock();
        let Some(connection) = connections.get(&destination) else { return false };
        let Ok(length) = u16::try_from(contents.len()) else { return false };
        let mut framed = BytesMut::with_capacity(2 + contents.len());
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(contents);
        connection.try_send(framed.freeze()).is_ok()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Ends a connection after what is still to be sent.
    pub(crate) fn end(&self, source: SocketAddr) {
        self.lock().remove(&source);
    }

    /// Ends all connections.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    /// Serves a connection until it ends, is silent, or nobody wants what comes.
    pub(crate) async fn serve(
        self: Arc<Self>,
        routes: Arc<Routes>,
        stream: TcpStream,
        destination: SocketAddr,
    ) -> io::Result<()> {
        let source = canonical(stream.peer_addr()?);
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let (sender, queue) = mpsc::channel(QUEUE);
        self.lock().insert(source, sender);
        let entry = Entry { connections: self, source };
        tokio::select! {
            ended = read(reader, &routes, source, destination) => ended?,
            ended = write(writer, queue) => ended?,
        }
        drop(entry);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, mpsc::Sender<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the table.
struct Entry {
    connections: Arc<Connections>,
    source: SocketAddr,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.source);
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    routes: &Routes,
    source: SocketAddr,
    destination: SocketAddr,
) -> io::Result<()> {
    loop {
        let next = async {
            let length = usize::from(reader.read_u16().await?);
            if length > LONGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "too long a packet"));
            }
            let mut contents = BytesMut::zeroed(length);
            reader.read_exact(&mut contents).await?;
            Ok(contents.freeze())
        };
        let contents = tokio::time::timeout(SILENCE, next).await??;
        let at = Instant::now();
        let transport = Transport::Tcp;
        // A connection is one peer's: if there is none, there will not be.
        if !routes.deliver(Packet { at, transport, source, destination, to: None, contents }) {
            return Ok(());
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(framed) = queue.recv().await {
        writer.write_all(&framed).await?;
    }
    Ok(())
}
