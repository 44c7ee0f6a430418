//! The extension `tool-start`: when a tool starts, which may be later than its call, and who hears of it.

use std::time::Duration;

use engine::Options;
use engine::live::{Audience, Heard, Watch, Watcher};
use serde_json::{Value, json};
use wire::ConversationId;

use crate::support::*;

async fn next(watcher: &mut Watcher) -> Option<Value> {
    let heard = tokio::time::timeout(Duration::from_secs(20), watcher.next()).await.expect("nothing comes");
    match heard {
        Heard::Frame(frame) => Some(serde_json::from_slice(&frame.event()).unwrap()),
        Heard::TurnOver => None,
    }
}

/// The rest of the turn.
async fn rest(watcher: &mut Watcher) -> Vec<Value> {
    let mut events = Vec::new();
    while let Some(event) = next(watcher).await {
        events.push(event);
    }
    events
}

/// What is said of the two calls, in order.
fn of_calls(events: &[Value]) -> Vec<String> {
    let of_call = |event: &Value| {
        let call = event["toolCallId"].as_str()?;
        Some(format!("{} {call}", event["type"].as_str()?))
    };
    events.iter().filter_map(of_call).collect()
}

#[tokio::test]
async fn a_tool_starts_when_those_have_ended_that_it_waits_for() {
    let turn = kernel::Options { max_concurrent: 1, ..kernel::Options::default() };
    let world = world_with(Options { turn, ..Options::default() });
    let slow = json!({ "output": "working", "sleep": 60 });
    world.plays(vec![
        vec![call("slow", "obey", slow), call("other", "obey", json!({})), tools()],
        vec![text("done"), stop()],
    ]);
    let extended = || Watch { audience: Audience::Extensions, ..Watch::default() };
    let conversation = ConversationId::new("c");
    let mut first = world.engine.watch(&conversation, extended());
    let before = now_ms();
    let mut plain = world.send("c", "go").await.unwrap();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|event: &Value| event["type"] != "tool-output") {
        heard.push(next(&mut first).await.unwrap());
    }
    let mut late = world.engine.watch(&conversation, extended());
    heard.extend(rest(&mut first).await);
    let expected = [
        "tool-call slow",
        "tool-start slow",
        "tool-call other",
        "tool-output slow",
        "tool-start other",
        "tool-result slow",
        "tool-result other",
    ];
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    // What the tool says may come before or after the other call.
    let words = of_calls(&heard);
    assert_eq!(sorted(words.clone()), sorted(expected.map(str::to_owned).to_vec()));
    let place = |word: &str| words.iter().position(|known| known == word).unwrap();
    assert!(place("tool-call slow") < place("tool-start slow"));
    assert!(place("tool-start slow") < place("tool-output slow"));
    assert!(place("tool-output slow") < place("tool-start other"), "{words:?}");

    let started = |events: &[Value], call: &str| {
        let is_it = |event: &&Value| event["type"] == "tool-start" && event["toolCallId"] == call;
        events.iter().find(is_it).unwrap()["startedAt"].as_u64().unwrap()
    };
    let (slow, other) = (started(&heard, "slow"), started(&heard, "other"));
    assert!(before <= slow && slow + 50 <= other && other <= now_ms(), "{before} {slow} {other}");
    let late = rest(&mut late).await;
    assert_eq!((started(&late, "slow"), started(&late, "other")), (slow, other));
    assert_eq!(of_calls(&late), words, "late or not");
    assert!(of_calls(&rest(&mut plain).await).iter().all(|word| !word.starts_with("tool-start")));
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as u64
}
