//! What a command says when it cannot do its work.

use std::io::{self, Write};
use std::process::ExitCode;

use wire::ErrorBody;

use crate::render::{clean, short};

/// A failed command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something to tell.
    Said {
        /// What happened and what to do, in a sentence.
        message: String,
        /// Which kind of error: a code of the server's, or one of the client's own.
        code: Option<String>,
        /// Lines that belong to the message.
        details: Vec<String>,
    },
    /// It has been told already.
    Told,
    /// Whoever read the output is gone: nobody is left to tell.
    Unheard,
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl Failure {
    /// A sentence without a code.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Said { message: message.into(), code: None, details: Vec::new() }
    }

    /// A sentence with a code.
    pub(crate) fn coded(message: impl Into<String>, code: impl Into<String>) -> Self {
        Self::Said { message: message.into(), code: Some(code.into()), details: Vec::new() }
    }

    /// Tells it on standard error, and gives the status that the process ends with.
    pub(crate) fn tell(self, json: bool) -> ExitCode {
        match self {
            Self::Said { message, code, details } => {
                let mut stderr = io::stderr().lock();
                // Nobody can be told that standard error is closed.
                let _ = if json {
                    let body = ErrorBody { error: message, code };
                    writeln!(stderr, "{}", serde_json::to_string(&body).unwrap_or_default())
                } else {
                    writeln!(stderr, "{}", sentence(&message, code.as_deref()))
                        .and_then(|()| details.iter().try_for_each(|line| writeln!(stderr, "  {line}")))
                };
                ExitCode::FAILURE
            }
            Self::Told => ExitCode::FAILURE,
            Self::Unheard => ExitCode::SUCCESS,
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

/// An error as people see it, in one line.
pub(crate) fn sentence(message: &str, code: Option<&str>) -> String {
    let message = clean(message);
    match code.map(clean) {
        Some(code) => format!("error: {message} ({code})"),
        None => format!("error: {message}"),
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        use client::Error;
        let message = match &error {
            Error::Unreachable { .. } => format!(
                "{error}. Start one with `dispatch serve`, or say where it is with --server or DISPATCH_SERVER"
            ),
            Error::Unknown(_) => format!("{error}; `dispatch list --all` shows all of them"),
            _ => error.to_string(),
        };
        let details = match &error {
            Error::Ambiguous { found, .. } => {
                found.iter().map(|found| format!("{}  {}", short(&found.id), clean(&found.title))).collect()
            }
            _ => Vec::new(),
        };
        Self::Said { message, code: error.code().map(str::to_owned), details }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unheard,
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        Self::coded(error.to_string(), "invalid-config")
    }
}
