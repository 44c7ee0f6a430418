//! Reads the configuration from all of its sources, and says where a mistake is.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::environment::{self, Environment, Overlay, Says};
use super::{AuthMode, Config, Credential};

/// The file that is read when none is named.
const FILE: &str = "dispatch.toml";

/// A configuration, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The file that it was read from.
    pub(crate) file: Option<PathBuf>,
    /// Mistakes that do not stop the server.
    pub(crate) warnings: Vec<String>,
}

/// Why the configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The file is not there, or may not be read.
    #[error("the configuration file {path} cannot be read: {reason}")]
    File { path: String, reason: String },
    /// A key or a value that cannot be.
    #[error("{place}: {message}")]
    Invalid { place: String, message: String },
}

/// Reads `file`, or what `DISPATCH_CONFIG` names, or `dispatch.toml` in `directory` if it is there; and what the
/// environment has to say.
pub(crate) fn load(
    file: Option<&Path>,
    directory: &Path,
    environment: &Environment,
) -> Result<Loaded, Error> {
    let named = file.map(Path::to_owned).or_else(|| environment.value("DISPATCH_CONFIG").map(PathBuf::from));
    let file = named.or_else(|| Some(directory.join(FILE)).filter(|path| path.exists()));
    let mut sources = Sources::default();
    if let Some(path) = &file {
        sources.read_file(path)?;
    }
    let mut warnings = sources.read_environment(environment)?;
    let mut config: Config =
        parse(sources.together()).map_err(|mistake| sources.invalid(&mistake.key, mistake.message))?;
    config.credentials.extend(Credential::of_environment(environment, &config.credentials));
    if config.credentials.is_empty() {
        config.credentials.push(Credential::demo());
    }
    check(&config, directory, environment, &mut warnings)
        .map_err(|mistake| sources.invalid(&mistake.key, mistake.message))?;
    Ok(Loaded { config, file, warnings })
}

/// What was read so far, and from where.
#[derive(Default)]
struct Sources {
    /// All but the credentials.
    table: Table,
    credentials: Vec<Table>,
    /// How many of them are in the file; variables made the others.
    credentials_of_file: usize,
    file: Option<String>,
    /// Keys that variables have set.
    variables: Vec<(String, String)>,
}

/// A key, and what is wrong with it.
struct Mistake {
    key: String,
    message: String,
}

impl Mistake {
    fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl Sources {
    fn read_file(&mut self, path: &Path) -> Result<(), Error> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::File { path: shown.clone(), reason: error.to_string() })?;
        let wrong = |key: Option<String>, error: &toml::de::Error| {
            let newlines = |end: usize| text.bytes().take(end).filter(|byte| *byte == b'\n').count();
            let line = error.span().map(|span| 1 + newlines(span.start));
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            let key = key.map(|key| format!(", key `{key}`")).unwrap_or_default();
            Error::Invalid { place: format!("{shown}{line}{key}"), message: sentence(error.message()) }
        };
        // Alone first: as long as it has not been put together with the rest, mistakes have a line.
        let whole = toml::Deserializer::parse(&text).map_err(|error| wrong(None, &error))?;
        serde_path_to_error::deserialize::<_, Config>(whole)
            .map_err(|error| wrong(key_of(error.path()), error.inner()))?;
        self.table = text.parse().map_err(|error| wrong(None, &error))?;
        if let Some(Value::Array(credentials)) = self.table.remove("credentials") {
            let tables = credentials.into_iter().filter_map(|credential| match credential {
                Value::Table(table) => Some(table),
                _ => None,
            });
            self.credentials = tables.collect();
            self.credentials_of_file = self.credentials.len();
        }
        self.file = Some(shown);
        Ok(())
    }

    fn read_environment(&mut self, environment: &Environment) -> Result<Vec<String>, Error> {
        if let Some(port) = environment.value("BACKEND_PORT").and_then(|port| port.parse::<u16>().ok())
            && port != 0
        {
            self.table.entry("http").or_insert(Value::Integer(port.into()));
        }
        let mut warnings = Vec::new();
        for Overlay { variable, says } in environment.overlays() {
            match says {
                Says::Key { path, table } => {
                    parse::<Config>(Value::Table(table.clone())).map_err(|mistake| Error::Invalid {
                        place: format!("environment variable {variable}"),
                        message: mistake.message,
                    })?;
                    merge(&mut self.table, table);
                    self.variables.push((path, variable));
                }
                Says::Credential { name, key, value } => {
                    let place = self.credential(&name);
                    place.insert(key.clone(), value);
                    self.variables.push((format!("credentials.{name}.{key}"), variable));
                }
                Says::Unknown => warnings.push(format!("{variable} is set, but there is no such setting")),
            }
        }
        Ok(warnings)
    }

    /// The credential of that name, if need be a new one.
    fn credential(&mut self, capitals: &str) -> &mut Table {
        let named = |credential: &Table| {
            let name = credential.get("name").and_then(Value::as_str);
            name.is_some_and(|name| environment::in_capitals(name) == capitals)
        };
        let at = self.credentials.iter().position(named).unwrap_or_else(|| {
            let name = Value::String(capitals.to_ascii_lowercase());
            self.credentials.push(Table::from_iter([("name".to_owned(), name)]));
            self.credentials.len() - 1
        });
        &mut self.credentials[at]
    }

    fn together(&self) -> Value {
        let mut table = self.table.clone();
        let credentials = self.credentials.iter().cloned().map(Value::Table).collect();
        table.insert("credentials".to_owned(), Value::Array(credentials));
        Value::Table(table)
    }

    /// A mistake that only showed when everything had been put together.
    fn invalid(&self, key: &str, message: String) -> Error {
        let credential = self.credential_at(key);
        let key = match &credential {
            Some((_, name, rest)) => format!("credentials.{name}{rest}"),
            None => key.to_owned(),
        };
        let same = |path: &str| environment::in_capitals(path) == environment::in_capitals(&key);
        let variable = self.variables.iter().find(|(path, _)| same(path));
        let place = match (variable, credential, &self.file) {
            (Some((_, variable)), _, _) => format!("environment variable {variable}"),
            (None, Some((at, name, _)), _) if at >= self.credentials_of_file => {
                let start =
                    environment::variable(&format!("credentials.{}", environment::in_capitals(&name)));
                format!("environment variables {start}__*")
            }
            (None, _, Some(file)) => format!("{file}, key `{key}`"),
            (None, _, None) => format!("configuration key `{key}`"),
        };
        Error::Invalid { place, message }
    }

    /// For `credentials[1].kind`: 1, the name of that credential, and `.kind`.
    fn credential_at(&self, key: &str) -> Option<(usize, String, String)> {
        let (at, rest) = key.strip_prefix("credentials[")?.split_once(']')?;
        let at: usize = at.parse().ok()?;
        let name = self.credentials.get(at)?.get("name")?.as_str()?;
        Some((at, name.to_owned(), rest.to_owned()))
    }
}

