//! The TypeScript client: its types are the contract's, its own tests pass, and it does what it says against the release
//! binary, in Node and in Chromium.
//!
//! `clients/typescript/test/contract.ts` says what the contract's types are and `proof.ts` compares each with the
//! generated one. What a type checker cannot see, that both sides export the same names and that each is compared, is
//! checked here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Outcome;
use super::outside::Outside;
use crate::npm::CLIENT;
use crate::process::{program, run};
use crate::{target, workspace};

/// A copy of the published contract that some checkouts have beside them.
const BESIDE: &str = "../shared/contract/wire-0.11.0.ts";

/// The client as it is in the checkout, its types against the contract as the project knows it.
pub(super) fn client() -> Result<Outcome> {
    CLIENT.install()?;
    names(&workspace().join(CLIENT.0))?;
    run(CLIENT.script("check"))?;
    println!("The generated types are those of the contract, in both directions.");
    run(CLIENT.script("docs"))?;
    run(CLIENT.script("size"))?;
    let outside = Outside::ready()?;
    for name in ["test", "scenario"] {
        run(outside.given_to(CLIENT.script(name)))?;
    }
    Ok(Outcome::Passed)
}

/// Against the contract's own file, if there is one beside the checkout: the same proof with that file in the place of
/// ours.
pub(super) fn beside() -> Result<Outcome> {
    let Ok(contract) = fs::read_to_string(workspace().join(BESIDE)) else {
        return Ok(Outcome::Skipped("there is no such file"));
    };
    CLIENT.install()?;
    let package = workspace().join(CLIENT.0);
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

/// Whether the generated file and the contract export the same names, and the proof compares each of them.
fn names(package: &Path) -> Result<()> {
    let read = |file: &str| {
        fs::read_to_string(package.join(file)).with_context(|| format!("cannot read {file} of {}", CLIENT.0))
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
}
