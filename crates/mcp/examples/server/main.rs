//! The MCP servers that the tests start: a good one, and some that misbehave. `MODE` says which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod handler;

use std::io::{BufRead, Write};
use std::time::Duration;

use handler::Handler;
use rmcp::ServiceExt;
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    note("starts", &std::process::id().to_string());
    match std::env::var("MODE").as_deref() {
        Err(_) => well_behaved().await,
        Ok("garbage") => {
            println!("Welcome!\n{{}}\n42\n{{\"half\": \n\u{1b}[31mred\u{1b}[0m");
            std::io::stdout().write_all(b"\xff\xfe\n").unwrap();
            well_behaved().await;
        }
        Ok("slow") => {
            std::thread::sleep(Duration::from_millis(std::env::var("DELAY").unwrap().parse().unwrap()));
            well_behaved().await;
        }
        Ok("crash") => {
            eprintln!(
                "cannot find the configuration; my key is {}",
                std::env::var("KEY").unwrap_or_default()
            );
            std::process::exit(7);
        }
        // Works as soon as there is a file that says so.
        Ok("fickle") if std::path::Path::new("works").exists() => well_behaved().await,
        Ok("fickle") => std::process::exit(1),
        Ok("mute") => std::io::stdin().lines().for_each(drop),
        Ok("stubborn") => stubborn().await,
        Ok("raw") => raw(|_, _| {}),
        Ok("flood") => raw(|method, _| {
            if method == "notifications/initialized" {
                std::thread::spawn(flood);
            }
        }),
        Ok("host") => host().await,
        Ok(other) => panic!("unknown mode {other}"),
    }
}

async fn well_behaved() {
    let running = Handler::default().serve(rmcp::transport::stdio()).await.unwrap();
    running.waiting().await.unwrap();
}

/// Ends neither with its input nor when it is asked to, and has a child.
#[allow(clippy::zombie_processes, reason = "it is killed before its child ends")]
async fn stubborn() {
    let _term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    note("starts", &child.id().to_string());
    well_behaved().await;
    std::future::pending().await
}

/// Says what `LIST` says. A call is answered with its own arguments.
fn raw(before: impl Fn(&str, &Value)) {
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let method = message["method"].as_str().unwrap_or_default();
        before(method, &message);
        let result = match method {
            "initialize" => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "raw", "version": "1"},
            }),
            "tools/list" => serde_json::from_str(&std::env::var("LIST").unwrap()).unwrap(),
            "tools/call" => {
                let text = message["params"]["arguments"].to_string();
                json!({"content": [{"type": "text", "text": text}]})
            }
            _ => continue,
        };
        println!("{}", json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
    }
}

/// Everything that a server may say without being asked, as fast as it can.
fn flood() {
    let mut out = std::io::stdout().lock();
    let long = "x".repeat(20_000);
    for n in 0u64.. {
        let message = match n % 5 {
            0 => {
                json!({"method": "notifications/progress", "params": {"progressToken": 0, "progress": n, "message": long}})
            }
            1 => json!({"method": "notifications/message", "params": {"level": "info", "data": long}}),
            2 => json!({"method": "notifications/tools/list_changed"}),
            3 => json!({"method": "notifications/resources/updated", "params": {"uri": "file:///x"}}),
            _ => json!({"method": "notifications/unknown", "params": {}}),
        };
        let mut message = message;
        message["jsonrpc"] = "2.0".into();
        if writeln!(out, "{message}").is_err() {
            return;
        }
        // Answers need their turn.
        if n % 50 == 0 {
            drop(out);
            std::thread::sleep(Duration::from_millis(1));
            out = std::io::stdout().lock();
        }
    }
}

/// A program that uses the crate, so that a test can kill it.
async fn host() {
    let mcp = mcp::Mcp::new(mcp::Settings::default());
    let directory = std::env::var("DIRECTORY").unwrap();
    let status = mcp.status(directory.as_ref()).await;
    println!("{:?}", status[0].state);
    std::future::pending().await
}

fn note(file: &str, line: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    writeln!(file, "{line}").unwrap();
}
