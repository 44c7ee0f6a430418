//! `dispatch config`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::config::{self, Environment};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Options {
    /// The configuration file; default: DISPATCH_CONFIG, else dispatch.toml in this directory, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let here = std::env::current_dir()?;
    let loaded = config::load(options.config.as_deref(), &here, &Environment::of_this_process())?;
    let mut stderr = std::io::stderr().lock();
    for warning in &loaded.warnings {
        writeln!(stderr, "warning: {warning}")?;
    }
    let shown = toml::to_string(&loaded.config)
        .map_err(|error| Failure::new(format!("the configuration cannot be shown: {error}")))?;
    let mut stdout = std::io::stdout().lock();
    match &loaded.file {
        Some(file) => writeln!(stdout, "# {}, environment variables, and defaults", file.display())?,
        None => writeln!(stdout, "# environment variables and defaults")?,
    }
    stdout.write_all(shown.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
