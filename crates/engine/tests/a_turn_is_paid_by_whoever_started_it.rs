//! Who pays for turns, what they pay, and what becomes of those who cannot.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Error, Options, Prompt, Sent, Steer};
use kernel::ProviderEvent;
use meter::{Credits, DepositId, Entry, Funds, KeyId, Price, Rate, SecretHash};
use serde_json::json;
use store::{Deposit, Ledger, NewKey, Sqlite, Store};
use tokio::sync::Notify;
use wire::extension::WhenActive;
use wire::{ConversationId, ErrorCode, Usage};

use crate::support::*;

const BROKE: Error = Error::Store(store::Error::InsufficientCredits);

/// A token of a prompt costs a credit, one that the model produces costs two.
fn priced() -> Options {
    let rate = |credits: &str| Rate::try_from(credits.parse::<Credits>().unwrap()).unwrap();
    let price = Price {
        per_million_input_tokens: rate("1000000"),
        per_million_output_tokens: rate("2000000"),
        ..Price::FREE
    };
    Options { prices: BTreeMap::from([("test/m".to_owned(), price)]), ..Options::default() }
}

fn used(input_tokens: u64, output_tokens: u64) -> Play {
    Play::Say(ProviderEvent::Usage(Usage { input_tokens, output_tokens, ..Usage::default() }))
}

/// An answer that costs so many credits.
fn costs(credits: u64) -> Vec<Play> {
    vec![text("well"), used(credits, 0), stop()]
}

fn id(name: &str) -> ConversationId {
    ConversationId::new(name)
}

fn credits(amount: &str) -> Credits {
    amount.parse().unwrap()
}

async fn give(store: &dyn Store, name: &str, amount: &str) {
    let deposit = DepositId::new(format!("{name} {amount}"));
    let (key, amount) = (KeyId::new(name), credits(amount));
    store.credit_key(Deposit { id: deposit, key, amount, note: String::new(), at: 2 }).await.unwrap();
}

async fn key(store: &dyn Store, name: &str, amount: &str) {
    let key = NewKey {
        id: KeyId::new(name),
        name: name.to_owned(),
        hash: SecretHash::of(name),
        funds: Funds::Prepaid,
        at: 1,
    };
    store.create_key(key).await.unwrap();
    give(store, name, amount).await;
}

async fn balance(store: &dyn Store, name: &str) -> Credits {
    store.key(&KeyId::new(name)).await.unwrap().unwrap().balance
}

/// Steps as they are charged: who paid, where, which step of its turn, and how much.
async fn charged(store: &dyn Store) -> Vec<(String, String, u64, String)> {
    let events = store.outbox(0, 1000).await.unwrap();
    let steps = events.into_iter().filter_map(|event| match event.entry {
        Entry::Step { conversation, n, credits, .. } => {
            Some((event.key.to_string(), conversation.to_string(), n, credits.to_string()))
        }
        Entry::Second { .. } | Entry::Credit { .. } | Entry::Ended { .. } => None,
    });
    steps.collect()
}

fn row(payer: &str, conversation: &str, n: u64, credits: &str) -> (String, String, u64, String) {
    (payer.to_owned(), conversation.to_owned(), n, credits.to_owned())
}

fn by(payer: &str, text: &str) -> Prompt {
    Prompt { payer: Some(KeyId::new(payer)), ..prompt(text) }
}

fn steered_by(payer: &str, text: &str) -> Steer {
    Steer { payer: Some(KeyId::new(payer)), ..steer(text) }
}

#[tokio::test]
async fn a_key_runs_out_between_turns_and_the_turn_in_flight_goes_to_its_end() {
    let world = world_with(priced());
    key(&*world.store, "k", "5").await;
    world.plays(vec![
        vec![used(6, 0), call("a", "obey", json!({})), tools()],
        vec![text("done"), used(1, 1), stop()],
    ]);
    let events = turn(&mut world.start("c", by("k", "go")).await.unwrap().watcher).await;
    assert_eq!((said(&events).as_str(), reason(&events)), ("done", "stop"));
    world.settled().await;
    assert_eq!(charged(&*world.store).await, [row("k", "c", 0, "6"), row("k", "c", 1, "3")]);
    assert_eq!(balance(&*world.store, "k").await, credits("-4"));

    let history = world.history("c").await;
    assert_eq!(BROKE.code(), ErrorCode::InsufficientCredits);
    assert_eq!(world.start("c", by("k", "more")).await.err(), Some(BROKE));
    assert_eq!(world.engine.queue(&id("c"), steered_by("k", "more")).await.err(), Some(BROKE));
    assert_eq!(world.start("new", by("k", "more")).await.err(), Some(BROKE));
    world.settled().await;
    assert_eq!(world.history("c").await, history, "the message was not taken in");
    assert!(world.queued("c").await.is_empty());
    assert_eq!(world.store.conversation(&id("new")).await.unwrap(), None);
    assert_eq!(world.requests().len(), 2, "no provider was asked");

    give(&*world.store, "k", "10").await;
    world.plays(vec![costs(2)]);
    turn(&mut world.start("c", by("k", "again")).await.unwrap().watcher).await;
    world.settled().await;
    assert_eq!(balance(&*world.store, "k").await, credits("4"));
}

