//! A realtime session, and somebody who watches one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::realtime::connection::State;
use client::realtime::{Event, Look, Watching};
use futures_util::{Stream, StreamExt};
use pyo3::prelude::*;
use pyo3::types::PyAny;
use wire::realtime::Prompt;

use crate::bridge::{self, Inbox, Slot};
use crate::fault::Fault;
use crate::pixels::Frames;

/// A connection. When it is gone, it ends.
#[pyclass(frozen)]
pub(crate) struct Session(Arc<Inner>);

struct Inner {
    live: Mutex<Option<Arc<Live>>>,
    /// What it was called last.
    last: Mutex<Name>,
    /// Shared by all who look: there is one row of pictures, and each goes to who asks first.
    frames: Mutex<Weak<Shown>>,
}

pub(crate) type Shown = tokio::sync::Mutex<client::realtime::Frames>;

#[derive(Clone, Default)]
struct Name {
    id: Option<String>,
    token: Option<String>,
}

pub(crate) enum Live {
    Sends(client::realtime::Session),
    Watches(Watching),
}

/// Who is told what happens: a function, which is called in its loop.
pub(crate) struct Tell {
    slot: Slot,
    function: Arc<Py<PyAny>>,
}

impl Session {
    /// Has the running connection tell what happens in it, up to its end.
    pub(crate) fn begin(live: Live, tell: Tell) -> Self {
        let mut events = live.events();
        let live = Mutex::new(Some(Arc::new(live)));
        let inner = Arc::new(Inner { live, last: Mutex::default(), frames: Mutex::default() });
        let told: Weak<Inner> = Arc::downgrade(&inner);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let is_over = event == Event::ConnectionChange { state: State::Disconnected };
                match serde_json::to_string(&event) {
                    Ok(json) => tell.tell(json),
                    // It has no map with other keys than text.
                    Err(_) => continue,
                }
                // There is no way back. What was said in the same go is still told: events end when it is let go of.
                if is_over && let Some(inner) = told.upgrade() {
                    inner.end();
                }
            }
            tell.tell(None::<String>);
        });
        Self(inner)
    }
}

#[pymethods]
impl Session {
    /// The public state.
    #[getter]
    fn state(&self) -> &'static str {
        match self.0.live().map_or(State::Disconnected, |live| live.state()) {
            State::Disconnected => "disconnected",
            State::Connecting => "connecting",
            State::Connected => "connected",
            State::Generating => "generating",
            State::Reconnecting => "reconnecting",
        }
    }

    /// What the server calls it, or has called it last.
    #[getter]
    fn id(&self) -> Option<String> {
        self.0.name().id
    }

    /// What a viewer needs.
    #[getter]
    fn token(&self) -> Option<String> {
        self.0.name().token
    }

    /// Replaces prompt and image.
    fn set<'py>(
        &self,
        py: Python<'py>,
        prompt: Option<String>,
        enhance: bool,
        image: Option<Vec<u8>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (live, look) = (self.0.sender(), look(prompt, enhance, image));
        bridge::future(py, async move { Ok(live?.sends()?.set(&look).await?) })
    }

    /// Sets the prompt.
    fn set_prompt<'py>(&self, py: Python<'py>, prompt: String, enhance: bool) -> PyResult<Bound<'py, PyAny>> {
        let live = self.0.sender();
        bridge::future(py, async move { Ok(live?.sends()?.set_prompt(&prompt, enhance).await?) })
    }

    /// Sets the image, or takes it away.
    fn set_image<'py>(&self, py: Python<'py>, image: Option<Vec<u8>>) -> PyResult<Bound<'py, PyAny>> {
        let live = self.0.sender();
        bridge::future(py, async move { Ok(live?.sends()?.set_image(image.as_deref()).await?) })
    }

    /// Has each picture told to `show`, which is called in the running loop; `None` when there will be none.
    fn frames(&self, py: Python<'_>, show: Py<PyAny>) -> PyResult<Option<Frames>> {
        let Some(live) = self.0.live() else { return Ok(None) };
        let mut shared = self.0.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let frames = shared.upgrade().unwrap_or_else(|| Arc::new(Shown::new(live.frames())));
        *shared = Arc::downgrade(&frames);
        Frames::begin(frames, Tell::new(py, show)?).map(Some)
    }

    /// Ends it.
    fn disconnect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let live = self.0.live();
        bridge::future(py, async move {
            if let Some(live) = live {
                live.disconnect().await;
            }
            Ok(())
        })
    }
}

impl Inner {
    fn live(&self) -> Option<Arc<Live>> {
        self.guard().clone()
    }

    fn sender(&self) -> Result<Arc<Live>, Fault> {
        self.live().ok_or_else(Fault::over)
    }

    fn name(&self) -> Name {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Live::Sends(session)) = self.live().as_deref() {
            *last =
                Name { id: session.id(), token: session.subscribe_token().map(|token| token.to_string()) };
        }
        last.clone()
    }

    fn end(&self) {
        self.name();
        // Let go of it outside of the lock.
        let live = self.guard().take();
        drop(live);
    }

    fn guard(&self) -> MutexGuard<'_, Option<Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn sends(&self) -> Result<&client::realtime::Session, Fault> {
        match self {
            Self::Sends(session) => Ok(session),
            Self::Watches(_) => Err(Fault::new("invalid_state", "only who sends the video can change it")),
        }
    }

    fn events(&self) -> Pin<Box<dyn Stream<Item = Event> + Send>> {
        match self {
            Self::Sends(session) => Box::pin(session.events()),
            Self::Watches(watching) => Box::pin(watching.events()),
        }
    }

    fn frames(&self) -> client::realtime::Frames {
        match self {
            Self::Sends(session) => session.frames(),
            Self::Watches(watching) => watching.frames(),
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Sends(session) => session.state(),
            Self::Watches(watching) => watching.state(),
        }
    }

    async fn disconnect(&self) {
        match self {
            Self::Sends(session) => session.disconnect().await,
            Self::Watches(watching) => watching.disconnect().await,
        }
    }
}

impl Tell {
    /// In the running loop.
    pub(crate) fn new(py: Python<'_>, function: Py<PyAny>) -> PyResult<Self> {
        Ok(Self { slot: Inbox::of_running_loop(py)?, function: Arc::new(function) })
    }

    pub(crate) fn tell(&self, what: impl for<'a> IntoPyObject<'a> + Send + 'static) {
        let function = self.function.clone();
        self.slot.put(move |py| function.call1(py, (what,)).map(drop));
    }
}

/// What pictures shall become, with the file of an image.
pub(crate) fn look(prompt: Option<String>, enhance: bool, image: Option<Vec<u8>>) -> Look {
    Look {
        prompt: prompt.map(|prompt| Prompt { prompt, enhance_prompt: enhance }),
        image: image.map(|image| STANDARD.encode(image)),
    }
}
