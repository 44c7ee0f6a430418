//! Short ids.

use wire::ConversationId;

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
