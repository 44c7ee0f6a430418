use wire::ErrorCode;

/// Why the engine could not do something.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A turn is running, and one conversation has one turn at a time.
    #[error("a turn is already generating for this conversation; queue the message, or stop the turn first")]
    TurnActive,
    /// The message was meant for a turn that is not the one that runs.
    #[error("the turn that the message was meant for is not running; nothing was queued")]
    TurnMismatch,
    /// A turn runs in the conversation that is to be deleted.
    #[error("the conversation is active; stop it first, or delete it with `force`")]
    ConversationActive,
    /// The conversation was closed or deleted before the message could start its turn.
    #[error("the conversation was closed before the message could start a turn; send it again to go on")]
    ClosedMeanwhile,
    /// The conversation cannot be compacted; it is as it was.
    #[error("not compacted: {0}")]
    CompactionRefused(String),
    /// The prompt cache cannot be warmed.
    #[error("not warmed: {0}")]
    WarmRefused(String),
    /// A part of the message cannot be taken.
    #[error("{0}")]
    Invalid(String),
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
            Self::TurnActive | Self::ClosedMeanwhile => ErrorCode::TurnActive,
            Self::TurnMismatch => ErrorCode::TurnMismatch,
            Self::ConversationActive => ErrorCode::ConversationActive,
            Self::CompactionRefused(_) => ErrorCode::CompactionRefused,
            Self::WarmRefused(_) => ErrorCode::WarmRefused,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
            Self::Store(error) => error.code(),
            Self::ActorFailed => ErrorCode::Internal,
        }
    }
}
