//! Cargo does not look for test files by itself where `autotests` is off, and a file that nobody names passes for ever.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

fn files_in(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_test_file_is_a_module_or_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = files_in(&root.join("crates")).into_iter().chain([root.join("bench")]);
    let (mut run, mut forgotten) = (0, Vec::new());
    for directory in crates {
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap_or_default();
        if !manifest.contains("autotests = false") {
            continue;
        }
        let main = fs::read_to_string(directory.join("tests/main.rs")).unwrap_or_default();
        for file in files_in(&directory.join("tests")) {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            if file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let is_module = main.lines().any(|line| line == format!("mod {name};"));
            let is_target = manifest.lines().any(|line| line == format!("name = \"{name}\""));
            match is_module || is_target {
                true => run += 1,
                false => forgotten.push(file),
            }
        }
    }
    assert_eq!(forgotten, Vec::<PathBuf>::new());
    assert!(run > 100, "only {run} files were found");
}
