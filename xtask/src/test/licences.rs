//! Whether the licences of all dependencies are among those that `deny.toml` allows, and all come from crates.io.
//!
//! cargo-deny checks more, and is used where it is installed.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Outcome;
use crate::process::{cargo, run, succeeds};
use crate::workspace;

/// As cargo calls crates.io.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check() -> Result<Outcome> {
    if succeeds(cargo(&["deny", "--version"])) {
        run(cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
        return Ok(Outcome::Passed);
    }
    println!("cargo-deny is not installed: licences and sources are checked here, banned crates are not.");
    let policy = fs::read_to_string(workspace().join("deny.toml")).context("cannot read deny.toml")?;
    let allowed = allowed(&policy)?;
    let output =
        cargo(&["metadata", "--format-version", "1"]).output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata did not print JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata named no packages")?;
    let complaints: Vec<String> =
        packages.iter().filter_map(|package| complaint(package, &allowed)).collect();
    if complaints.is_empty() {
        println!("{} packages, all under licences that deny.toml allows.", packages.len());
        return Ok(Outcome::Passed);
    }
    bail!("{}", complaints.join("\n"))
}

/// The strings of `allow = [...]` in the section `[licenses]`.
fn allowed(policy: &str) -> Result<Vec<&str>> {
    let section = policy.split_once("[licenses]").context("deny.toml has no section [licenses]")?.1;
    let section = section.split("\n[").next().unwrap_or(section);
    let list = section.split_once("allow = [").context("[licenses] in deny.toml allows nothing")?.1;
    let list = list.split_once(']').context("the list of licences in deny.toml does not end")?.0;
    let code = list.lines().map(|line| line.split('#').next().unwrap_or(line));
    // Every second piece between quotes is within them.
    Ok(code.flat_map(|line| line.split('"').skip(1).step_by(2)).collect())
}

fn complaint(package: &Value, allowed: &[&str]) -> Option<String> {
    let name = format!("{} {}", package["name"].as_str()?, package["version"].as_str()?);
    match package["source"].as_str() {
        None | Some(CRATES_IO) => {}
        Some(source) => return Some(format!("{name} does not come from crates.io but from {source}")),
    }
    let Some(licence) = package["license"].as_str() else {
        return Some(format!("{name} names no licence"));
    };
    match Expression::new(licence).permitted(allowed) {
        Some(true) => None,
        Some(false) => Some(format!("{name} is under {licence}, which deny.toml does not allow")),
        None => Some(format!("{name} names its licence in a way that cannot be read: {licence}")),
    }
}

/// An SPDX licence expression: `OR` binds less than `AND`, and `WITH` belongs to the name before it.
struct Expression<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Expression<'a> {
    fn new(text: &'a str) -> Self {
        let mut words = Vec::new();
        // An old notation writes a slash for `OR`.
        for word in text.split(|c: char| c.is_whitespace()) {
            for piece in word.split_inclusive(['(', ')', '/']) {
                let name = piece.trim_end_matches(['(', ')', '/']);
                words.push(name);
                words.push(&piece[name.len()..]);
            }
        }
        words.retain(|word| !word.is_empty());
        Self { words, next: 0 }
    }

    /// Whether the licence can be met by allowed ones; `None` if the expression cannot be read.
    fn permitted(mut self, allowed: &[&str]) -> Option<bool> {
        let met = self.any(allowed)?;
        (self.next == self.words.len()).then_some(met)
    }

    fn any(&mut self, allowed: &[&str]) -> Option<bool> {
        let mut met = self.all(allowed)?;
        while self.accept("OR") || self.accept("/") {
            met |= self.all(allowed)?;
        }
        Some(met)
    }

    fn all(&mut self, allowed: &[&str]) -> Option<bool> {
        let mut met = self.one(allowed)?;
        while self.accept("AND") {
            met &= self.one(allowed)?;
        }
        Some(met)
    }

    fn one(&mut self, allowed: &[&str]) -> Option<bool> {
        if self.accept("(") {
            let met = self.any(allowed)?;
            return self.accept(")").then_some(met);
        }
        let name = self.word()?;
        if !self.accept("WITH") {
            return Some(allowed.contains(&name));
        }
        let exception = format!("{name} WITH {}", self.word()?);
        Some(allowed.contains(&exception.as_str()))
    }

    /// A name of a licence or an exception.
    fn word(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.next)?;
        self.next += 1;
        (!["OR", "AND", "WITH", "(", ")", "/"].contains(&word)).then_some(word)
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next) == Some(&word);
        self.next += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_allow_list_is_read_from_the_policy() {
        let policy = "[bans]\nallow = [\"not this\"]\n\n[licenses]\nconfidence-threshold = 1\nallow = [\n  \
                      \"MIT\", # \"as such\"\n  \"Apache-2.0\",\n]\n\n[sources]\nallow = [\"nor this\"]\n";
        assert_eq!(allowed(policy).unwrap(), ["MIT", "Apache-2.0"]);
    }

    #[test]
    fn an_expression_is_met_by_allowed_licences_only() {
        let met = |text| Expression::new(text).permitted(&["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
        assert_eq!(met("MIT"), Some(true));
        assert_eq!(met("GPL-3.0"), Some(false));
        assert_eq!(met("GPL-3.0 OR MIT"), Some(true));
        assert_eq!(met("GPL-3.0/MIT"), Some(true));
        assert_eq!(met("GPL-3.0 / MIT"), Some(true));
        assert_eq!(met("GPL-3.0 AND MIT"), Some(false));
        assert_eq!(met("MIT OR GPL-3.0 AND ISC"), Some(true));
        assert_eq!(met("(MIT OR GPL-3.0) AND ISC"), Some(true));
        assert_eq!(met("(MIT OR GPL-3.0) AND (GPL-2.0 OR (GPL-3.0))"), Some(false));
        assert_eq!(met("Apache-2.0 WITH LLVM-exception"), Some(true));
        assert_eq!(met("Apache-2.0"), Some(false));
        assert_eq!(met("MIT WITH LLVM-exception"), Some(false));
    }

    #[test]
    fn what_is_no_expression_is_not_met() {
        for text in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH"] {
            assert_eq!(Expression::new(text).permitted(&["MIT", "ISC"]), None, "{text}");
        }
    }

    #[test]
    fn each_kind_of_complaint_is_made() {
        let of = |source: Value, license: Value| {
            complaint(
                &json!({ "name": "leftpad", "version": "1.0.0", "source": source, "license": license }),
                &["MIT"],
            )
        };
        assert_eq!(of(CRATES_IO.into(), "MIT".into()), None);
        assert_eq!(of(Value::Null, "MIT".into()), None);
        assert_eq!(
            of("git+https://example.org/leftpad".into(), "MIT".into()).unwrap(),
            "leftpad 1.0.0 does not come from crates.io but from git+https://example.org/leftpad"
        );
        assert_eq!(of(CRATES_IO.into(), Value::Null).unwrap(), "leftpad 1.0.0 names no licence");
        assert_eq!(
            of(CRATES_IO.into(), "GPL-3.0".into()).unwrap(),
            "leftpad 1.0.0 is under GPL-3.0, which deny.toml does not allow"
        );
        assert_eq!(
            of(CRATES_IO.into(), "MIT AND".into()).unwrap(),
            "leftpad 1.0.0 names its licence in a way that cannot be read: MIT AND"
        );
    }
}
