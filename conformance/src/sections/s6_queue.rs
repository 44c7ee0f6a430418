//! 6: the queue.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "6-carry",
            "what is queued when a turn ends starts the next one: user-message, no steering",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let mut live = w.start(&id, "count to 40").await?;
                live.until("text-delta").await?;
                queue(&w, &id, "say carried").await?;
                socket.turn(&id).await?;
                let carried = socket.turn(&id).await?;
                same("prompt", carried.one("user-message")?["text"].clone(), "say carried")?;
                ensure(carried.of("steering").next().is_none(), "no steering", carried.kinds().join(" "))?;
                same("text", carried.text(), "carried")
            },
        ),
        check(
            "6-carry-joins",
            "several queued messages are one prompt, joined by a blank line",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let mut live = w.start(&id, "count to 60").await?;
                live.until("text-delta").await?;
                queue(&w, &id, "say one").await?;
                queue(&w, &id, "say two").await?;
                socket.turn(&id).await?;
                same(
                    "prompt",
                    socket.turn(&id).await?.one("user-message")?["text"].clone(),
                    "say one\n\nsay two",
                )
            },
        ),
        check(
            "6-carry-keeps-the-model",
            "a carried turn runs with the conversation's model",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                // Only the demo says what it was told to say.
                let mut live = w.start(&id, "count to 40").await?;
                live.until("text-delta").await?;
                queue(&w, &id, "say carried by the demo").await?;
                socket.turn(&id).await?;
                same("text", socket.turn(&id).await?.text(), "carried by the demo")
            },
        )
        .quirk("a carried turn fell back to the server's default model", "the conversation's last model"),
        check("6-carry-empties-the-queue", "what was carried is not in the queue any more", |w| async move {
            let id = w.id();
            let mut live = w.start(&id, "count to 40").await?;
            live.until("text-delta").await?;
            queue(&w, &id, "say carried").await?;
            live.rest().await?;
            w.until("the carried turn in the history", || async {
                let history = Value::from(w.history(&id).await?).to_string();
                Ok(history.contains("say carried").then_some(()))
            })
            .await?;
            w.get(at(&id, "/queue")).await?.is(json!({"conversationId": id, "queue": []}))
        }),
        check(
            "6-carry-after-a-failed-turn",
            "a turn that failed and was sealed carries as well",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let mut live = w.start(&id, "fail after 60 words").await?;
                live.until("text-delta").await?;
                queue(&w, &id, "say carried").await?;
                socket.turn(&id).await?.ended("error")?;
                same("text", socket.turn(&id).await?.text(), "carried")
            },
        ),
        check(
            "6-stop-keeps-the-queue",
            "stopping leaves the queue alone and starts nothing from it",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                queue(&w, &id, "say later").await?;
                let mut socket = w.socket().await?;
                w.stop(&id, live).await?;
                socket.status(&id, "idle").await?;
                socket
                    .silence("active", |frame| frame["conversationId"] == *id && frame["status"] == "active")
                    .await?;
                same("queue", texts(&w, &id).await?, vec!["say later"])
            },
        )
        .quirk(
            "a stop with messages in the queue started a new turn at once",
            "they stay queued, nothing starts by itself",
        ),
        check(
            "6-what-a-stop-left-is-not-lost",
            "what a stop left in the queue reaches the model with the next message",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                queue(&w, &id, "say left over").await?;
                w.stop(&id, live).await?;
                w.post(at(&id, "/queue"), json!({"text": "say now"})).await?.ok()?;
                w.until_status(&id, "idle").await?;
                let history = Value::from(w.history(&id).await?).to_string();
                ensure(
                    history.contains("say left over") && history.contains("say now"),
                    "both messages",
                    history,
                )?;
                same("queue", texts(&w, &id).await?.len(), 0)
            },
        ),
        check("6-read", "GET …/queue answers the queue, oldest first", |w| async move {
            let id = w.id();
            w.get(at(&id, "/queue")).await?.is(json!({"conversationId": id, "queue": []}))?;
            let live = w.running(&id).await?;
            queue(&w, &id, "say one").await?;
            let queued = queue(&w, &id, "say two").await?;
            let body = w.get(at(&id, "/queue")).await?.ok()?;
            contract::QUEUE.verify(&body)?;
            same("queue", body["queue"].clone(), queued)?;
            w.stop(&id, live).await.map(drop)
        }),
        check("6-cancel", "DELETE takes one message out and answers the rest", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            queue(&w, &id, "say one").await?;
            let queued = queue(&w, &id, "say two").await?;
            let first = queued[0]["id"].as_str().unwrap_or_default();
            let expected = json!({"conversationId": id, "cancelled": true, "queue": [queued[1]]});
            w.delete(at(&id, &format!("/queue/{first}"))).await?.is(expected)?;
            same("queue", texts(&w, &id).await?, vec!["say two"])?;
            w.stop(&id, live).await.map(drop)
        }),
        check(
            "6-cancel-twice",
            "a message that is not in the queue is not cancelled, which is no error",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let queued = queue(&w, &id, "say one").await?;
                let path = at(&id, &format!("/queue/{}", queued[0]["id"].as_str().unwrap_or_default()));
                w.delete(&path).await?.is(json!({"conversationId": id, "cancelled": true, "queue": []}))?;
                w.delete(&path).await?.is(json!({"conversationId": id, "cancelled": false, "queue": []}))?;
                w.stop(&id, live).await?;
                let unknown = w.id();
                w.delete(at(&unknown, "/queue/gone"))
                    .await?
                    .is(json!({"conversationId": unknown, "cancelled": false, "queue": []}))
            },
        ),
        check("6-cancelled-is-not-delivered", "a cancelled message reaches nobody", |w| async move {
            let id = w.id();
            let mut live = w.start(&id, "run `sleep 2`, then say done").await?;
            live.until("tool-call").await?;
            let queued = queue(&w, &id, "say cancelled").await?;
            w.delete(at(&id, &format!("/queue/{}", queued[0]["id"].as_str().unwrap_or_default())))
                .await?
                .ok()?;
            let turn = live.rest().await?;
            ensure(turn.of("steering").next().is_none(), "no steering", turn.kinds().join(" "))?;
            let history = Value::from(w.history(&id).await?).to_string();
            ensure(!history.contains("say cancelled"), "no trace of it", history)
        }),
        check(
            "6-many-senders-one-turn",
            "of many messages at the same moment one starts a turn, the others are queued",
            |w| async move {
                w.demo()?;
                let id = w.id();
                let sends = (0..8).map(|number| queue_any(&w, &id, format!("count to {}", 60 + number)));
                let mut started = 0;
                for body in futures_util::future::join_all(sends).await {
                    started += usize::from(body?["startedTurn"] == true);
                }
                ensure(started >= 1, "a turn", started)?;
                let history = w
                    .until("all eight messages in the history", || async {
                        let history = Value::from(w.history(&id).await?).to_string();
                        Ok((0..8)
                            .all(|n| history.contains(&format!("count to {}", 60 + n)))
                            .then_some(history))
                    })
                    .await?;
                for number in 0..8 {
                    let text = format!("count to {}", 60 + number);
                    same(&text, history.matches(&text).count(), 1)?;
                }
                Ok(())
            },
        ),
    ]
}

/// Queues while a turn runs; the whole queue after that.
async fn queue(w: &World, id: &str, text: &str) -> Outcome<Value> {
    let body = queue_any(w, id, text.to_owned()).await?;
    same("startedTurn", body["startedTurn"].clone(), false)?;
    Ok(body["queue"].clone())
}

async fn queue_any(w: &World, id: &str, text: String) -> Outcome<Value> {
    let body = w.post(at(id, "/queue"), json!({"text": text})).await?.ok()?;
    contract::QUEUE_ANSWER.verify(&body)?;
    Ok(body)
}

async fn texts(w: &World, id: &str) -> Outcome<Vec<Value>> {
    let body = w.get(at(id, "/queue")).await?.ok()?;
    Ok(body["queue"].as_array().into_iter().flatten().map(|item| item["text"].clone()).collect())
}
