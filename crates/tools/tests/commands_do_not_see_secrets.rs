//! The environment of commands is the server's, without what looks like a secret.

use std::path::Path;

use serde_json::json;
use tools::{Environment, Settings};

use crate::support::{alone, call_with};

#[tokio::test]
async fn keys_of_the_server_are_not_in_the_environment_of_commands() {
    let servers = [
        ("ANTHROPIC_API_KEY", "sk-canary-1"),
        ("GH_TOKEN", "sk-canary-2"),
        ("DISPATCH_DATABASE", "postgres://dispatch:sk-canary-3@db/dispatch"),
        ("DISPATCH_PORT", "24203"),
        ("CI_TOKEN", "given"),
        ("EDITOR", "vi"),
    ];
    if !alone(module_path!(), "keys_of_the_server_are_not_in_the_environment_of_commands", &servers) {
        return;
    }
    let environment = Environment {
        withheld: vec!["DISPATCH_*".to_owned()],
        passed: vec!["CI_TOKEN".to_owned()],
        set: vec![("EDITOR".to_owned(), "ed".to_owned())],
    };
    let settings = Settings { environment, ..Settings::default() };
    let result = call_with(settings, "run_shell", Path::new("/tmp"), json!({"command": "env"})).await;
    assert!(!result.is_error);
    assert!(!result.content.contains("sk-canary"), "{}", result.content);
    let lines: Vec<_> =
        result.content.lines().filter(|line| !line.starts_with("DISPATCH_TOOLS_TEST")).collect();
    assert!(!lines.iter().any(|line| line.starts_with("DISPATCH_")), "{lines:?}");
    for expected in ["CI_TOKEN=given", "EDITOR=ed", "PWD=/tmp"] {
        assert!(lines.contains(&expected), "{expected} in {lines:?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("PATH=")));
}
