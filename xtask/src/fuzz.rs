//! `cargo xtask fuzz`: bytes that nobody thought of, for everything that takes bytes from outside.
//!
//! The targets are in `fuzz`, all in one binary. It is built with the instrumentation that libFuzzer needs, through flags
//! of the stable compiler, into `target/fuzz`, so that no other build is disturbed. What libFuzzer learns is kept in
//! `target/fuzz/corpus`; it begins with `fuzz/seeds`.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{cargo, need, program, run as process};
use crate::{target, workspace};

struct Target {
    name: &'static str,
    about: &'static str,
}

const TARGETS: [Target; 12] = [
    Target { name: "sse", about: "server-sent events of a provider, cut anywhere" },
    Target { name: "openai_stream", about: "a stream of chat completion chunks, cut anywhere" },
    Target { name: "anthropic_stream", about: "a stream of the Messages API, cut anywhere" },
    Target { name: "provider_answers", about: "refusals, lists of models and whatever else is no stream" },
    Target { name: "http_bodies", about: "bodies of requests, to every route there is" },
    Target { name: "http_paths", about: "methods, paths and queries of requests" },
    Target { name: "websocket", about: "frames of a WebSocket" },
    Target { name: "signaling", about: "frames of a realtime session" },
    Target { name: "offers", about: "the SDP that a client offers media with" },
    Target { name: "pictures", about: "packets of video, and reference images" },
    Target { name: "tool_arguments", about: "what a model writes as the input of a tool" },
    Target { name: "config", about: "configuration files, and variables over them" },
];

/// What `cargo fuzz` passes without a sanitizer: counters of edges, their addresses, and what comparisons compare.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cdebug-assertions",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// An input that takes longer hangs, even on a busy machine.
const PATIENCE: &str = "-timeout=30";

/// In mebibytes. The targets need about 100.
const MEMORY: &str = "-rss_limit_mb=1024";

/// The most bytes of an input.
const LENGTH: &str = "-max_len=8192";

/// Fuzzes all targets, or those that are named, each for so long.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let order = Order::of(args)?;
    let binary = build()?;
    if let Some(file) = &order.repeat {
        for target in &order.targets {
            process(command(&binary, target, &[PATIENCE, MEMORY], std::slice::from_ref(file)))?;
        }
        println!("It fails no more.");
        return Ok(());
    }
    println!(
        "Fuzzing for {} s each, {} at a time: {}.",
        order.seconds,
        order.jobs,
        order.targets.iter().map(|target| target.name).collect::<Vec<_>>().join(", ")
    );
    let reports = all(&order, &binary);
    println!();
    let mut failed = Vec::new();
    for (target, report) in reports {
        match report {
            Ok(report) => {
                println!("{}", report.line(target));
                if report.finding.is_some() {
                    failed.push(target.name);
                }
            }
            Err(error) => {
                println!("{:<17} {error:#}", target.name);
                failed.push(target.name);
            }
        }
    }
    ensure!(failed.is_empty(), "fuzzing found something: {}", failed.join(", "));
    Ok(())
}

/// What is to be done.
#[derive(Debug)]
struct Order {
    seconds: u64,
    /// How many targets run at a time.
    jobs: usize,
    /// An input to be run once more, instead of looking for others.
    repeat: Option<PathBuf>,
    targets: Vec<&'static Target>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Order {
    fn of(args: &[String]) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut order = Self { seconds: 60, jobs: cores, repeat: None, targets: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("`{arg}` needs a value"));
            match arg.as_str() {
                "--seconds" => order.seconds = number(value()?)?,
                "--jobs" => order.jobs = usize::try_from(number(value()?)?)?,
                "--repeat" => {
                    let file = PathBuf::from(value()?);
                    order.repeat =
                        Some(file.canonicalize().with_context(|| format!("there is no {}", file.display()))?);
                }
                name => match TARGETS.iter().find(|target| target.name == name) {
                    Some(target) => order.targets.push(target),
                    None => bail!("`{name}` is not a fuzz target; the targets are\n{}", targets()),
                },
            }
        }
        if order.repeat.is_some() {
            ensure!(order.targets.len() == 1, "name the one target that takes the file");
        }
        if order.targets.is_empty() {
            order.targets.extend(&TARGETS);
        }
        Ok(order)
    }
}

fn number(text: &str) -> Result<u64> {
    let number: u64 = text.parse().with_context(|| format!("`{text}` is not a number"))?;
    ensure!(number > 0, "0 is too little");
    Ok(number)
}

fn targets() -> String {
    TARGETS.iter().map(|Target { name, about }| format!("  {name:<17} {about}\n")).collect()
}

