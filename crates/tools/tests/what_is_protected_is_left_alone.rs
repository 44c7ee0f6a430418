//! The file tools touch nothing that belongs to the server, by whatever name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kernel::ToolResult;
use serde_json::json;
use tools::Settings;

use crate::support::call_with;

async fn every_call(settings: &Settings, cwd: &Path, path: &str) -> Vec<ToolResult> {
    let inputs = [
        ("read_file", json!({"path": path})),
        ("edit_file", json!({"path": path, "oldString": "secret", "newString": "x"})),
        ("write_file", json!({"path": path, "content": "x", "overwrite": true})),
        ("write_file", json!({"path": path, "content": "x"})),
    ];
    let mut results = Vec::new();
    for (name, input) in inputs {
        results.push(call_with(settings.clone(), name, cwd, input).await);
    }
    results
}

#[tokio::test]
async fn no_name_reaches_it() {
    let project = tempfile::tempdir().unwrap();
    let at = |path: &str| project.path().join(path);
    fs::create_dir_all(at(".data/deep/er")).unwrap();
    fs::create_dir_all(at("src")).unwrap();
    for file in [".data/db", ".data/deep/er/f", "config.toml", "src/main.rs"] {
        fs::write(at(file), "secret").unwrap();
    }
    symlink(".data", at("link")).unwrap();
    symlink("../.data/db", at("src/db")).unwrap();
    symlink("config.toml", at("config-link")).unwrap();
    fs::hard_link(at("config.toml"), at("hard")).unwrap();
    let settings = Settings {
        protected: vec![at("link"), at("config.toml"), at("later"), at("nowhere/at/all")],
        ..Settings::default()
    };
    let absolute = at(".data/db").display().to_string();
    let names = [
        ".data",
        ".data/db",
        ".data/new",
        ".data/deep/er",
        ".data/deep/er/f",
        "src/../.data/db",
        "link/db",
        "src/db",
        "config.toml",
        "config-link",
        "hard",
        "later",
        "src/../later",
        &absolute,
    ];
    for name in names {
        for result in every_call(&settings, project.path(), name).await {
            let refused = format!("\"{name}\" belongs to the server itself; tools do not touch it");
            assert_eq!(result, ToolResult::error(refused));
        }
    }
    for file in [".data/db", ".data/deep/er/f", "config.toml"] {
        assert_eq!(fs::read_to_string(at(file)).unwrap(), "secret");
    }
    assert!(!at(".data/new").exists() && !at("later").exists());
    // The rest is as free as ever, and a namesake elsewhere is another thing.
    let read = call_with(settings.clone(), "read_file", project.path(), json!({"path": "src/main.rs"})).await;
    assert_eq!(read, ToolResult::ok("1: secret"));
    let written =
        call_with(settings, "write_file", project.path(), json!({"path": "src/later", "content": "x"})).await;
    assert_eq!(written, ToolResult::ok("Created src/later (1 bytes)."));
}

#[tokio::test]
async fn a_working_directory_inside_it_makes_no_difference() {
    let data = tempfile::tempdir().unwrap();
    let cwd = data.path().join("a/b");
    fs::create_dir_all(&cwd).unwrap();
    fs::write(cwd.join("f"), "secret").unwrap();
    let settings = Settings { protected: vec![data.path().to_owned()], ..Settings::default() };
    for path in ["f", ".", "new"] {
        for result in every_call(&settings, &cwd, path).await {
            let refused = format!("\"{path}\" belongs to the server itself; tools do not touch it");
            assert_eq!(result, ToolResult::error(refused));
        }
    }
}
