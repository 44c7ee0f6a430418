//! The conformance checks, against any server or against our own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{cargo, run as execute};
use crate::release;
use crate::server::Server;

/// Fewer checks than this mean that something was not checked.
const AT_LEAST: usize = 200;

const KEY: &str = "a-key-for-the-checks";

/// What the checks need: turns that are quick, a key that is asked for, a provider that is not there, and limits that
/// can be reached.
const CONFIGURATION: &str = r#"
default_model = "demo/demo"

[auth]
api_keys = ["a-key-for-the-checks"]

[limits]
steps = 60
retry_delay = "50ms"
retry_budget = "2s"

[[credentials]]
name = "demo"
kind = "demo"
token_delay = "4ms"

[[credentials]]
name = "broken"
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
"#;

/// With a URL, checks the server that is there; without one, builds our own, starts it on free ports with no data, and
/// checks that. `--binary PATH` takes a server that is built already. Everything else goes to the checks.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (binary, args) = binary(args)?;
    if args.iter().any(|arg| arg.starts_with("http://") || arg == "--list" || arg == "--help") {
        return check(&args, &[]);
    }
    let binary = match binary {
        Some(binary) => binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?,
        None => release::build()?,
    };
    let server = Server::start(&binary, CONFIGURATION)?;
    let at_least = if args.iter().any(|arg| arg.starts_with("--only")) { 1 } else { AT_LEAST };
    let own = [
        server.http.clone(),
        format!("--ws={}", server.ws),
        format!("--key={KEY}"),
        "--broken-credential=broken".to_owned(),
        format!("--at-least={at_least}"),
    ];
    check(&args, &own)
}

fn check(args: &[String], own: &[String]) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--package", "dispatch-conformance", "--"]);
    command.args(own).args(args);
    execute(command)
}

/// The value of `--binary`, and the other arguments.
fn binary(args: &[String]) -> Result<(Option<PathBuf>, Vec<String>)> {
    let (mut binary, mut rest) = (None, Vec::new());
    let mut args = args.iter().filter(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--binary") {
            Some("") => binary = Some(args.next().context("--binary needs a path")?.into()),
            Some(path) if path.starts_with('=') => binary = Some(path[1..].into()),
            Some(_) | None => rest.push(arg.clone()),
        }
    }
    Ok((binary, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_ours_and_the_rest_goes_on() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for given in [["--jobs", "2", "--binary", "a/b"].as_slice(), &["--binary=a/b", "--", "--jobs", "2"]] {
            let (found, rest) = binary(&args(given)).unwrap();
            assert_eq!((found, rest), (Some(PathBuf::from("a/b")), args(&["--jobs", "2"])));
        }
        assert!(binary(&args(&["--binary"])).is_err());
    }

    #[test]
    fn the_key_is_the_configured_one() {
        assert!(CONFIGURATION.contains(&format!("api_keys = [\"{KEY}\"]")));
    }
}
