//! The system prompt: a text with tags that are replaced by what holds for a conversation.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use prompt::{Scope, Template};
//!
//! let template = Template::parse("You work in [prompt:cwd].[if file:AGENTS.md] Mind [file:AGENTS.md][endif]");
//! let scope = Scope {
//!     conversation_id: wire::ConversationId::new("c"),
//!     cwd: "/home/me/project".into(),
//!     model: "anthropic/claude".to_owned(),
//! };
//! assert_eq!(template.resolve(&scope).await, "You work in /home/me/project.");
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What holds for every template:
//!
//! - Any text is one. A tag that has no partner, and everything else in brackets, stays as it was written.
//! - Resolving never fails: what cannot be had is empty. It takes a few seconds at most, and what it puts in is bounded.
//! - What a file or git says is put in as it is: tags in it mean nothing.
//! - Files are read inside the working directory and nowhere else, and git runs no program that a repository names.

mod file;
mod git;
mod machine;
mod template;
mod values;
mod variable;

use std::path::PathBuf;

use wire::ConversationId;

pub use template::Template;
pub use variable::{Variable, variables};

/// What a template is resolved for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The directory that it works in, absolute. It may have vanished.
    pub cwd: PathBuf,
    /// `credential/model`; empty when it is not known.
    pub model: String,
}

/// The template of a server that was given none. It suits an agent that works on files and runs commands.
pub const DEFAULT: &str = include_str!("default.txt");
