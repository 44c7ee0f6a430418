//! What deleted conversations leave, and how it goes.

use super::batches::{ByHand, begin, journals, seals, write};
use super::*;

fn deletes(conversation: &'static str) -> (Box<dyn writer::Write>, oneshot::Receiver<String>) {
    write(None, move |log| log.delete(&id(conversation), 9).map(|there_was| format!("deleted {there_was}")))
}

/// A conversation of so many chunks of so many bytes, and its deletion.
fn delete_one_of(by_hand: &mut ByHand, chunks: u64, bytes: usize) {
    let text = "x".repeat(bytes);
    let ops = (2..=chunks).map(|seq| says(seq, 2, &text)).collect();
    let last_seq = format!("sealed {chunks}");
    assert_eq!(
        by_hand.write(vec![begin("c", "t"), journals("c", "t", ops), seals("c", "t"), deletes("c")]),
        ["begun 1", "journalled", &last_seq, "deleted true"]
    );
}

const CHUNKS: &str = "SELECT count(*) FROM chunks";

#[test]
fn a_long_conversation_goes_in_slices_and_a_start_goes_on_with_them() {
    let mut by_hand = ByHand::new();
    delete_one_of(&mut by_hand, 5000, 1);
    // It is gone, and what is left of it is in nobody's way.
    assert_eq!(by_hand.count("SELECT count(*) FROM conversations"), 0);
    assert_eq!(by_hand.count(CHUNKS), 5000);
    by_hand.writer.clear_away();
    assert_eq!(by_hand.count(CHUNKS), 5000 - 1024);
    let again = vec![begin("c", "t2"), journals("c", "t2", vec![says(2, 2, "new")]), seals("c", "t2")];
    assert_eq!(by_hand.write(again), ["begun 1", "journalled", "sealed 2"]);
    by_hand.writer.clear_away();
    assert_eq!(by_hand.count(CHUNKS), 5000 - 2048 + 2);

    let ByHand { dir, .. } = by_hand;
    let (mut by_hand, recovery) = ByHand::open(dir);
    assert_eq!(recovery, Recovery::default());
    let mut slices = 0;
    while by_hand.writer.log.has_deleted {
        by_hand.writer.clear_away();
        slices += 1;
    }
    assert_eq!(slices, 5, "three with chunks, one that finds none, one that finds nothing to do");
    assert_eq!(by_hand.count(CHUNKS), 2);
    assert_eq!(by_hand.count("SELECT count(*) FROM deleted"), 0);
    assert_eq!(by_hand.count("SELECT count(*) FROM turns"), 2);
}

#[test]
fn a_slice_ends_when_it_has_many_bytes() {
    let mut by_hand = ByHand::new();
    delete_one_of(&mut by_hand, 7, 400_000);
    let mut left = vec![];
    while by_hand.writer.log.has_deleted {
        by_hand.writer.clear_away();
        left.push(by_hand.count(CHUNKS));
    }
    // The prompt is the first.
    assert_eq!(left, [3, 0, 0, 0]);
}

#[test]
fn clients_ids_go_as_well() {
    let mut by_hand = ByHand::new();
    delete_one_of(&mut by_hand, 3, 1);
    let conn = by_hand.writer.log.connection();
    conn.execute_batch(
        "WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < 3000)
         INSERT INTO client_messages (conversation, id) SELECT 1, 'm' || id FROM ids;
         INSERT INTO client_messages (conversation, id) VALUES (2, 'another');",
    )
    .unwrap();
    while by_hand.writer.log.has_deleted {
        by_hand.writer.clear_away();
    }
    assert_eq!(by_hand.count("SELECT count(*) FROM client_messages"), 1);
}

