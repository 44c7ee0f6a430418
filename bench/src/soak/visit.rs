//! One client that comes and leaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::time::{sleep, timeout};
use weather::udp::{Network, Proxy};

use crate::client::Client;
use crate::realtime::{Happening, Options, Peer, Refused};

/// How long anything may take that a client waits for. Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A picture of one pixel.
const IMAGE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It generates for a second, and says goodbye.
    Closes,
    /// It generates for a moment, and vanishes, as a process that is killed.
    Vanishes,
    /// It vanishes somewhere between its first byte and the answer to its offer.
    BeforeTheAnswer,
    /// It has the answer, and vanishes before media are up.
    BeforeMedia,
    /// Its network is gone, and nothing says so: the server has to find out.
    FallsSilent,
    /// The operator ends its session.
    IsEnded,
    /// It asks for a model that there is not.
    IsRefused,
    /// It watches the session that stays, and says goodbye.
    Watches,
    /// It watches, and vanishes.
    WatchesAndVanishes,
    /// It generates, is watched, and leaves before who watches.
    IsWatched,
    /// It vanishes, and goes on with its session in another connection.
    ComesBack,
}

impl Way {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Closes,
        Self::Vanishes,
        Self::BeforeTheAnswer,
        Self::BeforeMedia,
        Self::FallsSilent,
        Self::IsEnded,
        Self::IsRefused,
        Self::Watches,
        Self::WatchesAndVanishes,
        Self::IsWatched,
        Self::ComesBack,
    ];
}

/// Where clients come to.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) options: Options,
    pub(super) client: Client,
    /// Where media arrive.
    pub(super) media: SocketAddr,
    /// The session that stays.
    pub(super) steady: String,
}

impl Place {
    /// Comes and leaves.
    ///
    /// # Errors
    /// What went otherwise than it should.
    pub(super) async fn visit(&self, way: Way, mut random: fastrand::Rng) -> Result<()> {
        let a_moment = Duration::from_millis(random.u64(0..500));
        match way {
            Way::Closes => {
                let mut peer = self.generating(self.options.clone()).await?;
                until(&mut peer, "the first tick", |happening| said(happening, "generation_tick")).await?;
                goodbye(peer).await
            }
            Way::Vanishes => {
                let mut peer = self.generating(self.options.clone()).await?;
                during(&mut peer, a_moment).await;
                Ok(())
            }
            Way::BeforeTheAnswer => {
                let some_time = Duration::from_millis(random.u64(0..60));
                match timeout(some_time, Peer::produce(self.options.clone())).await {
                    Ok(Err(error)) => Err(error),
                    // The machine was quicker: it leaves now.
                    Ok(Ok(_)) | Err(_) => Ok(()),
                }
            }
            Way::BeforeMedia => {
                // Packets for there are read by nobody.
                let nowhere = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
                let options = Options { through: Some(nowhere.local_addr()?), ..self.options.clone() };
                let peer = Peer::produce(options).await?;
                sleep(a_moment).await;
                drop(peer);
                Ok(())
            }
            Way::FallsSilent => {
                let proxy = Proxy::start(self.media, Network::GOOD, random.u64(..)).await?;
                let options = Options { through: Some(proxy.address()), ..self.options.clone() };
                let mut peer = self.generating(options).await?;
                during(&mut peer, a_moment).await;
                proxy.cut();
                until(&mut peer, "the end of the session", |happening| said(happening, "generation_ended"))
                    .await
            }
            Way::IsEnded => {
                let mut peer = self.generating(self.options.clone()).await?;
                during(&mut peer, a_moment).await;
                self.client.end_session(peer.session()).await?;
                until(&mut peer, "the close frame", |happening| {
                    matches!(happening, Happening::Closed { code: Some(1008), .. })
                })
                .await
            }
            Way::IsRefused => {
                let model = "no-such-model".to_owned();
                match Peer::produce(Options { model, ..self.options.clone() }).await {
                    Err(error) if error.is::<Refused>() => Ok(()),
                    Err(error) => Err(error),
                    Ok(_) => bail!("a model that there is not was served"),
                }
            }
            Way::Watches => {
                let peer = self.watching(&self.steady).await?;
                goodbye(peer).await
            }
            Way::WatchesAndVanishes => {
                let mut peer = self.watching(&self.steady).await?;
                during(&mut peer, a_moment).await;
                Ok(())
            }
            Way::IsWatched => {
                let mut peer = self.generating(self.options.clone()).await?;
                let session = peer.session().to_owned();
                let mut viewer = {
                    // Who generates and does not look at what comes would be a slow client.
                    let watching = self.watching(&session);
                    tokio::select! {
                        viewer = watching => viewer?,
                        () = during(&mut peer, 2 * PATIENCE) => bail!("it is not watched"),
                    }
                };
                goodbye(peer).await?;
                until(&mut viewer, "the end of what is watched", |happening| {
                    matches!(happening, Happening::Closed { code: Some(1008), .. })
                })
                .await
            }
            Way::ComesBack => {
                let peer = self.generating(self.options.clone()).await?;
                let query = vec![("session".to_owned(), peer.session().to_owned())];
                drop(peer);
                let peer = self.generating(Options { query, ..self.options.clone() }).await?;
                goodbye(peer).await
            }
        }
    }

