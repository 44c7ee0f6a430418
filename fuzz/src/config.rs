//! Configuration files, and variables over them: an input is a file, and after a NUL byte come lines `NAME=VALUE`.
//!
//! What is read is a configuration or an error that says where; and no secret is ever shown.

#[allow(dead_code, unused_imports)]
#[path = "../../crates/dispatch/src/config/mod.rs"]
mod source;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use toml::{Table, Value};

use crate::scratch;
use source::{Environment, Error, Loaded, load};

/// Inputs have it where keys belong; it could not be the name of a variable.
const SECRET: &str = "sk-fUzZ-sEcReT";

pub(crate) fn file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, variables) = text.split_once('\0').unwrap_or((&text, ""));
    let directory = &*DIRECTORY;
    fs::write(directory.join("dispatch.toml"), file).expect("the file can be written");
    let pairs = variables.lines().filter_map(|line| line.split_once('='));
    // The file that is read is the one of the input.
    let pairs = pairs.filter(|(name, _)| *name != "DISPATCH_CONFIG");
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let public = is_public(file, &pairs);
    let environment: Environment = pairs.into_iter().collect();
    let (shown, place) = match load(None, directory, &environment) {
        Ok(Loaded { config, warnings, .. }) => {
            let written = toml::to_string(&config).expect("what was read can be shown");
            // What `dispatch config` shows is a configuration, too.
            fs::write(directory.join("dispatch.toml"), &written).expect("the file can be written");
            (format!("{written}{}", warnings.join("\n")), None)
        }
        Err(error) => {
            let place = match &error {
                Error::File { reason, .. } => panic!("the file is there: {reason}"),
                Error::Invalid { place, .. } => place.clone(),
            };
            (error.to_string(), Some(place))
        }
    };
    assert!(public || !shown.contains(SECRET), "a secret is shown: {shown}");
    if let Some(place) = place {
        let says_where =
            [", line ", "key `", "environment variable"].iter().any(|words| place.contains(words));
        assert!(says_where, "nobody knows where that is: {shown}");
    }
}

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = scratch::directory().join("config");
    fs::create_dir_all(&directory).expect("a directory can be made");
    directory
});

/// Whether the secret stands in a place where nobody would put one.
fn is_public(file: &str, variables: &[(String, String)]) -> bool {
    fn in_value(value: &Value, secret: bool) -> bool {
        match value {
            Value::String(text) => !secret && text.contains(SECRET) && !is_in_url(text),
            Value::Array(items) => items.iter().any(|item| in_value(item, secret)),
            Value::Table(table) => in_table(table, secret),
            _ => false,
        }
    }
    fn in_table(table: &Table, secret: bool) -> bool {
        table.iter().any(|(key, value)| {
            key.contains(SECRET)
                || in_value(value, secret || matches!(key.as_str(), "api_key" | "api_keys" | "api_key_env"))
        })
    }
    let in_variable = |(name, value): &(String, String)| {
        let is_key = name.to_ascii_uppercase().contains("API_KEY");
        name.contains(SECRET) || (value.contains(SECRET) && !is_key && !is_in_url(value))
    };
    // Of a file that cannot be read at all, nothing may be shown.
    file.parse::<Table>().is_ok_and(|table| in_table(&table, false)) || variables.iter().any(in_variable)
}

/// Whether the secret is the password of a URL, and nothing else.
fn is_in_url(text: &str) -> bool {
    let rest = text.trim().strip_prefix("http://user:").and_then(|rest| rest.strip_prefix(SECRET));
    rest.is_some_and(|rest| rest.starts_with('@') && !rest.contains(SECRET))
}
