use crate::common::terminal::Terminal;
use crate::common::{Home, Server};

fn chat(server: &Server, home: &Home, arguments: &[&str]) -> Terminal {
    let mut command = server.client(&[&["chat"], arguments].concat());
    command.current_dir(home.work()).env("XDG_STATE_HOME", home.data().with_file_name("state"));
    let mut terminal = Terminal::start(command);
    terminal.until("› ");
    terminal
}

#[test]
fn answers_are_styled_and_tools_are_shown() {
    let home = Home::new();
    home.write("a.txt", "content\n");
    let server = home.start();
    let mut terminal = chat(&server, &home, &[]);
    terminal.type_in("say some **bold** words\r");
    terminal.until("some \u{1b}[1mbold\u{1b}[0m words\n");
    terminal.until(" tokens in");
    terminal.until("› ");
    terminal.type_in("run echo live\r");
    terminal
        .until("\u{1b}[36m●\u{1b}[0m \u{1b}[1mrun_shell\u{1b}[0m  echo live\n    \u{1b}[2mlive\u{1b}[0m\n");
    terminal.until("✓");
    terminal.until("› ");
    terminal.type_in("/model\r");
    terminal.until("demo/demo  context 200,000");
    terminal.until("› ");
    terminal.type_in("/nonsense\r");
    terminal.until("error: there is no command /nonsense");
    terminal.until("› ");
    terminal.type_in("\u{4}");
    terminal.until("[conversation] ");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(server.run(&["list"]).ok().lines().count(), 1);

    // What was typed is there the next time, and a conversation goes on.
    let list = server.run(&["list"]).ok();
    let mut terminal = chat(&server, &home, &["--conversation", &list[..8]]);
    terminal.type_in("\u{1b}[A");
    terminal.until("/nonsense");
    terminal.type_in("\u{3}");
    terminal.until("Ctrl-C again or Ctrl-D leaves.");
    terminal.until("› ");
    terminal.type_in("\u{3}");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_pasted_text_keeps_its_lines() {
    let home = Home::new();
    let server = home.start();
    let mut terminal = chat(&server, &home, &[]);
    terminal.type_in("\u{1b}[200~say one\rsay two\u{1b}[201~");
    terminal.until("say two");
    terminal.type_in("\r");
    terminal.until("one\n\ntwo\n");
    terminal.until("› ");
    terminal.type_in("/quit\r");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn ctrl_c_stops_the_turn_and_not_the_program() {
    let home = Home::new();
    let server = home.start();
    let mut terminal = chat(&server, &home, &[]);
    terminal.type_in("count to 10000 slowly\r");
    terminal.until("2 3");
    terminal.interrupt();
    terminal.until("stopped");
    terminal.until("› ");
    terminal.type_in("say still here\r");
    terminal.until("\nstill here\n");
    terminal.until("› ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_line_that_is_typed_while_a_turn_runs_reaches_it() {
    let home = Home::new();
    home.write("go", "");
    let server = home.start();
    let mut terminal = chat(&server, &home, &[]);
    terminal.type_in("run echo up; while [ -e go ]; do sleep 0.05; done\r");
    terminal.until("    \u{1b}[2mup");
    terminal.type_in("say steered\n");
    terminal.until("queued: say steered");
    std::fs::remove_file(home.work().join("go")).unwrap();
    terminal.until("\u{1b}[1msay steered\u{1b}[0m");
    terminal.until("\nsteered\n");
    terminal.until("› ");

    // Too late to steer: it has a turn of its own.
    terminal.type_in("count to 400 slowly\r");
    terminal.until("2 3");
    terminal.type_in("say answered later\n");
    terminal.until("queued: say answered later");
    terminal.until("\nanswered later\n");
    terminal.until("› ");

    // Too late to steer, and stopped before it had a turn of its own.
    terminal.type_in("count to 500 slowly\r");
    terminal.until("2 3");
    terminal.type_in("say carried over\n");
    terminal.until("queued: say carried over");
    terminal.interrupt();
    terminal.until("stopped");
    terminal.until("What was queued waits for your next message.");
    terminal.until("› ");
    terminal.type_in("say after\r");
    terminal.until("\nafter\n");
    terminal.until("\ncarried over\n");
    terminal.until("› ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_conversation_is_looked_after_with_commands() {
    let home = Home::new();
    let server = home.start();
    let mut terminal = chat(&server, &home, &[]);
    terminal.type_in("/title Too early\r");
    terminal.until("error: there is no conversation yet: say something first");
    terminal.until("› ");
    terminal.type_in("count to 500\r");
    terminal.until(" tokens in");
    terminal.until("› ");
    terminal.type_in("/title A tour\r");
    terminal.until("A tour\u{1b}[0m\n");
    terminal.until("› ");
    terminal.type_in("/effort huge\r");
    terminal.until("error: the effort is one of: low, medium, high, xhigh, max");
    terminal.until("› ");
    terminal.type_in("/effort low\r");
    terminal.until("The next message is answered with effort low.");
    terminal.until("› ");
    terminal.type_in("/compact\r");
    terminal.until("(compaction-refused)");
    terminal.until("› ");
    for _ in 0..5 {
        terminal.type_in("count to 400\r");
        terminal.until(" tokens in");
        terminal.until("› ");
    }
    terminal.type_in("/compact\r");
    terminal.until("2 messages became a summary, 10 stayed; all of them are in the archive ");
    terminal.until("› ");

    // Somebody else does it.
    let list = server.run(&["list"]).ok();
    assert!(list.ends_with("  A tour\n"), "{list}");
    server.run(&["compact", &list[..8], "--keep", "2"]).ok();
    terminal.type_in("say more\r");
    terminal.until("The older messages became a summary; all of them are in the archive ");
    terminal.until("\nmore\n");
    terminal.until("› ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn what_waits_is_seen_and_taken_back_while_a_turn_runs() {
    let home = Home::new();
    let server = home.start();
    let mut terminal = chat(&server, &home, &[]);
    terminal.type_in("count to 10000 slowly\r");
    terminal.until("2 3");
    terminal.type_in("say one\n");
    terminal.until("queued: say one");
    terminal.type_in("/queue say two\n");
    terminal.until("queued: say two");
    terminal.type_in("/queue\n");
    let shown = terminal.until("just now  say one");
    let message = shown.trim_end_matches("just now  say one").trim_end();
    let message = message[message.len() - 8..].to_owned();
    terminal.until("just now  say two");
    terminal.type_in(&format!("/cancel {message}\n"));
    terminal.until("taken back: say one");
    terminal.type_in(&format!("/cancel {message}\n"));
    terminal.until("(not-queued)");
    terminal.interrupt();
    terminal.until("What was queued waits for your next message.");
    terminal.until("› ");
    terminal.type_in("say three\r");
    terminal.until("\nthree\n");
    terminal.until("\ntwo\n");
    terminal.until("› ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.end(), Some(0));
    let list = server.run(&["list"]).ok();
    assert!(!server.run(&["read", &list[..8], "--all"]).ok().contains("say one"));
}

#[test]
fn a_turn_that_was_started_elsewhere_is_joined() {
    let home = Home::new();
    home.write("go", "");
    let server = home.start();
    let id = server.run(&["chat", "--text", "say hi"]).conversation();
    let mut terminal = chat(&server, &home, &["--conversation", &id[..8]]);
    let wait = format!("run while [ -e {}/go ]; do sleep 0.05; done", home.work().display());
    server.run(&["queue", &id, "--text", &wait]).ok();
    terminal.type_in("/queue say joined\r");
    terminal.until("queued: say joined");
    terminal.until("run while");
    std::fs::remove_file(home.work().join("go")).unwrap();
    terminal.until("\u{1b}[1msay joined\u{1b}[0m");
    terminal.until("\njoined\n");
    terminal.until("› ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.end(), Some(0));
}