    /// A client with a look of its own, whose pictures come.
    async fn generating(&self, options: Options) -> Result<Peer> {
        let mut peer = Peer::produce(options).await?;
        peer.send(json!({ "type": "prompt", "prompt": "sketch", "enhance_prompt": true })).await;
        peer.send(json!({ "type": "set_image", "image_data": IMAGE, "prompt": "warm" })).await;
        until(&mut peer, "a picture", |happening| matches!(happening, Happening::Frame(_))).await?;
        Ok(peer)
    }

    async fn watching(&self, session: &str) -> Result<Peer> {
        let mut peer = Peer::watch(self.options.clone(), session).await?;
        until(
            &mut peer,
            "a picture to watch",
            |happening| matches!(happening, Happening::Frame(frame) if frame.keyframe),
        )
        .await?;
        Ok(peer)
    }
}

/// The UDP port of the server, as a session is told it.
pub(super) async fn media(options: &Options) -> Result<SocketAddr> {
    let mut peer = Peer::produce(options.clone()).await?;
    let Some(Happening::Message(hello)) = peer.next().await else { bail!("nothing was said") };
    let field = |name: &str| hello[name].to_string().trim_matches('"').to_owned();
    let address = format!("{}:{}", field("server_ip"), field("server_port"));
    goodbye(peer).await?;
    address.parse().with_context(|| format!("the server says that media arrive at {address}"))
}

pub(super) async fn goodbye(peer: Peer) -> Result<()> {
    match peer.close().await {
        Some(1000) => Ok(()),
        code => bail!("the server answered a goodbye with {code:?}"),
    }
}

fn said(happening: &Happening, kind: &str) -> bool {
    matches!(happening, Happening::Message(message) if message["type"] == kind)
}

async fn until(peer: &mut Peer, what: &str, mut is: impl FnMut(&Happening) -> bool) -> Result<()> {
    let waiting = async {
        while let Some(happening) = peer.next().await {
            if is(&happening) {
                return Ok(());
            }
            if let Happening::Closed { code, reason } = happening {
                bail!("closed with {code:?} ({reason}) before {what}");
            }
        }
        bail!("it was over before {what}")
    };
    timeout(PATIENCE, waiting).await.with_context(|| format!("{what} never came"))?
}

/// Takes what comes in that time.
async fn during(peer: &mut Peer, time: Duration) {
    let _ = timeout(time, async {
        while peer.next().await.is_some() {}
        // Closed: there is nothing to wait for but the time.
        std::future::pending::<()>().await;
    })
    .await;
}

/// The session that stays while others come and leave.
pub(super) struct Steady {
    peer: Peer,
    /// The ticks that came.
    pub(super) ticks: u64,
    /// The frames that came.
    pub(super) frames: u64,
    /// What must not be.
    pub(super) wrong: Vec<String>,
}

impl Steady {
    pub(super) async fn begin(options: Options) -> Result<Self> {
        let mut peer = Peer::produce(options).await?;
        until(&mut peer, "the first picture", |happening| matches!(happening, Happening::Frame(_))).await?;
        Ok(Self { peer, ticks: 0, frames: 0, wrong: Vec::new() })
    }

    pub(super) fn session(&self) -> String {
        self.peer.session().to_owned()
    }

    /// Generates until it is told to leave, or the server ends it.
    pub(super) async fn stay(mut self, leave: Arc<tokio::sync::Notify>) -> Self {
        loop {
            let happening = tokio::select! {
                happening = self.peer.next() => happening,
                () = leave.notified() => return self,
            };
            match happening {
                Some(Happening::Message(message)) if message["type"] == "generation_tick" => {
                    self.ticks += 1;
                    if message["seconds"] != self.ticks {
                        self.wrong.push(format!("tick {} says {}", self.ticks, message["seconds"]));
                        self.ticks = message["seconds"].as_u64().unwrap_or_default();
                    }
                }
                Some(Happening::Frame(_)) => self.frames += 1,
                Some(Happening::Message(message)) => {
                    if let Some("generation_ended" | "error") = message["type"].as_str() {
                        self.wrong.push(format!("it was told {message}"));
                    }
                }
                Some(Happening::Media(media)) => self.wrong.push(format!("its media are {media:?}")),
                Some(Happening::Closed { code, reason }) => {
                    self.wrong.push(format!("it was closed with {code:?}: {reason}"));
                }
                None => return self,
            }
        }
    }

    pub(super) async fn leave(self) -> Result<()> {
        goodbye(self.peer).await
    }
}
