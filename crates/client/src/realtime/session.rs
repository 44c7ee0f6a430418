//! A realtime session, as an application has it.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use wire::account::SessionReceipt;
use wire::realtime::{Field, Prompt, SetImage};

use super::camera::Camera;
use super::connection::{Connection, Event, State};
use super::driver::{Command, Driver, Status};
use super::emitter::{Emitter, HandlerId};
use super::error::{Error, ErrorCode};
use super::look::{Look, Update};
use super::media::Streams;
use super::options::Options;
use super::screen::{Frames, Screen};
use super::token::SubscribeToken;
use crate::Client;

/// What a session is to be.
#[derive(Clone)]
pub struct Start {
    /// The model.
    pub model: String,
    /// What is sent.
    pub camera: Camera,
    /// The rest: what it begins with, and how patient it is.
    pub options: Options,
}

/// A session that sends video and gets it back changed. Dropping it ends it.
///
/// Events that happen before anybody wants any are kept, and handed out in order to those who come first.
pub struct Session(Handle);

/// A connection that watches somebody else's session. Dropping it ends it.
pub struct Watching(Handle);

struct Handle {
    client: Client,
    commands: mpsc::UnboundedSender<Command>,
    emitter: Emitter,
    status: Arc<Mutex<Status>>,
    screen: Screen,
}

impl Session {
    /// Connects, and returns when media flow. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// Why there is no session: in the server's words, if it has refused.
    pub async fn connect(client: &Client, start: Start) -> Result<Self, Error> {
        let Start { model, camera, options } = start;
        let base = client.clone();
        let url = move |session: Option<&str>| {
            let session = session.map(|session| ("session", session));
            base.socket_url(&["v1", "stream"], [("model", model.as_str())].into_iter().chain(session))
        };
        let lens = Some(camera.lens());
        let options = Options { produces: true, ..options };
        Ok(Self(Handle::connect(client, url, lens, options).await?))
    }

    /// Sets prompt and image at once: what the look has not is taken away. Returns when the server has taken it.
    ///
    /// # Errors
    /// When there is no session, when the server does not take it, or does not answer in time.
    pub async fn set(&self, look: &Look) -> Result<(), Error> {
        self.0.update(Update::whole(look)).await
    }

    /// Sets the prompt; the image stays. `enhance` permits the server to rewrite it for the model.
    ///
    /// # Errors
    /// As [`Session::set`].
    pub async fn set_prompt(&self, text: &str, enhance: bool) -> Result<(), Error> {
        self.0.update(Update::Prompt(Prompt { prompt: text.to_owned(), enhance_prompt: enhance })).await
    }

    /// Sets the reference image (a JPEG, PNG or WebP file), or takes it away; the prompt stays.
    ///
    /// # Errors
    /// As [`Session::set`].
    pub async fn set_image(&self, file: Option<&[u8]>) -> Result<(), Error> {
        let image_data = file.map_or(Field::Null, |file| Field::Value(STANDARD.encode(file)));
        self.0.update(Update::Image(SetImage { image_data, ..SetImage::default() })).await
    }

    /// The session's id; another one after each reconnect.
    pub fn id(&self) -> Option<String> {
        Some(self.0.status().session?.id)
    }

    /// What a viewer needs to watch this session; another one after each reconnect.
    pub fn subscribe_token(&self) -> Option<SubscribeToken> {
        let session = self.0.status().session?;
        Some(SubscribeToken { sid: session.id, ip: session.ip, port: session.port })
    }

    /// What it has cost, over all its connections: settled when the session has ended.
    ///
    /// # Errors
    /// When there was no session yet, or the server cannot be asked.
    pub async fn receipt(&self) -> Result<SessionReceipt, crate::Error> {
        match self.id() {
            Some(id) => Ok(self.0.client.settled_session(&id).await?.value),
            None => Err(crate::Error::NoId("there was no session yet".to_owned())),
        }
    }
}

impl Watching {
    /// Connects to what that token is for. Returns when media flow.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn connect(client: &Client, token: &SubscribeToken, options: Options) -> Result<Self, Error> {
        let (base, token) = (client.clone(), token.clone());
        let url = move |_: Option<&str>| {
            let port = token.port.to_string();
            base.socket_url(&["subscribe", &token.sid], [("IP", token.ip.as_str()), ("port", &port)])
        };
        let options = Options { produces: false, look: None, session: None, ..options };
        Ok(Self(Handle::connect(client, url, None, options).await?))
    }
}

macro_rules! common {
    ($($type:ident)*) => {$(
        impl $type {
            /// Calls back with each event, in order. The callback should be quick: others wait for it.
            pub fn on(&self, callback: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
                self.0.emitter.add(callback)
            }

            /// Takes a callback away. False if it was already.
            pub fn off(&self, id: HandlerId) -> bool {
                self.0.emitter.remove(id)
            }

            /// The events, in order. Ends with the session's owner.
            pub fn events(&self) -> impl Stream<Item = Event> + Send + Unpin + use<> {
                self.0.emitter.stream()
            }

            /// The pictures that come, decoded.
            pub fn frames(&self) -> Frames {
                self.0.screen.frames()
            }

            /// The public state.
            pub fn state(&self) -> State {
                self.0.status().state
            }

            /// Whether media flow.
            pub fn is_connected(&self) -> bool {
                matches!(self.state(), State::Connected | State::Generating)
            }

            /// Ends it. Nothing happens after this.
            pub async fn disconnect(&self) {
                let (answer, answered) = oneshot::channel();
                if self.0.commands.send(Command::Disconnect(answer)).is_ok() {
                    // A driver that is gone has let go of everything.
                    let _ = answered.await;
                }
            }
        }
    )*};
}

common!(Session Watching);

impl Handle {
    async fn connect(
        client: &Client,
        url: impl Fn(Option<&str>) -> String + Send + 'static,
        lens: Option<super::camera::Lens>,
        options: Options,
    ) -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorCode::InvalidState, &format!("no thread can be had for the pictures: {error}"))
        };
        let screen = Screen::new().map_err(failed)?;
        let (emitter, status) = (Emitter::default(), Arc::<Mutex<Status>>::default());
        let driver = Driver {
            connection: Connection::new(options),
            url: Box::new(url),
            streams: Streams { lens, screen: screen.clone() },
            emitter: emitter.clone(),
            status: status.clone(),
            key: client.key().clone(),
        };
        let (commands, orders) = mpsc::unbounded_channel();
        tokio::spawn(driver.run(orders));
        tokio::spawn(emitter.clone().run());
        let handle = Self { client: client.clone(), commands, emitter, status, screen };
        handle.ask(Command::Connect).await?;
        Ok(handle)
    }

    async fn update(&self, update: Update) -> Result<(), Error> {
        self.ask(|answer| Command::Update(update, answer)).await
    }

    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), Error>>) -> Command,
    ) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::new(ErrorCode::Aborted, "the runtime of the session is gone");
        self.commands.send(command(answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
