//! What tests from outside run against: the release binary, and a browser.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{need, program};
use crate::release;

/// Programs that are Chromium, or one like it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Both, for scripts that look for them in the variables `DISPATCH_BINARY` and `CHROMIUM`.
pub(super) struct Outside {
    binary: PathBuf,
    browser: PathBuf,
}

impl Outside {
    /// What these variables name already, or else the binary that is built now and a browser that is installed.
    pub(super) fn ready() -> Result<Self> {
        let binary = match env::var_os("DISPATCH_BINARY") {
            Some(named) => named.into(),
            None => release::build()?,
        };
        Ok(Self { binary, browser: browser()? })
    }

    /// The command, with the variables.
    pub(super) fn given_to(&self, mut command: Command) -> Command {
        command.env("DISPATCH_BINARY", &self.binary).env("CHROMIUM", &self.browser);
        command
    }
}

/// The browser that the variable names, or one that is installed, or else Debian's.
fn browser() -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let found = || {
        let folders = env::var_os("PATH").unwrap_or_default();
        let programs = env::split_paths(&folders).flat_map(|folder| BROWSERS.map(|name| folder.join(name)));
        programs.into_iter().find(|program| program.is_file())
    };
    if found().is_none() {
        need("Chromium", program("chromium", &["--version"]), "chromium")?;
    }
    found().context("no Chromium was found; name one in the variable CHROMIUM")
}
