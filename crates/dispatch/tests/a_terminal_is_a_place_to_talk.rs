#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Home, PATIENCE, Server};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// `dispatch chat` in a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was looked at.
    seen: usize,
}

impl Terminal {
    fn chat(server: &Server, home: &Home, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::from(open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
        let mut command = server.client(&[&["chat"], arguments].concat());
        let child = command
            .current_dir(home.work())
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", home.data().with_file_name("state"))
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(Stdio::from(slave))
            .spawn()
            .unwrap();
        // Stdio kept copies of the terminal in the command.
        drop(command);
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut piece) {
                bytes.extend_from_slice(&piece[..length]);
                *shown.lock().unwrap() = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            }
        });
        let mut terminal = Self { child, keyboard, screen, seen: 0 };
        terminal.until("› ");
        terminal
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this is shown after what was waited for before, and gives all that came up to it.
    fn until(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap().clone();
            if let Some(at) = screen[self.seen..].find(text) {
                let end = self.seen + at + text.len();
                let shown = screen[self.seen..end].to_owned();
                self.seen = end;
                return shown;
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} is not in {:?}", &screen[self.seen..]);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    fn end(mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn answers_are_styled_and_tools_are_shown() {
    let home = Home::new();
    home.write("a.txt", "content\n");
    let server = home.start();
    let mut terminal = Terminal::chat(&server, &home, &[]);
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
    let mut terminal = Terminal::chat(&server, &home, &["--conversation", &list[..8]]);
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
    let mut terminal = Terminal::chat(&server, &home, &[]);
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
    let mut terminal = Terminal::chat(&server, &home, &[]);
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
    let mut terminal = Terminal::chat(&server, &home, &[]);
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
