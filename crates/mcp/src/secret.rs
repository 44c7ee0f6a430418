//! What the configuration of a server tells in confidence: held, passed on, and never shown.

use std::fmt;

/// A value of an environment variable. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, to be passed on and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

const HIDDEN: &str = "[hidden]";

/// Parts of a value that are shorter than this are words that stand everywhere, such as `true` or `Bearer`.
const SHORT: usize = 8;

/// The most bytes of a message of somebody else that is repeated.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

/// Removes secrets from texts of others that are about to be shown: servers repeat what they were told.
#[derive(Default)]
pub(crate) struct Scrubber {
    /// Longest first, so that a part is not removed from within the whole.
    needles: Vec<(String, String)>,
}

impl Scrubber {
    /// Removes that value from now on, and each part of it that could be a key: `Bearer <key>`, or JSON with keys in it.
    pub(crate) fn add(&mut self, value: &str) {
        let belongs_to_a_key = |c: char| c.is_alphanumeric() || "_-+/=.~".contains(c);
        self.add_as(value, HIDDEN);
        for part in value.split(|c| !belongs_to_a_key(c)) {
            self.add_as(part, HIDDEN);
        }
    }

    /// Shows that value as another from now on.
    pub(crate) fn add_as(&mut self, value: &str, shown: &str) {
        if value.len() < SHORT {
            return;
        }
        let json = serde_json::to_string(value).unwrap_or_default();
        for needle in [value, json.trim_matches('"')] {
            if !self.needles.iter().any(|(known, _)| known == needle) {
                self.needles.push((needle.to_owned(), shown.to_owned()));
            }
        }
        self.needles.sort_by_key(|(needle, _)| std::cmp::Reverse(needle.len()));
    }

    /// The text without any secret, and cut where it is too long to be read.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (needle, shown) in &self.needles {
            if text.contains(needle.as_str()) {
                text = text.replace(needle, shown);
            }
        }
        if text.len() > MAX_MESSAGE_BYTES {
            text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
            text.push('…');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_its_parts_are_removed() {
        let mut scrubber = Scrubber::default();
        scrubber.add("Bearer sk-0123456789");
        scrubber.add("{\"x-key\": \"ntn_abcdefgh\"}");
        assert_eq!(
            scrubber.clean("Bearer sk-0123456789; sk-0123456789; Bearer none; \"ntn_abcdefgh\""),
            "[hidden]; [hidden]; Bearer none; \"[hidden]\""
        );
    }

    #[test]
    fn short_values_are_words() {
        let mut scrubber = Scrubber::default();
        scrubber.add("true");
        assert_eq!(scrubber.clean("true enough"), "true enough");
    }

    #[test]
    fn a_long_text_is_cut_after_it_was_cleaned() {
        let mut scrubber = Scrubber::default();
        scrubber.add("sk-0123456789");
        let text = format!("{}sk-0123456789", "x".repeat(MAX_MESSAGE_BYTES - 4));
        let clean = scrubber.clean(&text);
        assert!(clean.ends_with("[hid…"), "{}", &clean[clean.len() - 20..]);
    }

    #[test]
    fn a_secret_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("sk-0123456789".to_owned())), "Secret");
    }
}
