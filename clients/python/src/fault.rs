//! What calls fail with: `DispatchError`, in its Python shape.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyAny;

/// What `DispatchError` is made of. Never has a key in it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Of an HTTP answer.
    pub(crate) status: Option<u16>,
    /// What the server of a session calls it.
    pub(crate) kind: Option<String>,
    pub(crate) permanent: bool,
}

impl Fault {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: None, kind: None, permanent: false }
    }

    /// What was given cannot be used.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new("invalid_input", message)
    }

    /// A mistake of this module.
    pub(crate) fn panic() -> Self {
        Self::new("internal", "the client has failed; standard error says how")
    }

    /// There is no session any more.
    pub(crate) fn over() -> Self {
        Self::new("not_connected", "there is no session now: the connection is disconnected")
    }
}

impl From<client::realtime::Error> for Fault {
    fn from(error: client::realtime::Error) -> Self {
        let code = serde_json::to_value(error.code).ok();
        let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or("internal").to_owned();
        Self {
            code,
            message: error.message,
            status: None,
            kind: error.error_type,
            permanent: error.permanent,
        }
    }
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Self {
        use client::Error as E;
        let code = match &error {
            E::Unreachable { .. } | E::Broken { .. } => "unreachable",
            E::NotDispatch { .. } => "http",
            E::Refused { code, .. } => code.as_deref().unwrap_or("http"),
            _ => "invalid_input",
        };
        let permanent = match &error {
            E::Unreachable { .. } | E::Broken { .. } | E::NotDispatch { .. } => false,
            E::Refused { status, .. } => status.is_none_or(is_permanent),
            _ => true,
        };
        let status = match &error {
            E::Refused { status, .. } => *status,
            _ => None,
        };
        Self { status, permanent, ..Self::new(code, error.to_string()) }
    }
}

/// A client's mistake stays one; some statuses are about the moment.
pub(crate) fn is_permanent(status: u16) -> bool {
    status < 500 && !matches!(status, 408 | 425 | 429)
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        Python::attach(|py| {
            let Fault { code, message, status, kind, permanent } = fault;
            let made = CLASS
                .import(py, "dispatch_client._error", "DispatchError")
                .and_then(|class| class.call1((code, message, status, kind, permanent)));
            made.map_or_else(|error| error, PyErr::from_value)
        })
    }
}
