//! What is in the tables, and how it is read.

use serde_json::json;
use wire::{Chunk, ConversationStatus, Role};

use super::*;

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t")).await.unwrap();
    let ops = (2..=6).map(|seq| says(seq, 2, &format!("chunk {seq}"))).collect();
    journal(&store, "c", "t", ops).await.unwrap();
    store.seal(sealing("c", "t")).await.unwrap();
    let conn = tables(dir.path());
    let seq = |seq: i64| format!("WHERE id = 1 << 32 | {seq}");
    conn.execute(&format!("UPDATE chunks SET body = '{{\"type\":' {}", seq(3)), []).unwrap();
    conn.execute(&format!("UPDATE chunks SET role = 'narrator' {}", seq(4)), []).unwrap();
    conn.execute(&format!("UPDATE chunks SET replay = 'not json' {}", seq(5)), []).unwrap();

    let rows = store.chunks(&id("c"), Window { since: 1, ..Window::default() }).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.seq, row.role, serde_json::from_str::<serde_json::Value>(row.chunk.get()).unwrap()))
        .collect();
    let unreadable = |reason: &str| json!({ "type": "error", "message": format!("this part of the log cannot be read: {reason}") });
    assert_eq!(
        rows,
        [
            (2, Role::Assistant, json!({ "type": "text", "text": "chunk 2" })),
            (3, Role::System, unreadable("EOF while parsing a value at line 1 column 8")),
            (4, Role::System, unreadable("there is no role \"narrator\"")),
            (5, Role::Assistant, json!({ "type": "text", "text": "chunk 5" })),
            (6, Role::Assistant, json!({ "type": "text", "text": "chunk 6" })),
        ]
    );
    // The last text of the answer is there, and is not the text any more that it was.
    assert_eq!(store.last_text(&id("c")).await, Ok(Some("chunk 6".to_owned())));
    conn.execute(&format!("UPDATE chunks SET body = '?' {}", seq(6)), []).unwrap();
    assert_eq!(store.last_text(&id("c")).await, Ok(None));
    conn.execute(
        &format!("UPDATE chunks SET body = '{{\"type\":\"text\",\"text\":\"chunk 6\"}}' {}", seq(6)),
        [],
    )
    .unwrap();
    let messages = store.messages(&id("c"), u64::MAX).await.unwrap();
    let text = |text: &str| Chunk::Text { text: text.to_owned() }.into();
    assert_eq!(
        messages,
        [
            Numbered { number: 1, message: Message::user("Hello") },
            Numbered {
                number: 2,
                message: Message { role: Role::Assistant, parts: vec![text("chunk 2"), text("chunk 6")] }
            }
        ]
    );
}

#[tokio::test]
async fn an_open_turn_with_a_damaged_row_is_sealed_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t")).await.unwrap();
    let result = Chunk::ToolResult {
        tool_call_id: "call".to_owned(),
        tool_name: "shell".to_owned(),
        content: "done".to_owned(),
        is_error: false,
        step_id: None,
    };
    let call = Chunk::ToolCall {
        tool_call_id: "call".to_owned(),
        tool_name: "shell".to_owned(),
        input: json!({}),
        step_id: None,
    };
    let append = |seq, message, role, chunk| LogOp::Append(Entry { seq, message, role, chunk, replay: None });
    let ops = vec![append(2, 2, Role::Assistant, call), append(3, 3, Role::Tool, result)];
    journal(&store, "c", "t", ops).await.unwrap();
    drop(store);
    tables(dir.path()).execute("UPDATE chunks SET body = '?' WHERE id = 1 << 32 | 2", []).unwrap();
    let (store, recovery) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(recovery, Recovery { turns: vec![(id("c"), TurnId::new("t"))], synthesised_results: 0 });
    assert_eq!(history(&store, "c").await.len(), 3);
    assert_eq!(store.begin_turn(beginning("c", "t2")).await, Ok(Begun { seq: 4, next_seq: 5, message: 4 }));
}

#[tokio::test]
async fn a_start_that_cannot_clear_up_is_a_start_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t")).await.unwrap();
    journal(&store, "c", "t", vec![grow(2, 2, "x")]).await.unwrap();
    journal(&store, "c", "t", vec![says(2, 2, "x")]).await.unwrap();
    store.seal(sealing("c", "t")).await.unwrap();
    drop(store);
    let trigger = "CREATE TRIGGER kept BEFORE DELETE ON parts BEGIN SELECT RAISE (FAIL, 'kept'); END";
    tables(dir.path()).execute_batch(trigger).unwrap();
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(history(&store, "c").await.len(), 2);
    // The rows that are still there are in nobody's way.
    store.begin_turn(beginning("c", "t2")).await.unwrap();
    journal(&store, "c", "t2", vec![grow(4, 4, "y")]).await.unwrap();
    drop(store);
    let (store, recovery) = Sqlite::open(dir.path()).unwrap();
    assert_eq!(recovery.turns.len(), 1);
    assert_eq!(history(&store, "c").await[3], r#"4 {"type":"text","text":"y"}"#);
}

#[tokio::test]
async fn the_wal_stays_short_however_much_is_written() {
    const WRITERS: u64 = 8;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
    // Somebody always writes: the log is never at rest while it is checkpointed.
    let writing: Vec<_> = (0..WRITERS)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let name = number.to_string();
                store.begin_turn(beginning(&name, &name)).await.unwrap();
                for seq in 2..200 {
                    journal(&store, &name, &name, vec![says(seq, 2, &"x".repeat(50_000))]).await.unwrap();
                }
                store.seal(sealing(&name, &name)).await.unwrap();
            })
        })
        .collect();
    for writing in writing {
        writing.await.unwrap();
    }
    let files = Files::of(dir.path());
    let (written, wal) = (WRITERS * 198 * 50_000, std::fs::metadata(&files.wal).unwrap().len());
    assert!(wal < written, "{written} bytes were written, and the WAL has {wal}: it was never begun anew");
    drop(store);
    assert!(!files.wal.exists());
    let (store, _) = Sqlite::open(dir.path()).unwrap();
    for conversation in store.conversations(Filter::default()).await.unwrap() {
        assert_eq!(conversation.status, ConversationStatus::Idle);
        assert_eq!(history(&store, conversation.id.as_str()).await.len(), 199);
    }
}

#[tokio::test]
async fn reads_go_on_beside_each_other_and_keep_few_connections() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap().0);
    store.begin_turn(beginning("c", "t")).await.unwrap();
    store.seal(sealing("c", "t")).await.unwrap();
    let reads: Vec<_> = (0..200)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { history(&store, "c").await.len() })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), 1);
    }
    assert!(store.readers.connections() <= 4);
}
