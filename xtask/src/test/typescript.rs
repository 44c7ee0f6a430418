//! The TypeScript client: its types are the contract's, its own tests pass, and it does what it says against the release
//! binary, in Node and in Chromium.
//!
//! `clients/typescript/test/contract.ts` says what the contract's types are and `proof.ts` compares each with the
//! generated one. What a type checker cannot see, that both sides export the same names and that each is compared, is
//! checked here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use super::Outcome;
use crate::process::{need, program, run};
use crate::{release, target, workspace};

const PACKAGE: &str = "clients/typescript";
/// A copy of the published contract that some checkouts have beside them.
const BESIDE: &str = "../shared/contract/wire-0.11.0.ts";

/// Programs that are Chromium, or one like it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The client as it is in the checkout, its types against the contract as the project knows it.
pub(super) fn client() -> Result<Outcome> {
    install()?;
    let package = workspace().join(PACKAGE);
    names(&package)?;
    script(&package, "check")?;
    println!("The generated types are those of the contract, in both directions.");
    script(&package, "docs")?;
    script(&package, "size")?;
    let server = match env::var_os("DISPATCH_BINARY") {
        Some(named) => PathBuf::from(named),
        None => release::build()?,
    };
    let against = [("DISPATCH_BINARY", server), ("CHROMIUM", browser()?)];
    for name in ["test", "scenario"] {
        let mut tests = npm(&package, name);
        tests.envs(against.iter().map(|(name, path)| (name, path)));
        run(tests)?;
    }
    Ok(Outcome::Passed)
}

fn script(package: &Path, name: &str) -> Result<()> {
    run(npm(package, name))
}

/// A script of the package.
fn npm(package: &Path, name: &str) -> Command {
    let mut script = program("npm", &["run", "--silent", name]);
    script.current_dir(package);
    script
}

/// The browser that the variable names, or one that is installed, or else Debian's.
fn browser() -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let found = || {
        let folders = env::var_os("PATH").unwrap_or_default();
        let programs = env::split_paths(&folders).flat_map(|folder| BROWSERS.map(|name| folder.join(name)));
        programs.into_iter().find(|program| program.is_file())
    };
    if found().is_none() {
        need("Chromium", program("chromium", &["--version"]), "chromium")?;
    }
    found().context("no Chromium was found; name one in the variable CHROMIUM")
}

/// Against the contract's own file, if there is one beside the checkout: the same proof with that file in the place of
/// ours.
pub(super) fn beside() -> Result<Outcome> {
    let Ok(contract) = fs::read_to_string(workspace().join(BESIDE)) else {
        return Ok(Outcome::Skipped("there is no such file"));
    };
    install()?;
    let package = workspace().join(PACKAGE);
    let copy = target().join("contract-proof");
    for folder in ["src", "test"] {
        fs::create_dir_all(copy.join(folder)).context("cannot create a folder for the proof")?;
    }
    for file in ["package.json", "tsconfig.json", "src/wire.ts", "test/same.ts", "test/proof.ts"] {
        fs::copy(package.join(file), copy.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    fs::write(copy.join("test/contract.ts"), contract).context("cannot copy the contract")?;
    names(&copy)?;
    let mut check = program(package.join("node_modules/.bin/tsc"), &["--project"]);
    check.arg(&copy);
    run(check)?;
    println!("The generated types are those of the contract's own file, in both directions.");
    Ok(Outcome::Passed)
}

/// Installs the compiler, unless it is there already.
fn install() -> Result<()> {
    let package = workspace().join(PACKAGE);
    let wanted =
        fs::read_to_string(package.join("package-lock.json")).context("cannot read package-lock.json")?;
    // Within what `npm ci` removes first, and written last: it is there only if all else is.
    let stamp = package.join("node_modules/.installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    need("npm", program("npm", &["--version"]), "npm")?;
    let mut install = program("npm", &["ci", "--no-audit", "--no-fund"]);
    install.current_dir(&package);
    run(install)?;
    fs::write(&stamp, wanted).context("cannot note what was installed")
}

/// Whether the generated file and the contract export the same names, and the proof compares each of them.
fn names(package: &Path) -> Result<()> {
    let read = |file: &str| {
        fs::read_to_string(package.join(file)).with_context(|| format!("cannot read {file} of {PACKAGE}"))
    };
    let (generated, contract, proof) =
        (read("src/wire.ts")?, read("test/contract.ts")?, read("test/proof.ts")?);
    let (generated, contract, compared) = (exported(&generated), exported(&contract), compared(&proof));
    let minus =
        |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).copied().collect::<Vec<_>>().join(", ");
    ensure!(!contract.is_empty(), "the contract exports nothing");
    let (missing, extra) = (minus(&contract, &generated), minus(&generated, &contract));
    ensure!(missing.is_empty(), "the contract exports what wire.ts does not: {missing}");
    ensure!(extra.is_empty(), "wire.ts exports what the contract does not: {extra}");
    let unproven = minus(&contract, &compared);
    ensure!(unproven.is_empty(), "test/proof.ts does not compare {unproven}");
    println!("{} names are exported, the same by both, and all are compared.", contract.len());
    Ok(())
}

/// The names of the types that a file declares and exports.
fn exported(source: &str) -> BTreeSet<&str> {
    let declared = source.lines().filter_map(|line| {
        line.strip_prefix("export type ").or_else(|| line.strip_prefix("export interface "))
    });
    declared.map(leading_name).filter(|name| !name.is_empty()).collect()
}

/// The names that a line of the proof compares on both sides.
fn compared(proof: &str) -> BTreeSet<&str> {
    let pairs = proof.lines().filter_map(|line| {
        let (ours, theirs) = line.split_once("Same<Wire.")?.1.split_once(", Contract.")?;
        Some((leading_name(ours), leading_name(theirs)))
    });
    pairs.filter(|(ours, theirs)| ours == theirs).map(|(ours, _)| ours).collect()
}

fn leading_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_names_are_those_that_are_declared() {
        let source = "export type Role = \"user\";\nexport interface Usage {\n  readonly type: string;\n}\n\
                      export type * from \"./other.js\";\ninterface Private {}\n/** export type Comment */\n";
        assert_eq!(exported(source), BTreeSet::from(["Role", "Usage"]));
    }

    #[test]
    fn a_name_is_compared_only_with_its_own_kind() {
        let proof = "  Expect<Same<Wire.Role, Contract.Role>>,\n  Expect<Same<Wire.Usage, Contract.Role>>,\n";
        assert_eq!(compared(proof), BTreeSet::from(["Role"]));
    }

    #[test]
    fn the_lock_file_names_no_place_of_download() {
        let lock = fs::read_to_string(workspace().join(PACKAGE).join("package-lock.json")).unwrap();
        assert!(!lock.contains("://"), "{lock}");
    }
}