/// What cannot be said by types.
fn check(
    config: &Config,
    directory: &Path,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<(), Mistake> {
    if !directory.join(&config.cwd).is_dir() {
        return Err(Mistake::new("cwd", format!("`{}` is not a directory", config.cwd.display())));
    }
    if config.log.parse::<tracing_subscriber::EnvFilter>().is_err() {
        let allowed = "not a log filter; write a level (error, warn, info, debug, trace) or directives like \
                       info,engine=debug";
        return Err(Mistake::new("log", format!("`{}` is {allowed}", config.log)));
    }
    if config.auth.mode == AuthMode::None
        && !(config.auth.api_keys.is_empty() && config.auth.api_key_env.is_none())
    {
        let message = "`none` contradicts the keys that are configured; remove one or the other";
        return Err(Mistake::new("auth.mode", message));
    }
    if let Some(name) = &config.auth.api_key_env {
        let message = match environment::is_name(name) {
            false => Some(environment::NOT_A_NAME.to_owned()),
            true if environment.value(name).is_none() => {
                Some(format!("the environment variable {name} is not set"))
            }
            true => None,
        };
        if let Some(message) = message {
            return Err(Mistake::new("auth.api_key_env", message));
        }
    }
    for (key, limit) in [
        ("limits.stall_timeout", config.limits.stall_timeout),
        ("limits.connect_timeout", config.limits.connect_timeout),
    ] {
        if limit.0.is_zero() {
            return Err(Mistake::new(key, "0 would let nothing happen; write for example 10m"));
        }
    }
    for (key, limit) in
        [("limits.body_bytes", config.limits.body_bytes), ("limits.result_bytes", config.limits.result_bytes)]
    {
        if limit.0 < 1024 {
            return Err(Mistake::new(key, format!("`{limit}` is too little; at least 1 KiB")));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for credential in &config.credentials {
        credential.check(environment, warnings).map_err(|(key, message)| {
            Mistake::new(format!("credentials.{}.{key}", credential.name), message)
        })?;
        if names.contains(&credential.name.as_str()) {
            return Err(Mistake::new("credentials.name", format!("`{}` occurs twice", credential.name)));
        }
        names.push(&credential.name);
    }
    let served = |key: &str, model: &str| {
        let known =
            model.split_once('/').is_some_and(|(name, model)| names.contains(&name) && !model.is_empty());
        if known {
            return Ok(());
        }
        let message = format!(
            "`{model}` is not credential/model with a configured credential; credentials are: {}",
            names.join(", ")
        );
        Err(Mistake::new(key, message))
    };
    if let Some(model) = &config.default_model {
        served("default_model", model)?;
    }
    for (alias, model) in &config.model_aliases {
        if alias.trim().is_empty() {
            return Err(Mistake::new("model_aliases", "a name is empty"));
        }
        served("model_aliases", model)?;
    }
    for model in config.metering.prices.keys() {
        served("metering.prices", model)?;
    }
    let realtime = config.realtime.check(config.http.0).map_err(|mistake| ("realtime", mistake));
    let metering = config.metering.check(environment).map_err(|mistake| ("metering", mistake));
    realtime
        .and(metering)
        .map_err(|(table, (key, message))| Mistake::new(format!("{table}.{key}"), message))?;
    if config.limits.compact_percent > 100 {
        let message = format!("`{}` is more than 100 percent", config.limits.compact_percent);
        return Err(Mistake::new("limits.compact_percent", message));
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Mistake> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        Mistake::new(key_of(error.path()).unwrap_or_default(), sentence(error.inner().message()))
    })
}

fn key_of(path: &serde_path_to_error::Path) -> Option<String> {
    (path.iter().len() > 0).then(|| path.to_string())
}

/// The first line: what follows repeats the source, which may hold a key.
fn sentence(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
