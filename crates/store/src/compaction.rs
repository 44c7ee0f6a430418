//! The rules of a compaction, apart from how a log is stored.

use wire::ConversationId;

use crate::{Compaction, Error};

impl Compaction {
    /// Whether it fits a conversation whose log ends there.
    pub(crate) fn admit(&self, last_seq: u64, last_message: u64) -> Result<(), Error> {
        let Self { keep_from, last_seq: seen, .. } = self;
        if *seen != last_seq {
            return Err(Error::Misfit(format!(
                "the summary takes chunks up to {seen} into account, and the last one is {last_seq}"
            )));
        }
        match keep_from {
            Some(from) if *from == 0 || *from > last_message => Err(Error::Misfit(format!(
                "there is no message {from} to keep: the last one is {last_message}"
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

/// What an archive is called.
pub(crate) fn archive_title(title: &str) -> String {
    format!("Archive: {title}")
}

pub(crate) fn unknown(conversation: &ConversationId) -> Error {
    Error::Misfit(format!("there is no conversation {conversation} to compact"))
}

pub(crate) fn taken(archive: &ConversationId) -> Error {
    Error::Misfit(format!("there is a conversation {archive} already"))
}
