//! 4.5: messages that reach the model inside a turn.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::turn::Turn;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.5-event",
            "a message queued while a tool runs is delivered after its result: steering",
            |w| async move {
                let turn = steered(&w, &w.id(), &["one more thing"]).await?;
                same("text", turn.one("steering")?["text"].clone(), "one more thing")?;
                let (result, steering) = (turn.position("tool-result")?, turn.position("steering")?);
                ensure(steering == result + 1, "steering right after the result", turn.kinds().join(" "))
            },
        ),
        check(
            "4.5-joined-by-a-blank-line",
            "several messages are one steering, joined by a blank line",
            |w| async move {
                let turn = steered(&w, &w.id(), &["first", "second", "third"]).await?;
                same("text", turn.one("steering")?["text"].clone(), "first\n\nsecond\n\nthird")
            },
        ),
        check(
            "4.5-the-model-sees-it",
            "the model answers to what was delivered, in the same turn",
            |w| async move {
                let turn = steered(&w, &w.id(), &["mind the gap"]).await?;
                ensure(turn.text().contains("mind the gap"), "an answer to it", turn.text())
            },
        ),
        check(
            "4.5-is-in-the-log",
            "the delivered text is a user message in the history, after the tool results",
            |w| async move {
                let id = w.id();
                steered(&w, &id, &["mind the gap"]).await?;
                let history = w.history(&id).await?;
                let place = history
                    .iter()
                    .position(|chunk| chunk["chunk"]["type"] == "tool-result")
                    .unwrap_or_default();
                let (role, chunk) = (&history[place + 1]["role"], &history[place + 1]["chunk"]);
                same(
                    "after the result",
                    json!([role, chunk]),
                    json!(["user", {"type": "text", "text": "mind the gap"}]),
                )
            },
        )
        .quirk(
            "delivered messages were not persisted: gone from history and from the model's view",
            "they are in the log",
        ),
        check(
            "4.5-the-queue-is-empty-after",
            "what was delivered is not in the queue any more",
            |w| async move {
                let id = w.id();
                steered(&w, &id, &["mind the gap"]).await?;
                w.get(at(&id, "/queue")).await?.is(json!({"conversationId": id, "queue": []}))
            },
        ),
        check("4.5-is-replayed", "who joins after the delivery sees it in its place", |w| async move {
            let id = w.id();
            let mut live = w.start(&id, "run `sleep 2`, then count to 60 slowly").await?;
            live.until("tool-call").await?;
            w.post(at(&id, "/queue"), json!({"text": "mind the gap"})).await?.ok()?;
            live.until("steering").await?;
            let mut socket = w.socket().await?;
            socket.subscribe(&id).await?;
            let turn = live.rest().await?;
            same("the turn", socket.turn(&id).await?.merged(), turn.merged())
        }),
        check("4.5-watchers-see-it-live", "a watcher sees the delivery as the sender does", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            socket.subscribe(&id).await?;
            let turn = steered(&w, &id, &["mind the gap"]).await?;
            same("the turn", socket.turn(&id).await?.merged(), turn.merged())
        }),
    ]
}

/// A turn with these messages queued while its tool runs.
async fn steered(w: &World, id: &str, texts: &[&str]) -> Outcome<Turn> {
    let mut live = w.start(id, "run `sleep 2`, then say done").await?;
    live.until("tool-call").await?;
    for text in texts {
        let body: Value = w.post(at(id, "/queue"), json!({"text": text})).await?.ok()?;
        same("startedTurn", body["startedTurn"].clone(), false)?;
    }
    live.rest().await
}
