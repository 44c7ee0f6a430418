use crate::common::{Home, Ran, dispatch};

#[test]
fn and_is_shown_without_keys() {
    let home = Home::new();
    let file = "http = 1111\n[auth]\napi_keys = ['hush-hush']\n[[credentials]]\nname = 'local'\nkind = 'openai'\n \
             base_url = 'http://user:hush-hush@127.0.0.1:9/v1'\napi_key = 'hush-hush'\n";
    home.write("dispatch.toml", file);
    let mut command = dispatch();
    command
        .current_dir(home.work())
        .arg("config")
        .env("DISPATCH_LIMITS__STEPS", "7")
        .env("DISPATCH_NONSENSE", "1");
    let shown = Ran::of(&mut command);
    assert_eq!(shown.status, Some(0), "{shown:?}");
    for line in [
        "http = \"127.0.0.1:1111\"",
        "steps = 7",
        "stall_timeout = \"10m\"",
        "api_keys = [\"[key]\"]",
        "api_key = \"[key]\"",
        "base_url = \"http://127.0.0.1:9/v1\"",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line} is not in\n{}", shown.stdout);
    }
    assert!(!shown.stdout.contains("hush-hush"), "{}", shown.stdout);
    assert_eq!(shown.stderr, "warning: DISPATCH_NONSENSE is set, but there is no such setting\n");
}

#[test]
fn a_shell_can_complete_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Ran::of(dispatch().args(["completions", shell])).ok();
        for word in ["dispatch", "serve", "chat", "completions", "conversation"] {
            assert!(script.contains(word), "{word} is not in the script for {shell}");
        }
    }
    assert_eq!(Ran::of(dispatch().args(["completions", "cmd"])).status, Some(2));
}
