//! Where the files of the app come from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many of the last lines of a program that failed are told.
const LINES: usize = 20;

pub(crate) enum Source {
    /// It was built from the checkout, into that folder.
    Checkout(PathBuf),
    /// It was built by somebody, and is in that folder.
    Elsewhere(PathBuf),
    /// It is not wanted.
    None,
    /// It is wanted and cannot be had, for reasons in some lines.
    Failed(String),
}

/// Finds the app that `wanted` names, or builds the one in the folder `app` into a folder in `out`.
pub(crate) fn find(wanted: Option<&str>, app: &Path, out: &Path) -> Source {
    match wanted.map(str::trim).filter(|wanted| !wanted.is_empty()) {
        Some("none") => Source::None,
        Some(folder) => {
            // From the root of the checkout, wherever cargo was started.
            let folder = app.parent().unwrap_or(app).join(folder);
            match folder.join("index.html").is_file() {
                true => Source::Elsewhere(folder),
                false => Source::Failed(format!(
                    "DISPATCH_APP names {}, which has no index.html",
                    folder.display()
                )),
            }
        }
        None => match build(app, out) {
            Ok(folder) => Source::Checkout(folder),
            Err(why) => Source::Failed(why),
        },
    }
}

fn build(app: &Path, out: &Path) -> Result<PathBuf, String> {
    let lock = app.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    // Builds of several profiles may be under way: one installs, the others wait.
    let held = File::open(&lock).and_then(|file| file.lock().map(|()| file));
    install(app, &wanted)?;
    drop(held);
    let folder = out.join("app");
    let mut build = npm(app, &["run", "--silent", "build", "--", "--emptyOutDir", "--outDir"]);
    build.arg(&folder);
    run(build)?;
    Ok(folder)
}

/// Installs what the lock file names, unless that was done. `cargo xtask` keeps the same note.
fn install(app: &Path, wanted: &str) -> Result<(), String> {
    let stamp = app.join("node_modules/.installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(npm(app, &["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

fn npm(app: &Path, args: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(args).current_dir(app).stdin(Stdio::null());
    npm
}

/// Runs to the end; a failure has the last that the program said.
fn run(mut command: Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let name = format!("{program} {}", args.join(" "));
    let output = command.output().map_err(|error| format!("cannot start `{name}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    Err(format!("`{name}` failed: {}\n{last}", output.status))
}
