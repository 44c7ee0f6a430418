//! Connections to the port of HTTP, told apart: most are HTTP, some are media of realtime sessions.
//!
//! A client whose network lets no UDP through sends its media over TCP, to this port, as it is the one that it got through
//! to already. The first byte says which it is.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use realtime::run::Realtime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How long a connection may say nothing before it is taken for one of HTTP, which knows what to do with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A listener for HTTP that leads media where they belong.
pub(crate) struct Door {
    listener: TcpListener,
    /// None where there is nothing but HTTP.
    realtime: Option<Realtime>,
    /// Connections that have said nothing yet. Each waits by itself, and nobody waits for it.
    silent: FuturesUnordered<BoxFuture<'static, Visitor>>,
}

/// A connection, and whether it is of media.
struct Visitor {
    stream: TcpStream,
    from: SocketAddr,
    is_media: bool,
}

/// How many bytes have come over a connection: whoever sends one large message is heard before it is whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that counts.
pub(crate) struct Connection {
    stream: TcpStream,
    heard: Heard,
}

impl Door {
    /// Clients of the sessions are told of the listener, if there are to be sessions.
    pub(crate) fn new(listener: TcpListener, realtime: Option<Realtime>) -> Self {
        if let (Some(realtime), Ok(address)) = (&realtime, listener.local_addr()) {
            realtime.announce_tcp(address);
        }
        Self { listener, realtime, silent: FuturesUnordered::new() }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        TcpListener::local_addr(&self.listener).ok()
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let Visitor { stream, from, is_media } = tokio::select! {
                (stream, from) = Listener::accept(&mut self.listener) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!("TCP_NODELAY cannot be set: {error}");
                    }
                    if self.realtime.is_some() {
                        self.silent.push(Box::pin(listen_to(stream, from)));
                        continue;
                    }
                    Visitor { stream, from, is_media: false }
                }
                Some(visitor) = self.silent.next() => visitor,
            };
            match &self.realtime {
                Some(realtime) if is_media => realtime.accept_tcp(stream),
                Some(_) | None => return (Connection { stream, heard: Heard::default() }, from),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(&self.listener)
    }
}

/// Waits for the first byte, and leaves it where it is.
async fn listen_to(stream: TcpStream, from: SocketAddr) -> Visitor {
    let mut first = [0];
    let is_media = match tokio::time::timeout(PATIENCE, stream.peek(&mut first)).await {
        Ok(Ok(length)) => realtime::run::is_media(&first[..length]),
        // Broken, or silent: not for us to say.
        Ok(Err(_)) | Err(_) => false,
    };
    Visitor { stream, from, is_media }
}

impl Connected<IncomingStream<'_, Door>> for Heard {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().heard.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        self.heard.0.fetch_add(bytes as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
