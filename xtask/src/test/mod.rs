//! `cargo xtask test`: all that must pass before a change lands.

mod app;
mod licences;
mod outside;
mod peers;
mod python;
mod rust;
mod typescript;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::generate;
use crate::process::{Failure, cargo, need_codecs, run as process, succeeds};

struct Part {
    name: &'static str,
    about: &'static str,
    /// Whether `--quick` includes it.
    quick: bool,
    run: fn() -> Result<Outcome>,
}

/// How a part ended that did not fail.
enum Outcome {
    Passed,
    /// There was nothing to test.
    Skipped(&'static str),
}

const PARTS: [Part; 16] = [
    Part { name: "format", about: "rustfmt has nothing to change", quick: true, run: format },
    Part { name: "lint", about: "clippy has nothing to say", quick: true, run: lint },
    Part { name: "generated", about: "generated files are up to date", quick: true, run: generated },
    Part {
        name: "typescript",
        about: "the TypeScript client: types, tests, size, reference, and the scenario in Chromium",
        quick: false,
        run: typescript::client,
    },
    Part {
        name: "app",
        about: "the web app: types, units, size, and all that people do with it in Chromium",
        quick: false,
        run: app::check,
    },
    Part {
        name: "contract",
        about: "its types, against a contract file beside the checkout",
        quick: false,
        run: typescript::beside,
    },
    Part {
        name: "peers",
        about: "install the programs that tests talk to",
        quick: false,
        run: peers::install,
    },
    Part { name: "doctests", about: "examples in the documentation", quick: false, run: doctests },
    Part { name: "tests", about: "unit and integration tests", quick: true, run: tests },
    Part {
        name: "conformance",
        about: "the release binary keeps the contract, seen from outside",
        quick: false,
        run: conformance,
    },
    Part {
        name: "compat",
        about: "the public realtime SDKs, unmodified, get what they want",
        quick: false,
        run: compat,
    },
    Part {
        name: "rust",
        about: "the Rust client: examples, and the scenario of all clients",
        quick: false,
        run: rust::check,
    },
    Part {
        name: "python",
        about: "the Python client, built, installed and used",
        quick: false,
        run: python::check,
    },
    Part {
        name: "fuzz",
        about: "known bad bytes do no harm, nor do those found in some seconds",
        quick: false,
        run: fuzz,
    },
    Part { name: "docs", about: "the documentation builds, no link is broken", quick: false, run: docs },
    Part { name: "licences", about: "dependencies are ones we may ship", quick: false, run: licences::check },
];

/// Runs all parts, those of `--quick`, or those that are named; a failed part does not keep the later ones from running.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let chosen = choose(args)?;
    need_codecs()?;
    let mut rows = Vec::new();
    for part in &chosen {
        println!("\n=== {}: {} ===", part.name, part.about);
        let started = Instant::now();
        let result = (part.run)();
        if let Err(error) = &result {
            println!("error: {error:#}");
        }
        rows.push((part.name, result, started.elapsed()));
    }
    print!("{}\n{}", reminder(&rows), summary(&rows));
    let failed: Vec<&str> =
        rows.iter().filter(|(_, result, _)| result.is_err()).map(|(name, ..)| *name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} of {} parts failed: {}", failed.len(), rows.len(), failed.join(", "))
}

/// The lines of the help about the parts.
pub(crate) fn parts() -> String {
    let line = |part: &Part| {
        let mark = if part.quick { "*" } else { " " };
        format!("  {:<11}{mark} {}\n", part.name, part.about)
    };
    PARTS.iter().map(line).collect()
}

fn choose(args: &[String]) -> Result<Vec<&'static Part>> {
    if let Some(unknown) =
        args.iter().find(|arg| *arg != "--quick" && PARTS.iter().all(|part| part.name != arg.as_str()))
    {
        bail!("`{unknown}` is not a part of the tests; the parts are\n{}", parts());
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let wanted =
        |part: &&Part| args.is_empty() || (quick && part.quick) || args.iter().any(|arg| arg == part.name);
    Ok(PARTS.iter().filter(wanted).collect())
}

