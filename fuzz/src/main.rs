//! All fuzz targets in one binary, so that they are linked once: `--target=NAME` says which one runs, and libFuzzer
//! takes everything else. `cargo xtask fuzz` builds and runs it.
//!
//! A finding is a panic, a hang or a flood of memory. What the targets expect beyond that, they assert.

#![no_main]

mod config;
mod http;
mod pieces;
mod realtime;
mod scratch;
mod streams;
mod tools;
mod websocket;
mod world;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

/// By name; `xtask/src/fuzz.rs` says what each is for.
const TARGETS: [(&str, Target); 12] = [
    ("sse", streams::sse),
    ("openai_stream", streams::openai),
    ("anthropic_stream", streams::anthropic),
    ("provider_answers", streams::answers),
    ("http_bodies", http::bodies),
    ("http_paths", http::paths),
    ("websocket", websocket::frames),
    ("signaling", realtime::signaling),
    ("offers", realtime::offers),
    ("pictures", realtime::pictures),
    ("tool_arguments", tools::arguments),
    ("config", config::file),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::args().find_map(|arg| arg.strip_prefix("--target=").map(str::to_owned));
    let chosen = TARGETS.iter().find(|(known, _)| Some(*known) == name.as_deref());
    match chosen {
        Some((_, target)) => *target,
        None => {
            let names = TARGETS.map(|(name, _)| name).join(", ");
            eprintln!("say which target is to run: --target=NAME, NAME being one of {names}");
            std::process::exit(2);
        }
    }
});

fuzz_target!(init: scratch::prepare(), |data: &[u8]| {
    let target = *TARGET;
    target(data);
});
