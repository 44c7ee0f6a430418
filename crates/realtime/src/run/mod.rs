//! Sessions at run time: the machines of this crate, fed by sockets, media and the ledger.
//!
//! [`Realtime`] owns what all sessions share: the media port, the workers that compute pictures, and who is live. For
//! each WebSocket the caller asks [`Realtime::produce`] or [`Realtime::view`] whether it may be, and hands the socket to
//! what it gets. One task drives one connection; pictures are computed elsewhere, by a few threads for all of them (see
//! [`Pipeline`]), so that nothing that takes a processor's time delays a message, a packet or a tick.

mod pipeline;
mod producer;
mod registry;
mod socket;
mod viewer;
mod workers;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meter::{ClientToken, ConnectionId, KeyId, Kind, Rate, SecretHash, SessionId};
use store::{OpenConnection, Resumable, Store};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use video::Generator;

use crate::admit::{self, Producer as Watched, Purpose, Refusal, Request, Verdict};
use crate::look::{Image, Look, Prompt};
use crate::session::{Advertised, Cause, Options, Start};

pub use media::is_ice as is_media;
pub use pipeline::Pipeline;
pub use producer::Producer;
pub use registry::Room;
pub use socket::{Frame, Received, Socket};
pub use viewer::Watcher;

use registry::{Place, Registry};
use workers::Workers;

/// How long a session without a connection can be gone on with.
const RESUMABLE: Duration = Duration::from_secs(15 * 60);

/// How often those that cannot be any more are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// How long a shutdown waits for sessions to settle.
const SHUTTING_DOWN: Duration = Duration::from_secs(8);

/// How long a client that is refused may take to answer the close frame.
const FAREWELL: Duration = Duration::from_secs(2);

/// A model that can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// As clients name it.
    pub name: String,
    /// What computes its pictures: a name that [`video::builtin`] knows.
    pub generator: String,
    /// The size of its pictures.
    pub size: video::Size,
    /// The most pictures of it a second.
    pub fps: u32,
    /// The price of a second.
    pub per_second: Rate,
}

/// How sessions are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The media port.
    pub media: media::Settings,
    /// What can be asked for.
    pub models: Vec<Model>,
    /// The most sessions at a time. Beyond them a client is told at once that there is no room.
    pub max_sessions: usize,
    /// The most of one key.
    pub max_sessions_per_key: usize,
    /// The most viewers of one session.
    pub max_viewers_per_session: usize,
    /// The limits of each session.
    pub session: Options,
}

/// Why realtime sessions cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The media port cannot be opened.
    #[error(transparent)]
    Port(#[from] media::BindError),
    /// A model names a generator that does not exist.
    #[error("the model {model} names the generator `{generator}`; there are passthrough and restyle")]
    Generator {
        /// The model.
        model: String,
        /// What it names.
        generator: String,
    },
    /// The threads that compute pictures cannot be started.
    #[error("cannot start the threads that compute pictures: {0}")]
    Workers(std::io::Error),
}

/// Makes what computes the pictures of a session, by a name; none if there is nothing of that name.
pub type Generators = Box<dyn Fn(&str) -> Option<Box<dyn Generator>> + Send + Sync>;

/// All realtime sessions of a server. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Realtime(Arc<Shared>);

struct Shared {
    port: media::Port,
    store: Arc<dyn Store>,
    models: BTreeMap<String, Model>,
    registry: Registry,
    max_viewers_per_session: usize,
    workers: Workers,
    generators: Generators,
    session: Options,
    advertised: Advertised,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What sessions hold at one moment. Nothing, when everybody has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Sessions, from their admission until they are settled.
    pub sessions: usize,
    /// Media connections, to those who produce and those who watch.
    pub connections: usize,
    /// Entries of the media port's tables: the connections, and the addresses and TCP connections of each.
    pub routes: usize,
}

/// A WebSocket that wants to be a session.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The query parameter `user_agent`.
    pub user_agent: &'a str,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// Who asks.
    pub credential: Credential<'a>,
}

