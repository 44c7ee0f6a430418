use wire::ErrorCode;

/// Why the engine could not do something.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A turn is running, and one conversation has one turn at a time.
    #[error("a turn is already generating for this conversation; queue the message, or stop the turn first")]
    TurnActive,
    /// The server is stopping.
    #[error("the server is stopping and starts no more turns")]
    ShuttingDown,
    /// The log refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A defect of this program; only this conversation's turn is affected.
    #[error("the conversation's actor failed; the log has more, and the next message starts it anew")]
    ActorFailed,
}

impl Error {
    /// The code under which users meet the error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TurnActive => ErrorCode::TurnActive,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
            Self::Store(error) => error.code(),
            Self::ActorFailed => ErrorCode::Internal,
        }
    }
}
