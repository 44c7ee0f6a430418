//! The public SDKs of the realtime contract, unmodified, against our own server: see `compat/README.md`.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::process::{need, program, run as execute};
use crate::release;
use crate::server::Server;

/// Asked for by the operator, whom the suite makes end sessions.
const OPERATOR: &str = "the-operator-of-the-checks";

/// What the model of the suite costs a second.
const PRICE: &str = "0.02";

/// What a key that runs out has for: 3 seconds.
const SOON_GONE: &str = "0.06";
const SECONDS: &str = "3";

/// How many clients of the suite use one up, at most.
const CLIENTS: usize = 4;

/// Builds the server, starts it with keys that have credit and such that soon have none, and lets the suite loose on it.
/// The arguments go to the suite: `--client raw`, `--only ticks`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    need("Python", program("python3", &["--version"]), "python3")?;
    let binary = release::build()?;
    let server = Server::start(
        &binary,
        &format!(
            "[auth]\napi_keys = [\"{OPERATOR}\"]\n\n\
             [[realtime.models]]\nname = \"mirage_v2\"\ncredits_per_second = {PRICE}\n"
        ),
    )?;
    let mut suite = program("python3", &["compat/run.py", "--broke-seconds", SECONDS]);
    suite.args(["--url", &server.http, "--operator-key", OPERATOR]);
    suite.args(["--key", &key(&binary, &server, "100")?]);
    for _ in 0..CLIENTS {
        suite.args(["--broke-key", &key(&binary, &server, SOON_GONE)?]);
    }
    suite.args(args.iter().filter(|arg| *arg != "--"));
    execute(suite)
}

/// A new key with so many credits.
fn key(binary: &Path, server: &Server, credits: &str) -> Result<String> {
    let mut create = program(binary, &["keys", "create", "--credits", credits, "--server", &server.http]);
    create.env("DISPATCH_API_KEY", OPERATOR).stdin(Stdio::null());
    let made = create.output().context("cannot run `dispatch keys create`")?;
    ensure!(made.status.success(), "no key was made: {}", String::from_utf8_lossy(&made.stderr));
    Ok(String::from_utf8(made.stdout).context("the key is no text")?.trim().to_owned())
}
