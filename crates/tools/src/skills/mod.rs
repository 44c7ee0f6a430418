//! Skills: instructions for one kind of task, which a model loads when it needs them.

mod catalogue;
mod header;
mod shelf;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use kernel::{Tool, ToolContext, ToolResult, ToolScope, ToolSource, ToolSpec};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::call::{self, Refusal};
use crate::input::Fields;
use catalogue::Catalogue;

const NAME: &str = "load_skill";

const USAGE: &str = "load_skill takes {\"name\": string}.";

/// How long a turn waits for the catalogue. One that is not there by then is empty.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most characters of a wrong name that are said again.
const QUOTED_CHARS: usize = 120;

/// The skills of a conversation's directory and of the user, as the one tool `load_skill`, whose description lists them.
///
/// A skill is a text file `<name>.md` in `.skills` of the directory, or in a directory below that; or, where these have
/// none of its name, in `.skills` of the user's home. `<name>/SKILL.md` is one too: the whole directory is that skill,
/// and the file may give it another name.
///
/// What a skill is for is said by its first line if the second one is `---`, or by `description` in YAML front matter.
/// Links are followed where they stay inside: `.skills` of a conversation's directory inside of that, what is in any
/// `.skills` inside of that one. What cannot be read, is no file, or begins with a dot is no skill.
#[derive(Clone, Debug)]
pub struct Skills {
    home: Option<Arc<PathBuf>>,
}

impl Skills {
    /// With the home directory of the user, if there is one.
    pub fn new(home: Option<PathBuf>) -> Self {
        Self { home: home.map(Arc::new) }
    }
}

impl ToolSource for Skills {
    fn tools(&self, scope: ToolScope) -> BoxFuture<'_, Vec<Arc<dyn Tool>>> {
        let home = self.home.clone();
        Box::pin(async move {
            // Dropped when the time is up, which ends the work.
            let (_end, watch) = call::watched();
            let place = home.clone();
            let work = tokio::task::spawn_blocking(move || {
                let home = place.as_deref().map(PathBuf::as_path);
                Catalogue::read(&scope.cwd, home, &watch).map(|catalogue| catalogue.description())
            });
            let description = match timeout(PATIENCE, work).await {
                Ok(Ok(Ok(description))) => description,
                Ok(Ok(Err(_)) | Err(_)) | Err(_) => Catalogue::default().description(),
            };
            let load: Arc<dyn Tool> = Arc::new(LoadSkill { spec: spec(description), home });
            vec![load]
        })
    }
}

fn spec(description: String) -> ToolSpec {
    ToolSpec {
        name: NAME.to_owned(),
        description,
        input_schema: json!({
            "type": "object",
            "properties": {
                "name": {
                    "type": "string",
                    "description": "The name of the skill, as it is listed."
                }
            },
            "required": ["name"],
            "additionalProperties": false
        }),
        exclusive: false,
    }
}

/// Gives the text of a skill as it is at the moment of the call.
struct LoadSkill {
    spec: ToolSpec,
    home: Option<Arc<PathBuf>>,
}

impl Tool for LoadSkill {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        Box::pin(call::blocking(context.cancelled, move |watch| {
            let name = Fields::of(&input, USAGE)?.text("name")?;
            let home = self.home.as_deref().map(PathBuf::as_path);
            let catalogue = Catalogue::read(&context.cwd, home, watch)?;
            let wrong = |why: &str| {
                let start: String = name.chars().take(QUOTED_CHARS).collect();
                let more = if start.len() < name.len() { "…" } else { "" };
                Refusal::new(format!("\"{start}{more}\" {why}. {}", catalogue.names()))
            };
            if !shelf::is_name(name) {
                return Err(wrong("is not the name of a skill: that has no \"/\", \"\\\" or \"..\" in it"));
            }
            catalogue.skill(name).ok_or_else(|| wrong("is not one of the skills"))?.text()
        }))
    }
}
