//! Environment variables: `DISPATCH_` and the key in capitals, `__` between levels.

use std::collections::BTreeMap;

use toml::{Table, Value};

const PREFIX: &str = "DISPATCH_";

/// Variables that begin with the prefix and are no keys of the configuration.
const OTHERS: [&str; 3] = ["DISPATCH_API_KEY", "DISPATCH_CONFIG", "DISPATCH_SERVER"];

/// The keys that a variable can set; those of credentials come after `DISPATCH_CREDENTIALS__NAME__`.
pub(super) const KEYS: [&str; 49] = [
    "http",
    "ws",
    "data",
    "cwd",
    "default_model",
    "model_aliases",
    "system_prompt",
    "legacy_clients",
    "log",
    "allowed_origins",
    "allowed_hosts",
    "auth.mode",
    "auth.api_keys",
    "auth.api_key_env",
    "limits.steps",
    "limits.concurrent_tools",
    "limits.stall_timeout",
    "limits.connect_timeout",
    "limits.retry_budget",
    "limits.retry_delay",
    "limits.retry_max_delay",
    "limits.stop_grace",
    "limits.result_bytes",
    "limits.live_output_bytes",
    "limits.body_bytes",
    "limits.live_memory_bytes",
    "limits.compact_percent",
    "tools.sandbox",
    "tools.writable",
    "tools.enabled",
    "tools.hidden_env",
    "tools.passed_env",
    "tools.set_env",
    "mcp.project_files",
    "mcp.file",
    "mcp.patience",
    "mcp.call_timeout",
    "mcp.idle_timeout",
    "realtime.enabled",
    "realtime.udp",
    "realtime.public_addresses",
    "realtime.max_sessions",
    "realtime.max_sessions_per_key",
    "realtime.max_viewers_per_session",
    "realtime.models",
    "metering.prices",
    "metering.export_file",
    "metering.webhook_url",
    "metering.webhook_secret_env",
];

/// The variables of a process. One that is empty counts as not set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process, as far as they are text.
    pub(crate) fn of_this_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(text).collect()
    }

    /// The value of a variable.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// What the variables say about the configuration.
    pub(super) fn overlays(&self) -> Vec<Overlay> {
        let ours = self.0.keys().filter(|name| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str()));
        ours.filter_map(|name| {
            let value = Value::String(self.value(name)?.to_owned());
            Some(Overlay { variable: name.clone(), says: read(&name[PREFIX.len()..], value) })
        })
        .collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// One variable's part of the configuration.
pub(super) struct Overlay {
    pub(super) variable: String,
    pub(super) says: Says,
}

pub(super) enum Says {
    /// A table with one key, at the key's place.
    Key { path: String, table: Table },
    /// One key of the credential that has that name when both are written in capitals.
    Credential { name: String, key: String, value: Value },
    /// Nothing that is known.
    Unknown,
}

/// Whether a variable can be called that.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What is said of a text that should be a name and is not: without the text, which may be the key itself.
pub(super) const NOT_A_NAME: &str = "not the name of an environment variable: only letters, digits and _";

/// The variable that sets a key.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// A credential's name as it appears in variables.
pub(super) fn in_capitals(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn read(name: &str, value: Value) -> Says {
    let path = name.to_ascii_lowercase().replace("__", ".");
    if KEYS.contains(&path.as_str()) {
        let table = path
            .rsplit('.')
            .fold(value, |inner, key| Value::Table(Table::from_iter([(key.to_owned(), inner)])));
        return match table {
            Value::Table(table) => Says::Key { path, table },
            _ => Says::Unknown,
        };
    }
    let credential = name.strip_prefix("CREDENTIALS__").and_then(|rest| rest.split_once("__"));
    match credential {
        Some((name, key))
            if !name.is_empty() && super::credential::KEYS.contains(&&*key.to_ascii_lowercase()) =>
        {
            Says::Credential { name: name.to_owned(), key: key.to_ascii_lowercase(), value }
        }
        Some(_) | None => Says::Unknown,
    }
}