/// Where everything of it is.
fn directory() -> PathBuf {
    target().join("fuzz")
}

/// Builds the binary with all targets.
fn build() -> Result<PathBuf> {
    need("A C++ compiler", program("c++", &["--version"]), "g++")?;
    let version = program("rustc", &["-vV"]).output().context("cannot run rustc")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    // A target of its own keeps the flags away from build scripts and macros, which run in the compiler.
    let mut build = cargo(&["build", "--manifest-path", "fuzz/Cargo.toml", "--target", host]);
    build
        .env("CARGO_TARGET_DIR", directory())
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    process(build)?;
    Ok(directory().join(host).join("debug/dispatch-fuzz"))
}

/// Runs all targets and says how each of them ended, in their order.
fn all(order: &Order, binary: &Path) -> Vec<(&'static Target, Result<Report>)> {
    let waiting = Mutex::new(order.targets.iter().copied().enumerate().collect::<VecDeque<_>>());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        let mut reports = Vec::new();
        while let Some((place, target)) = next() {
            reports.push((place, target, fuzz(binary, target, order.seconds)));
        }
        reports
    };
    let mut reports: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..order.jobs.min(order.targets.len())).map(|_| scope.spawn(work)).collect();
        // A worker that panicked has said so; its targets are missing from the list.
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    reports.sort_by_key(|(place, ..)| *place);
    reports.into_iter().map(|(_, target, report)| (target, report)).collect()
}

