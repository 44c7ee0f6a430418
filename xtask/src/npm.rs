//! The packages of the checkout that npm installs and runs.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{need, program, run};
use crate::workspace;

/// A folder of the checkout with a `package.json` and a lock file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package(pub(crate) &'static str);

/// The TypeScript client.
pub(crate) const CLIENT: Package = Package("clients/typescript");

/// The web app. What it needs of the client it takes from its sources.
pub(crate) const APP: Package = Package("app");

impl Package {
    /// Installs what the lock file names, unless that was done. The build script of `crates/app` keeps the same note.
    pub(crate) fn install(self) -> Result<()> {
        need("npm", program("npm", &["--version"]), "npm")?;
        let folder = workspace().join(self.0);
        let lock = folder.join("package-lock.json");
        let wanted = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
        // Within what `npm ci` removes first, and written last: it is there only if all else is.
        let stamp = folder.join("node_modules/.installed");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        println!("in {}:", self.0);
        run(self.within("npm", &["ci", "--no-audit", "--no-fund"]))?;
        fs::write(&stamp, wanted).context("cannot note what was installed")
    }

    /// A script of the package.
    pub(crate) fn script(self, name: &str) -> Command {
        self.within("npm", &["run", "--silent", name])
    }

    fn within(self, name: &str, args: &[&str]) -> Command {
        let mut command = program(name, args);
        command.current_dir(workspace().join(self.0));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_files_name_no_place_of_download() {
        for package in [CLIENT, APP] {
            let lock = fs::read_to_string(workspace().join(package.0).join("package-lock.json")).unwrap();
            assert!(!lock.contains("://"), "{}: `npm run lock` takes it out", package.0);
        }
    }
}
