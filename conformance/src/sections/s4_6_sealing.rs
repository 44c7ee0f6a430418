//! 4.6: what becomes chunks, and what turn-sealed promises.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.6-readable-at-the-seal",
            "when turn-sealed is heard, chunks and metrics can be read",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let live = w.start(&id, "say sealed").await?;
                let turn = socket.turn(&id).await?;
                let last = w.history(&id).await?.last().map(|chunk| chunk["chunk"]["text"].clone());
                same("last chunk", last, "sealed")?;
                let metrics = w.get(at(&id, "/metrics")).await?.ok()?;
                same("metrics", metrics["turns"][0]["turnId"].clone(), turn.id())?;
                live.rest().await.map(drop)
            },
        ),
        check("4.6-one-chunk-a-run", "adjacent deltas of one kind are one chunk", |w| async move {
            let id = w.id();
            let message = "think about it, then count to 30";
            let turn = w.script(&id, message).await?;
            ensure(turn.of("text-delta").count() > 3, "several deltas", turn.of("text-delta").count())?;
            let history = w.history(&id).await?;
            let reasoning: String =
                turn.of("reasoning-delta").filter_map(|event| event["delta"].as_str()).collect();
            let expected = json!([
                {"seq": 1, "role": "user", "chunk": {"type": "text", "text": message}},
                {"seq": 2, "role": "assistant", "chunk": {"type": "thinking", "text": reasoning}},
                {"seq": 3, "role": "assistant", "chunk": {"type": "text", "text": turn.text()}},
            ]);
            same("history", history, expected)
        }),
        check(
            "4.6-tools-in-the-log",
            "calls are chunks of the assistant, results are chunks of role tool, in order",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, "run `echo a` and run `echo b`").await?;
                let history = w.history(&id).await?;
                let shape: Vec<Value> =
                    history.iter().map(|chunk| json!([chunk["role"], chunk["chunk"]["type"]])).collect();
                let expected = json!([
                    ["user", "text"],
                    ["assistant", "text"],
                    ["assistant", "tool-call"],
                    ["assistant", "tool-call"],
                    ["tool", "tool-result"],
                    ["tool", "tool-result"],
                    ["assistant", "text"]
                ]);
                same("roles and types", shape, expected)?;
                let live: Vec<Value> =
                    turn.of("tool-call").chain(turn.of("tool-result")).map(stored).collect();
                let logged: Vec<Value> = history[2..6].iter().map(|chunk| chunk["chunk"].clone()).collect();
                same("calls and results", logged, live)
            },
        ),
        check(
            "4.6-live-only-events-are-no-chunks",
            "output, usage and timings are not in the history",
            |w| async move {
                let id = w.id();
                w.script(&id, "run `echo a; echo b >&2`").await?;
                let kinds: Vec<Value> =
                    w.history(&id).await?.iter().map(|chunk| chunk["chunk"]["type"].clone()).collect();
                same("types", kinds, vec!["text", "text", "tool-call", "tool-result", "text"])
            },
        ),
        check(
            "4.6-the-prompt-is-not-early",
            "while its turn runs, the prompt is in the replay and not in the history",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                same("history", w.history(&id).await?.len(), 0)?;
                w.stop(&id, live).await?;
                ensure(!w.history(&id).await?.is_empty(), "the sealed turn", "nothing")
            },
        )
        .quirk(
            "finished steps were in the history while the turn ran, so that late joiners saw them twice",
            "history shows sealed turns only",
        ),
        check(
            "4.6-messages-stay-apart",
            "two turns without tools are four messages, not one",
            |w| async move {
                let id = w.id();
                w.script(&id, "say a").await?;
                w.script(&id, "say b").await?;
                let roles: Vec<Value> =
                    w.history(&id).await?.iter().map(|chunk| chunk["role"].clone()).collect();
                same("roles", roles, vec!["user", "assistant", "user", "assistant"])?;
                // The demo counts the user's messages that it was given.
                let turn = w.script(&id, "summarise").await?;
                ensure(
                    turn.text().contains("messages of the user: 2"),
                    "two messages of the user",
                    turn.text(),
                )
            },
        )
        .quirk("messages of one chunk merged into one user message for the model", "each message is its own"),
        check(
            "4.6-what-was-streamed-is-what-is-stored",
            "the texts of a turn are the same live and in the history",
            |w| async move {
                let id = w.id();
                let turn = w.talk(&id).await?;
                let said: String = w
                    .history(&id)
                    .await?
                    .iter()
                    .filter(|chunk| chunk["role"] == "assistant" && chunk["chunk"]["type"] == "text")
                    .filter_map(|chunk| chunk["chunk"]["text"].as_str().map(str::to_owned))
                    .collect();
                same("text", said, turn.text())
            },
        ),
    ]
}

/// The chunk that an event becomes.
fn stored(event: &Value) -> Value {
    let mut chunk = event.clone();
    if let Some(fields) = chunk.as_object_mut() {
        for field in ["conversationId", "turnId", "durationMs"] {
            fields.remove(field);
        }
    }
    chunk
}
