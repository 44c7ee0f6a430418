//! What is heard of conversations. Each `next` is a future of its own; one at a time.

use std::sync::Arc;

use client::Seen;
use pyo3::prelude::*;
use pyo3::types::PyAny;
use tokio::sync::Mutex;

use crate::bridge;

/// A message and what happens in its turn.
#[pyclass(frozen)]
pub(crate) struct Turn(Arc<Mutex<client::Turn>>);

impl Turn {
    pub(crate) fn new(turn: client::Turn) -> Self {
        Self(Arc::new(Mutex::new(turn)))
    }
}

#[pymethods]
impl Turn {
    /// The JSON of the next event; `None` at the end.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let turn = self.0.clone();
        bridge::future(py, async move { Ok(turn.lock().await.next().await?.map(json)) })
    }
}

/// What happens in a conversation.
#[pyclass(frozen)]
pub(crate) struct Watch(Arc<Mutex<client::Watch>>);

impl Watch {
    pub(crate) fn new(watch: client::Watch) -> Self {
        Self(Arc::new(Mutex::new(watch)))
    }
}

#[pymethods]
impl Watch {
    /// The JSON of the next event.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let watch = self.0.clone();
        bridge::future(py, async move { Ok(json(watch.lock().await.next().await?)) })
    }
}

fn json(seen: Seen) -> String {
    match seen {
        Seen::Event(event) => event.json,
        Seen::Gap => r#"{"type":"gap"}"#.to_owned(),
    }
}
