//! Keys: held, sent, and never shown.

use std::fmt;
use std::sync::Arc;

/// A key. Neither `Debug` nor `Display` shows anything of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a key. White space around it is dropped: keys come from files that end in a newline.
    pub fn new(key: &str) -> Self {
        Self(key.trim().into())
    }

    /// The key itself, to be sent and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

const HIDDEN: &str = "[key]";

/// Removes keys from texts of others that are about to be shown: providers echo what they were sent.
#[derive(Default)]
pub(crate) struct Scrubber {
    needles: Vec<String>,
}

impl Scrubber {
    /// Removes that key from now on, also where it is written as in JSON or in a URL.
    pub(crate) fn add(&mut self, key: &str) {
        if key.is_empty() {
            return;
        }
        let json = serde_json::to_string(key).unwrap_or_default();
        let json = json.trim_matches('"').to_owned();
        let upper = percent_encoded(key, |byte| format!("%{byte:02X}"));
        let lower = percent_encoded(key, |byte| format!("%{byte:02x}"));
        for needle in [key.to_owned(), json, upper, lower] {
            if !needle.is_empty() && !self.needles.contains(&needle) {
                self.needles.push(needle);
            }
        }
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// The text without any key.
    pub(crate) fn clean(&self, mut text: String) -> String {
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = if needle.len() >= SHORT {
                    text.replace(needle, HIDDEN)
                } else {
                    replace_words(&text, needle)
                };
            }
        }
        text
    }

    /// Drops the end of a clean text that was cut off while it was read: half a key could be there.
    pub(crate) fn without_cut_key<'t>(&self, text: &'t str) -> &'t str {
        let longest = self.needles.iter().map(String::len).max().unwrap_or_default();
        &text[..text.floor_char_boundary(text.len().saturating_sub(longest))]
    }
}

/// Keys shorter than this are placeholders such as `none`; inside other words they are not the key.
const SHORT: usize = 8;

fn replace_words(text: &str, word: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, from) = rest.split_at(at);
        let after = &from[word.len()..];
        let joined_before = before.chars().next_back().or(clean.chars().next_back());
        let alone = !joined_before.is_some_and(char::is_alphanumeric)
            && !after.chars().next().is_some_and(char::is_alphanumeric);
        clean.push_str(before);
        clean.push_str(if alone { HIDDEN } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

fn percent_encoded(text: &str, encode: fn(u8) -> String) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => encode(other),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber(key: &str) -> Scrubber {
        let mut scrubber = Scrubber::default();
        scrubber.add(key);
        scrubber
    }

    #[test]
    fn a_key_is_removed_however_it_is_written() {
        let scrubber = scrubber("sk/ab+c=\"9");
        assert_eq!(
            scrubber.clean(r#"raw sk/ab+c="9, json sk/ab+c=\"9, url ?k=sk%2Fab%2Bc%3D%229!"#.to_owned()),
            "raw [key], json [key], url ?k=[key]!"
        );
    }

    #[test]
    fn a_placeholder_is_removed_only_where_it_stands_alone() {
        assert_eq!(
            scrubber("none").clean("none of nonesuch: \"none\", none".to_owned()),
            "[key] of nonesuch: \"[key]\", [key]"
        );
    }

    #[test]
    fn the_end_of_a_cut_text_shows_no_half_key() {
        let scrubber = scrubber("sk-0123456789");
        let cut = scrubber.without_cut_key("the key was sk-01234567é").to_owned();
        assert!(!cut.contains("sk-"), "{cut}");
    }

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::new(" sk-0123456789\n");
        assert_eq!(format!("{secret} {secret:?}"), "[key] Secret");
        assert_eq!(secret.reveal(), "sk-0123456789");
    }
}
