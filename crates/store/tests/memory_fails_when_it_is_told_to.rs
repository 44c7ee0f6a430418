//! Other crates test their errors with it.

use store::{Attribute, Begun, Compaction, Error, Global, Memory, Recovery, Sealed, Setting, Store};

use crate::support;
use crate::support::{begin, beginning, grow, history, id, journal, queued, seal, shown};

fn full() -> Error {
    Error::Full("no room".to_owned())
}

#[tokio::test]
async fn writes_fail_as_often_as_was_said() {
    let memory = Memory::new();
    begin(&memory, "c", "t").await;
    let before = shown(&memory).await;
    memory.fail_next_writes(10, full());
    assert_eq!(memory.begin_turn(beginning("d", "t2", "Hello", 1)).await, Err(full()));
    assert_eq!(journal(&memory, "c", "t", [grow(2, 2, "x")]).await, Err(full()));
    assert_eq!(memory.enqueue(&id("c"), queued("m", 1)).await, Err(full()));
    assert_eq!(memory.dequeue(&id("c"), vec![]).await, Err(full()));
    assert_eq!(memory.close(&id("c")).await, Err(full()));
    assert_eq!(memory.set(&id("c"), 1, Setting::Cwd(None)).await, Err(full()));
    let compaction = Compaction {
        conversation: id("c"),
        archive: id("a"),
        summary: String::new(),
        keep_from: None,
        last_seq: 0,
    };
    assert_eq!(memory.compact(compaction).await, Err(full()));
    assert_eq!(memory.delete(&id("c")).await, Err(full()));
    let value = Some("x".to_owned());
    assert_eq!(memory.set_attribute(&id("c"), 1, Attribute::Todos, value.clone()).await, Err(full()));
    assert_eq!(memory.set_global(Global::SystemPrompt, value).await, Err(full()));
    assert_eq!(shown(&memory).await, before);
    assert_eq!(journal(&memory, "c", "t", [grow(2, 2, "x")]).await, Ok(()));

    memory.fail_next_writes(usize::MAX, full());
    assert_eq!(journal(&memory, "c", "t", [grow(2, 2, "x")]).await, Err(full()));
    memory.fail_next_writes(0, full());
    assert_eq!(journal(&memory, "c", "t", [grow(2, 2, "x")]).await, Ok(()));
}

#[tokio::test]
async fn a_turn_that_could_not_be_sealed_is_sealed_by_the_next_one() {
    for fail in [Memory::fail_next_seals, Memory::fail_next_writes] {
        let memory = Memory::new();
        begin(&memory, "c", "t1").await;
        begin(&memory, "d", "t2").await;
        journal(&memory, "c", "t1", [grow(2, 2, "so far")]).await.unwrap();
        fail(&memory, 1, full());
        assert_eq!(seal(&memory, "c", "t1").await, Err(full()));
        assert_eq!(history(&memory, "c").await, Vec::<String>::new());
        // Another conversation's turn has not failed.
        assert_eq!(memory.begin_turn(beginning("d", "t3", "Hello", 1)).await, Err(Error::TurnOpen));
        let again = memory.begin_turn(beginning("c", "t4", "Hello", 1)).await;
        assert_eq!(again, Ok(Begun { seq: 3, next_seq: 4, message: 3 }));
        assert_eq!(history(&memory, "c").await, ["1 user \"Hello\"", "2 assistant \"so far\""]);
    }
}

#[tokio::test]
async fn a_turn_that_could_not_be_sealed_does_not_keep_its_conversation() {
    let memory = Memory::new();
    begin(&memory, "c", "t").await;
    memory.fail_next_seals(1, full());
    assert_eq!(seal(&memory, "c", "t").await, Err(full()));
    assert_eq!(memory.delete(&id("c")).await, Ok(true));
    assert_eq!(memory.conversation(&id("c")).await, Ok(None));
}

#[tokio::test]
async fn a_seal_can_be_tried_again() {
    let memory = Memory::new();
    begin(&memory, "c", "t").await;
    memory.fail_next_seals(1, full());
    assert_eq!(seal(&memory, "c", "t").await, Err(full()));
    assert_eq!(seal(&memory, "c", "t").await, Ok(Sealed { last_seq: 1 }));
}

#[tokio::test]
async fn reopening_ends_the_failures_and_its_clones_see_it() {
    let memory = Memory::new();
    let other = memory.clone();
    begin(&memory, "c", "t").await;
    memory.fail_next_writes(9, full());
    let recovery = Recovery { turns: vec![(id("c"), support::turn_id("t"))], synthesised_results: 0 };
    assert_eq!(memory.reopen(), recovery);
    assert_eq!(history(&other, "c").await, ["1 user \"Hello\""]);
    begin(&other, "c", "t2").await;
}
