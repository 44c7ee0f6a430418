//! What to say: on the command line, in files, or on standard input.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::Failure;

#[derive(Args, Debug)]
pub(crate) struct Prompt {
    /// What to say; default: standard input, if it is not a terminal
    #[arg(long, short, value_name = "TEXT")]
    text: Option<String>,

    /// A file to add to it, can be given more than once; - is standard input
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
}

impl Prompt {
    /// Whether anything was given on the command line.
    pub(crate) fn is_given(&self) -> bool {
        self.text.is_some() || !self.file.is_empty()
    }

    /// The whole text; not empty.
    pub(crate) fn text(&self) -> Result<String, Failure> {
        let mut parts = Vec::new();
        parts.extend(self.text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned));
        for path in &self.file {
            parts.push(file(path)?);
        }
        if !self.is_given() && !std::io::stdin().is_terminal() {
            parts.push(standard_input()?);
        }
        let text = parts.join("\n\n");
        if text.trim().is_empty() {
            let missing = "nothing to say: give --text, --file, or a text on standard input";
            Cli::command().error(ErrorKind::MissingRequiredArgument, missing).exit();
        }
        Ok(text)
    }
}

/// A file's text under a line with its name.
fn file(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        return Ok(format!("--- standard input ---\n{}", standard_input()?));
    }
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Failure::new(format!("{shown} cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::new(format!("{shown} is not text (UTF-8)")))?;
    Ok(format!("--- {shown} ---\n{text}"))
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("standard input cannot be read: {error}")))?;
    Ok(text)
}
