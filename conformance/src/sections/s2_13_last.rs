//! 2.13: `GET /conversations/:id/last`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::check::{Check, Outcome, check, ensure, failed, same};
use crate::contract;
use crate::world::{World, at};

/// Less than the minute that an answer may wait.
const SOON: Duration = Duration::from_secs(40);

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.13-unknown-is-empty",
            "an unknown conversation has an empty last message, at once",
            |w| async move {
                let id = w.id();
                w.get(at(&id, "/last")).await?.is(json!({"conversationId": id, "content": ""}))
            },
        ),
        check(
            "2.13-idle",
            "in an idle conversation it is the last answer, without a turnId",
            |w| async move {
                let id = w.id();
                w.script(&id, "say one").await?;
                w.script(&id, "say two").await?;
                w.get(at(&id, "/last")).await?.is(json!({"conversationId": id, "content": "two"}))
            },
        ),
        check(
            "2.13-waits-for-the-turn",
            "while a turn runs it waits for its seal, then names the turn",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 1`, then say finished").await?;
                live.until("turn-start").await?;
                let turn = live.turn_id();
                let body = w.get(at(&id, "/last")).await?.ok()?;
                contract::LAST.verify(&body)?;
                same("turnId", body["turnId"].clone(), turn)?;
                let content = body["content"].as_str().unwrap_or_default();
                ensure(content.ends_with("finished"), "the whole answer", content)
            },
        ),
        check(
            "2.13-last-text-of-the-last-answer",
            "of a turn with tools it is the last text, not all of it",
            |w| async move {
                let id = w.id();
                w.script(&id, "think about it, then say one, then run `echo x`").await?;
                let body = w.get(at(&id, "/last")).await?.ok()?;
                let history = w.history(&id).await?;
                let last = history
                    .iter()
                    .rev()
                    .find(|chunk| chunk["role"] == "assistant")
                    .map(|chunk| chunk["chunk"]["text"].clone());
                same("content", body["content"].clone(), last)
            },
        ),
        check(
            "2.13-looks-no-further-back",
            "when the last answer has no text, content is empty",
            |w| async move {
                let id = w.id();
                w.script(&id, "say one").await?;
                w.script(&id, "fail").await?;
                w.get(at(&id, "/last")).await?.is(json!({"conversationId": id, "content": ""}))
            },
        ),
        check("2.13-a-stop-wakes-it", "who waits is answered when the turn is stopped", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            let waiting = waiting(&w, &id);
            sleep(Duration::from_millis(200)).await;
            w.stop(&id, live).await?;
            answered(waiting).await.map(drop)
        }),
        check(
            "2.13-a-failure-wakes-it",
            "who waits is answered when the turn cannot be served",
            |w| async move {
                let id = w.id();
                let live = w
                    .chat(json!({"conversationId": id, "message": "say hello", "model": "nobody/nothing"}))
                    .await?;
                let waiting = waiting(&w, &id);
                live.rest().await?;
                same("content", answered(waiting).await?["content"].clone(), "")
            },
        )
        .quirk(
            "a turn that ended without a seal made it wait for the whole minute",
            "any end of a turn wakes it",
        ),
    ]
}

fn waiting(w: &World, id: &str) -> tokio::task::JoinHandle<Outcome<Value>> {
    let (w, id) = (w.clone(), id.to_owned());
    tokio::spawn(async move { w.get(at(&id, "/last")).await?.ok() })
}

async fn answered(waiting: tokio::task::JoinHandle<Outcome<Value>>) -> Outcome<Value> {
    match timeout(SOON, waiting).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => failed("an answer", error),
        Err(_) => failed("an answer when the turn is over", "it waited on"),
    }
}
