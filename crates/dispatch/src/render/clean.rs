//! Text of others, made harmless for a terminal.
//!
//! What a command prints or a model says may hold sequences that move the cursor, change the window's title or fill the
//! clipboard. None of them reaches the terminal.

/// Takes control sequences out of a text that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cleaner {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After a carriage return, which may be half of the end of a line.
    Return,
    /// After an escape character.
    Escape,
    /// After an escape character and what announces a one-character argument.
    Argument,
    /// In a sequence that ends with a letter.
    Control,
    /// In a string for the terminal: it ends with a bell, or with an escape character and a backslash.
    String,
    StringEscape,
}

impl Cleaner {
    /// The next piece, without what commands a terminal. A line that is overwritten becomes a line of its own.
    pub(crate) fn clean(&mut self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for c in text.chars() {
            self.step(c, &mut clean);
        }
        clean
    }

    fn step(&mut self, c: char, clean: &mut String) {
        self.state = match (self.state, c) {
            (State::String | State::StringEscape, '\x07' | '\u{9c}') => State::Text,
            (State::StringEscape, '\\') => State::Text,
            (State::String | State::StringEscape, '\x1b') => State::StringEscape,
            (State::String | State::StringEscape, _) => State::String,
            (_, '\x1b') => State::Escape,
            (State::Escape, '[') | (_, '\u{9b}') => State::Control,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') | (_, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => {
                State::String
            }
            (State::Escape, ' '..='/') => State::Argument,
            (State::Control, '@'..='~') | (State::Escape | State::Argument, ' '..='~') => State::Text,
            (State::Control, ' '..='?') => State::Control,
            (_, '\r') => State::Return,
            (_, '\n') => {
                clean.push('\n');
                State::Text
            }
            (state, c) => {
                if state == State::Return {
                    clean.push('\n');
                }
                if c == '\t' || !(c.is_control() || is_invisible_command(c)) {
                    clean.push(c);
                }
                State::Text
            }
        };
    }
}

/// Characters that change the order in which others are shown.
fn is_invisible_command(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole text in one line, without what commands a terminal.
pub(crate) fn clean(text: &str) -> String {
    Cleaner::default().clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        for (text, expected) in [
            ("plain äöü\ttab\nline", "plain äöü\ttab\nline"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]52;c;aGk=\x1b\\text", "text"),
            ("\x1bP1$r0m\x1b\\text", "text"),
            ("\u{9b}2Jtext", "text"),
            ("\u{9d}0;title\u{9c}text", "text"),
            ("\x1b(Btext", "text"),
            ("\x1bctext", "text"),
            ("a\x08\x07b\x7f\0", "ab"),
            ("one\r\ntwo", "one\ntwo"),
            ("10%\r20%\r\n", "10%\n20%\n"),
            ("a\u{202e}b", "ab"),
            ("\x1b[1\nline", "\nline"),
        ] {
            assert_eq!(Cleaner::default().clean(text), expected, "{text:?}");
            let mut cleaner = Cleaner::default();
            let in_pieces: String = text.chars().map(|c| cleaner.clean(&c.to_string())).collect();
            assert_eq!(in_pieces, expected, "{text:?} in pieces");
        }
        assert_eq!(clean(" a\n\x1b[1mb\tc "), "a b c");
    }
}
