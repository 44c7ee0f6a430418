//! `read_file`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use futures_core::future::BoxFuture;
use kernel::{Tool, ToolContext, ToolResult, ToolSpec};
use memchr::memchr;
use serde_json::{Value, json};

use super::cage::Cage;
use super::place::Opened;
use crate::call::{self, Refusal, Watch};
use crate::input::Fields;

const USAGE: &str =
    "read_file takes {\"path\": string, \"offset\"?: integer from 1, \"limit\"?: integer from 1 to 5000}.";

/// Lines, or entries of a directory.
const DEFAULT_LIMIT: u64 = 500;
const MAX_LIMIT: u64 = 5000;

/// The most characters of one line.
const LINE_CHARS: usize = 2000;

/// The most bytes of one result, but for its notes.
const RESULT_BYTES: usize = 256 << 10;

/// How far into a file a NUL makes it binary.
const BINARY_BYTES: usize = 8 << 10;

/// The most entries of a directory that are looked at: to sort them, all must be in memory.
const MAX_ENTRIES: usize = 100_000;

/// Shows the lines of a file or the entries of a directory.
pub(crate) struct ReadFile {
    spec: ToolSpec,
    protected: Arc<[PathBuf]>,
}

impl ReadFile {
    pub(crate) fn new(protected: Arc<[PathBuf]>) -> Self {
        let spec = super::spec(
            "read_file",
            "Reads a text file inside the working directory, as lines of the form \"<number>: <text>\", or lists a \
             directory, its sub-directories with a trailing slash. Says so when there is more than it shows.",
            json!({
                "type": "object",
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "The file or directory, relative to the working directory."
                    },
                    "offset": {
                        "type": "integer",
                        "minimum": 1,
                        "description": "The first line to show, counted from 1. Default: 1."
                    },
                    "limit": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MAX_LIMIT,
                        "description": "The most lines to show. Default: 500."
                    }
                },
                "required": ["path"],
                "additionalProperties": false
            }),
            false,
        );
        Self { spec, protected }
    }
}

impl Tool for ReadFile {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        Box::pin(call::blocking(context.cancelled, move |watch| {
            let fields = Fields::of(&input, USAGE)?;
            let path = fields.text("path")?;
            let part = Part {
                path,
                offset: fields.count("offset")?.unwrap_or(1),
                limit: fields.count("limit")?.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT),
            };
            let cage = Cage::open(&context.cwd, &self.protected)?;
            match cage.place(path)?.open(&cage, path)? {
                Opened::File(file, stat) => part.of_file(file, stat.st_size as u64, watch),
                Opened::Directory(dir) => part.of_directory(&dir, watch),
            }
        }))
    }
}

/// Which part of what is to be shown.
struct Part<'a> {
    path: &'a str,
    offset: u64,
    limit: u64,
}

