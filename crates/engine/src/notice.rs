//! What the engine tells whoever listens, besides what turns say on their streams.

use tokio::sync::broadcast;
use wire::{CompactionResult, ConversationId, ConversationStatus};

/// Something that every client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The status of a conversation, as it is now.
    Status {
        /// The conversation.
        conversation_id: ConversationId,
        /// What it is now.
        status: ConversationStatus,
    },
    /// Somebody asks every client to show a conversation.
    Opened {
        /// The conversation.
        conversation_id: ConversationId,
    },
    /// A conversation's older history was replaced by a summary.
    Compacted {
        /// The conversation.
        conversation_id: ConversationId,
        /// What was done.
        result: CompactionResult,
    },
    /// A conversation is gone.
    Deleted {
        /// The conversation.
        conversation_id: ConversationId,
    },
    /// Somebody has set the title of a conversation, which may be new.
    Titled {
        /// The conversation.
        conversation_id: ConversationId,
        /// What it is called now.
        title: String,
    },
}

/// A part of a conversation's state that is not on its stream, and has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Which part.
    pub part: Part,
}

/// See [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The queued messages.
    Queue,
    /// The list of tasks.
    Todos,
    /// How its prompt cache is kept warm.
    Warming,
    /// Its settings, or how full its context is.
    Settings,
}

/// Both channels. Cheap to clone. Nobody listening is fine.
#[derive(Clone)]
pub(crate) struct Notices {
    notices: broadcast::Sender<Notice>,
    changes: broadcast::Sender<Change>,
}

impl Notices {
    pub(crate) fn new() -> Self {
        Self { notices: broadcast::channel(4096).0, changes: broadcast::channel(4096).0 }
    }

    pub(crate) fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    pub(crate) fn changed(&self, conversation: &ConversationId, part: Part) {
        let _ = self.changes.send(Change { conversation_id: conversation.clone(), part });
    }

    pub(crate) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}
