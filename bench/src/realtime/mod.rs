//! A client of realtime sessions: as much of the contract, of WebRTC and of a camera as proving and measuring need.
//!
//! A [`Peer`] is one connection. It sends a [`Clip`], whose pictures carry numbers, and hands out all that the server
//! says and sends; a [`Screen`] makes pictures of the frames again, and [`Stamp::read`] says which picture of the clip
//! it was and what was done to it. Like browsers it sends lost packets again, puts late ones in order, and asks for a
//! keyframe when something is missing for good. Unlike them it never sends less than its clip, however bad the path is.

mod clip;
mod flow;
mod mailbox;
mod screen;
mod sent;
mod signaling;
mod stamp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use str0m::media::Direction;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use clip::Clip;
pub use screen::Screen;
pub use sent::{Handed, Sent};
pub use signaling::Refused;
pub use stamp::{Look, Stamp};

use flow::Flow;
use mailbox::Mailbox;
use signaling::{Command, Signaling};

/// How long the server may take for its side of a goodbye.
const GOODBYE: Duration = Duration::from_secs(10);

/// Whom to connect to, and as what.
#[derive(Clone, Debug)]
pub struct Options {
    /// As `http://127.0.0.1:24203`.
    pub url: String,
    /// The key or client token.
    pub key: String,
    /// The model. Viewers have none.
    pub model: String,
    /// More parameters of the query, such as `session`. A `user_agent` among them takes the place of the client's own.
    pub query: Vec<(String, String)>,
    /// What it sends, over and over, when media flow.
    pub clip: Arc<Clip>,
    /// Media go there instead of where the answer says: to something in between.
    pub through: Option<SocketAddr>,
}

/// What happened to a connection.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A signaling message of the server. All of them come, in order, from the first one on.
    Message(Value),
    /// Media can flow, or cannot.
    Media(Media),
    /// A frame came. Of those that nobody takes, the oldest are dropped.
    Frame(Received),
    /// The WebSocket ended.
    Closed {
        /// That of the server's close frame; none when the connection broke, or the frame had none.
        code: Option<u16>,
        /// That of the server's close frame.
        reason: String,
    },
}

/// Whether media can flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// They can: the clip is being sent.
    Connected,
    /// They cannot: the server ended the media connection, or was not heard for some seconds. In the latter case
    /// [`Media::Connected`] can follow.
    Lost,
}

/// A whole encoded frame.
#[derive(Clone, Debug)]
pub struct Received {
    /// In VP8.
    pub data: Arc<[u8]>,
    /// When its last packet was there.
    pub at: Instant,
    /// Whether it can be decoded without those before it.
    pub keyframe: bool,
    /// Whether nothing is missing between it and the one before; true for keyframes. Where it is false, a keyframe was
    /// asked for.
    pub contiguous: bool,
    /// Its timestamp, in ticks of 1/90,000 s.
    pub time: u64,
}

/// One connection to a realtime server. Dropping it abandons it: its sockets vanish, and nothing is said.
pub struct Peer {
    session: String,
    mailbox: Arc<Mailbox>,
    sent: Arc<Sent>,
    commands: mpsc::UnboundedSender<Command>,
    stop: Arc<tokio::sync::Notify>,
    signaling: JoinHandle<()>,
    media: JoinHandle<()>,
}

impl Peer {
    /// Opens the WebSocket of a new session, offers VP8 in both directions, and takes the answer. Media connect
    /// afterwards.
    ///
    /// # Errors
    /// [`Refused`] when the server does not want to; else when it cannot be reached or says nothing for half a minute.
    pub async fn produce(options: Options) -> Result<Self> {
        let query = [("model".to_owned(), options.model.clone())];
        Self::connect("/v1/stream", query, options, Direction::SendRecv).await
    }

    /// The same for a viewer of a session, who receives only.
    ///
    /// # Errors
    /// As for [`Peer::produce`].
    pub async fn watch(options: Options, session: &str) -> Result<Self> {
        Self::connect(&format!("/subscribe/{session}"), [], options, Direction::RecvOnly).await
    }

    async fn connect(
        path: &str,
        query: impl IntoIterator<Item = (String, String)>,
        options: Options,
        direction: Direction,
    ) -> Result<Self> {
        let query = query.into_iter().chain(options.query);
        let mut signaling = Signaling::open(&options.url, path, &options.key, query).await?;
        let toward = match options.through {
            Some(through) if through.ip().is_loopback() => through.ip(),
            Some(_) | None => signaling.local,
        };
        let local = if toward.is_loopback() { loopback(toward) } else { signaling.local };
        let (mut flow, offer) = Flow::offer(local, direction, options.clip, options.through).await?;
        signaling.send(json!({"type": "offer", "sdp": offer})).await?;
        let (answer, before) = signaling.until_answered().await?;
        let mailbox = Arc::new(Mailbox::default());
        let session =
            before.iter().find_map(|message| message.get("session_id")?.as_str()).unwrap_or_default();
        let session = session.to_owned();
        for message in before {
            mailbox.put(Happening::Message(message));
        }
        flow.accept(&answer)?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let (sent, stop) = (flow.sent(), Arc::new(tokio::sync::Notify::new()));
        let signaling = tokio::spawn(signaling.serve(inbox, mailbox.clone()));
        let media = tokio::spawn(flow.serve(mailbox.clone(), stop.clone()));
        Ok(Self { session, mailbox, sent, commands, stop, signaling, media })
    }

    /// The id that the server gave to the connection. Empty for viewers of servers that give them none.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// What was sent of the clip, and when. It grows while the peer lives, and outlives it.
    pub fn sent(&self) -> Arc<Sent> {
        self.sent.clone()
    }

    /// What happened next; none after [`Happening::Closed`]. Can be cancelled without losing anything.
    pub async fn next(&mut self) -> Option<Happening> {
        self.mailbox.take().await
    }

    /// Sends a signaling message.
    #[expect(clippy::unused_async, reason = "a queue in between is nobody's business")]
    pub async fn send(&self, message: Value) {
        // A connection that is closed says so in its own way.
        let _ = self.commands.send(Command::Say(message));
    }

    /// Ends in order: a close frame, then media. Returns the code with which the server answered.
    pub async fn close(mut self) -> Option<u16> {
        let _ = self.commands.send(Command::Close);
        let answered = async {
            loop {
                match self.mailbox.take().await {
                    Some(Happening::Closed { code, .. }) => return code,
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        let code = tokio::time::timeout(GOODBYE, answered).await.ok().flatten();
        self.stop.notify_one();
        let _ = tokio::time::timeout(GOODBYE, &mut self.media).await;
        code
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.signaling.abort();
        self.media.abort();
    }
}

fn loopback(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    }
}
