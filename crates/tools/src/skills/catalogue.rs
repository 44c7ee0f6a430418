//! All the skills of a conversation, and how a model is told of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::shelf::{Shelf, Skill};
use crate::call::{Refusal, Watch};

/// The most bytes of the list that a model is shown, but for its note.
const LIST_BYTES: usize = 16 << 10;

/// By their names.
#[derive(Default)]
pub(super) struct Catalogue(BTreeMap<String, Skill>);

impl Catalogue {
    /// The skills of a directory, and those of the home directory that have another name. Fails only when nobody waits
    /// for it any more.
    pub(super) fn read(cwd: &Path, home: Option<&Path>, watch: &Watch) -> Result<Self, Refusal> {
        let mut skills = BTreeMap::new();
        for shelf in [Shelf::of_directory(cwd), home.and_then(Shelf::of_home)].into_iter().flatten() {
            for (name, skill) in shelf.skills(watch)? {
                skills.entry(name).or_insert(skill);
            }
        }
        Ok(Self(skills))
    }

    pub(super) fn skill(&self, name: &str) -> Option<&Skill> {
        self.0.get(name)
    }

    /// What a model is told of the tool. The same for the same files, byte by byte.
    pub(super) fn description(&self) -> String {
        let mut said = "Loads a skill: instructions for one kind of task, written for this project or by the user. When \
                        a skill fits what you are to do, load it before you begin, and follow it."
            .to_owned();
        if self.0.is_empty() {
            return said + " No skills are available.";
        }
        said += " The skills:";
        let lines = self.0.iter().map(|(name, skill)| match &skill.summary {
            Some(summary) => format!("\n- {name}: {summary}"),
            None => format!("\n- {name}"),
        });
        list(&mut said, lines, "\n- and ");
        said
    }

    /// A sentence that says which skills there are.
    pub(super) fn names(&self) -> String {
        if self.0.is_empty() {
            return "No skills are available.".to_owned();
        }
        let mut said = "The skills are".to_owned();
        let separators = std::iter::once(": ").chain(std::iter::repeat(", "));
        let names = separators.zip(self.0.keys()).map(|(separator, name)| format!("{separator}{name}"));
        list(&mut said, names, ", and ");
        said + "."
    }
}

/// Appends what fits, and how many do not.
fn list(said: &mut String, items: impl Iterator<Item = String>, and: &str) {
    let (mut length, mut more) = (0, 0);
    for item in items {
        length += item.len();
        if length <= LIST_BYTES {
            said.push_str(&item);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let _ = write!(said, "{and}{more} more that are not listed");
    }
}
