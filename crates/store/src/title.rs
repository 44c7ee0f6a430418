//! What a conversation is called as long as nobody named it.

/// The most characters that a derived title takes from the first message.
const LONGEST: usize = 80;

/// What a conversation without any text is called.
pub(crate) const UNTITLED: &str = "Untitled";

/// The title that a first message gives: its beginning. None if it gives none.
pub(crate) fn derived(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    Some(match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    })
}

/// Whether a title that no client set is to be derived anew.
pub(crate) fn is_missing(title: &str) -> bool {
    title.is_empty() || title == UNTITLED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_after_eighty_characters_not_bytes() {
        assert_eq!(derived(""), None);
        assert_eq!(derived("Hello"), Some("Hello".to_owned()));
        let exact = "é".repeat(80);
        assert_eq!(derived(&exact), Some(exact.clone()));
        assert_eq!(derived(&format!("{exact}é")), Some(format!("{exact}…")));
    }
}