/// What the failed parts printed last: whoever sees only the end of it all sees why, too.
fn reminder(rows: &[(&str, Result<Outcome>, Duration)]) -> String {
    let of_part = |(name, result, _): &(&str, Result<Outcome>, Duration)| {
        let error = result.as_ref().err()?;
        let last = error.downcast_ref::<Failure>().map(|failure| failure.last.join("\n")).unwrap_or_default();
        Some(format!("\n=== {name} failed: {error:#}; its last words ===\n{last}\n"))
    };
    rows.iter().filter_map(of_part).collect()
}

fn summary(rows: &[(&str, Result<Outcome>, Duration)]) -> String {
    let line = |(name, result, took): &(&str, Result<Outcome>, Duration)| {
        let result = match result {
            Ok(Outcome::Passed) => "ok".to_owned(),
            Ok(Outcome::Skipped(why)) => format!("skipped: {why}"),
            Err(_) => "FAILED".to_owned(),
        };
        format!("{name:<11} {:>7.1} s  {result}\n", took.as_secs_f64())
    };
    rows.iter().map(line).collect()
}

fn format() -> Result<Outcome> {
    process(cargo(&["fmt", "--all", "--check"]))?;
    process(cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    Ok(Outcome::Passed)
}

fn lint() -> Result<Outcome> {
    process(cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    Ok(Outcome::Passed)
}

fn generated() -> Result<Outcome> {
    generate::run(&["--check".to_owned()])?;
    Ok(Outcome::Passed)
}

fn doctests() -> Result<Outcome> {
    process(cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]))?;
    Ok(Outcome::Passed)
}

fn tests() -> Result<Outcome> {
    if !succeeds(cargo(&["nextest", "--version"])) {
        println!(
            "cargo-nextest is not installed: `cargo test` runs instead, where a test that hangs is not ended. \
             `cargo install --locked cargo-nextest` installs it."
        );
        process(cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]))?;
        return Ok(Outcome::Passed);
    }
    let profile = if env::var_os("CI").is_some() { "ci" } else { "default" };
    process(cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--profile", profile]))?;
    Ok(Outcome::Passed)
}

fn conformance() -> Result<Outcome> {
    crate::conformance::run(&[])?;
    Ok(Outcome::Passed)
}

fn compat() -> Result<Outcome> {
    crate::compat::run(&[])?;
    Ok(Outcome::Passed)
}

fn fuzz() -> Result<Outcome> {
    crate::fuzz::run(&["--seconds".to_owned(), "10".to_owned()])?;
    Ok(Outcome::Passed)
}

fn docs() -> Result<Outcome> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "--deny warnings");
    process(doc)?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod unit {
    use anyhow::anyhow;

    use super::*;

    fn names(args: &[&str]) -> Result<Vec<&'static str>> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Ok(choose(&args)?.into_iter().map(|part| part.name).collect())
    }

    #[test]
    fn parts_run_in_their_order_whatever_the_order_asked_for() {
        assert_eq!(names(&[]).unwrap().len(), PARTS.len());
        assert_eq!(names(&["--quick"]).unwrap(), ["format", "lint", "generated", "tests"]);
        assert_eq!(names(&["tests", "format"]).unwrap(), ["format", "tests"]);
        assert_eq!(names(&["--quick", "docs"]).unwrap(), ["format", "lint", "generated", "tests", "docs"]);
    }

    #[test]
    fn an_unknown_part_is_refused() {
        let error = names(&["test"]).unwrap_err().to_string();
        assert!(error.starts_with("`test` is not a part of the tests"), "{error}");
    }

    #[test]
    fn the_summary_has_a_line_for_each_part() {
        let rows = [
            ("format", Ok(Outcome::Passed), Duration::from_millis(1_240)),
            ("contract", Ok(Outcome::Skipped("none")), Duration::ZERO),
            ("tests", Err(anyhow!("no")), Duration::from_secs(61)),
        ];
        assert_eq!(
            summary(&rows),
            "format          1.2 s  ok\ncontract        0.0 s  skipped: none\ntests          61.0 s  FAILED\n"
        );
    }
}