impl Part<'_> {
    fn of_file(&self, file: File, size: u64, watch: &Watch) -> Result<String, Refusal> {
        let failed = |error: io::Error| Refusal::new(format!("\"{}\" cannot be read: {error}", self.path));
        let mut lines = Lines { reader: BufReader::with_capacity(64 << 10, file), watch, failed: &failed };
        let start = lines.buffer()?;
        if memchr(0, &start[..start.len().min(BINARY_BYTES)]).is_some() {
            return Err(Refusal::new(format!("\"{}\" is a binary file of {size} bytes", self.path)));
        }
        if start.is_empty() && self.offset == 1 {
            return Ok("(The file is empty.)".to_owned());
        }
        for line in 1..self.offset {
            if !lines.skip()? {
                return Err(self.past_end(line - 1, "line", "lines"));
            }
        }
        let mut shown = String::new();
        let mut crlf = false;
        let mut next = self.offset;
        while next - self.offset < self.limit {
            let Some(line) = lines.next()? else { break };
            let line = line.shown(&mut crlf);
            if shown.len() + line.len() > RESULT_BYTES {
                return Ok(self.noted(shown, crlf, Some((next, "lines"))));
            }
            let separator = if shown.is_empty() { "" } else { "\n" };
            let _ = write!(shown, "{separator}{next}: {line}");
            next += 1;
        }
        if next == self.offset {
            return Err(self.past_end(next - 1, "line", "lines"));
        }
        let more = !lines.buffer()?.is_empty();
        Ok(self.noted(shown, crlf, more.then_some((next, "lines"))))
    }

    fn of_directory(&self, dir: &Dir, watch: &Watch) -> Result<String, Refusal> {
        let failed = |error: io::Error| Refusal::new(format!("\"{}\" cannot be read: {error}", self.path));
        let mut names = Vec::new();
        let mut whole = true;
        for entry in dir.entries().map_err(failed)? {
            watch.check()?;
            if names.len() == MAX_ENTRIES {
                whole = false;
                break;
            }
            names.push(entry.map_err(failed)?.file_name());
        }
        if names.is_empty() && self.offset == 1 {
            return Ok("(The directory is empty.)".to_owned());
        }
        names.sort_unstable();
        let from = usize::try_from(self.offset - 1).unwrap_or(usize::MAX);
        if from >= names.len() {
            return Err(self.past_end(names.len() as u64, "entry", "entries"));
        }
        let mut shown = String::new();
        let mut next = self.offset;
        for name in names.iter().skip(from).take(self.limit as usize) {
            let text = name.to_string_lossy();
            // A name may have anything in it but a slash and a NUL; here it must stay one line.
            let text = if text.chars().any(char::is_control) {
                text.escape_debug().to_string()
            } else {
                text.into()
            };
            if shown.len() + text.len() > RESULT_BYTES {
                break;
            }
            let separator = if shown.is_empty() { "" } else { "\n" };
            // A link counts as what it leads to, if that lies inside.
            let slash = if dir.is_dir(name) { "/" } else { "" };
            let _ = write!(shown, "{separator}{text}{slash}");
            next += 1;
        }
        let more = next - 1 < names.len() as u64;
        let mut shown = self.noted(shown, false, more.then_some((next, "entries")));
        if !whole {
            let _ = write!(
                shown,
                "\n\n(The directory has more than {MAX_ENTRIES} entries; some are not listed.)"
            );
        }
        Ok(shown)
    }

    fn noted(&self, mut shown: String, crlf: bool, more: Option<(u64, &str)>) -> String {
        if crlf {
            shown.push_str("\n\n(Lines end with CRLF.)");
        }
        if let Some((next, what)) = more {
            let _ = write!(shown, "\n\n(There are more {what}: continue with offset {next}.)");
        }
        shown
    }

    fn past_end(&self, count: u64, one: &str, many: &str) -> Refusal {
        let what = if count == 1 { one } else { many };
        Refusal::new(format!("offset {} is past the end: \"{}\" has {count} {what}", self.offset, self.path))
    }
}

/// The lines of a file, one buffer at a time, however long they are.
struct Lines<'a, F> {
    reader: BufReader<File>,
    watch: &'a Watch,
    failed: F,
}

/// The beginning of a line, and how much more there was.
struct Line {
    kept: Vec<u8>,
    dropped: u64,
}

impl<F: Fn(io::Error) -> Refusal> Lines<'_, F> {
    /// What is read and not used yet; empty at the end of the file.
    fn buffer(&mut self) -> Result<&[u8], Refusal> {
        self.watch.check()?;
        self.reader.fill_buf().map_err(&self.failed)
    }

    /// Whether there was a line to skip.
    fn skip(&mut self) -> Result<bool, Refusal> {
        Ok(self.take(0)?.is_some())
    }

    fn next(&mut self) -> Result<Option<Line>, Refusal> {
        // Four bytes are the longest character.
        self.take(LINE_CHARS * 4)
    }

    fn take(&mut self, keep: usize) -> Result<Option<Line>, Refusal> {
        let mut line = Line { kept: Vec::new(), dropped: 0 };
        let mut begun = false;
        loop {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                return Ok(begun.then_some(line));
            }
            begun = true;
            let end = memchr(b'\n', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = part.len().min(keep - line.kept.len());
            line.kept.extend_from_slice(&part[..room]);
            line.dropped += (part.len() - room) as u64;
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

impl Line {
    fn shown(mut self, crlf: &mut bool) -> String {
        if self.dropped == 0 && self.kept.last() == Some(&b'\r') {
            self.kept.pop();
            *crlf = true;
        }
        let bytes = self.kept.len() as u64 + self.dropped;
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
        let end = text.char_indices().nth(LINE_CHARS).map(|(at, _)| at);
        if self.dropped > 0 || end.is_some() {
            text.truncate(end.unwrap_or(text.len()));
            let _ = write!(text, " [cut: the line has {bytes} bytes]");
        }
        text
    }
}
