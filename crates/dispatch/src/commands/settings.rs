//! What a conversation goes by: `dispatch title`, `dispatch model`, `dispatch effort`, `dispatch cwd`
//!
//! Each prints the value as it is now, after it was changed if one was given.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use wire::ReasoningEffort;

use super::chat::{directory, effort_parser};
use super::report;
use crate::cli::Subject;
use crate::failure::Failure;
use crate::render::clean;

#[derive(Args)]
pub(crate) struct Title {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// The new title
    text: Option<String>,
}

pub(crate) async fn title(options: Title) -> Result<ExitCode, Failure> {
    let (client, id) = options.subject.find().await?;
    let answer = match &options.text {
        Some(title) => client.set_title(&id, title).await?,
        None => client.title(&id).await?,
    };
    report(&options.subject.connection, &answer, &clean(&answer.value.title))
}

#[derive(Args)]
pub(crate) struct Model {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// The model of later turns, credential/model
    name: Option<String>,

    /// Go back to the server's default
    #[arg(long, conflicts_with = "name")]
    default: bool,
}

pub(crate) async fn model(options: Model) -> Result<ExitCode, Failure> {
    let (client, id) = options.subject.find().await?;
    let answer = match options.name {
        Some(name) => client.set_model(&id, Some(name)).await?,
        None if options.default => client.set_model(&id, None).await?,
        None => client.model(&id).await?,
    };
    let model = answer.value.model.as_deref().map_or_else(|| "the server's default".to_owned(), clean);
    report(&options.subject.connection, &answer, &model)
}

#[derive(Args)]
pub(crate) struct Effort {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// How much the model is to reason in later turns
    #[arg(value_parser = effort_parser())]
    level: Option<ReasoningEffort>,
}

pub(crate) async fn effort(options: Effort) -> Result<ExitCode, Failure> {
    let (client, id) = options.subject.find().await?;
    let answer = match options.level {
        Some(level) => client.set_effort(&id, level).await?,
        None => client.effort(&id).await?,
    };
    let effort = answer.value.reasoning_effort;
    let text = effort.map_or_else(
        || format!("{}, the default", ReasoningEffort::default().as_str()),
        |level| level.as_str().to_owned(),
    );
    report(&options.subject.connection, &answer, &text)
}

#[derive(Args)]
pub(crate) struct Cwd {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// The directory in which tools are to work in later turns
    dir: Option<PathBuf>,

    /// Go back to the server's own directory
    #[arg(long, conflicts_with = "dir")]
    clear: bool,
}

pub(crate) async fn cwd(options: Cwd) -> Result<ExitCode, Failure> {
    let (client, id) = options.subject.find().await?;
    let answer = match options.dir {
        Some(dir) => client.set_cwd(&id, directory(&client, dir)?).await?,
        None if options.clear => client.clear_cwd(&id).await?,
        None => client.cwd(&id).await?,
    };
    let cwd = answer.value.cwd.as_deref().map_or_else(|| "the server's own directory".to_owned(), clean);
    report(&options.subject.connection, &answer, &cwd)
}
