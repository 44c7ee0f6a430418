//! Runs the language-neutral cases in `clients/cases`: their README says what they mean.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use client::realtime::cases::Machine;
use client::realtime::connection::{Millis, State};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "why")]
    _why: Option<String>,
    #[serde(default = "none")]
    options: Value,
    after: Option<String>,
    steps: Vec<Value>,
}

fn none() -> Value {
    json!({})
}

/// What a step expects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(rename = "at")]
    _at: Option<Millis>,
    #[serde(rename = "in")]
    _input: Option<Value>,
    #[serde(rename = "message")]
    _message: Option<Value>,
    #[serde(default)]
    out: Vec<Value>,
    state: Option<State>,
    #[serde(default, deserialize_with = "some")]
    deadline: Option<Option<Millis>>,
}

/// Tells `null` from nothing.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Millis>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn check(case: &Case, preludes: &BTreeMap<String, Vec<Value>>) -> Result<(), String> {
    let mut machine = Machine::new(case.options.clone())?;
    let prelude = case.after.as_ref().map(|name| preludes.get(name).ok_or("there is no such prelude"));
    for step in prelude.transpose()?.into_iter().flatten() {
        machine.step(step)?;
    }
    for (number, step) in case.steps.iter().enumerate() {
        let at = |what: String| format!("step {number}: {what}");
        let expected = Expected::deserialize(step).map_err(|error| at(error.to_string()))?;
        let outputs = machine.step(step).map_err(at)?;
        if outputs != expected.out {
            let show = |values: &[Value]| serde_json::to_string_pretty(values).unwrap();
            return Err(at(format!("instead of {}\nit says {}", show(&expected.out), show(&outputs))));
        }
        if expected.state.is_some_and(|state| state != machine.state()) {
            return Err(at(format!("the state is {:?}", machine.state())));
        }
        if expected.deadline.is_some_and(|deadline| deadline != machine.deadline()) {
            return Err(at(format!("the deadline is {:?}", machine.deadline())));
        }
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_case_of_the_connection_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/cases");
    let preludes = read(&folder.join("preludes.json"));
    let mut files: Vec<PathBuf> =
        folder.join("connection").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut names, mut failures) = (BTreeSet::new(), Vec::new());
    for file in files {
        for case in read::<Vec<Case>>(&file) {
            if let Err(failure) = check(&case, &preludes) {
                failures.push(format!("{}: {failure}", case.name));
            }
            assert!(names.insert(case.name.clone()), "two cases are called `{}`", case.name);
        }
    }
    println!("{} cases", names.len());
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), names.len(), failures.join("\n\n"));
}
