//! What the client can do, one file for each group of commands.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod control;
mod image;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod metrics;
pub(crate) mod models;
mod prompt;
pub(crate) mod queue;
pub(crate) mod read;
pub(crate) mod send;
pub(crate) mod sessions;
pub(crate) mod settings;
mod turn;
pub(crate) mod usage;
pub(crate) mod whole;

use std::io::Write;
use std::process::ExitCode;

use wire::ConversationId;

use crate::cli::Connection;
use crate::failure::{Failure, sentence};
use client::{Answer, Client};

/// Prints an answer as it came, or as people want it.
fn report<T>(connection: &Connection, answer: &Answer<T>, text: &str) -> Result<ExitCode, Failure> {
    if connection.json {
        print_json(answer)?;
    } else {
        writeln!(std::io::stdout(), "{text}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json<T>(answer: &Answer<T>) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{}", answer.json)?)
}

/// Asks every client to show a conversation. That nobody could be asked is told, but is no reason to leave the turn.
async fn show_everywhere(client: &Client, id: &ConversationId) {
    if let Err(error) = client.open(id).await {
        // Nobody can be told that standard error is closed.
        let _ = writeln!(std::io::stderr(), "{}", sentence(&error.to_string(), error.code()));
    }
}
