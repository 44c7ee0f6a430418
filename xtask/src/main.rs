//! The project's own commands: `cargo xtask <command>`.
//!
//! Each prints what it does, and gets for itself what it needs.

mod compat;
mod conformance;
mod fuzz;
mod generate;
mod npm;
mod process;
mod release;
mod server;
mod test;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

struct Command {
    name: &'static str,
    /// What may follow the name.
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: [Command; 9] = [
    Command {
        name: "run",
        arguments: "[-- ARGS]",
        about: "build the release binary and serve; ARGS go to `dispatch serve`",
        run: release::run,
    },
    Command {
        name: "test",
        arguments: "[--quick | PART...]",
        about: "everything that must pass before a change lands, or some parts of it",
        run: test::run,
    },
    Command {
        name: "generate",
        arguments: "[--check]",
        about: "write the TypeScript and JSON Schema of the wire types, or say which are stale",
        run: generate::run,
    },
    Command {
        name: "conformance",
        arguments: "[URL] [ARGS]",
        about: "check a server against the contract; without a URL our own",
        run: conformance::run,
    },
    Command {
        name: "compat",
        arguments: "[ARGS]",
        about: "run the public realtime SDKs against our server; ARGS go to the suite",
        run: compat::run,
    },
    Command {
        name: "fuzz",
        arguments: "[--seconds N] [TARGET...]",
        about: "look for bytes from outside that do harm, in all places that take any or in some",
        run: fuzz::run,
    },
    Command {
        name: "crash",
        arguments: "[--sessions] [--rounds N]",
        about: "kill the server at random moments and look for anything lost",
        run: release::crash,
    },
    Command {
        name: "soak",
        arguments: "[--minutes N]",
        about: "have realtime clients come and leave, and look for anything left of them",
        run: release::soak,
    },
    Command { name: "bench", arguments: "[ARGS]", about: "measure the release binary", run: release::bench },
];

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let Some(name) = args.next() else {
        print!("{}", help());
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("There is no command `{name}`.\n\n{}", help());
        return ExitCode::from(2);
    };
    match (command.run)(&args.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND\n\n");
    for Command { name, arguments, about, .. } in COMMANDS {
        text.push_str(&format!("  {:<32} {about}\n", format!("{name} {arguments}")));
    }
    text.push_str(&format!("\nThe parts of a test, in order (* also with --quick):\n\n{}", test::parts()));
    text
}

/// The root of the checkout.
fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    workspace().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
