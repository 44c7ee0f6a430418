//! Short ids: as much of a conversation's id as makes it the only one.

use wire::{ConversationId, ConversationMeta};

use super::Error;

/// As many characters as a short id has when it is shown.
const SHOWN: usize = 8;

/// An id as lists show it.
pub(crate) fn short(id: &ConversationId) -> String {
    short_text(id.as_str())
}

/// As [`short`], for the id of anything else.
pub(crate) fn short_text(id: &str) -> String {
    id.chars().take(SHOWN).collect()
}

/// Whether an id is long enough to be taken as it is.
pub(super) fn is_whole(id: &str) -> bool {
    id.chars().count() >= 32
}

/// The conversation that is meant, out of those whose ids begin with `prefix`.
pub(super) fn choose(prefix: &str, found: Vec<ConversationMeta>) -> Result<ConversationId, Error> {
    // An id that is the beginning of others would be out of reach otherwise.
    let meant = match &found[..] {
        [only] => Some(only),
        several => several.iter().find(|conversation| conversation.id.as_str() == prefix),
    };
    match meant {
        Some(meant) => Ok(meant.id.clone()),
        None if found.is_empty() => Err(Error::Unknown(prefix.to_owned())),
        None => Err(Error::Ambiguous { prefix: prefix.to_owned(), found }),
    }
}

#[cfg(test)]
mod tests {
    use wire::ConversationStatus;

    use super::*;
    use crate::failure::Failure;

    fn found(ids: &[(&str, &str)]) -> Vec<ConversationMeta> {
        let meta = |(id, title): &(&str, &str)| ConversationMeta {
            id: ConversationId::new(*id),
            created_at: 1,
            last_activity_at: 1,
            title: (*title).to_owned(),
            status: ConversationStatus::Idle,
            compacted_from: None,
        };
        ids.iter().map(meta).collect()
    }

    fn chosen(prefix: &str, ids: &[(&str, &str)]) -> Result<String, Failure> {
        choose(prefix, found(ids)).map(|id| id.to_string()).map_err(Failure::from)
    }

    #[test]
    fn one_conversation_is_meant_or_none() {
        assert_eq!(chosen("ab", &[("abcdef", "One")]), Ok("abcdef".to_owned()));
        assert_eq!(chosen("ab", &[("abc", "One"), ("ab", "Two")]), Ok("ab".to_owned()));
        assert_eq!(
            chosen("ab", &[]),
            Err(Failure::coded(
                "no conversation's id begins with `ab`; `dispatch list --all` shows all of them",
                "unknown-conversation"
            ))
        );
        assert_eq!(
            chosen("ab", &[("abcdefghij", "One"), ("abcdefgxyz", "Two")]),
            Err(Failure::Said {
                message: "the ids of 2 conversations begin with `ab`; write more of the one that you mean"
                    .to_owned(),
                code: Some("ambiguous-conversation".to_owned()),
                details: vec!["abcdefgh  One".to_owned(), "abcdefgx  Two".to_owned()],
            })
        );
    }

    #[test]
    fn long_ids_are_taken_as_they_are() {
        assert!(is_whole("0b0e3a0c-9a63-4f5e-9d0d-0d7f0a8f6e55"));
        assert!(is_whole(&"ä".repeat(32)));
        assert!(!is_whole(&"ä".repeat(31)));
    }
}
