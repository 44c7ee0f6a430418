//! A conversation to resolve templates for.
#![allow(dead_code, unreachable_pub)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prompt::{Scope, Template};
use wire::ConversationId;

pub fn scope(cwd: &Path) -> Scope {
    Scope { conversation_id: ConversationId::new("c1"), cwd: cwd.to_owned(), model: "demo/small".to_owned() }
}

/// Read so that nothing is missed for a slow machine.
pub fn parse(template: &str) -> Template {
    Template::parse(template).waiting(Duration::from_secs(60))
}

pub async fn resolved(template: &str, cwd: &Path) -> String {
    parse(template).resolve(&scope(cwd)).await
}

/// Runs git with the settings of this test and of nobody else.
pub fn git(cwd: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main"])
        .args(["-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(cwd)
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A repository with one commit, in which `kept.txt` and `changed.txt` are.
pub fn repository(cwd: &Path) {
    git(cwd, &["init", "--quiet"]);
    for file in ["kept.txt", "changed.txt"] {
        std::fs::write(cwd.join(file), "one\n").unwrap();
    }
    git(cwd, &["add", "."]);
    git(cwd, &["commit", "--quiet", "--message", "First"]);
}