fn fuzz(binary: &Path, target: &Target, seconds: u64) -> Result<Report> {
    let make = |name: &str| {
        let path = directory().join(name).join(target.name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        anyhow::Ok(path)
    };
    let (corpus, findings) = (make("corpus")?, make("findings")?);
    let log = make("logs")?.join("last.log");
    let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let own = workspace().join("fuzz");
    let mut flags = vec![
        PATIENCE.to_owned(),
        MEMORY.to_owned(),
        LENGTH.to_owned(),
        format!("-max_total_time={seconds}"),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/", findings.display()),
    ];
    let dictionary = own.join("dictionaries").join(target.name).with_extension("dict");
    if dictionary.exists() {
        flags.push(format!("-dict={}", dictionary.display()));
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut fuzzer = command(binary, target, &flags, &[corpus, own.join("seeds").join(target.name)]);
    fuzzer.stdout(file.try_clone()?).stderr(file);
    println!("{}: {}; its log is {}", target.name, target.about, log.display());
    let status = fuzzer.status().with_context(|| format!("cannot start {}", binary.display()))?;
    let log = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(Report::of(&String::from_utf8_lossy(&log), status.success()))
}

fn command(binary: &Path, target: &Target, flags: &[&str], inputs: &[PathBuf]) -> Command {
    let mut command = program(binary, &[]);
    command.arg(format!("--target={}", target.name)).args(flags).args(inputs);
    command
}

/// What libFuzzer said at its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    executions: u64,
    /// How many edges of the program were seen.
    coverage: u64,
    /// How many inputs are worth keeping.
    corpus: u64,
    finding: Option<Finding>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Finding {
    /// What repeats it; none if the fuzzer itself failed.
    file: Option<String>,
    /// The first words of it.
    words: String,
}

impl Report {
    fn of(log: &str, succeeded: bool) -> Self {
        let after = |line: &str, label: &str| {
            let number = line.split_once(label)?.1.trim_start();
            let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u64>().ok()
        };
        let mut report = Self::default();
        let mut finding = Finding::default();
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                report.coverage = after(line, " cov: ").unwrap_or(report.coverage);
                report.corpus = after(line, " corp: ").unwrap_or(report.corpus);
            } else if let Some(executions) = after(line, "stat::number_of_executed_units:") {
                report.executions = executions;
            } else if let Some((_, file)) = line.split_once("Test unit written to ") {
                finding.file = Some(file.trim().to_owned());
            } else if line.contains(" panicked at ") {
                let place = line.split_once(" panicked at ").map_or("", |(_, place)| place);
                finding.words = format!("{place} {}", lines.next().unwrap_or_default());
            } else if line.contains("ERROR: libFuzzer: ") && finding.words.is_empty() {
                finding.words = line.split_once("ERROR: ").map_or(line, |(_, words)| words).to_owned();
            }
        }
        if !succeeded {
            if finding.words.is_empty() {
                finding.words = log.lines().last().unwrap_or("it said nothing").to_owned();
            }
            report.finding = Some(finding);
        }
        report
    }

    fn line(&self, target: &Target) -> String {
        let Self { executions, coverage, corpus, finding } = self;
        let name = target.name;
        let numbers = format!("{name:<17} {executions:>9} executions {coverage:>6} edges {corpus:>5} inputs");
        match finding {
            None => format!("{numbers}  no finding"),
            Some(Finding { file: None, words }) => format!("{numbers}  FAILED\n  {words}"),
            Some(Finding { file: Some(file), words }) => {
                format!("{numbers}  1 FINDING\n  {words}\n  cargo xtask fuzz --repeat {file} {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(words: &[&str]) -> Result<Order> {
        Order::of(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_targets_are_those_of_the_binary_and_have_seeds() {
        let source = include_str!("../../fuzz/src/main.rs");
        let (_, table) = source.split_once("const TARGETS").unwrap();
        let names =
            table.split_once("];\n").unwrap().0.lines().filter_map(|line| line.trim().strip_prefix("(\""));
        let names: Vec<&str> = names.map(|line| line.split_once('"').unwrap().0).collect();
        assert_eq!(names, TARGETS.map(|target| target.name));
        let mut seeds: Vec<_> = fs::read_dir(workspace().join("fuzz/seeds"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        seeds.sort();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(seeds, names);
    }

    #[test]
    fn an_order_is_for_all_targets_or_for_some() {
        let all = order(&[]).unwrap();
        assert_eq!((all.seconds, all.targets.len(), all.repeat), (60, TARGETS.len(), None));
        let some = order(&["config", "--seconds", "5", "sse", "--jobs", "3"]).unwrap();
        let names: Vec<_> = some.targets.iter().map(|target| target.name).collect();
        assert_eq!((some.seconds, some.jobs, names), (5, 3, vec!["config", "sse"]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = |words: &[&str]| order(words).unwrap_err().to_string();
        assert!(refused(&["tests"]).starts_with("`tests` is not a fuzz target"));
        assert_eq!(refused(&["--seconds"]), "`--seconds` needs a value");
        assert_eq!(refused(&["--jobs", "many"]), "`many` is not a number");
        assert_eq!(refused(&["--jobs", "0"]), "0 is too little");
        assert_eq!(refused(&["--repeat", "no-such-file", "sse"]), "there is no no-such-file");
        assert_eq!(refused(&["--repeat", "src/fuzz.rs"]), "name the one target that takes the file");
    }

    #[test]
    fn a_quiet_run_is_a_line_of_figures() {
        let log = "INFO: seed corpus: files: 97\n#98 INITED cov: 12 ft: 20 corp: 9/1Kb exec/s: 0 rss: 40Mb\n\
                   #5000\tDONE   cov: 340 ft: 900 corp: 42/3Kb lim: 9 exec/s: 500 rss: 50Mb\nDone 5000 runs in 10 second(s)\n\
                   stat::number_of_executed_units: 5000\nstat::peak_rss_mb: 50\n";
        let report = Report::of(log, true);
        assert_eq!(report, Report { executions: 5000, coverage: 340, corpus: 42, finding: None });
        assert_eq!(
            report.line(&TARGETS[0]),
            "sse                    5000 executions    340 edges    42 inputs  no finding"
        );
    }

    #[test]
    fn a_finding_names_the_file_that_repeats_it() {
        let log = "#7\tNEW    cov: 3 ft: 4 corp: 2/9b\n\nthread '<unnamed>' (1) panicked at src/streams.rs:48:9:\n\
                   it depends on where the bytes are cut\nnote: run with `RUST_BACKTRACE=1`\n\
                   ==1== ERROR: libFuzzer: deadly signal\n\
                   artifact_prefix='/f/'; Test unit written to /f/crash-1\nstat::number_of_executed_units: 8\n";
        let finding = Finding {
            file: Some("/f/crash-1".to_owned()),
            words: "src/streams.rs:48:9: it depends on where the bytes are cut".to_owned(),
        };
        let report = Report::of(log, false);
        assert_eq!(report, Report { executions: 8, coverage: 3, corpus: 2, finding: Some(finding) });
        assert_eq!(
            report.line(&TARGETS[0]).lines().skip(1).collect::<Vec<_>>(),
            [
                "  src/streams.rs:48:9: it depends on where the bytes are cut",
                "  cargo xtask fuzz --repeat /f/crash-1 sse"
            ]
        );
        let slow = "==1== ERROR: libFuzzer: timeout after 30 seconds\nTest unit written to /f/timeout-1\n";
        let words = Report::of(slow, false).finding.unwrap().words;
        assert_eq!(words, "libFuzzer: timeout after 30 seconds");
        let nothing = Finding { file: None, words: "say which target is to run".to_owned() };
        assert_eq!(Report::of("say which target is to run\n", false).finding, Some(nothing));
    }
}
