//! One server as a file describes it.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::variables::{self, Variables};
use crate::secret::{Scrubber, Secret};

/// How to get at a server. Two that are equal are the same server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Launch {
    /// A child process that speaks over its standard input and output.
    Process(Command),
    /// Streamable HTTP.
    Http(Address),
}

#[derive(Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, Secret)>,
    /// As it was written: it may be relative to the directory of the conversation.
    pub(crate) cwd: Option<PathBuf>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Address {
    pub(crate) url: Url,
    /// All of them marked as sensitive.
    pub(crate) headers: HeaderMap,
}

impl Launch {
    /// What removes from messages what this server was told in confidence.
    pub(crate) fn scrubber(&self) -> Scrubber {
        let mut scrubber = Scrubber::default();
        match self {
            Self::Process(command) => {
                for (_, value) in &command.env {
                    scrubber.add(value.reveal());
                }
            }
            Self::Http(address) => {
                for value in address.headers.values() {
                    scrubber.add(&String::from_utf8_lossy(value.as_bytes()));
                }
                // Keys are put into URLs, so that of a URL nothing but the host is shown.
                let url = &address.url;
                if url.password().is_some() || url.query().is_some() || url.path() != "/" {
                    let shown = format!("{}://{}/…", url.scheme(), address.host());
                    scrubber.add_as(url.as_str(), &shown);
                }
                scrubber.add(url.password().unwrap_or_default());
                for (_, value) in url.query_pairs() {
                    scrubber.add(&value);
                }
            }
        }
        scrubber
    }
}

impl Address {
    /// Host and port, which is all of the URL that a message may show.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("env", &self.env)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("host", &self.host())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Reads what stands under a server's id; nothing if it is switched off. Fields that are not known are left alone:
/// other programs keep theirs in the same file.
pub(super) fn parse(value: &Value, variables: Variables<'_>) -> Result<Option<Launch>, String> {
    let Value::Object(fields) = value else { return Err("it must be an object".to_owned()) };
    match fields.get("disabled") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => return Ok(None),
        Some(_) => return Err("\"disabled\" must be true or false".to_owned()),
    }
    let fields = Fields { fields, variables };
    let launch = match (fields.kind()?, fields.text("command")?, fields.text("url")?) {
        (_, Some(_), Some(_)) => {
            return Err("it has a \"command\" and a \"url\"; only one may be there".to_owned());
        }
        (None | Some(Kind::Stdio), Some(program), None) => Launch::Process(fields.command(program)?),
        (None | Some(Kind::Http), None, Some(url)) => Launch::Http(fields.address(url)?),
        (Some(Kind::Http), _, None) => return Err("\"type\" is \"http\", which needs a \"url\"".to_owned()),
        (Some(Kind::Stdio), None, _) => {
            return Err("\"type\" is \"stdio\", which needs a \"command\"".to_owned());
        }
        (None, None, None) => return Err("it needs a \"command\" or a \"url\"".to_owned()),
    };
    Ok(Some(launch))
}

enum Kind {
    Stdio,
    Http,
}

struct Fields<'a> {
    fields: &'a Map<String, Value>,
    variables: Variables<'a>,
}

impl<'a> Fields<'a> {
    fn kind(&self) -> Result<Option<Kind>, String> {
        match self.fields.get("type").map(Value::as_str) {
            None => Ok(None),
            Some(Some("stdio")) => Ok(Some(Kind::Stdio)),
            // As other programs call it.
            Some(Some("http" | "streamable-http" | "streamableHttp")) => Ok(Some(Kind::Http)),
            Some(Some("sse")) => {
                Err("\"type\" must be \"stdio\" or \"http\"; the old \"sse\" transport is not supported"
                    .to_owned())
            }
            Some(_) => Err("\"type\" must be \"stdio\" or \"http\"".to_owned()),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => without_nul(name, text).map(Some),
            Some(_) => Err(format!("\"{name}\" must be a string that is not empty")),
        }
    }

    fn command(&self, program: &str) -> Result<Command, String> {
        let args = match self.fields.get("args") {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(argument).collect::<Result<_, _>>()?,
            Some(_) => return Err("\"args\" must be a list of strings".to_owned()),
        };
        let env = self.strings("env")?.into_iter().map(|(name, value)| {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err("\"env\" has a name that is empty or has \"=\" or NUL in it".to_owned());
            }
            without_nul(&format!("env.{name}"), &value)?;
            Ok((name, Secret::new(value)))
        });
        Ok(Command {
            program: program.to_owned(),
            args,
            env: env.collect::<Result<_, _>>()?,
            cwd: self.text("cwd")?.map(PathBuf::from),
        })
    }

    fn address(&self, url: &str) -> Result<Address, String> {
        let url = Url::parse(url.trim()).map_err(|error| format!("\"url\" is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("\"url\" must begin with http: or https:".to_owned());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in self.strings("headers")? {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("\"headers.{name}\" is no name of a header"))?;
            if of_the_protocol(parsed.as_str()) {
                return Err(format!("\"headers.{name}\" belongs to the protocol and cannot be set"));
            }
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| format!("\"headers.{name}\" has characters that a header cannot have"))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        Ok(Address { url, headers })
    }

    /// Strings by their names, with variables filled in.
    fn strings(&self, field: &str) -> Result<Vec<(String, String)>, String> {
        let entries = match self.fields.get(field) {
            None => return Ok(Vec::new()),
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err(format!("\"{field}\" must be an object of strings")),
        };
        let filled = entries.iter().map(|(name, value)| {
            let text = value.as_str().ok_or_else(|| format!("\"{field}.{name}\" must be a string"))?;
            let text = variables::fill(text, self.variables)
                .map_err(|reason| format!("\"{field}.{name}\" {reason}"))?;
            Ok((name.clone(), text))
        });
        filled.collect()
    }
}

fn argument(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("\"args\" must be a list of strings")?;
    without_nul("args", text).map(str::to_owned)
}

fn without_nul<'t>(name: &str, text: &'t str) -> Result<&'t str, String> {
    if text.contains('\0') { Err(format!("\"{name}\" has a NUL character in it")) } else { Ok(text) }
}

fn of_the_protocol(header: &str) -> bool {
    ["accept", "content-type", "content-length", "host", "last-event-id"].contains(&header)
        || header.starts_with("mcp-")
}
