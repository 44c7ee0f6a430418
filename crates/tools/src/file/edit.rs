//! `edit_file`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use kernel::{Tool, ToolContext, ToolResult, ToolSpec};
use memchr::memmem;
use serde_json::{Value, json};

use super::cage::Cage;
use super::place::Opened;
use super::write::writable;
use crate::call::{self, Refusal, Watch};
use crate::input::Fields;

const USAGE: &str = "edit_file takes {\"path\": string, \"oldString\": string, \"newString\": string, \
                     \"replaceAll\"?: boolean}.";

/// The largest file that is edited, before and after, in bytes: it is in memory twice.
const MAX_BYTES: usize = 16 << 20;

/// Replaces text in a file, byte by byte as it was given: line endings and whatever is no UTF-8 stay as they are.
pub(crate) struct EditFile {
    spec: ToolSpec,
    protected: Arc<[PathBuf]>,
}

impl EditFile {
    pub(crate) fn new(protected: Arc<[PathBuf]>) -> Self {
        let spec = super::spec(
            "edit_file",
            "Replaces text in a file inside the working directory. oldString must match the file exactly, with its \
             whitespace and without the line numbers that read_file shows, and must occur once unless replaceAll is \
             given: take in enough surrounding lines to make it unique.",
            json!({
                "type": "object",
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "The file, relative to the working directory."
                    },
                    "oldString": {
                        "type": "string",
                        "minLength": 1,
                        "description": "The exact text to replace."
                    },
                    "newString": {
                        "type": "string",
                        "description": "The text to put in its place. May be empty."
                    },
                    "replaceAll": {
                        "type": "boolean",
                        "description": "Replace every occurrence. Default: false."
                    }
                },
                "required": ["path", "oldString", "newString"],
                "additionalProperties": false
            }),
            true,
        );
        Self { spec, protected }
    }
}

impl Tool for EditFile {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        Box::pin(call::blocking(context.cancelled, move |watch| {
            let fields = Fields::of(&input, USAGE)?;
            let path = fields.text("path")?;
            let change = Change {
                old: fields.text("oldString")?,
                new: fields.text("newString")?,
                all: fields.flag("replaceAll")?,
            };
            if change.old.is_empty() {
                return Err(Refusal::new(format!("\"oldString\" is empty. {USAGE}")));
            }
            if change.old == change.new {
                return Err(Refusal::new(
                    "oldString and newString are identical: there is nothing to change",
                ));
            }
            edit(&Cage::open(&context.cwd, &self.protected)?, path, &change, watch)
        }))
    }
}

struct Change<'a> {
    old: &'a str,
    new: &'a str,
    all: bool,
}

fn edit(cage: &Cage, path: &str, change: &Change<'_>, watch: &Watch) -> Result<String, Refusal> {
    let place = cage.place(path)?;
    let (file, stat) = match place.open(cage, path)? {
        Opened::File(file, stat) => (file, stat),
        Opened::Directory(_) => return Err(Refusal::new(format!("\"{path}\" is a directory, not a file"))),
    };
    writable(path, &stat)?;
    let content = whole(&file, path)?;
    watch.check()?;
    let (content, count) = change.of(&content, path)?;
    place.replace(&content, &stat, watch).map_err(|reason| reason.refusal(path))?;
    let occurrences = if count == 1 { "occurrence" } else { "occurrences" };
    Ok(format!("Replaced {count} {occurrences} in {path}."))
}

fn whole(file: &File, path: &str) -> Result<Vec<u8>, Refusal> {
    let mut content = Vec::new();
    let read = file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content);
    match read {
        Ok(_) if content.len() > MAX_BYTES => Err(too_large(path)),
        Ok(_) => Ok(content),
        Err(error) if error.kind() == ErrorKind::OutOfMemory => Err(too_large(path)),
        Err(error) => Err(Refusal::new(format!("\"{path}\" cannot be read: {error}"))),
    }
}

fn too_large(path: &str) -> Refusal {
    Refusal::new(format!(
        "\"{path}\" is, or would become, larger than the {} MiB that edit_file handles; use run_shell",
        MAX_BYTES >> 20
    ))
}

impl Change<'_> {
    /// The content after the change, and how often it was made.
    fn of(&self, content: &[u8], path: &str) -> Result<(Vec<u8>, usize), Refusal> {
        let (old, new) = (self.old.as_bytes(), self.new.as_bytes());
        let count = memmem::find_iter(content, old).count();
        match count {
            0 => return Err(self.missing(content, path)),
            1 => {}
            _ if self.all => {}
            _ => {
                return Err(Refusal::new(format!(
                    "oldString occurs {count} times in \"{path}\"; take in more of the surrounding text to make it \
                     unique, or give replaceAll: true"
                )));
            }
        }
        let kept = content.len() - count * old.len();
        let size = new.len().checked_mul(count).and_then(|added| added.checked_add(kept));
        let size = size.filter(|size| *size <= MAX_BYTES).ok_or_else(|| too_large(path))?;
        let mut changed = Vec::with_capacity(size);
        let mut from = 0;
        for at in memmem::find_iter(content, old) {
            changed.extend_from_slice(&content[from..at]);
            changed.extend_from_slice(new);
            from = at + old.len();
        }
        changed.extend_from_slice(&content[from..]);
        Ok((changed, count))
    }

    fn missing(&self, content: &[u8], path: &str) -> Refusal {
        let with_crlf = self.old.replace("\r\n", "\n").replace('\n', "\r\n");
        if with_crlf != self.old && memmem::find(content, with_crlf.as_bytes()).is_some() {
            return Refusal::new(format!(
                "oldString was not found in \"{path}\" as it is, but with CRLF line endings it would be: write \\r\\n \
                 for each line break in oldString and newString"
            ));
        }
        Refusal::new(format!(
            "oldString was not found in \"{path}\". It must match exactly, with its whitespace and without line \
             numbers; read the file again"
        ))
    }
}
