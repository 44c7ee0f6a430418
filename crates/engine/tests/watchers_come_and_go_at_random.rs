//! Rules 3 and 4 through the whole engine: conversations with tools, queueing and stopping, and watchers who join at any
//! moment. History and stream together are the same for everybody, and nothing is left over.

use std::time::Duration;

use engine::live::{Heard, Watcher};
use serde_json::{Value, json};
use wire::{AgentEvent, ConversationId};

use crate::support;
use crate::support::*;

/// What a person would have read, in the order of the log.
fn read_event(event: &AgentEvent, transcript: &mut String) {
    match event {
        AgentEvent::UserMessage { text, .. } | AgentEvent::Steering { text, .. } => {
            transcript.push_str(&format!("\n> {text}\n"));
        }
        AgentEvent::TextDelta { delta, .. } => transcript.push_str(delta),
        AgentEvent::ToolResult { content, .. } => transcript.push_str(&format!("\n= {content}\n")),
        _ => {}
    }
}

fn read_chunk(role: &str, chunk: &Value, transcript: &mut String) {
    match (chunk["type"].as_str().unwrap(), role) {
        ("text", "user") => transcript.push_str(&format!("\n> {}\n", chunk["text"].as_str().unwrap())),
        ("text", _) => transcript.push_str(chunk["text"].as_str().unwrap()),
        ("tool-result", _) => transcript.push_str(&format!("\n= {}\n", chunk["content"].as_str().unwrap())),
        _ => {}
    }
}

async fn join(world: &World, id: &ConversationId) -> (String, Watcher) {
    let (history, watcher) = world.engine.join(id, engine::live::Watch::default()).await.unwrap();
    let mut transcript = String::new();
    for row in history {
        read_chunk(row.role.as_str(), &serde_json::from_str(row.chunk.get()).unwrap(), &mut transcript);
    }
    (transcript, watcher)
}

/// Reads until the conversation's last turn, whose prompt is known, is over.
async fn read_on(mut transcript: String, mut watcher: Watcher) -> String {
    loop {
        let over = transcript.contains("\n> the end\n");
        let heard = tokio::time::timeout(Duration::from_secs(30), watcher.next());
        match heard.await {
            Err(_) if over => return transcript,
            Err(_) => panic!("nothing comes after {transcript:?}"),
            Ok(Heard::Frame(frame)) => {
                read_event(&serde_json::from_slice(&frame.event()).unwrap(), &mut transcript)
            }
            Ok(Heard::TurnOver) if over => return transcript,
            Ok(Heard::TurnOver) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_reads_the_same() {
    let world = std::sync::Arc::new(world());
    let mut conversations = Vec::new();
    for n in 0..20u64 {
        let world = world.clone();
        conversations.push(tokio::spawn(async move {
            let id = ConversationId::new(format!("c{n}"));
            let mut random = fastrand::Rng::with_seed(n);
            let mut readers = Vec::new();
            for turn_no in 0..6 {
                // Scripts are shared by all conversations: who plays which does not matter.
                let steps = random.u8(0..3);
                for step in 0..steps {
                    let calls = (0..random.u8(1..3)).map(|call_no| {
                        let input =
                            json!({"say": format!("r{step}"), "sleep": random.u64(0..4), "output": "o"});
                        call(&format!("{n}-{turn_no}-{step}-{call_no}"), "obey", input)
                    });
                    let script = std::iter::once(text("working ")).chain(calls).chain([tools()]).collect();
                    world.plays(vec![script]);
                }
                let _ = world.send(id.as_str(), &format!("turn {turn_no}")).await;
                for _ in 0..3 {
                    if random.bool() {
                        tokio::time::sleep(Duration::from_micros(random.u64(0..3000))).await;
                    }
                    match random.u8(0..6) {
                        0 => drop(world.engine.queue(&id, support::steer("steer")).await.unwrap()),
                        1 => drop(world.engine.stop(&id).await.unwrap()),
                        _ => {
                            let (history, watcher) = join(&world, &id).await;
                            readers.push(tokio::spawn(read_on(history, watcher)));
                        }
                    }
                }
            }
            // The last turn; refused for as long as another one runs.
            while world.send(id.as_str(), "the end").await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let mut transcripts = Vec::new();
            for reader in readers {
                transcripts.push(reader.await.unwrap());
            }
            (id, transcripts)
        }));
    }
    let mut compared = 0;
    for conversation in conversations {
        let (id, transcripts) = conversation.await.unwrap();
        world.settled().await;
        let (reference, _) = join(&world, &id).await;
        for transcript in transcripts {
            // A message that was queued during the last turn carries on after it; readers have left by then.
            assert!(reference.starts_with(&transcript), "{id}:\n{transcript}\n----\n{reference}");
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} watchers");
    world.settled().await;
    assert_eq!(world.engine.live(), (0, 0));
}
