use std::io::Write;
use std::process::Stdio;

use crate::common;
use crate::common::{Home, Ran, of_kind};

const LAST: &str = "Running `echo four` gave one line: “four”.\n";

#[test]
fn the_answer_is_on_standard_output_and_the_rest_is_not() {
    let home = Home::new();
    home.write("notes.txt", "the treasure is under the oak\n");
    let server = home.start();
    let chat = server.run(&[
        "chat",
        "--cwd",
        home.work().to_str().unwrap(),
        "--text",
        "read notes.txt and run echo `expr 6 \\* 7` > made.txt; cat made.txt then say **bold** words",
    ]);
    assert_eq!(chat.status, Some(0), "{chat:?}");
    assert!(chat.stdout.contains("the treasure is under the oak"), "{chat:?}");
    assert!(chat.stdout.ends_with("**bold** words\n"), "raw, for it is no terminal: {chat:?}");
    assert!(!chat.stdout.contains('●'), "{chat:?}");
    assert!(!chat.stdout.contains('\u{1b}') && !chat.stderr.contains('\u{1b}'), "{chat:?}");
    assert!(chat.stderr.contains("● read_file  notes.txt\n"), "{chat:?}");
    assert!(chat.stderr.contains("● run_shell  echo "), "{chat:?}");
    assert!(chat.stderr.contains("    42\n"), "live output: {chat:?}");
    assert!(chat.stderr.contains(" tokens in"), "{chat:?}");
    assert_eq!(common::text(&home.work().join("made.txt")), "42\n");
    // 8-4-4-4-12
    assert_eq!(chat.conversation().len(), 36);
}

#[test]
fn tools_work_where_the_caller_is() {
    let home = Home::new();
    let server = home.start();
    let elsewhere = tempfile::tempdir().unwrap();
    let chat = Ran::of(server.client(&["chat", "--text", "run pwd"]).current_dir(elsewhere.path()));
    let here = elsewhere.path().canonicalize().unwrap();
    assert!(chat.stderr.contains(&format!("    {}\n", here.display())), "{chat:?}");
}

#[test]
fn files_and_standard_input_are_part_of_the_message() {
    let home = Home::new();
    home.write("a.txt", "say from the file\n");
    let server = home.start();
    let prompt = |arguments: &[&str], input: &str| {
        let mut command = server.client(&[&["chat", "--json"], arguments].concat());
        command.current_dir(home.work()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Not read when it is not asked for.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ran = Ran::from(child.wait_with_output().unwrap());
        let events = ran.json();
        of_kind(&events, "user-message")[0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        prompt(&["--text", "say hi", "--file", "a.txt"], ""),
        "say hi\n\n--- a.txt ---\nsay from the file"
    );
    assert_eq!(prompt(&[], "say from a pipe\n"), "say from a pipe");
    assert_eq!(prompt(&["--text", "say hi"], "not wanted"), "say hi");
    assert_eq!(
        prompt(&["--text", "say hi", "--file", "-"], "piped"),
        "say hi\n\n--- standard input ---\npiped"
    );
}

#[test]
fn a_conversation_goes_on_under_its_short_id() {
    let home = Home::new();
    let server = home.start();
    let first = server.run(&["chat", "--text", "say one"]);
    let id = first.conversation();
    let second = server.run(&["chat", "--conversation", &id[..8], "--text", "say two"]);
    assert_eq!((second.stdout.as_str(), second.conversation()), ("two\n", id.clone()));
    // The way of the original client: the model first.
    let third = server.run(&["demo/demo", "--conversation", &id[..6], "--text", "say three"]);
    assert_eq!((third.stdout.as_str(), third.conversation()), ("three\n", id.clone()));

    assert_eq!(server.run(&["send", &id[..8], "--text", "run echo four"]).ok(), LAST);
    assert_eq!(server.run(&["read", &id[..8]]).ok(), LAST);
    let whole = server.run(&["read", &id, "--all"]).ok();
    let expected = "› say one\n\none\n\n› say two\n\ntwo\n\n› say three\n\nthree\n\n› run echo four\n";
    assert!(whole.starts_with(expected), "{whole}");
    assert!(whole.contains("● run_shell  echo four\n    four\n"), "{whole}");
    assert!(whole.ends_with(LAST), "{whole}");

    let list = server.run(&["list"]).ok();
    assert_eq!(list, format!("{}  idle        just now  say one\n", &id[..8]));
    assert_eq!(server.run(&["close", &id[..8]]).ok(), format!("closed {}\n", &id[..8]));
    assert_eq!(server.run(&["list"]).ok(), "");
    assert_eq!(server.run(&["list", "--all"]).ok(), format!("{}  closed      just now  say one\n", &id[..8]));
    assert_eq!(server.run(&["list", "--status", "closed", &id[..4]]).ok().lines().count(), 1);
}

#[test]
fn what_the_model_thinks_is_shown_when_it_is_wanted() {
    let home = Home::new();
    let server = home.start();
    let quiet = server.run(&["chat", "--text", "think about the sea"]);
    let open = server.run(&["chat", "--show-reasoning", "--effort", "low", "--text", "think about the sea"]);
    assert_eq!(quiet.stdout, open.stdout);
    assert!(!quiet.stderr.contains("sea"), "{quiet:?}");
    assert!(open.stderr.contains("sea"), "{open:?}");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let home = Home::new();
    let server = home.start();
    let mut child = server
        .client(&["chat", "--text", "count to 2000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.status, ran.stderr.contains("panicked")), (Some(0), false), "{ran:?}");
}
