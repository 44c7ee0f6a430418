//! What the variables of a template stand for: looked up when it is needed, and once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Zoned;
use tokio::time::timeout;

use crate::git::Git;
use crate::variable::Variable;
use crate::{Scope, file, machine};

/// The most bytes that all tags together put into a prompt.
const ROOM: usize = 256 << 10;

/// The most files that are read for one prompt.
const FILES: usize = 64;

/// What a template may have of the world.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Files and directories of the server itself, which it may not.
    pub(crate) protected: Vec<PathBuf>,
    /// How long is waited for git, and for each file.
    pub(crate) patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { protected: Vec::new(), patience: Duration::from_secs(2) }
    }
}

/// The values for one conversation.
pub(crate) struct Values<'a> {
    scope: &'a Scope,
    bounds: &'a Bounds,
    known: HashMap<&'a Variable, String>,
    git: Git,
    /// One moment for the time and the date.
    now: Option<Zoned>,
    files: usize,
    /// None: something was cut, and nothing more is put in.
    room: Option<usize>,
}

impl<'a> Values<'a> {
    pub(crate) fn new(scope: &'a Scope, bounds: &'a Bounds) -> Self {
        let git = Git::new(scope.cwd.clone(), bounds.patience);
        Self { scope, bounds, known: HashMap::new(), git, now: None, files: 0, room: Some(ROOM) }
    }

    /// Whether a variable has a value that is more than blanks.
    pub(crate) async fn is_set(&mut self, variable: &'a Variable) -> bool {
        self.look_up(variable).await;
        self.known.get(variable).is_some_and(|value| !value.trim().is_empty())
    }

    /// Appends a value.
    pub(crate) async fn put(&mut self, variable: &'a Variable, said: &mut String) {
        let Some(room) = self.room else { return };
        self.look_up(variable).await;
        let Some(value) = self.known.get(variable) else { return };
        if value.len() <= room {
            said.push_str(value);
            self.room = Some(room - value.len());
        } else {
            said.push_str(&value[..value.floor_char_boundary(room)]);
            said.push_str("\n[cut: the system prompt has no room for more]");
            self.room = None;
        }
    }

    async fn look_up(&mut self, variable: &'a Variable) {
        if self.known.contains_key(variable) {
            return;
        }
        let value = match variable {
            Variable::Time => machine::time(self.now().await),
            Variable::Date => machine::date(self.now().await),
            Variable::Os => machine::os(),
            Variable::Hostname => machine::hostname(),
            Variable::Cwd => self.scope.cwd.to_string_lossy().into_owned(),
            Variable::Model => self.scope.model.clone(),
            Variable::ConversationId => self.scope.conversation_id.to_string(),
            Variable::WorkspaceId => "default".to_owned(),
            Variable::Branch => self.git.branch().await,
            Variable::Status => self.git.status().await,
            Variable::File(path) => {
                self.files += 1;
                match self.files <= FILES {
                    true => self.file(path).await,
                    false => String::new(),
                }
            }
            Variable::Unknown(_) => String::new(),
        };
        self.known.insert(variable, value);
    }

    async fn file(&self, path: &str) -> String {
        let Bounds { protected, patience } = self.bounds.clone();
        let read = file::read(self.scope.cwd.clone(), path.to_owned(), protected);
        timeout(patience, read).await.unwrap_or_default()
    }

    async fn now(&mut self) -> &Zoned {
        match &mut self.now {
            Some(now) => now,
            now @ None => now.insert(machine::now().await),
        }
    }
}
