//! `dispatch stop`, `dispatch close`, `dispatch reopen`, `dispatch warm`

use std::process::ExitCode;

use super::report;
use crate::cli::Subject;
use crate::failure::Failure;
use crate::render::{grouped, short};

pub(crate) async fn stop(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.stop(&id).await?;
    let said = if answer.value.aborted_turn { "stopped the turn of" } else { "no turn was running in" };
    report(&subject.connection, &answer, &format!("{said} {}", short(&id)))
}

pub(crate) async fn close(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.close(&id).await?;
    let stopped = if answer.value.aborted_turn { "; its turn was stopped" } else { "" };
    report(&subject.connection, &answer, &format!("closed {}{stopped}", short(&id)))
}

pub(crate) async fn reopen(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.reopen(&id).await?;
    report(&subject.connection, &answer, &format!("{} is {}", short(&id), answer.value.status.as_str()))
}

pub(crate) async fn warm(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.warm(&id).await?;
    let warmed = &answer.value;
    let said = format!(
        "warmed {}: {}% of {} tokens came from the provider's cache ({} read, {} written)",
        short(&id),
        warmed.cache_pct,
        grouped(warmed.input_tokens),
        grouped(warmed.cache_read_tokens),
        grouped(warmed.cache_write_tokens)
    );
    report(&subject.connection, &answer, &said)
}
