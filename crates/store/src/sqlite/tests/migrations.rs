//! Files of older versions.

use wire::extension::StoredChunkExtras;

use super::*;
use crate::{ClientMessage, Compaction, Throughput};

/// A file as the first version left it.
fn first_version(dir: &Path, rows: &str) {
    let conn = rusqlite::Connection::open(Files::of(dir).database).unwrap();
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    conn.execute_batch(schema::STEPS[0]).unwrap();
    conn.execute_batch(rows).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    first_version(
        dir.path(),
        r#"
        INSERT INTO conversations (key, id, created_at, last_activity_at, title, last_seq, last_message)
        VALUES (3, 'silent', 1, 9, 'Silent', 1, 1), (5, 'c', 2, 8, 'Mine', 6, 4), (7, 'wordless', 3, 7, 'W', 3, 3);
        INSERT INTO chunks (id, message, role, turn, replay, body) VALUES
        (3 << 32 | 1, 1, 'user', 1, NULL, '{"type":"text","text":"Anybody?"}'),
        (5 << 32 | 1, 1, 'user', 2, NULL, '{"type":"text","text":"Hello"}'),
        (5 << 32 | 2, 2, 'assistant', 2, '{"signature":1}', '{"type":"thinking","text":"hm"}'),
        (5 << 32 | 3, 2, 'assistant', 2, NULL, '{"type":"text","text":"Hi"}'),
        (5 << 32 | 4, 2, 'assistant', 2, NULL, '{"type":"tool-call","toolCallId":"x","toolName":"t","input":{}}'),
        (5 << 32 | 5, 3, 'tool', 2, NULL, '{"type":"tool-result","toolCallId":"x","toolName":"t","content":"","isError":false}'),
        (5 << 32 | 6, 4, 'user', 2, NULL, '{"type":"text","text":"steering"}'),
        (5 << 32 | 7, 5, 'user', 3, NULL, '{"type":"text","text":"More"}'),
        (5 << 32 | 8, 6, 'assistant', 3, NULL, '{"type":"text","text":"in flight"}'),
        (7 << 32 | 1, 1, 'user', 4, NULL, '{"type":"text","text":"Hello"}'),
        (7 << 32 | 2, 2, 'assistant', 4, NULL, '{"type":"text","text":"not the last message"}'),
        (7 << 32 | 3, 3, 'assistant', 4, NULL, '{"type":');
        INSERT INTO parts (id, conversation, seq, message, kind, text) VALUES
        (1, 5, 9, 6, 'text', 'half '), (2, 5, 9, 6, 'text', 'a word');
        INSERT INTO turns (key, conversation, id, begun_at, model, sealed_at, output_tokens) VALUES
        (1, 3, 't1', 1, NULL, 2, 1), (2, 5, 't2', 1, 'a/b', 50, 30), (3, 5, 't3', 1, 'a/b', NULL, NULL),
        (4, 7, 't4', 1, 'a/b', 60, 40);
        INSERT INTO steps (turn, idx, id, input_tokens, output_tokens, gen_total_ms) VALUES
        (1, 0, 's1', 1, 1, 5), (2, 0, 's2', 1, 10, 100), (2, 1, 's3', 1, 20, 200), (4, 0, 's4', 1, 40, NULL);
        INSERT INTO queue (conversation, id, text, queued_at) VALUES (5, 'q', 'queued', 4);
        "#,
    );
    let (store, recovery) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(recovery, Recovery { turns: vec![(id("c"), TurnId::new("t3"))], synthesised_results: 0 });
    let order: Vec<String> = store
        .conversations(Filter::default())
        .await
        .unwrap()
        .into_iter()
        .map(|meta| meta.id.to_string())
        .collect();
    assert_eq!(order, ["silent", "c", "wordless"]);
    assert_eq!(store.last_text(&id("silent")).await, Ok(None));
    assert_eq!(store.last_text(&id("c")).await, Ok(Some("half a word".to_owned())));
    assert_eq!(store.last_text(&id("wordless")).await, Ok(None));
    assert_eq!(history(&store, "c").await.len(), 9);
    // What was not written down is not made up: neither how long the tool ran, nor that the message steered.
    let rows = store.chunks(&id("c"), Window { since: 4, before: Some(7), limit: None }).await.unwrap();
    let extras: Vec<_> = rows.into_iter().map(|row| row.extras).collect();
    let plain = StoredChunkExtras { turn_id: Some(TurnId::new("t2")), ..StoredChunkExtras::default() };
    assert_eq!(extras, [plain.clone(), plain]);
    let queue = store.queue(&id("c")).await.unwrap();
    assert_eq!((queue.len(), &queue[0].client_message_id), (1, &None));
    let sum = Throughput { model: "a/b".to_owned(), output_tokens: 30, gen_ms: 300, turns: 1 };
    assert_eq!(store.throughput(0, 100).await, Ok(vec![sum]));

    // And it goes on.
    let compaction = Compaction {
        conversation: id("c"),
        archive: id("archive"),
        summary: "summary".to_owned(),
        keep_from: Some(5),
        last_seq: 9,
    };
    store.compact(compaction).await.unwrap();
    assert_eq!(
        history(&store, "c").await,
        [
            r#"1 {"type":"text","text":"summary"}"#,
            r#"2 {"type":"text","text":"More"}"#,
            r#"3 {"type":"text","text":"in flight"}"#,
            r#"4 {"type":"text","text":"half a word"}"#,
        ]
    );
    assert_eq!(history(&store, "archive").await.len(), 9);
    let begin = BeginTurn { client_message_id: Some("m".to_owned()), ..beginning("new", "t5") };
    store.begin_turn(begin).await.unwrap();
    assert_eq!(
        store.client_message(&id("new"), "m".to_owned()).await,
        Ok(Some(ClientMessage::Delivered(TurnId::new("t5"))))
    );
    drop(store);
    let keys: Vec<(String, i64, i64)> = tables(dir.path())
        .prepare("SELECT id, key, log FROM conversations ORDER BY key")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let expected = [("silent", 3, 3), ("c", 5, 8), ("wordless", 7, 7), ("archive", 8, 5), ("new", 9, 9)];
    assert_eq!(keys, expected.map(|(id, key, log)| (id.to_owned(), key, log)));
}

#[tokio::test]
async fn the_last_text_of_a_sealed_log_is_found_by_the_second_version() {
    let dir = tempfile::tempdir().unwrap();
    first_version(
        dir.path(),
        r#"
        INSERT INTO conversations (key, id, created_at, last_activity_at, title, last_seq, last_message)
        VALUES (1, 'b', 1, 9, 'B', 2, 2), (2, 'c', 2, 8, 'C', 3, 3), (3, 'empty', 3, 7, 'E', 0, 0);
        INSERT INTO chunks (id, message, role, turn, replay, body) VALUES
        (1 << 32 | 1, 1, 'user', 1, NULL, '{"type":"text","text":"Hello"}'),
        (1 << 32 | 2, 2, 'assistant', 1, NULL, '{"type":"text","text":"Hi"}'),
        (2 << 32 | 1, 1, 'assistant', 2, NULL, '{"type":"text","text":"first"}'),
        (2 << 32 | 2, 2, 'assistant', 2, NULL, '{"type":"text","text":"second"}'),
        (2 << 32 | 3, 3, 'user', 2, NULL, '{"type":"text","text":"not an answer"}');
        "#,
    );
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(store.last_text(&id("b")).await, Ok(Some("Hi".to_owned())));
    assert_eq!(store.last_text(&id("c")).await, Ok(Some("second".to_owned())));
    assert_eq!(store.last_text(&id("empty")).await, Ok(None));
}
