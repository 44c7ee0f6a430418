//! The Rust client: its examples do what they say, and it comes through the scenario of all clients.

use anyhow::Result;

use super::Outcome;
use crate::process::{cargo, program, run};
use crate::server::Server;
use crate::{release, target};

pub(super) fn check() -> Result<Outcome> {
    let binary = release::build()?;
    // Of the whole workspace: the tests have compiled all of it with the same features.
    let names = ["chat", "realtime", "scenario"];
    let examples = names.iter().flat_map(|name| ["--example", name]);
    run(cargo(&["build", "--workspace"].into_iter().chain(examples).collect::<Vec<_>>()))?;
    let example = |name: &str, args: &[&str]| {
        let mut example = program(target().join("debug/examples").join(name), args);
        example.env_remove("DISPATCH_API_KEY");
        example
    };
    let server = Server::start(&binary, "")?;
    run(example("chat", &["say hello", &server.http]))?;
    run(example("realtime", &[&server.http, "any", "cartoon"]))?;
    drop(server);
    let mut scenario = example("scenario", &[]);
    scenario.arg(binary);
    run(scenario)?;
    Ok(Outcome::Passed)
}
