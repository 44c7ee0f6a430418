//! Compaction holds the conversation's single flight, cuts before a user message, keeps the whole as an archive, and
//! shrinks or says why not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::{Error, Notice, Options, Prompt, Sent};
use kernel::ProviderEvent;
use serde_json::{Value, json};
use store::Store;
use tokio::sync::Notify;
use wire::extension::WhenActive;
use wire::{ConversationId, ConversationStatus, Role, Usage};

use crate::support::*;

fn id() -> ConversationId {
    ConversationId::new("c")
}

fn long(word: &str) -> String {
    format!("{word} ").repeat(100)
}

async fn talked() -> World {
    let world = world();
    for word in ["one", "two", "three"] {
        world.says("c", &long(word)).await;
    }
    world
}

fn texts(chunks: &[Value]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn older_messages_become_a_summary_and_the_whole_stays_as_an_archive() {
    let world = talked().await;
    let before = world.history("c").await;
    let metrics = world.store.metrics(&id()).await.unwrap();
    let mut notices = world.engine.notices();
    world.plays(vec![vec![text("they said "), text("one and two"), stop()]]);
    let result = world.engine.compact(&id(), Some(2), None).await.unwrap();
    assert_eq!((result.messages_summarized, result.messages_kept), (4, 2));
    assert_eq!(
        notices.try_recv().unwrap(),
        Notice::Compacted { conversation_id: id(), result: result.clone() }
    );
    assert!(result.summary.ends_with("they said one and two"));

    let after = world.history("c").await;
    assert_eq!(after.len(), 3);
    assert_eq!(after[0], json!({"type": "text", "text": result.summary}));
    assert_eq!(after[1..], before[4..]);
    let archive = result.new_conversation_id.as_str();
    assert_eq!(world.history(archive).await, before);
    let meta = world.store.conversation(&id()).await.unwrap().unwrap().meta;
    assert_eq!(meta.compacted_from, Some(result.new_conversation_id.clone()));
    let archived = world.store.conversation(&result.new_conversation_id).await.unwrap().unwrap().meta;
    assert_eq!((archived.status, archived.compacted_from), (ConversationStatus::Closed, None));
    assert!(archived.title.starts_with("Archive: one one"), "{}", archived.title);
    assert_eq!(world.store.metrics(&id()).await.unwrap(), metrics);

    // The summariser reads the old part as text, has no tools, and the next turn begins with what it wrote.
    let request = &world.requests()[3];
    assert!(request.tools.is_empty() && request.messages.len() == 1 && request.system.is_some());
    world.says("c", "four").await;
    let request = world.requests().pop().unwrap();
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);

    // A second compaction makes a chain of archives.
    world.says("c", &long("five")).await;
    world.plays(vec![vec![text("all of it"), stop()]]);
    let second = world.engine.compact(&id(), Some(2), None).await.unwrap();
    let archived = world.store.conversation(&second.new_conversation_id).await.unwrap().unwrap().meta;
    assert_eq!(archived.compacted_from, Some(result.new_conversation_id));
}

#[tokio::test]
async fn a_refusal_says_why_and_changes_nothing() {
    let world = talked().await;
    let before = world.history("c").await;
    let refusal = |error: Result<_, Error>| match error {
        Err(Error::CompactionRefused(why)) => why,
        other => panic!("{other:?}"),
    };
    let unknown = world.engine.compact(&ConversationId::new("unknown"), None, None).await;
    assert_eq!(refusal(unknown), "the conversation does not exist");
    let short = world.engine.compact(&id(), None, None).await;
    assert_eq!(refusal(short), "the conversation is too short: it has 6 messages, of which 10 stay");
    let model = world.engine.compact(&id(), Some(2), Some("nobody/nothing".to_owned())).await;
    assert_eq!(refusal(model), "unknown model: nobody/nothing");
    world.plays(vec![vec![text(" \n"), stop()]]);
    assert_eq!(refusal(world.engine.compact(&id(), Some(2), None).await), "the model wrote no summary");
    let failure = kernel::Failure {
        message: "the provider is ill".to_owned(),
        code: None,
        retryable: false,
        retry_after: None,
    };
    world.plays(vec![vec![Play::Say(ProviderEvent::Error(failure))]]);
    assert_eq!(refusal(world.engine.compact(&id(), Some(2), None).await), "the provider is ill");
    world.plays(vec![vec![text(&long("more words than there were").repeat(5)), stop()]]);
    let grown = refusal(world.engine.compact(&id(), Some(2), None).await);
    assert!(grown.contains("nothing would be gained"), "{grown}");
    world.store.fail_next_writes(1, store::Error::Full("no space".to_owned()));
    world.plays(vec![vec![text("short"), stop()]]);
    assert!(matches!(world.engine.compact(&id(), Some(2), None).await, Err(Error::Store(_))));
    assert_eq!(world.history("c").await, before);
    let list = world.store.conversations(store::Filter::default()).await.unwrap();
    assert_eq!(list.len(), 1, "no archive is left behind");
}

