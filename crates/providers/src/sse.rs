//! Server-sent events, parsed in a bounded amount of memory.
//!
//! The parser knows nothing of sockets: bytes go in as they come, in pieces of any size, and whole events come out.

use std::fmt;

/// One event that has data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; empty if it has none.
    pub(crate) name: String,
    /// Its data lines, a line feed between them.
    pub(crate) data: String,
}

/// An event is larger than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) limit: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider sent an event of more than {} bytes", self.limit)
    }
}

pub(crate) struct Parser {
    limit: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a carriage return, so a line feed that follows belongs to it.
    after_return: bool,
    at_start: bool,
}

impl Parser {
    /// A parser that takes no event of more bytes than that.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_return: false,
            at_start: true,
        }
    }

    /// Takes the next bytes and hands over the events that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Event)) -> Result<(), TooLarge> {
        if std::mem::take(&mut self.after_return) {
            match bytes.split_first() {
                Some((b'\n', rest)) => bytes = rest,
                Some(_) => {}
                None => self.after_return = true,
            }
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
            // All of a line counts, whatever the pieces that it comes in.
            let event = if self.line.is_empty() {
                self.check(piece.len())?;
                self.take_line(piece)
            } else {
                self.hold(piece)?;
                let line = std::mem::take(&mut self.line);
                self.take_line(&line)
            };
            if let Some(event) = event {
                each(event);
            }
            bytes = match (bytes[end], rest) {
                (b'\r', [b'\n', rest @ ..]) => rest,
                (b'\r', []) => {
                    self.after_return = true;
                    rest
                }
                (_, rest) => rest,
            };
        }
        self.hold(bytes)
    }

    /// The event at the very end of a stream whose last line feeds are missing.
    pub(crate) fn end(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        self.take_line(&line).or_else(|| self.dispatch())
    }

    fn hold(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        self.check(self.line.len() + piece.len())?;
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Event> {
        let line = match line.strip_prefix(b"\xEF\xBB\xBF") {
            Some(line) if self.at_start => line,
            _ => line,
        };
        self.at_start = false;
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // Comments, `id`, `retry`, and whatever else there may be.
            _ => {}
        }
        None
    }

    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.name.len() + self.data.len() + more > self.limit {
            return Err(TooLarge { limit: self.limit });
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = text(std::mem::take(&mut self.name));
        let data = text(std::mem::take(&mut self.data));
        std::mem::take(&mut self.has_data).then_some(Event { name, data })
    }
}

/// Broken characters are replaced, as the format asks.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use eventsource_stream::Eventsource;
    use futures_util::{FutureExt, StreamExt, stream};
    use proptest::prelude::*;

    use super::*;

    fn parse<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<Event> {
        let mut parser = Parser::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            parser.feed(piece, |event| events.push(event)).unwrap();
        }
        events
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn all_that_the_format_allows_is_understood() {
        let text = "\u{FEFF}: hello\r\nevent: a\r\ndata: one\r\ndata:two\r\rid: 7\ndata\n\nevent: b\n\n\
                    retry: 5\ndata:  kept\u{FEFF}\nnonsense\n\n\r\ndata: ünvollständig";
        assert_eq!(
            parse([text.as_bytes()]),
            [event("a", "one\ntwo"), event("", ""), event("", " kept\u{FEFF}")]
        );
    }

    #[test]
    fn the_last_event_needs_no_empty_line() {
        for text in ["data: [DONE]", "data: [DONE]\n", "data: [DONE]\r"] {
            let mut parser = Parser::new(100);
            parser.feed(text.as_bytes(), |_| panic!("not yet")).unwrap();
            assert_eq!(parser.end(), Some(event("", "[DONE]")), "{text:?}");
            assert_eq!(parser.end(), None);
        }
    }

    #[test]
    fn an_event_takes_no_more_memory_than_allowed() {
        let endless_line = vec![b'x'; 300];
        let many_lines = "data: 0123456789\n".repeat(300).into_bytes();
        let endless_comment = [b": ".as_slice(), &endless_line].concat();
        for bytes in [endless_line, many_lines, endless_comment] {
            for size in [1, 7, bytes.len()] {
                let mut parser = Parser::new(100);
                let result = bytes.chunks(size).try_for_each(|piece| parser.feed(piece, |_| {}));
                assert_eq!(result, Err(TooLarge { limit: 100 }));
                assert!(parser.line.len() + parser.data.len() + parser.name.len() <= 111);
            }
        }
        let mut parser = Parser::new(100);
        let small = "data: 0123456789\n\n".repeat(300);
        assert_eq!(parser.feed(small.as_bytes(), |_| {}), Ok(()), "the limit is for one event");
    }

    #[test]
    fn the_limit_is_the_same_wherever_the_bytes_are_cut() {
        for line in
            ["data: 01234567890123456789", "retry: 5", "no-field-at-all", ": a comment", "event: name"]
        {
            let bytes = [line.as_bytes(), b"\ndata: x\n\n"].concat();
            for limit in 0..bytes.len() {
                let parsed = |size| {
                    let (mut parser, mut events) = (Parser::new(limit), Vec::new());
                    let fed = bytes
                        .chunks(size)
                        .try_for_each(|piece| parser.feed(piece, |event| events.push(event)));
                    (fed, events)
                };
                assert_eq!(parsed(bytes.len()), parsed(1), "{line} with a limit of {limit}");
            }
        }
    }

    /// Lines that matter, line ends of all three kinds, and characters of one to four bytes.
    fn streams() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            4 => "data: ?[a-zäß€😀:]{0,12}",
            1 => "event: ?[a-z_]{0,8}",
            1 => ":[a-z ]{0,8}",
            1 => "[a-z]{0,6}(: ?[a-z]{0,4})?",
            3 => Just(String::new()),
        ];
        let end = prop_oneof![4 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\r")];
        proptest::collection::vec((line, end), 0..24)
            .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_events(
            stream in streams(),
            bom in any::<bool>(),
            cuts in proptest::collection::vec(0usize..400, 0..40),
        ) {
            let stream = if bom { format!("\u{FEFF}{stream}") } else { stream };
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            let whole = parse([bytes]);
            prop_assert_eq!(&parse(pieces), &whole);
            prop_assert_eq!(&parse(bytes.chunks(1)), &whole);
        }

        /// Another implementation of the same format, as a second opinion.
        #[test]
        fn eventsource_stream_reads_the_same(stream in streams()) {
            let bytes = stream::iter([Ok::<_, Infallible>(Bytes::from(stream.clone()))]);
            let theirs: Vec<Event> = bytes
                .eventsource()
                .map(Result::unwrap)
                .map(|theirs| {
                    let name = if theirs.event == "message" { String::new() } else { theirs.event };
                    Event { name, data: theirs.data }
                })
                .collect::<Vec<_>>()
                .now_or_never()
                .unwrap();
            // Theirs keeps a carriage return at the end open, and an explicit `event: message` is the same as none.
            prop_assume!(!stream.ends_with('\r'));
            prop_assert_eq!(parse([stream.as_bytes()]), theirs);
        }
    }
}
