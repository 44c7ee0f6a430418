//! `dispatch models`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use crate::cli::Connection;
use crate::failure::Failure;
use crate::render::{clean, grouped};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let models = options.connection.client()?.models().await?;
    let mut stdout = std::io::stdout().lock();
    if options.connection.json {
        writeln!(stdout, "{}", models.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    for name in &models.value.models {
        let info = models.value.model_info.as_ref().and_then(|info| info.get(name));
        let window = info.and_then(|info| info.context_window);
        let window = window.map(|window| format!("  context {}", grouped(window))).unwrap_or_default();
        writeln!(stdout, "{}{window}", clean(name))?;
    }
    if models.value.models.is_empty() {
        let hint = "no model can be listed; what the server logs says why";
        return Err(Failure::new(hint));
    }
    Ok(ExitCode::SUCCESS)
}
