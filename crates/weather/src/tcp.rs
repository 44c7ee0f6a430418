//! A network between clients and a server that speak TCP, which can stall: nothing passes, not even the end of a
//! connection, and nothing is lost, as when a cable is pulled and put back before either system gives up. It can also cut
//! the connections that there are, and refuse others.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Passes connections on. Dropping it cuts them.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    stalled: watch::Sender<bool>,
    /// How often connections were cut.
    cuts: watch::Sender<u64>,
    refuses: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Relay {
    /// Begins to pass connections on. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stalled, is_stalled) = watch::channel(false);
        let (cuts, is_cut) = watch::channel(0);
        let refuses = Arc::<AtomicBool>::default();
        let task = tokio::spawn(listen(listener, server, is_stalled, is_cut, refuses.clone())).abort_handle();
        Ok(Self { address, stalled, cuts, refuses, task })
    }

    /// Where clients are to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes. What was on its way in the relay itself may still come.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// All passes again, what waited first.
    pub fn go_on(&self) {
        self.stalled.send_replace(false);
    }

    /// Cuts all connections that there are. Others may come.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on connections that come are closed at once, or are not any more. Those that there are go on.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    listener: TcpListener,
    server: SocketAddr,
    stalled: watch::Receiver<bool>,
    cuts: watch::Receiver<u64>,
    refuses: Arc<AtomicBool>,
) {
    // They end with this.
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        if refuses.load(Ordering::Relaxed) {
            continue;
        }
        let (stalled, mut cuts) = (stalled.clone(), cuts.clone());
        cuts.mark_unchanged();
        connections.spawn(async move {
            tokio::select! {
                () = relay(near, server, stalled) => {}
                // It changes, or the relay is gone.
                _ = cuts.changed() => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn relay(near: TcpStream, server: SocketAddr, mut stalled: watch::Receiver<bool>) {
    if passing(&mut stalled).await.is_none() {
        return;
    }
    let Ok(far) = TcpStream::connect(server).await else { return };
    for stream in [&near, &far] {
        // Frames are small, and each is waited for.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = near.into_split();
    let (from_server, to_server) = far.into_split();
    tokio::join!(pump(from_client, to_server, stalled.clone()), pump(from_server, to_client, stalled));
}

/// Passes bytes on until there are none, and then says so.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut stalled: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        if passing(&mut stalled).await.is_none() {
            return;
        }
        match read {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                if to.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = to.shutdown().await;
}

/// Waits until nothing is stalled; none when the relay is gone.
async fn passing(stalled: &mut watch::Receiver<bool>) -> Option<()> {
    stalled.wait_for(|is| !is).await.ok().map(|_| ())
}
