//! What can be typed in a dialogue.

pub(super) const HELP: &str = "\
/model NAME    answer with this model from now on; without a name, list the models
/effort LEVEL  reason this much from now on: low, medium, high, xhigh or max
/title TEXT    call the conversation this; without a text, show what it is called
/compact       replace the older messages by a summary; an archive keeps them
/queue TEXT    give this to the turn that is running, wherever it was started; without a text, show what waits
/cancel ID     take back a message that waits
/new           start a new conversation
/help          this
/quit          leave; so do Ctrl-D, and Ctrl-C twice
Pasted text may have several lines. While a turn runs, Ctrl-C stops it, and a line that you type is given to it. A
message that begins with a slash needs a space before it.";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    Nothing,
    Help,
    Models,
    Model(&'l str),
    Effort(&'l str),
    Title(Option<&'l str>),
    Compact,
    New,
    Waiting,
    Queue(&'l str),
    Cancel(&'l str),
    Quit,
    Unknown(&'l str),
    Message(&'l str),
}

impl<'l> Line<'l> {
    pub(super) fn read(line: &'l str) -> Self {
        if !line.starts_with('/') {
            return if line.trim().is_empty() { Self::Nothing } else { Self::Message(line.trim()) };
        }
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (command, rest.trim()) {
            ("/help", _) => Self::Help,
            ("/model", "") => Self::Models,
            ("/model", model) => Self::Model(model),
            ("/effort", level) => Self::Effort(level),
            ("/title", "") => Self::Title(None),
            ("/title", title) => Self::Title(Some(title)),
            ("/compact", _) => Self::Compact,
            ("/new", _) => Self::New,
            ("/queue", "") => Self::Waiting,
            ("/queue", text) => Self::Queue(text),
            ("/cancel", message) if !message.is_empty() => Self::Cancel(message),
            ("/quit" | "/exit", _) => Self::Quit,
            (command, _) => Self::Unknown(command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_makes_a_command() {
        let lines = [
            ("", Line::Nothing),
            ("  ", Line::Nothing),
            (" hello /help ", Line::Message("hello /help")),
            (" /help", Line::Message("/help")),
            ("/help", Line::Help),
            ("/model", Line::Models),
            ("/model a/b ", Line::Model("a/b")),
            ("/effort low", Line::Effort("low")),
            ("/effort", Line::Effort("")),
            ("/title", Line::Title(None)),
            ("/title  A tour", Line::Title(Some("A tour"))),
            ("/compact", Line::Compact),
            ("/new", Line::New),
            ("/queue", Line::Waiting),
            ("/queue more of it", Line::Queue("more of it")),
            ("/cancel 3f2a", Line::Cancel("3f2a")),
            ("/cancel", Line::Unknown("/cancel")),
            ("/exit", Line::Quit),
            ("/fly away", Line::Unknown("/fly")),
        ];
        for (line, meant) in lines {
            assert_eq!(Line::read(line), meant, "{line:?}");
        }
    }
}
