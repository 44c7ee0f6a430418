use std::net::TcpListener;

use crate::common::{Home, Ran, Server, dispatch};

#[test]
fn a_mistake_in_the_file() {
    let home = Home::new();
    home.write("dispatch.toml", "[limits]\nstepz = 3\n");
    let (status, stderr) = home.refusal(&mut home.serve(&[]));
    let message = "line 2, key `limits.stepz`: unknown field `stepz`, expected one of `steps`, ";
    assert!(stderr.starts_with("error: ") && stderr.contains(message), "{stderr}");
    assert!(stderr.contains("dispatch.toml") && stderr.ends_with(" (invalid-config)\n"), "{stderr}");
    assert_eq!(status, Some(1));
    assert!(!home.data().exists(), "nothing was started");
}

#[test]
fn a_mistake_in_the_environment() {
    let home = Home::new();
    let (status, stderr) = home.refusal(home.serve(&[]).env("DISPATCH_TOOLS__SANDBOX", "maybe"));
    let expected = "error: environment variable DISPATCH_TOOLS__SANDBOX: unknown variant `maybe`, expected one of \
             `auto`, `off`, `require` (invalid-config)\n";
    assert_eq!((status, stderr.as_str()), (Some(1), expected));
}

#[test]
fn a_mistake_on_the_command_line() {
    let (status, stderr) = Home::new().refusal(dispatch().args(["serve", "--http", "example.org:80"]));
    assert_eq!(status, Some(2));
    assert!(stderr.contains("'example.org:80'") && stderr.contains("write IP:PORT"), "{stderr}");
}

#[test]
fn a_file_that_was_named_and_is_not_there() {
    let home = Home::new();
    let (status, stderr) = home.refusal(&mut home.serve(&["--config", "other.toml"]));
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("error: the configuration file other.toml cannot be read: "), "{stderr}");
}

#[test]
fn a_tool_that_does_not_exist() {
    let home = Home::new();
    let (status, stderr) = home.refusal(home.serve(&[]).env("DISPATCH_TOOLS__ENABLED", "read_file,fly"));
    let message = "error: tools.enabled: there is no tool `fly`; there are: read_file, ";
    assert!(status == Some(1) && stderr.starts_with(message), "{stderr}");
}

#[test]
fn off_loopback_without_a_key() {
    let home = Home::new();
    for option in ["--http", "--ws"] {
        let (status, stderr) = home.refusal(&mut home.serve(&[option, "0.0.0.0:0"]));
        assert_eq!(status, Some(1));
        assert!(stderr.contains("refusing to listen on 0.0.0.0:0 without a key"), "{stderr}");
    }
    assert!(!home.data().exists(), "nothing was started");
}

#[test]
fn off_loopback_a_key_or_a_decision_is_enough() {
    let home = Home::new();
    let off_loopback = || home.serve(&["--http", "0.0.0.0:0"]);
    let server = Server::start(off_loopback().env("DISPATCH_AUTH__API_KEYS", "open-sesame"));
    let refused = server.run(&["list"]);
    assert_eq!(refused.status, Some(1));
    assert!(
        refused.stderr.starts_with("error: a key is required")
            && refused.stderr.ends_with(" (unauthorized)\n")
    );
    assert_eq!(server.run(&["list", "--api-key", "open-sesame"]).ok(), "");
    assert_eq!(Ran::of(server.client(&["list"]).env("DISPATCH_API_KEY", "open-sesame")).ok(), "");
    server.signal(rustix::process::Signal::TERM);
    let (_, stderr) = server.wait();
    assert!(!stderr.contains("WARNING") && !stderr.contains("open-sesame"), "{stderr}");

    let server = Server::start(off_loopback().env("DISPATCH_AUTH__MODE", "none"));
    assert_eq!(server.run(&["list"]).ok(), "");
    server.signal(rustix::process::Signal::TERM);
    let (_, stderr) = server.wait();
    assert!(stderr.contains("WARNING: no key is required") && stderr.contains("EVERYBODY"), "{stderr}");
}

#[test]
fn a_data_directory_that_is_in_use() {
    let home = Home::new();
    let _server = home.start();
    let (status, stderr) = home.refusal(&mut home.serve(&[]));
    assert_eq!(status, Some(1));
    let path = home.data().display().to_string();
    assert!(
        stderr.starts_with(&format!("error: another process is using the data directory {path}")),
        "{stderr}"
    );
    assert!(stderr.ends_with(" (store-failed)\n"), "{stderr}");
}

#[test]
fn a_port_that_is_taken() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut serve = dispatch();
    serve
        .current_dir(home.work())
        .args(["serve", "--http", "0", "--ws", &address])
        .arg("--data")
        .arg(home.data());
    let (status, stderr) = home.refusal(&mut serve);
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with(&format!("error: cannot listen on {address}")), "{stderr}");
    assert!(stderr.contains("--ws none"), "{stderr}");
}
