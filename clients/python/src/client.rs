//! A server, and the key to it.

use std::time::Duration;

use client::Message;
use client::realtime::{Options, Start, SubscribeToken, Watching};
use pyo3::prelude::*;
use pyo3::types::PyAny;
use serde_json::json;
use wire::ConversationId;

use crate::bridge;
use crate::camera::Camera;
use crate::fault::Fault;
use crate::feed::{Turn, Watch};
use crate::http::{Call, Http};
use crate::session::{Live, Session, Tell, look};

/// A server, and the key to it. Neither can be read from it.
#[pyclass(frozen)]
pub(crate) struct Client {
    client: client::Client,
    http: Http,
}

#[pymethods]
impl Client {
    #[new]
    fn new(url: &str, key: Option<&str>) -> PyResult<Self> {
        let client = client::Client::new(url, key).map_err(Fault::from)?;
        Ok(Self { client, http: Http::new(url, key.map(str::trim))? })
    }

    /// Where the server is.
    #[getter]
    fn url(&self) -> &str {
        self.client.server()
    }

    /// The JSON of an answer.
    fn request<'py>(
        &self,
        py: Python<'py>,
        method: String,
        path: Vec<String>,
        query: Vec<(String, String)>,
        body: Option<String>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let timeout = Duration::try_from_secs_f64(timeout).map_err(|_| Fault::input("no such timeout"))?;
        let (http, call) = (self.http.clone(), Call { method, path, query, body, timeout });
        bridge::future(py, async move { http.json(call).await })
    }

    /// Sends a message, once however often it has to be tried. The JSON of what became of it: of the queue that it is in, or
    /// the id of its turn.
    fn send<'py>(&self, py: Python<'py>, message: &str) -> PyResult<Bound<'py, PyAny>> {
        let (client, message) = (self.client.clone(), parsed_message(message)?);
        bridge::future(py, async move {
            Ok(match client.send(&message).await? {
                client::Taken::Turn(turn) => json!({ "turnId": turn }).to_string(),
                client::Taken::Queued(queued) => json!(queued).to_string(),
            })
        })
    }

    /// A message and its turn. It is sent when the first event is asked for.
    fn stream(&self, message: &str) -> PyResult<Turn> {
        Ok(Turn::new(self.client.stream(parsed_message(message)?)))
    }

    /// What happens in a conversation. Connects when the first event is asked for.
    fn watch(&self, conversation: &str) -> PyResult<Watch> {
        let id = ConversationId::parse(conversation).map_err(|error| Fault::input(error.to_string()))?;
        Ok(Watch::new(client::Watch::new(&self.client, id)))
    }

    /// A session that sends what the camera is shown. `tell` is called in the running loop with the JSON of each event,
    /// and with `None` when there will be no more.
    fn connect<'py>(
        &self,
        py: Python<'py>,
        tell: Py<PyAny>,
        camera: &Camera,
        model: String,
        options: &str,
        begins: Option<(Option<String>, bool, Option<Vec<u8>>)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = Options {
            look: begins.map(|(prompt, enhance, image)| look(prompt, enhance, image)),
            ..parsed(options)?
        };
        let tell = Tell::new(py, tell)?;
        let (client, camera) = (self.client.clone(), camera.camera.clone());
        bridge::future(py, async move {
            let start = Start { model, camera, options };
            let session = client::realtime::Session::connect(&client, start).await?;
            Ok(Session::begin(Live::Sends(session), tell))
        })
    }

    /// Watches a session of somebody else.
    fn subscribe<'py>(
        &self,
        py: Python<'py>,
        tell: Py<PyAny>,
        token: &str,
        options: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let token: SubscribeToken =
            token.parse().map_err(|error: client::realtime::Error| Fault::from(error))?;
        let options = parsed(options)?;
        let tell = Tell::new(py, tell)?;
        let client = self.client.clone();
        bridge::future(py, async move {
            let watching = Watching::connect(&client, &token, options).await?;
            Ok(Session::begin(Live::Watches(watching), tell))
        })
    }
}

fn parsed(options: &str) -> Result<Options, Fault> {
    serde_json::from_str(options)
        .map_err(|error| Fault::input(format!("the options cannot be read: {error}")))
}

/// What `POST /chat` takes.
fn parsed_message(message: &str) -> Result<Message, Fault> {
    let wrong = |error: serde_json::Error| Fault::input(format!("the message cannot be read: {error}"));
    Ok(Message {
        request: serde_json::from_str(message).map_err(wrong)?,
        extras: serde_json::from_str(message).map_err(wrong)?,
    })
}
