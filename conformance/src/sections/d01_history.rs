//! Decision 1: history shows sealed turns, the replay shows the rest.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "D1-history-hides-the-running-turn",
            "a turn appears in the history when it is sealed, all of it at once",
            |w| async move {
                let id = w.id();
                w.script(&id, "say first").await?;
                let before = w.history(&id).await?;
                let mut live =
                    w.start(&id, "run `echo a`, then run `sleep 1`, then count to 60 slowly").await?;
                while let Some(event) = live.next().await? {
                    if event["type"] == "turn-sealed" {
                        break;
                    }
                    if event["type"] == "tool-result" {
                        same("while it runs", w.history(&id).await?, before.clone())?;
                    }
                }
                same("chunks", w.history(&id).await?.len(), before.len() + 8)
            },
        ),
        check(
            "D1-history-and-replay-are-everything-once",
            "history and replay together have every text once",
            |w| async move {
                let id = w.id();
                w.script(&id, "say first-text").await?;
                let mut live = w.start(&id, "say second-text then run `sleep 2`").await?;
                live.until("tool-call").await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let replayed = socket.events_until(&id, "tool-call").await?;
                let history = Value::from(w.history(&id).await?).to_string();
                let replay: String = replayed.iter().filter_map(|event| event["delta"].as_str()).collect();
                ensure(
                    history.contains("first-text") && !history.contains("second-text"),
                    "the first turn in history",
                    &history,
                )?;
                ensure(
                    replay.contains("second-text") && !replay.contains("first-text"),
                    "the second turn in the replay",
                    &replay,
                )?;
                live.rest().await.map(drop)
            },
        ),
        check(
            "D1-a-stopped-turn-appears-at-once",
            "a stopped turn is in the history when turn-sealed is heard",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                w.stop(&id, live).await?;
                let roles: Vec<Value> =
                    w.history(&id).await?.iter().map(|chunk| chunk["role"].clone()).collect();
                same("roles", roles, json!(["user", "assistant"]))
            },
        ),
    ]
}
