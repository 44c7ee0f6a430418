//! `cargo xtask generate`: the wire types for other languages.
//!
//! The types of the `wire` crate become JSON Schemas ([`modules`]), the schemas become TypeScript ([`declaration`] reads
//! them, [`typescript`] prints them) and files for validators ([`schema`]). What is generated is checked in, so that a
//! change to the wire is a diff that a reviewer sees; `--check` finds files that were not generated anew.

mod declaration;
mod modules;
mod schema;
mod typescript;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// What the first line of every generated file of code says.
const HEADER: &str = "// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.";

/// A file as it should be.
struct Output {
    /// Relative to the workspace.
    path: String,
    content: String,
}

/// Writes the files, or with `--check` only says which ones are not as they should be.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => write(),
        [flag] if flag == "--check" => check(),
        _ => bail!("usage: cargo xtask generate [--check]"),
    }
}

fn outputs() -> Result<Vec<Output>> {
    let modules = modules::all()?;
    let mut outputs = typescript::files(&modules)?;
    outputs.extend(schema::files(&modules)?);
    Ok(outputs)
}

fn write() -> Result<()> {
    for Output { path, content } in outputs()? {
        let file = workspace().join(&path);
        if fs::read_to_string(&file).is_ok_and(|current| current == content) {
            println!("unchanged  {path}");
            continue;
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create the folder of {path}"))?;
        }
        fs::write(&file, content).with_context(|| format!("cannot write {path}"))?;
        println!("written    {path}");
    }
    Ok(())
}

fn check() -> Result<()> {
    let outputs = outputs()?;
    let stale: Vec<&str> = outputs
        .iter()
        .filter(|output| {
            !fs::read_to_string(workspace().join(&output.path)).is_ok_and(|current| current == output.content)
        })
        .map(|output| output.path.as_str())
        .collect();
    if stale.is_empty() {
        println!("All {} generated files are up to date.", outputs.len());
        return Ok(());
    }
    bail!("not what the types of crates/wire say now; run `cargo xtask generate`:\n  {}", stale.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generating_twice_gives_the_same_files() {
        let print = |outputs: Vec<Output>| -> Vec<(String, String)> {
            outputs.into_iter().map(|output| (output.path, output.content)).collect()
        };
        assert_eq!(print(outputs().unwrap()), print(outputs().unwrap()));
    }

    #[test]
    fn what_is_checked_in_is_up_to_date() {
        check().unwrap();
    }
}
