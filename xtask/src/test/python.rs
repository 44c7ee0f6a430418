//! The Python client: its wheel is built and installed, and all is done with it that a user does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Outcome;
use crate::process::{need, program, run};
use crate::{release, target, workspace};

const PACKAGE: &str = "clients/python";

/// Units and cases, types, the reference, examples, and the scenario against the release binary.
pub(super) fn check() -> Result<Outcome> {
    let version = "import sys; sys.exit(sys.version_info < (3, 11))";
    need("Python 3.11", program("python3", &["-c", version]), "python3")?;
    let environment = Environment::make()?;
    let binary = release::build()?;
    environment.install(&environment.wheel()?)?;

    let package = workspace().join(PACKAGE);
    let within = |mut command: Command| {
        command.current_dir(&package).env("DISPATCH_BINARY", &binary).env_remove("PYTHONPATH");
        run(command)
    };
    within(environment.program("python", &["-m", "unittest", "discover", "--start-directory", "tests"]))?;
    within(environment.program("mypy", &[]))?;
    let mut types = environment.program("pyright", &["--pythonpath"]);
    types.arg(environment.0.join("bin/python"));
    within(types)?;
    let mut reference = environment
        .program("python", &["-W", "error", "-m", "pdoc", "dispatch_client", "--output-directory"]);
    reference.arg(environment.0.join("reference"));
    within(reference)?;
    within(environment.program("python", &["tests/scenario.py"]))?;
    Ok(Outcome::Passed)
}

/// `target/python`, with what `requirements.txt` pins.
struct Environment(PathBuf);

impl Environment {
    fn make() -> Result<Self> {
        let file = workspace().join(PACKAGE).join("requirements.txt");
        let wanted = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let environment = Self(target().join("python"));
        // Written last: an environment without it was left half made.
        let stamp = environment.0.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(environment);
        }
        need("Python's venv module", program("python3", &["-c", "import ensurepip, venv"]), "python3-venv")?;
        let mut create = program("python3", &["-m", "venv", "--clear"]);
        create.arg(&environment.0);
        run(create)?;
        let mut install = environment.program("pip", &["install", "--quiet", "--requirement"]);
        install.arg(&file);
        run(install)?;
        fs::write(&stamp, wanted).context("cannot note what was installed")?;
        Ok(environment)
    }

    /// Builds it, and says where it is.
    fn wheel(&self) -> Result<PathBuf> {
        let folder = self.0.join("wheels");
        // Of an earlier version, perhaps.
        let _ = fs::remove_dir_all(&folder);
        let mut build = self.program("maturin", &["build", "--release", "--locked", "--out"]);
        build.arg(&folder).arg("--manifest-path").arg(workspace().join(PACKAGE).join("Cargo.toml"));
        run(build)?;
        let files = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let wheels: Vec<PathBuf> = files.map_while(Result::ok).map(|file| file.path()).collect();
        ensure!(wheels.len() == 1, "maturin has made {} wheels", wheels.len());
        wheels.into_iter().next().context("maturin has made no wheel")
    }

    fn install(&self, wheel: &Path) -> Result<()> {
        let words = ["install", "--quiet", "--no-index", "--no-deps", "--force-reinstall"];
        let mut install = self.program("pip", &words);
        install.arg(wheel);
        run(install)
    }

    fn program(&self, name: &str, args: &[&str]) -> Command {
        program(self.0.join("bin").join(name), args)
    }
}