#[tokio::test]
async fn a_revoked_key_begins_nothing_and_a_free_model_needs_no_credits() {
    let world = world();
    key(&*world.store, "poor", "0").await;
    world.plays(vec![costs(1000)]);
    turn(&mut world.start("c", by("poor", "go")).await.unwrap().watcher).await;
    world.settled().await;
    assert_eq!(charged(&*world.store).await, [row("poor", "c", 0, "0")]);
    assert!(world.store.revoke_key(&KeyId::new("poor"), 3).await.unwrap());
    for stranger in ["poor", "nobody"] {
        let refused = world.start("c", by(stranger, "go")).await.err().unwrap();
        assert_eq!(refused.code(), ErrorCode::Unauthorized, "{refused}");
    }
}

#[tokio::test]
async fn without_a_payer_it_is_the_local_key_which_never_runs_out() {
    let world = world_with(priced());
    world.plays(vec![costs(7), costs(7)]);
    world.says("c", "one").await;
    world.says("c", "two").await;
    assert_eq!(charged(&*world.store).await, [row("local", "c", 0, "7"), row("local", "c", 0, "7")]);
    assert_eq!(balance(&*world.store, "local").await, credits("-14"));
}

#[tokio::test]
async fn a_stopped_turn_is_charged_for_what_was_used() {
    let world = world_with(priced());
    key(&*world.store, "k", "100").await;
    world.plays(vec![vec![used(5, 1), text("half"), Play::Gate(Arc::new(Notify::new()))]]);
    let mut watcher = world.start("c", by("k", "go")).await.unwrap().watcher;
    until(&mut watcher, "text-delta").await;
    assert!(world.engine.stop(&id("c")).await.unwrap());
    assert_eq!(reason(&turn(&mut watcher).await), "aborted");
    world.settled().await;
    assert_eq!(charged(&*world.store).await, [row("k", "c", 0, "7")]);
}

#[tokio::test]
async fn two_turns_of_one_key_at_once_are_both_charged_and_then_there_is_no_third() {
    let world = world_with(priced());
    key(&*world.store, "k", "1").await;
    let gates = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let waits = |gate: &Arc<Notify>| vec![text("well"), Play::Gate(gate.clone()), used(4, 0), stop()];
    world.plays(gates.iter().map(waits).collect());
    let mut one = world.start("one", by("k", "go")).await.unwrap().watcher;
    until(&mut one, "text-delta").await;
    let mut two = world.start("two", by("k", "go")).await.unwrap().watcher;
    until(&mut two, "text-delta").await;
    for gate in &gates {
        gate.notify_one();
    }
    turn(&mut one).await;
    turn(&mut two).await;
    world.settled().await;
    let mut charged = charged(&*world.store).await;
    charged.sort();
    assert_eq!(charged, [row("k", "one", 0, "4"), row("k", "two", 0, "4")]);
    assert_eq!(balance(&*world.store, "k").await, credits("-7"));
    assert_eq!(world.start("three", by("k", "go")).await.err(), Some(BROKE));
}

#[tokio::test]
async fn what_was_queued_is_paid_by_whoever_queued_it_first() {
    let world = world_with(priced());
    key(&*world.store, "a", "100").await;
    key(&*world.store, "b", "100").await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("well"), Play::Gate(gate.clone()), used(1, 0), stop()], costs(2)]);
    let mut watcher = world.start("c", by("a", "go")).await.unwrap().watcher;
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id("c"), steered_by("b", "first")).await.unwrap();
    let queued = Prompt { when_active: WhenActive::Queue, ..by("a", "second") };
    assert!(matches!(world.engine.send(&id("c"), queued).await, Ok(Sent::Queued(_))));
    gate.notify_one();
    turn(&mut watcher).await;
    turn(&mut watcher).await;
    world.settled().await;
    assert_eq!(charged(&*world.store).await, [row("a", "c", 0, "1"), row("b", "c", 0, "2")]);
}

