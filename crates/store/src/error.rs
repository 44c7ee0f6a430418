use meter::Refusal;
use wire::ErrorCode;

/// Why the log could not do something.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Another process has the directory open.
    #[error(
        "another process is using the data directory {path}; stop it, or give this one a directory of its own"
    )]
    Locked {
        /// The directory.
        path: String,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "the data directory {path} was written by a newer version (schema {found}, this one knows {known})"
    )]
    Newer {
        /// The directory.
        path: String,
        /// The schema version in the file.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The operating system refused to read or write.
    #[error("the log could not be read or written: {0}")]
    Io(String),
    /// The file is not what it should be.
    #[error("the log is damaged: {0}")]
    Corrupt(String),
    /// A turn is open in that conversation.
    #[error("a turn is open in this conversation")]
    TurnOpen,
    /// The turn is not open: it was never begun, or is already sealed.
    #[error("the turn {0} is not open")]
    NotOpen(String),
    /// A write does not fit the log: a seq out of order, a second result for a call. A defect of this program.
    #[error("a write does not fit the log: {0}")]
    Misfit(String),
    /// The client's id of a message was used before in the conversation: see [`crate::Store::client_message`].
    #[error("the message with this client id was taken in before")]
    Repeated,
    /// The key has nothing left, or less than the next second costs.
    #[error("insufficient credits")]
    InsufficientCredits,
    /// There is no key of that id, or it was revoked.
    #[error("there is no such key, or it was revoked")]
    NoSuchKey,
    /// The session or the connection has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The store has been shut down.
    #[error("the log is closed")]
    Closed,
}

impl Error {
    /// The code under which users meet the error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TurnOpen => ErrorCode::TurnActive,
            Self::Closed => ErrorCode::ShuttingDown,
            Self::InsufficientCredits => ErrorCode::InsufficientCredits,
            Self::NoSuchKey => ErrorCode::Unauthorized,
            Self::SessionEnded => ErrorCode::NotFound,
            Self::Repeated | Self::Misfit(_) | Self::NotOpen(_) => ErrorCode::Internal,
            Self::Locked { .. } | Self::Newer { .. } | Self::Full(_) | Self::Io(_) | Self::Corrupt(_) => {
                ErrorCode::StoreFailed
            }
        }
    }

    /// What the rules of the meter have refused, where that is why; none if the write failed, or does not fit.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::InsufficientCredits => Some(Refusal::InsufficientCredits),
            Self::NoSuchKey => Some(Refusal::Revoked),
            Self::SessionEnded => Some(Refusal::Ended),
            Self::Locked { .. }
            | Self::Newer { .. }
            | Self::Full(_)
            | Self::Io(_)
            | Self::Corrupt(_)
            | Self::TurnOpen
            | Self::NotOpen(_)
            | Self::Misfit(_)
            | Self::Repeated
            | Self::Closed => None,
        }
    }
}
