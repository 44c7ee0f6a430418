//! The commands around the release binary.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::npm;
use crate::process::{cargo, need_codecs, program, run as process};
use crate::target;

/// Serves, with the page at the default address unless the arguments say otherwise.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let binary = build()?;
    println!(
        "Dispatch: http://127.0.0.1:24203/ unless the arguments or the configuration name another address."
    );
    let mut serve = program(binary, &["serve"]);
    serve.args(passed_on(args));
    process(serve)
}

/// Kills the server over and over and checks what is left.
pub(crate) fn crash(args: &[String]) -> Result<()> {
    build()?;
    tool("crash", args)
}

/// Has realtime clients come and leave, and looks for anything left of them.
pub(crate) fn soak(args: &[String]) -> Result<()> {
    build()?;
    tool("soak", args)
}

/// Measures the server.
pub(crate) fn bench(args: &[String]) -> Result<()> {
    build()?;
    tool("bench", args)
}

/// Builds the release binary with the web app in it, and says where it is.
pub(crate) fn build() -> Result<PathBuf> {
    need_codecs()?;
    // Named in the variable, it is somebody else's, or there is to be none.
    if env::var_os("DISPATCH_APP").is_none() {
        npm::APP.install()?;
        println!("The web app is built with the server, if it has changed.");
    }
    process(cargo(&["build", "--release", "--package", "dispatch"]))?;
    Ok(target().join("release/dispatch"))
}

fn tool(name: &str, args: &[String]) -> Result<()> {
    let mut tool = cargo(&["run", "--release", "--package", "dispatch-bench", "--bin", name, "--"]);
    tool.args(passed_on(args));
    process(tool)
}

/// The arguments for the other program: a leading `--` only set them apart from ours.
fn passed_on(args: &[String]) -> &[String] {
    match args {
        [first, rest @ ..] if first == "--" => rest,
        args => args,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_is_ours() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(passed_on(&args(&["--", "--port", "1", "--"])), args(&["--port", "1", "--"]));
        assert_eq!(passed_on(&args(&["--port", "1"])), args(&["--port", "1"]));
        assert_eq!(passed_on(&args(&[])), args(&[]));
    }
}