#[tokio::test]
async fn who_pays_for_the_queue_is_kept_with_it() {
    let world = world_with(priced());
    key(&*world.store, "a", "100").await;
    key(&*world.store, "b", "100").await;
    world.plays(vec![vec![text("well"), Play::Gate(Arc::new(Notify::new()))]]);
    let mut watcher = world.start("c", by("a", "go")).await.unwrap().watcher;
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id("c"), steered_by("b", "later")).await.unwrap();
    world.engine.stop(&id("c")).await.unwrap();
    turn(&mut watcher).await;
    // Nobody remembers but the log.
    world.settled().await;
    assert_eq!(world.queued("c").await, ["later"]);
    world.plays(vec![costs(1), costs(2)]);
    let mut watcher = world.start("c", by("a", "go on")).await.unwrap().watcher;
    turn(&mut watcher).await;
    turn(&mut watcher).await;
    world.settled().await;
    let expected = [row("a", "c", 0, "0"), row("a", "c", 0, "1"), row("b", "c", 0, "2")];
    assert_eq!(charged(&*world.store).await, expected);
}

#[tokio::test]
async fn who_cannot_pay_queues_nothing_and_interrupts_nothing() {
    let world = world_with(priced());
    key(&*world.store, "a", "100").await;
    key(&*world.store, "b", "0").await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("well"), Play::Gate(gate.clone()), used(1, 0), stop()]]);
    let mut watcher = world.start("c", by("a", "go")).await.unwrap().watcher;
    until(&mut watcher, "text-delta").await;
    for when_active in [WhenActive::Queue, WhenActive::Interrupt] {
        let wish = Prompt { when_active, ..by("b", "me") };
        assert_eq!(world.engine.send(&id("c"), wish).await.err(), Some(BROKE), "{when_active:?}");
    }
    assert_eq!(world.engine.queue(&id("c"), steered_by("b", "me")).await.err(), Some(BROKE));
    gate.notify_one();
    let events = turn(&mut watcher).await;
    assert_eq!(reason(&events), "stop");
    world.settled().await;
    assert!(world.queued("c").await.is_empty());
    assert_eq!(charged(&*world.store).await, [row("a", "c", 0, "1")]);
}

#[tokio::test]
async fn who_cannot_pay_any_more_holds_up_nobody_elses_message() {
    let world = world_with(priced());
    key(&*world.store, "a", "100").await;
    key(&*world.store, "b", "1").await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("well"), Play::Gate(gate.clone()), stop()], costs(2)]);
    let mut watcher = world.start("c", by("a", "go")).await.unwrap().watcher;
    until(&mut watcher, "text-delta").await;
    world.engine.queue(&id("c"), steered_by("b", "of b")).await.unwrap();
    world.engine.queue(&id("c"), steered_by("a", "of a")).await.unwrap();
    give(&*world.store, "b", "-1").await;
    gate.notify_one();
    turn(&mut watcher).await;
    turn(&mut watcher).await;
    world.settled().await;
    assert_eq!(charged(&*world.store).await, [row("a", "c", 0, "0"), row("a", "c", 0, "2")]);
    assert_eq!(world.history("c").await[2], json!({"type": "text", "text": "of a"}));
    assert_eq!(world.queued("c").await, ["of b"], "it waits for somebody who takes it along");
}

#[tokio::test]
async fn a_crash_charges_no_step_twice_and_leaves_none_out() {
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let script = Arc::new(Script::default());
    let over = |store: Arc<dyn Store>| engine_over(priced(), store, script.clone());
    let (sqlite, _) = Sqlite::open(before.path()).unwrap();
    let sqlite: Arc<dyn Store> = Arc::new(sqlite);
    key(&*sqlite, "k", "100").await;
    script.plays.lock().unwrap().extend([
        vec![used(6, 0), call("a", "obey", json!({})), tools()],
        vec![used(3, 0), call("b", "obey", json!({"hang": true})), tools()],
    ]);
    let engine = over(sqlite.clone());
    let Sent::Started(mut started) = engine.send(&id("c"), by("k", "go")).await.unwrap() else { panic!() };
    until(&mut started.watcher, "step-complete").await;
    until(&mut started.watcher, "step-complete").await;
    let expected = [row("k", "c", 0, "6"), row("k", "c", 1, "3")];

    // What another process finds when this one is killed here.
    for file in std::fs::read_dir(before.path()).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), after.path().join(file.file_name())).unwrap();
        }
    }
    let (sqlite, recovery) = Sqlite::open(after.path()).unwrap();
    assert_eq!(recovery.turns.len(), 1, "the turn was open");
    let sqlite: Arc<dyn Store> = Arc::new(sqlite);
    assert_eq!(charged(&*sqlite).await, expected);
    assert_eq!(balance(&*sqlite, "k").await, credits("91"));

    script.plays.lock().unwrap().push_back(costs(2));
    let engine_after = over(sqlite.clone());
    let Sent::Started(mut again) = engine_after.send(&id("c"), by("k", "go on")).await.unwrap() else {
        panic!()
    };
    turn(&mut again.watcher).await;
    let mut all = expected.to_vec();
    all.push(row("k", "c", 0, "2"));
    assert_eq!(charged(&*sqlite).await, all);
    assert_eq!(balance(&*sqlite, "k").await, credits("89"));
    engine.shut_down().await;
    engine_after.shut_down().await;
}
