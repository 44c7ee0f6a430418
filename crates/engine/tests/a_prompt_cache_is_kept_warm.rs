//! Warming sends what the next turn would begin with, costs nothing unless it is asked for, and survives a restart.

use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, Error, Options, Part, WarmingSettings};
use kernel::ProviderEvent;
use tokio::sync::Notify;
use wire::transport::WarmResponse;
use wire::{ConversationId, Usage};

use crate::support::*;

fn id() -> ConversationId {
    ConversationId::new("c")
}

fn usage() -> Play {
    Play::Say(ProviderEvent::Usage(Usage {
        input_tokens: 1000,
        output_tokens: 1,
        cache_read_tokens: Some(900),
        cache_write_tokens: Some(100),
    }))
}

fn template() -> Options {
    Options { system_prompt: Some("You work in [prompt:cwd].".to_owned()), ..Options::default() }
}

fn warmings(world: &World) -> usize {
    world.requests().iter().filter(|request| request.max_tokens == Some(1)).count()
}

async fn warmed(world: &World, times: usize) {
    for _ in 0..2000 {
        if warmings(world) >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the cache was not warmed {times} times");
}

#[tokio::test]
async fn a_warming_is_what_the_next_turn_begins_with() {
    let world = world_with(template());
    world.says("c", "one").await;
    world.plays(vec![vec![text("."), usage(), stop()]]);
    let figures = world.engine.warm(&id(), None, None).await.unwrap();
    let expected = WarmResponse {
        input_tokens: 1000,
        output_tokens: 1,
        cache_read_tokens: 900,
        cache_write_tokens: 100,
        cache_pct: 90,
        expected_cache_rate: 90,
    };
    assert_eq!(figures, expected);
    let before = world.history("c").await;
    world.says("c", "two").await;
    let [_, warm, next] = &world.requests()[..] else { panic!("three requests") };
    assert_eq!(warm.max_tokens, Some(1));
    assert_eq!((&warm.model, &warm.system, warm.effort), (&next.model, &next.system, next.effort));
    assert_eq!(warm.tools, next.tools);
    assert_eq!(warm.messages[..2], next.messages[..2]);
    assert_eq!((warm.messages.len(), next.messages.len()), (3, 3));
    assert_eq!(before.len(), 2, "a warming is not in the history");
    let metrics = store::Store::metrics(&*world.store, &id()).await.unwrap();
    assert!(
        metrics.iter().all(|turn| turn.metrics.usage.input_tokens == 0),
        "nor among what the conversation used"
    );
}

#[tokio::test]
async fn it_is_refused_while_generating_without_history_and_for_a_model_nobody_serves() {
    let world = world();
    let refusal = |result: Result<_, Error>| match result {
        Err(Error::WarmRefused(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = refusal(world.engine.warm(&id(), None, None).await);
    assert_eq!(why, "the conversation has no history yet");
    world.says("c", "one").await;
    let why = refusal(world.engine.warm(&id(), Some("nobody/x".to_owned()), None).await);
    assert_eq!(why, "unknown model: nobody/x");
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("…"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    let why = refusal(world.engine.warm(&id(), None, None).await);
    assert!(why.starts_with("the conversation is generating"), "{why}");
    gate.notify_one();
    turn(&mut watcher).await;
    world.settled().await;
    let failure = kernel::Failure {
        message: "the provider is ill".to_owned(),
        code: None,
        retryable: true,
        retry_after: None,
    };
    world.plays(vec![vec![Play::Say(ProviderEvent::Error(failure))]]);
    assert_eq!(refusal(world.engine.warm(&id(), None, None).await), "the provider is ill");
}

#[tokio::test]
async fn it_goes_on_by_itself_when_switched_on_and_ends_with_a_close() {
    let world = world();
    world.says("c", "one").await;
    assert_eq!(
        world.engine.warming(&id()).await.unwrap(),
        engine::Warming::default(),
        "off unless asked for"
    );
    let mut changes = world.engine.changes();
    let settings = WarmingSettings { enabled: true, interval_ms: 1 };
    world.engine.set_warming(&id(), settings).await.unwrap();
    let warming = world.engine.warming(&id()).await.unwrap();
    assert_eq!(
        warming.settings.interval_ms,
        WarmingSettings::LEAST_INTERVAL_MS,
        "too short becomes the least"
    );
    assert!(warming.next_at.is_some());
    assert_eq!(changes.try_recv().unwrap().part, Part::Warming);
    warmed(&world, 2).await;
    world.engine.close(&id()).await.unwrap();
    let warming = world.engine.warming(&id()).await.unwrap();
    assert_eq!((warming.settings.enabled, warming.next_at), (false, None));
    assert!(warming.last_at.is_some());
}

#[tokio::test]
async fn a_failed_warming_does_not_end_it_and_a_turn_puts_it_off() {
    let world = world();
    world.says("c", "one").await;
    let failure = kernel::Failure {
        message: "the provider is ill".to_owned(),
        code: None,
        retryable: true,
        retry_after: None,
    };
    world.plays(vec![vec![Play::Say(ProviderEvent::Error(failure))]]);
    let settings = WarmingSettings { enabled: true, interval_ms: 1000 };
    world.engine.set_warming(&id(), settings).await.unwrap();
    warmed(&world, 2).await;
    let gate = Arc::new(Notify::new());
    // A warming may take the next script: give the turn its own.
    world.engine.set_warming(&id(), WarmingSettings { enabled: true, interval_ms: 3_600_000 }).await.unwrap();
    world.plays(vec![vec![text("…"), Play::Gate(gate.clone()), stop()]]);
    let mut watcher = world.send("c", "go").await.unwrap();
    until(&mut watcher, "text-delta").await;
    assert_eq!(world.engine.warming(&id()).await.unwrap().next_at, None);
    gate.notify_one();
    turn(&mut watcher).await;
    world.settled().await;
    assert!(world.engine.warming(&id()).await.unwrap().next_at.is_some());
}

#[tokio::test]
async fn it_survives_a_restart() {
    let world = world();
    world.says("c", "one").await;
    world.engine.set_warming(&id(), WarmingSettings { enabled: true, interval_ms: 1000 }).await.unwrap();
    world.engine.shut_down().await;
    let before = warmings(&world);
    let catalog = engine::Catalog::new(
        vec![engine::Credential { name: "test".to_owned(), provider: world.script.clone() }],
        None,
    );
    let engine = Engine::new(Options::default(), world.store.clone(), catalog, Vec::new());
    engine.resume().await.unwrap();
    assert!(engine.warming(&id()).await.unwrap().next_at.is_some());
    warmed(&world, before + 1).await;
}