#[tokio::test]
async fn while_a_turn_runs_it_is_refused() {
    let world = talked().await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("…"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let refused = world.engine.compact(&id(), Some(2), None).await.err();
    assert_eq!(refused, Some(Error::CompactionRefused("the conversation is generating".to_owned())));
    gate.notify_one();
    turn(&mut watcher).await;
}

#[tokio::test]
async fn a_message_that_comes_meanwhile_waits_and_is_not_wiped() {
    let world = talked().await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("short"), Play::Gate(gate.clone()), stop()]]);
    let compacting = {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.compact(&id(), Some(2), None).await })
    };
    while world.requests().len() < 4 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert!(world.engine.is_active(&id()));
    let sending = {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.send(&id(), prompt("four")).await })
    };
    let queued = world.engine.queue(&id(), steer("five")).await.unwrap();
    assert!(queued.started.is_none(), "it is durable, and waits");
    assert_eq!(
        world.engine.compact(&id(), Some(2), None).await.err(),
        Some(Error::CompactionRefused("it is being compacted already".to_owned()))
    );
    gate.notify_one();
    compacting.await.unwrap().unwrap();
    let Sent::Started(mut started) = sending.await.unwrap().unwrap() else { panic!() };
    assert_eq!(said(&turn(&mut started.watcher).await), "you said: four");
    assert_eq!(said(&turn(&mut started.watcher).await), "you said: five");
    world.settled().await;
    let history = world.history("c").await;
    assert_eq!(texts(&history)[3..], ["four", "you said: four", "five", "you said: five"]);
}

#[tokio::test]
async fn a_stop_a_close_or_an_interruption_ends_it_and_nothing_has_changed() {
    for end in ["stop", "close", "interrupt", "delete"] {
        let world = talked().await;
        let before = world.history("c").await;
        let never = Arc::new(Notify::new());
        world.plays(vec![vec![text("short"), Play::Gate(never), stop()]]);
        let compacting = {
            let engine = world.engine.clone();
            tokio::spawn(async move { engine.compact(&id(), Some(2), None).await })
        };
        while world.requests().len() < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        match end {
            "stop" => assert!(!world.engine.stop(&id()).await.unwrap()),
            "close" => assert!(!world.engine.close(&id()).await.unwrap()),
            "interrupt" => {
                let prompt = Prompt { when_active: WhenActive::Interrupt, ..prompt("now") };
                turn(&mut world.start("c", prompt).await.unwrap().watcher).await;
            }
            _ => {
                assert_eq!(world.engine.delete(&id(), false).await, Err(Error::ConversationActive));
                assert!(world.engine.delete(&id(), true).await.unwrap());
            }
        }
        assert!(matches!(compacting.await.unwrap(), Err(Error::CompactionRefused(_))), "{end}");
        world.settled().await;
        let after = world.history("c").await;
        if end == "delete" {
            assert!(after.is_empty());
        } else {
            assert_eq!(after[..before.len()], before, "{end}");
        }
    }
}

fn big_usage() -> Play {
    let usage =
        Usage { input_tokens: 850, output_tokens: 10, cache_read_tokens: None, cache_write_tokens: None };
    Play::Say(ProviderEvent::Usage(usage))
}

#[tokio::test]
async fn it_happens_by_itself_when_the_context_is_nearly_full() {
    let world = world_with(Options { compact_percent: 85, ..Options::default() });
    world.script.window.store(1000, Ordering::Relaxed);
    for index in 0..6 {
        world.says("c", &long(&format!("word{index}"))).await;
    }
    assert_eq!(world.store.conversation(&id()).await.unwrap().unwrap().meta.compacted_from, None);
    world.plays(vec![vec![text("full"), big_usage(), stop()], vec![text("the summary"), stop()]]);
    let mut notices = world.engine.notices();
    turn(&mut world.send("c", "last").await.unwrap()).await;
    world.settled().await;
    let mut seen = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        seen.push(notice);
    }
    assert!(matches!(seen.last(), Some(Notice::Compacted { .. })), "{seen:?}");
    assert!(world.history("c").await[0]["text"].as_str().unwrap().ends_with("the summary"));

    // Switched off for this conversation, it does not.
    world.engine.set_compact_percent(&id(), 0).await.unwrap();
    assert_eq!(world.engine.compact_percent(&id()).await.unwrap(), 0);
    for index in 0..6 {
        world.says("c", &long(&format!("more{index}"))).await;
    }
    let requests = world.requests().len();
    world.plays(vec![vec![text("full again"), big_usage(), stop()]]);
    world.says("c", "last").await;
    assert_eq!(world.requests().len(), requests + 1);
}
