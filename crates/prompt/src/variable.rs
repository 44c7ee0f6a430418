//! What a tag can name.

use std::fmt;

use wire::extension::SystemPromptVariable;

/// What a tag is replaced by, as `type:name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `system:time`
    Time,
    /// `system:date`
    Date,
    /// `system:os`
    Os,
    /// `system:hostname`
    Hostname,
    /// `prompt:cwd`
    Cwd,
    /// `prompt:model`
    Model,
    /// `prompt:conversation_id`
    ConversationId,
    /// `prompt:workspace_id`
    WorkspaceId,
    /// `git:branch`
    Branch,
    /// `git:status`
    Status,
    /// `file:` and a path.
    File(String),
    /// Another `type:name`, which is always empty.
    Unknown(String),
}

/// The variables that have a name of their own, and what is said of them.
const NAMED: [(Variable, &str, &str, &str); 10] = [
    (Variable::Time, "system", "time", "The local time and its offset from UTC, for example 14:03 +02:00"),
    (Variable::Date, "system", "date", "The local date, for example 2026-06-22"),
    (
        Variable::Os,
        "system",
        "os",
        "The operating system of the server and its processor, for example Linux x86_64",
    ),
    (Variable::Hostname, "system", "hostname", "The name of the server's machine"),
    (Variable::Cwd, "prompt", "cwd", "The directory that the conversation works in"),
    (Variable::Model, "prompt", "model", "The model that answers, as credential/model"),
    (Variable::ConversationId, "prompt", "conversation_id", "The id of the conversation"),
    (Variable::WorkspaceId, "prompt", "workspace_id", "The workspace of the conversation: always default"),
    (Variable::Branch, "git", "branch", "The branch that is checked out; empty outside of a repository"),
    (
        Variable::Status,
        "git",
        "status",
        "What git status says of the directory, one changed file a line; empty when nothing was changed",
    ),
];

const FILE: &str = "file";

/// What a template can use: the answer to `GET /system-prompt/variables`.
pub fn variables() -> Vec<SystemPromptVariable> {
    let variable = |kind: &str, name: &str, description: &str, dynamic| SystemPromptVariable {
        kind: kind.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        dynamic,
    };
    let named = NAMED.iter().map(|(_, kind, name, description)| variable(kind, name, description, None));
    let file = variable(
        FILE,
        "path",
        "The content of a text file, by its path in the directory that the conversation works in; empty when there is \
         none",
        Some(true),
    );
    named.chain([file]).collect()
}

impl Variable {
    /// Reads what stands in a tag. None: it is no variable, but text in brackets.
    pub(crate) fn parse(tag: &str) -> Option<Self> {
        let (kind, name) = tag.split_once(':')?;
        if name.is_empty() || name.trim() != name {
            return None;
        }
        if kind == FILE {
            return Some(Self::File(name.to_owned()));
        }
        let named = NAMED.iter().find(|(_, its_kind, its_name, _)| (*its_kind, *its_name) == (kind, name));
        if let Some((variable, ..)) = named {
            return Some(variable.clone());
        }
        // Not what people write in brackets: times, addresses, notes.
        let word = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_alphabetic())
                && text.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
        };
        (word(kind) && word(name)).then(|| Self::Unknown(tag.to_owned()))
    }
}

impl fmt::Display for Variable {
    /// As in a tag, without the brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{FILE}:{path}"),
            Self::Unknown(tag) => f.write_str(tag),
            Self::Time
            | Self::Date
            | Self::Os
            | Self::Hostname
            | Self::Cwd
            | Self::Model
            | Self::ConversationId
            | Self::WorkspaceId
            | Self::Branch
            | Self::Status => {
                let named = NAMED.iter().find(|(variable, ..)| variable == self);
                named.map_or(Ok(()), |(_, kind, name, _)| write!(f, "{kind}:{name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_written_as_it_is_read() {
        for (variable, kind, name, _) in NAMED {
            assert_eq!(variable.to_string(), format!("{kind}:{name}"));
            assert_eq!(Variable::parse(&variable.to_string()), Some(variable));
        }
        for variable in
            [Variable::File("a b/c:d.md".to_owned()), Variable::Unknown("system:shoe_size".to_owned())]
        {
            assert_eq!(Variable::parse(&variable.to_string()), Some(variable));
        }
    }

    #[test]
    fn what_is_not_of_the_form_of_a_variable_is_none() {
        for text in [
            "",
            "x",
            ":",
            "a:",
            ":b",
            "file:",
            "file: a",
            "file:a ",
            "see: this",
            "12:30",
            "a:1",
            "http://x",
            "a-b:c",
            "[a:b",
            "a:b c",
            "Système:heure",
            " system:time",
        ] {
            assert_eq!(Variable::parse(text), None, "{text:?}");
        }
    }
}
