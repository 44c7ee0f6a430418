//! Short ids: as much of a conversation's id as makes it the only one.

use wire::{ConversationId, ConversationMeta};

use crate::Error;

/// Whether an id is long enough to be taken as it is.
pub(crate) fn is_whole(id: &str) -> bool {
    id.chars().count() >= 32
}

/// The conversation that is meant, out of those whose ids begin with `prefix`.
pub(crate) fn choose(prefix: &str, found: Vec<ConversationMeta>) -> Result<ConversationId, Error> {
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

    fn chosen(prefix: &str, ids: &[(&str, &str)]) -> Result<String, Error> {
        choose(prefix, found(ids)).map(|id| id.to_string())
    }

    #[test]
    fn one_conversation_is_meant_or_none() {
        assert_eq!(chosen("ab", &[("abcdef", "One")]).unwrap(), "abcdef");
        assert_eq!(chosen("ab", &[("abc", "One"), ("ab", "Two")]).unwrap(), "ab");
        assert!(matches!(chosen("ab", &[]), Err(Error::Unknown(prefix)) if prefix == "ab"));
        let several = [("abcdefghij", "One"), ("abcdefgxyz", "Two")];
        assert!(matches!(chosen("ab", &several), Err(Error::Ambiguous { found, .. }) if found.len() == 2));
    }

    #[test]
    fn long_ids_are_taken_as_they_are() {
        assert!(is_whole("0b0e3a0c-9a63-4f5e-9d0d-0d7f0a8f6e55"));
        assert!(is_whole(&"ä".repeat(32)));
        assert!(!is_whole(&"ä".repeat(31)));
    }
}
