//! 2.11: `POST /conversations/:id/queue`.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.11-idle-starts-a-turn",
            "in an idle conversation the text starts a turn and nothing is queued",
            |w| async move {
                w.model()?;
                let id = w.id();
                queue(&w, &id, "say hello")
                    .await?
                    .is(json!({"conversationId": id, "startedTurn": true, "queue": []}))?;
                w.until_status(&id, "idle").await?;
                same("the prompt", w.history(&id).await?[0]["chunk"]["text"].clone(), "say hello")
            },
        ),
        check(
            "2.11-active-is-queued",
            "while a turn runs the text is queued: id, text, queuedAt",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let body = queue(&w, &id, "say more").await?.ok()?;
                contract::QUEUE_ANSWER.verify(&body)?;
                same("startedTurn", body["startedTurn"].clone(), false)?;
                same("texts", texts(&body), vec!["say more"])?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "2.11-answers-the-whole-queue",
            "the answer is the queue after the text was added, in order",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                queue(&w, &id, "say one").await?.ok()?;
                let body = queue(&w, &id, "say two").await?.ok()?;
                same("texts", texts(&body), vec!["say one", "say two"])?;
                let ids: Vec<&Value> =
                    body["queue"].as_array().into_iter().flatten().map(|item| &item["id"]).collect();
                ensure(ids.len() == 2 && ids[0] != ids[1], "two ids", &body)?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check("2.11-text-is-required", "a missing, blank or non-string text is refused", |w| async move {
            let id = w.id();
            for body in [
                json!({}),
                json!({"text": ""}),
                json!({"text": " \n"}),
                json!({"text": 1}),
                json!({"text": null}),
            ] {
                w.post(at(&id, "/queue"), body).await?.invalid()?;
            }
            ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
        }),
        check("2.11-text-is-trimmed", "white space around the text is not part of it", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            let body = queue(&w, &id, "  say more\n").await?.ok()?;
            same("texts", texts(&body), vec!["say more"])?;
            w.stop(&id, live).await.map(drop)
        }),
        check(
            "2.11-equal-texts-are-two-messages",
            "the same text queued twice is there twice",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                queue(&w, &id, "say more").await?.ok()?;
                let body = queue(&w, &id, "say more").await?.ok()?;
                same("texts", texts(&body), vec!["say more", "say more"])?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "2.11-accepted-is-not-lost",
            "an accepted message is in the queue or in the history, never gone",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                queue(&w, &id, "say kept").await?.ok()?;
                w.stop(&id, live).await?;
                let queued = w.get(at(&id, "/queue")).await?.ok()?;
                let history = Value::from(w.history(&id).await?);
                ensure(format!("{queued}{history}").contains("say kept"), "the message somewhere", queued)
            },
        )
        .quirk("without the queue feature the message was dropped with 200", "an accepted message is kept"),
    ]
}

async fn queue(w: &World, id: &str, text: &str) -> Outcome<crate::http::Answer> {
    w.post(at(id, "/queue"), json!({"text": text})).await
}

fn texts(body: &Value) -> Vec<Value> {
    body["queue"].as_array().into_iter().flatten().map(|item| item["text"].clone()).collect()
}