#[test]
fn what_cannot_be_removed_is_tried_again_and_stops_nothing() {
    let mut by_hand = ByHand::new();
    let keep = "CREATE TRIGGER kept BEFORE DELETE ON chunks BEGIN SELECT RAISE (FAIL, 'kept'); END";
    by_hand.writer.log.connection().execute_batch(keep).unwrap();
    delete_one_of(&mut by_hand, 3, 1);
    by_hand.writer.clear_away();
    assert!(!by_hand.writer.log.has_deleted, "it is not tried all the time");
    assert_eq!(by_hand.write(vec![begin("c", "t2"), seals("c", "t2")]), ["begun 1", "sealed 1"]);
    assert_eq!(by_hand.count(CHUNKS), 4);
    by_hand.writer.log.connection().execute_batch("DROP TRIGGER kept").unwrap();
    assert_eq!(by_hand.write(vec![deletes("c")]), ["deleted true"]);
    while by_hand.writer.log.has_deleted {
        by_hand.writer.clear_away();
    }
    assert_eq!(by_hand.count(CHUNKS), 0);
}

#[test]
fn nothing_is_removed_after_a_failed_sync() {
    let mut by_hand = ByHand::new();
    delete_one_of(&mut by_hand, 3, 1);
    by_hand.writer.health.fail(&"a failed sync");
    by_hand.writer.clear_away();
    assert_eq!(by_hand.count(CHUNKS), 3);
    assert!(!by_hand.writer.log.has_deleted);
}

#[test]
fn a_number_is_not_given_out_twice() {
    let mut by_hand = ByHand::new();
    by_hand.write(vec![begin("a", "ta"), seals("a", "ta"), begin("c", "tc"), seals("c", "tc"), deletes("c")]);
    let ByHand { dir, .. } = by_hand;
    let (mut by_hand, _) = ByHand::open(dir);
    while by_hand.writer.log.has_deleted {
        by_hand.writer.clear_away();
    }
    by_hand.write(vec![begin("d", "td")]);
    assert_eq!(by_hand.count("SELECT key FROM conversations WHERE id = 'd'"), 3);
    assert_eq!(by_hand.count("SELECT id >> 32 FROM chunks ORDER BY id DESC LIMIT 1"), 3);
}

#[test]
fn a_turn_that_could_not_be_sealed_does_not_keep_its_conversation() {
    let mut by_hand = ByHand::new();
    let big = "x".repeat(100_000);
    by_hand.write(vec![begin("a", "t"), journals("a", "t", vec![grow(2, 2, &big)])]);
    by_hand.fill_the_disk(true);
    assert_eq!(by_hand.write(vec![seals("a", "t")]), ["full"]);
    by_hand.fill_the_disk(false);
    assert_eq!(by_hand.write(vec![deletes("a"), deletes("a")]), ["deleted true", "deleted false"]);
    assert_eq!(by_hand.count("SELECT count(*) FROM turns WHERE sealed_at = 9"), 1);
}

#[tokio::test]
async fn the_writer_removes_what_is_left_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    for conversation in ["a", "b"] {
        store.begin_turn(beginning(conversation, conversation)).await.unwrap();
        let ops = (2..=10_000).map(|seq| says(seq, 2, "x")).collect();
        journal(&store, conversation, conversation, ops).await.unwrap();
        store.seal(sealing(conversation, conversation)).await.unwrap();
    }
    let left = |conversation: i64| {
        let (first, last) =
            (schema::chunk_bound(conversation, 0), schema::chunk_bound(conversation, u64::MAX));
        tables(dir.path())
            .query_row("SELECT count(*) FROM chunks WHERE id >= ? AND id <= ?", [first, last], |row| {
                row.get(0)
            })
            .unwrap()
    };
    // While nothing else is written.
    store.delete(&id("a")).await.unwrap();
    let mut a: i64 = left(1);
    while a > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        a = left(1);
    }
    // While the writer always has something to write.
    let deleted = store.delete(&id("b"));
    store.begin_turn(beginning("c", "c")).await.unwrap();
    let c = (id("c"), TurnId::new("c"));
    let mut pending = std::collections::VecDeque::new();
    for seq in 2.. {
        pending.push_back(store.journal(&c.0, &c.1, vec![says(seq, 2, "x")]));
        if pending.len() > 64 {
            pending.pop_front().unwrap().await.unwrap();
        }
        if seq % 500 == 0 && left(2) == 0 {
            break;
        }
    }
    deleted.await.unwrap();
}