/// What a client has shown.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// Nothing.
    Missing,
    /// What makes it the operator of the server, or somebody on the operator's machine: metered as `local`.
    Operator,
    /// A secret that only the ledger knows.
    Secret(&'a str),
}

/// What a credential turned out to be.
enum Holder {
    Missing,
    Unknown,
    Expired,
    Key(KeyId),
    Token(ClientToken),
}

impl Realtime {
    /// Opens the media port and starts the workers. The generators are those of [`video::builtin`]. Has to be called within
    /// a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(settings: Settings, store: Arc<dyn Store>) -> Result<Self, StartError> {
        Self::start_with(settings, store, Box::new(video::builtin)).await
    }

    /// The same with other generators.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_with(
        settings: Settings,
        store: Arc<dyn Store>,
        generators: Generators,
    ) -> Result<Self, StartError> {
        let Settings { media, models, max_sessions, max_sessions_per_key, max_viewers_per_session, session } =
            settings;
        for model in &models {
            if generators(&model.generator).is_none() {
                let (model, generator) = (model.name.clone(), model.generator.clone());
                return Err(StartError::Generator { model, generator });
            }
        }
        let port = media::Port::bind(media).await?;
        let advertised = advertised(port.addresses());
        let realtime = Self(Arc::new(Shared {
            port,
            store,
            models: models.into_iter().map(|model| (model.name.clone(), model)).collect(),
            registry: Registry::new(max_sessions, max_sessions_per_key),
            max_viewers_per_session,
            workers: Workers::start().map_err(StartError::Workers)?,
            generators,
            session,
            advertised,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        realtime.0.tasks.spawn(sweep(realtime.0.clone()));
        Ok(realtime)
    }

    /// The models, by name.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.0.models.values()
    }

    /// Where media are listened for.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.0.port.addresses()
    }

    /// Says where connections of TCP arrive that are handed to [`Realtime::accept_tcp`]. Clients are told of it from now on.
    pub fn announce_tcp(&self, listener: SocketAddr) {
        self.0.port.announce_tcp(listener);
    }

    /// Takes over a connection that begins like media ([`is_media`]), from its first byte on.
    pub fn accept_tcp(&self, stream: TcpStream) {
        self.0.port.accept_tcp(stream);
    }

    /// What sessions hold at this moment.
    pub fn held(&self) -> Held {
        let Shared { registry, port, .. } = &*self.0;
        Held { sessions: registry.taken(), connections: port.peers(), routes: port.entries() }
    }

    /// Whether there may be a session of that model, and if so, the session, to be given its socket. `resume` is the id
    /// of an earlier session of the same key, whose prompt and image it goes on with.
    ///
    /// # Errors
    /// How the client is to be told that there may not, or why the ledger could not say.
    pub async fn produce(
        &self,
        asking: Asking<'_>,
        model: &str,
        resume: Option<&str>,
    ) -> Result<Producer, NotAdmitted> {
        let shared = &self.0;
        let holder = self.holder(asking.credential).await?;
        let known = shared.models.get(model);
        let key = holder.pays().cloned().unwrap_or_else(KeyId::local);
        let (room, place) = match &known {
            // A client that is told so tries again, and finds the next server.
            Some(_) if shared.stop.is_cancelled() => (Room::ServerFull, None),
            Some(_) if holder.pays().is_some() => shared.registry.place(&key),
            Some(_) | None => (Room::Free, None),
        };
        let verdict = |has_credits| {
            let purpose = Purpose::Produce { model, is_known: known.is_some(), has_credits, room };
            holder.verdict(asking, purpose)
        };
        let max_duration = match verdict(true) {
            Verdict::Admit { max_duration } => max_duration,
            refused @ (Verdict::Http { .. } | Verdict::Socket { .. }) => return Err(refused.into()),
        };
        let (Some(model), Some(place)) = (known, place) else {
            return Err(NotAdmitted::Failed("there is neither a model nor a place".to_owned()));
        };
        let resumed = match resume {
            Some(id) => {
                shared.store.resumable(&ConnectionId::new(id)).await?.filter(|found| found.key == key)
            }
            None => None,
        };
        let payer = Payer { key, token: holder.token() };
        let opening = open(shared.clone(), place, payer, model.clone(), resumed, max_duration);
        // In a task of its own: if the client leaves meanwhile, this call is cut off, and the ledger has the connection all
        // the same. Then it is dropped there, which ends it.
        match shared.tasks.spawn(opening).await {
            Ok(Ok(producer)) => Ok(producer),
            Ok(Err(store::Error::InsufficientCredits)) => Err(verdict(false).into()),
            // Meanwhile it was revoked.
            Ok(Err(store::Error::NoSuchKey)) => {
                let purpose =
                    Purpose::Produce { model: &model.name, is_known: true, has_credits: true, room };
                Err(Holder::Unknown.verdict(asking, purpose).into())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(NotAdmitted::Failed(error.to_string())),
        }
    }

    /// Whether somebody may watch what the session of that id produces.
    ///
    /// # Errors
    /// As [`Realtime::produce`].
    pub async fn view(&self, asking: Asking<'_>, session: &str) -> Result<Watcher, NotAdmitted> {
        let holder = self.holder(asking.credential).await?;
        let (producer, found) = match self.0.registry.watch(session) {
            registry::Watch::Live(live) => match live.seats.clone().try_acquire_owned() {
                Ok(seat) => (Watched::Live, Some((live, seat))),
                Err(_) => (Watched::Full, None),
            },
            registry::Watch::Ended => (Watched::Ended, None),
            registry::Watch::Unknown => (Watched::Unknown, None),
        };
        match (holder.verdict(asking, Purpose::View { producer }), found) {
            (Verdict::Admit { .. }, Some((live, seat))) => Ok(Watcher::new(self.0.clone(), live, seat)),
            (refused, _) => Err(refused.into()),
        }
    }

    /// Ends the connections of a session, by its id or that of one of them, as its operator wishes. Says whether there
    /// was one.
    pub fn end(&self, id: &str) -> bool {
        self.0.registry.end(id, &Cause::Deleted)
    }

    /// Ends all sessions and waits until they are settled.
    pub async fn shut_down(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(SHUTTING_DOWN, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("realtime sessions were not settled in time; the next start settles them");
        }
        self.0.port.close();
    }

    async fn holder(&self, credential: Credential<'_>) -> Result<Holder, store::Error> {
        let secret = match credential {
            Credential::Missing => return Ok(Holder::Missing),
            Credential::Operator => return Ok(Holder::Key(KeyId::local())),
            Credential::Secret(secret) => secret,
        };
        let hash = SecretHash::of(secret);
        Ok(match Kind::of_credential(secret) {
            Kind::ClientToken => match self.0.store.find_token(hash).await? {
                None => Holder::Unknown,
                Some(token) if token.expires_at() <= now_ms() => Holder::Expired,
                Some(token) => Holder::Token(token),
            },
            Kind::Key => match self.0.store.find_key(hash).await? {
                None => Holder::Unknown,
                Some(key) => Holder::Key(key.id),
            },
        })
    }
}

impl Holder {
    fn pays(&self) -> Option<&KeyId> {
        match self {
            Self::Missing | Self::Unknown | Self::Expired => None,
            Self::Key(key) => Some(key),
            Self::Token(token) => Some(&token.key),
        }
    }

    fn token(&self) -> Option<SecretHash> {
        match self {
            Self::Missing | Self::Unknown | Self::Expired | Self::Key(_) => None,
            Self::Token(token) => Some(token.hash),
        }
    }

    fn verdict(&self, asking: Asking<'_>, purpose: Purpose<'_>) -> Verdict {
        let key = match self {
            Self::Missing => admit::Key::Missing,
            Self::Unknown => admit::Key::Unknown,
            Self::Expired => admit::Key::Expired,
            Self::Key(_) => admit::Key::Permanent,
            Self::Token(token) => admit::Key::Token {
                models: token.limits.models(),
                origins: token.limits.origins(),
                max_duration: token.limits.max_duration().map(|secs| Duration::from_secs(secs.into())),
            },
        };
        admit::admit(&Request { user_agent: asking.user_agent, origin: asking.origin, key, purpose })
    }
}

/// Why a WebSocket becomes no session.
#[derive(Debug)]
pub enum NotAdmitted {
    /// Answer the upgrade with that status and the refusal's text.
    Http(u16, Refusal),
    /// Accept the WebSocket and give it to [`refuse`].
    Socket(Refusal),
    /// Something is wrong with the server. The text is for its log.
    Failed(String),
}

impl From<Verdict> for NotAdmitted {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Http { status, refusal } => Self::Http(status, refusal),
            Verdict::Socket { refusal } => Self::Socket(refusal),
            Verdict::Admit { .. } => Self::Failed("admitted, and yet nothing to admit".to_owned()),
        }
    }
}

