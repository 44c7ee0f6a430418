//! `write_file`.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use kernel::{Tool, ToolContext, ToolResult, ToolSpec};
use rustix::fs::{FileType, Stat};
use serde_json::{Value, json};

use super::cage::Cage;
use super::place::NotWritten;
use crate::call::{self, Refusal, Watch};
use crate::input::Fields;

const USAGE: &str = "write_file takes {\"path\": string, \"content\": string, \"overwrite\"?: boolean}.";

/// Creates a file, or replaces one as a whole when it is told to.
pub(crate) struct WriteFile {
    spec: ToolSpec,
    protected: Arc<[PathBuf]>,
}

impl WriteFile {
    pub(crate) fn new(protected: Arc<[PathBuf]>) -> Self {
        let spec = super::spec(
            "write_file",
            "Writes a text file inside the working directory. By default it creates a new file and fails if there is \
             one already; with overwrite it replaces an existing file as a whole and fails if there is none. Parent \
             directories must exist. To change a part of a file, use edit_file.",
            json!({
                "type": "object",
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "The file, relative to the working directory."
                    },
                    "content": {
                        "type": "string",
                        "description": "The whole content of the file."
                    },
                    "overwrite": {
                        "type": "boolean",
                        "description": "Replace an existing file instead of creating a new one. Default: false."
                    }
                },
                "required": ["path", "content"],
                "additionalProperties": false
            }),
            true,
        );
        Self { spec, protected }
    }
}

impl Tool for WriteFile {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        Box::pin(call::blocking(context.cancelled, move |watch| {
            let fields = Fields::of(&input, USAGE)?;
            let (path, content) = (fields.text("path")?, fields.text("content")?);
            let overwrite = fields.flag("overwrite")?;
            let cage = Cage::open(&context.cwd, &self.protected)?;
            if overwrite { replace(&cage, path, content, watch) } else { create(&cage, path, content, watch) }
        }))
    }
}

fn create(cage: &Cage, path: &str, content: &str, watch: &Watch) -> Result<String, Refusal> {
    let place = cage.place(path)?;
    if place.stat().is_ok_and(|stat| is_directory(&stat)) {
        return Err(directory(path));
    }
    place.create(content.as_bytes(), watch).map_err(|reason| match reason {
        NotWritten::Failed(error) if error.kind() == ErrorKind::AlreadyExists => Refusal::new(format!(
            "\"{path}\" exists already; give overwrite: true to replace it, or use edit_file to change a part of it"
        )),
        reason => reason.refusal(path),
    })?;
    Ok(format!("Created {path} ({} bytes).", content.len()))
}

fn replace(cage: &Cage, path: &str, content: &str, watch: &Watch) -> Result<String, Refusal> {
    let place = cage.place(path)?;
    let old = match place.stat() {
        Ok(stat) if is_directory(&stat) => return Err(directory(path)),
        Ok(stat) => stat,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Refusal::new(format!("\"{path}\" does not exist; leave overwrite out to create it")));
        }
        Err(error) => return Err(NotWritten::Failed(error).refusal(path)),
    };
    writable(path, &old)?;
    place.replace(content.as_bytes(), &old, watch).map_err(|reason| reason.refusal(path))?;
    Ok(format!("Overwrote {path} ({} bytes).", content.len()))
}

fn directory(path: &str) -> Refusal {
    Refusal::new(format!("\"{path}\" is a directory, not a file"))
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Whether a file may be replaced. To replace is to rename over it, which the system allows also where it would not
/// allow to write.
pub(super) fn writable(path: &str, stat: &Stat) -> Result<(), Refusal> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Refusal::new(format!("\"{path}\" is not a regular file; it is left as it is")));
    }
    if stat.st_mode & 0o222 == 0 {
        return Err(Refusal::new(format!("\"{path}\" is read-only (mode {:o})", stat.st_mode & 0o7777)));
    }
    Ok(())
}
