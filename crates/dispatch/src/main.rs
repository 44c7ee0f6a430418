//! The `dispatch` binary: a server for agent conversations, and a command-line client for it.

mod cli;
mod commands;
mod config;
mod failure;
mod render;
mod serve;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::with_chat(std::env::args_os()));
    let json = cli.is_json();
    cli.run().unwrap_or_else(|failure| failure.tell(json))
}