impl From<store::Error> for NotAdmitted {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Tells a client that was let in for that alone why there is no session.
pub async fn refuse(mut socket: impl Socket, refusal: Refusal) {
    let close = refusal.close();
    let closing = Frame::Close { code: close.code, reason: close.reason.to_owned() };
    if !socket::send_message(&mut socket, &refusal.message()).await
        || !socket::send(&mut socket, closing).await
    {
        return;
    }
    // A connection that is dropped with something unread is reset, and the client may lose what it was told.
    let farewell = async { while !matches!(socket.receive().await, None | Some(Received::Close(_))) {} };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Who pays for a connection, and by which token.
struct Payer {
    key: KeyId,
    token: Option<SecretHash>,
}

/// Enters a connection into the ledger. From then on it is the session's to end it.
async fn open(
    shared: Arc<Shared>,
    mut place: Place,
    payer: Payer,
    model: Model,
    mut resumed: Option<Resumable>,
    max_duration: Option<Duration>,
) -> Result<Producer, store::Error> {
    let id = uuid::Uuid::new_v4().to_string();
    let connection = ConnectionId::new(id.clone());
    let (session, ends) = loop {
        let new = || SessionId::new(id.clone());
        let session = resumed.as_ref().map_or_else(new, |found| found.session.clone());
        // Before the ledger knows of it: whoever finds it there can end it.
        let ends = place.take(id.clone(), session.clone());
        let open = OpenConnection {
            session: session.clone(),
            connection: connection.clone(),
            key: payer.key.clone(),
            model: model.name.clone(),
            per_second: model.per_second,
            token: payer.token,
            at: now_ms(),
        };
        match shared.store.open_connection(open).await {
            Ok(()) => break (session, ends),
            // Meanwhile it was ended, so this is another one.
            Err(store::Error::SessionEnded) if resumed.is_some() => resumed = None,
            Err(error) => return Err(error),
        }
    };
    let look = resumed.map(|found| Look {
        prompt: found.prompt.map(|prompt| Prompt { text: prompt.text, enhance: prompt.enhance }),
        image: found.image.and_then(Image::from_file),
    });
    let start = Start { session_id: id, advertised: shared.advertised, resumed: look, max_duration };
    Ok(Producer::new(shared, place, ends, session, connection, model, start))
}

/// Forgets sessions that nobody will go on with.
async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        let now = now_ms();
        let before = now.saturating_sub(u64::try_from(RESUMABLE.as_millis()).unwrap_or(u64::MAX));
        if let Err(error) = shared.store.end_sessions_idle_since(before, now).await {
            tracing::warn!("old sessions are not ended: {error}");
        }
    }
}

/// What clients are told of the port. Their tokens for viewers need something that is not nothing.
fn advertised(addresses: &[SocketAddr]) -> Advertised {
    let first = addresses.first();
    Advertised {
        ip: first.map_or(IpAddr::from([127, 0, 0, 1]), SocketAddr::ip),
        port: first.and_then(|address| NonZeroU16::new(address.port())).unwrap_or(NonZeroU16::MIN),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
