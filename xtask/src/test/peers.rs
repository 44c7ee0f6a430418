//! Programs of others that tests talk to: fake model servers from Python packages, in an environment of their own.

use std::fs;

use anyhow::{Context, Result};

use super::Outcome;
use crate::process::{need, program, run};
use crate::{target, workspace};

/// Names the packages and pins their versions.
const REQUIREMENTS: &str = "crates/providers/tests/requirements.txt";

/// Installs them into `target/test-venv`, unless they are there already.
pub(super) fn install() -> Result<Outcome> {
    let file = workspace().join(REQUIREMENTS);
    let Ok(wanted) = fs::read_to_string(&file) else {
        return Ok(Outcome::Skipped("no test needs any"));
    };
    let environment = target().join("test-venv");
    // Written last: an environment without it was left half made.
    let stamp = environment.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("What {REQUIREMENTS} names is installed already.");
        return Ok(Outcome::Passed);
    }
    need("Python's venv module", program("python3", &["-c", "import ensurepip, venv"]), "python3-venv")?;
    let mut create = program("python3", &["-m", "venv", "--clear"]);
    create.arg(&environment);
    run(create)?;
    let mut install = program(environment.join("bin/pip"), &["install", "--quiet", "--requirement"]);
    install.arg(&file);
    run(install)?;
    fs::write(&stamp, wanted).context("cannot note what was installed")?;
    Ok(Outcome::Passed)
}
