//! Which servers there are: the shape of `mcp.json`, and what is wrong with it.

mod entry;
mod file;
mod variables;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(crate) use entry::{Address, Command, Launch};
pub(crate) use file::{Found, PROJECT_FILE, read};

/// The most servers of one file.
const MAX_SERVERS: usize = 64;

/// The most bytes of a server's id.
const MAX_ID_BYTES: usize = 128;

/// Servers that a file or a configuration names. `Debug` and the errors show no value of an environment variable or a
/// header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Servers {
    pub(crate) entries: BTreeMap<String, Entry>,
}

/// What is said of one server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Where it is said.
    pub(crate) source: String,
    pub(crate) declared: Declared,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Declared {
    Enabled(Launch),
    Disabled,
    Broken(Error),
}

/// Why servers cannot be had from a configuration. It names the place: the file, the server, the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// Where.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// It is no JSON.
    #[error("{file} is not JSON: {reason}")]
    Syntax {
        /// Where.
        file: String,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// It is JSON of another shape.
    #[error("{file}: {reason}")]
    Shape {
        /// Where.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// One server is described wrongly. The others of its file are not touched by that.
    #[error("{file}: server \"{id}\": {reason}")]
    Server {
        /// Where.
        file: String,
        /// Which server.
        id: String,
        /// Which field, and what is wrong with it.
        reason: String,
    },
}

impl Servers {
    /// Reads `{ "mcpServers": { "<id>": { … } } }`, or the same with `servers`. `source` is what errors call the file.
    ///
    /// # Errors
    /// When nothing of it can be used. What is wrong with one server is found with [`Servers::errors`].
    pub fn parse(source: &str, text: &str) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::Syntax { file: source.to_owned(), reason: error.to_string() })?;
        let shape = |reason: &str| Error::Shape { file: source.to_owned(), reason: reason.to_owned() };
        let Value::Object(file) = value else {
            return Err(shape("it must be an object with the key \"mcpServers\""));
        };
        match (file.get("mcpServers"), file.get("servers")) {
            (Some(_), Some(_)) => {
                Err(shape("it has both \"mcpServers\" and \"servers\"; only one may be there"))
            }
            (Some(Value::Object(servers)), None) | (None, Some(Value::Object(servers))) => {
                Self::from_map(source, servers)
            }
            (Some(_), None) => Err(shape("\"mcpServers\" must be an object of servers by their ids")),
            (None, Some(_)) => Err(shape("\"servers\" must be an object of servers by their ids")),
            (None, None) if file.is_empty() => Ok(Self::default()),
            (None, None) => Err(shape("the key \"mcpServers\" is missing")),
        }
    }

    /// Reads the servers by their ids: what stands under `mcpServers` in a file.
    ///
    /// # Errors
    /// When there are too many. What is wrong with one server is found with [`Servers::errors`].
    pub fn from_map(source: &str, servers: &Map<String, Value>) -> Result<Self, Error> {
        Self::with_variables(source, servers, &|name| std::env::var(name).ok())
    }

    fn with_variables(
        source: &str,
        servers: &Map<String, Value>,
        variables: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        if servers.len() > MAX_SERVERS {
            let reason = format!("it names {} servers; at most {MAX_SERVERS} are possible", servers.len());
            return Err(Error::Shape { file: source.to_owned(), reason });
        }
        let declared = |id: &str, fields: &Value| match entry::parse(fields, variables) {
            _ if id.is_empty() || id.len() > MAX_ID_BYTES || id.contains(char::is_control) => {
                Err(format!("its id must have 1 to {MAX_ID_BYTES} bytes and no control characters"))
            }
            parsed => parsed,
        };
        let entry = |(id, fields): (&String, &Value)| {
            let declared = match declared(id, fields) {
                Ok(Some(launch)) => Declared::Enabled(launch),
                Ok(None) => Declared::Disabled,
                Err(reason) => {
                    Declared::Broken(Error::Server { file: source.to_owned(), id: id.clone(), reason })
                }
            };
            (id.clone(), Entry { source: source.to_owned(), declared })
        };
        Ok(Self { entries: servers.iter().map(entry).collect() })
    }

    /// What is wrong with servers.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.entries.values().filter_map(|entry| match &entry.declared {
            Declared::Broken(error) => Some(error),
            Declared::Enabled(_) | Declared::Disabled => None,
        })
    }

    /// These, and those of another where the ids are new.
    pub(crate) fn or(mut self, others: &Self) -> Self {
        for (id, entry) in &others.entries {
            self.entries.entry(id.clone()).or_insert_with(|| entry.clone());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables(name: &str) -> Option<String> {
        (name == "KEY").then(|| "sk-0123456789".to_owned())
    }

    fn servers(value: &Value) -> Servers {
        Servers::with_variables("mcp.json", value.as_object().unwrap(), &variables).unwrap()
    }

    /// What is wrong with a server of those fields.
    fn reason(fields: &Value) -> String {
        let servers = servers(&json!({ "x": fields }));
        let mut errors = servers.errors().map(ToString::to_string);
        let error = errors.next().unwrap_or_else(|| panic!("nothing is wrong with {fields}"));
        error.strip_prefix("mcp.json: server \"x\": ").unwrap().to_owned()
    }

    #[test]
    fn both_keys_are_understood_and_nothing_is_nothing() {
        let entries = json!({ "x": { "command": "x" } });
        let expected = servers(&entries);
        for key in ["mcpServers", "servers"] {
            assert_eq!(
                Servers::parse("mcp.json", &json!({ key: entries }).to_string()),
                Ok(expected.clone())
            );
        }
        assert_eq!(Servers::parse("mcp.json", "{}"), Ok(Servers::default()));
        assert_eq!(Servers::parse("mcp.json", "{\"mcpServers\":{}}"), Ok(Servers::default()));
    }

    #[test]
    fn a_file_of_another_shape_is_refused() {
        let words = |text: &str| Servers::parse("mcp.json", text).unwrap_err().to_string();
        assert_eq!(
            words("{\n  \"mcpServers\": {,}\n}"),
            "mcp.json is not JSON: key must be a string at line 2 column 18"
        );
        assert_eq!(words("[]"), "mcp.json: it must be an object with the key \"mcpServers\"");
        assert_eq!(words("{\"x\":{}}"), "mcp.json: the key \"mcpServers\" is missing");
        assert_eq!(
            words("{\"mcpServers\":[]}"),
            "mcp.json: \"mcpServers\" must be an object of servers by their ids"
        );
        assert_eq!(
            words("{\"servers\":1}"),
            "mcp.json: \"servers\" must be an object of servers by their ids"
        );
        assert_eq!(
            words("{\"servers\":{},\"mcpServers\":{}}"),
            "mcp.json: it has both \"mcpServers\" and \"servers\"; only one may be there"
        );
        let many: Map<_, _> = (0..65).map(|n| (n.to_string(), json!({}))).collect();
        assert_eq!(
            words(&json!({ "servers": many }).to_string()),
            "mcp.json: it names 65 servers; at most 64 are possible"
        );
    }

    #[test]
    fn a_bad_server_is_named_with_its_field_and_hurts_no_other() {
        let servers = servers(&json!({
            "good": { "command": "good" },
            "bad": { "command": "bad", "args": "one" },
            "off": { "disabled": true, "command": 3 },
            "": { "command": "x" },
        }));
        let shown: Vec<_> = servers.errors().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "mcp.json: server \"\": its id must have 1 to 128 bytes and no control characters",
                "mcp.json: server \"bad\": \"args\" must be a list of strings",
            ]
        );
        assert!(matches!(servers.entries["good"].declared, Declared::Enabled(_)));
        assert_eq!(servers.entries["off"].declared, Declared::Disabled);
    }

    #[test]
    fn every_field_is_checked() {
        for (fields, expected) in [
            (json!(1), "it must be an object"),
            (json!({}), "it needs a \"command\" or a \"url\""),
            (
                json!({"command": "x", "url": "http://x"}),
                "it has a \"command\" and a \"url\"; only one may be there",
            ),
            (json!({"command": ""}), "\"command\" must be a string that is not empty"),
            (json!({"command": 1}), "\"command\" must be a string that is not empty"),
            (json!({"command": "x\0"}), "\"command\" has a NUL character in it"),
            (json!({"command": "x", "args": [1]}), "\"args\" must be a list of strings"),
            (json!({"command": "x", "args": ["\0"]}), "\"args\" has a NUL character in it"),
            (json!({"command": "x", "cwd": 1}), "\"cwd\" must be a string that is not empty"),
            (json!({"command": "x", "env": []}), "\"env\" must be an object of strings"),
            (json!({"command": "x", "env": {"PORT": 1}}), "\"env.PORT\" must be a string"),
            (
                json!({"command": "x", "env": {"A=B": "x"}}),
                "\"env\" has a name that is empty or has \"=\" or NUL in it",
            ),
            (json!({"command": "x", "env": {"A": "x\0"}}), "\"env.A\" has a NUL character in it"),
            (json!({"command": "x", "env": {"A": "${NONE}"}}), "\"env.A\" uses ${NONE}, which is not set"),
            (
                json!({"command": "x", "env": {"A": "${env:NONE}"}}),
                "\"env.A\" uses ${NONE}, which is not set",
            ),
            (
                json!({"command": "x", "env": {"A": "${input:key}"}}),
                "\"env.A\" uses ${input:key}; only ${NAME}, ${env:NAME} and ${NAME:-default} are known",
            ),
            (json!({"command": "x", "env": {"A": "${KEY"}}), "\"env.A\" has \"${\" without \"}\""),
            (json!({"command": "x", "disabled": 1}), "\"disabled\" must be true or false"),
            (json!({"command": "x", "type": "http"}), "\"type\" is \"http\", which needs a \"url\""),
            (json!({"url": "http://x", "type": "stdio"}), "\"type\" is \"stdio\", which needs a \"command\""),
            (
                json!({"url": "http://x", "type": "sse"}),
                "\"type\" must be \"stdio\" or \"http\"; the old \"sse\" transport is not supported",
            ),
            (json!({"url": "http://x", "type": 1}), "\"type\" must be \"stdio\" or \"http\""),
            (json!({"url": "x"}), "\"url\" is no URL: relative URL without a base"),
            (json!({"url": "file:///x"}), "\"url\" must begin with http: or https:"),
            (json!({"url": "http://x", "headers": 1}), "\"headers\" must be an object of strings"),
            (json!({"url": "http://x", "headers": {"x": 1}}), "\"headers.x\" must be a string"),
            (json!({"url": "http://x", "headers": {"x y": "1"}}), "\"headers.x y\" is no name of a header"),
            (
                json!({"url": "http://x", "headers": {"x": "secret\n"}}),
                "\"headers.x\" has characters that a header cannot have",
            ),
            (
                json!({"url": "http://x", "headers": {"Accept": "x"}}),
                "\"headers.Accept\" belongs to the protocol and cannot be set",
            ),
        ] {
            assert_eq!(reason(&fields), expected, "{fields}");
        }
    }

    #[test]
    fn variables_are_filled_in_env_and_headers_and_nowhere_else() {
        let servers = servers(&json!({
            "a": {
                "command": "${KEY}", "args": ["${KEY}"],
                "env": { "A": "<${KEY}>", "B": "${env:KEY}${NONE:-no}ne", "C": "$KEY ${KEY:-x}" },
            },
            "b": { "url": "http://x", "headers": { "Authorization": "Bearer ${KEY}" } },
        }));
        let Declared::Enabled(Launch::Process(command)) = &servers.entries["a"].declared else { panic!() };
        assert_eq!((&*command.program, &command.args[..]), ("${KEY}", &["${KEY}".to_owned()][..]));
        let env: Vec<_> = command.env.iter().map(|(name, value)| (&**name, value.reveal())).collect();
        assert_eq!(env, [("A", "<sk-0123456789>"), ("B", "sk-0123456789none"), ("C", "$KEY sk-0123456789")]);
        let Declared::Enabled(Launch::Http(address)) = &servers.entries["b"].declared else { panic!() };
        assert_eq!(address.headers["authorization"], "Bearer sk-0123456789");
    }

    #[test]
    fn debug_shows_no_value() {
        let servers = servers(&json!({
            "a": { "command": "x", "args": ["--key", "sk-0123456789"], "env": { "A": "${KEY}" } },
            "b": { "url": "http://u:pass-0123@host/p?key=sk-0123456789", "headers": { "X-Key": "${KEY}" } },
        }));
        let shown = format!("{servers:?}");
        assert!(!shown.contains("0123") && shown.contains("host"), "{shown}");
    }
}
