//! Decision 2: what becomes of a message while a turn runs is the client's choice.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("D2-reject-is-the-default", "whenActive reject is what happens without it", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            let events = w.chat(body(&w, &id, "say more", "reject")?).await?.all().await?;
            same(
                "events",
                events.iter().map(|event| event["code"].clone()).collect::<Vec<_>>(),
                vec!["turn-active"],
            )?;
            w.stop(&id, live).await.map(drop)
        }),
        check(
            "D2-queue",
            "whenActive queue answers 202 with the queue, and the message is delivered",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 2`, then say done").await?;
                live.until("tool-call").await?;
                let answer =
                    w.post("/chat", body(&w, &id, "mind the gap", "queue")?).await?.status(202)?.json()?;
                contract::QUEUE_ANSWER.verify(&answer)?;
                same("conversationId", answer["conversationId"].clone(), id.clone())?;
                same("startedTurn", answer["startedTurn"].clone(), false)?;
                same("queue", answer["queue"][0]["text"].clone(), "mind the gap")?;
                same("steering", live.rest().await?.one("steering")?["text"].clone(), "mind the gap")
            },
        ),
        check(
            "D2-queue-when-idle",
            "whenActive queue in an idle conversation is a turn like any other",
            |w| async move {
                let turn = w.chat(body(&w, &w.id(), "say hello", "queue")?).await?.rest().await?;
                turn.ended("stop")
            },
        ),
        check(
            "D2-interrupt",
            "whenActive interrupt stops the running turn and streams the new one",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let old = live.turn_id();
                let turn = w.chat(body(&w, &id, "say hello", "interrupt")?).await?.rest().await?;
                ensure(turn.id() != old, "a new turn", turn.id())?;
                same("prompt", turn.one("user-message")?["text"].clone(), "say hello")?;
                let old = live.rest().await?;
                old.ended("aborted")?;
                let history = w.history(&id).await?;
                let said: Vec<&Value> = history.iter().map(|chunk| &chunk["chunk"]["text"]).collect();
                ensure(
                    said.len() == 4 && said[1] == &json!(old.text()) && said[2] == "say hello",
                    "both turns, in order",
                    Value::from(history.clone()),
                )
            },
        ),
        check(
            "D2-interrupt-when-idle",
            "whenActive interrupt in an idle conversation is a turn like any other",
            |w| async move {
                w.chat(body(&w, &w.id(), "say hello", "interrupt")?).await?.rest().await?.ended("stop")
            },
        ),
        check(
            "D2-interrupt-is-one-subscription",
            "who watches sees the old turn to its seal, then the new one",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let turn = w.chat(body(&w, &id, "say hello", "interrupt")?).await?.rest().await?;
                same("the old one", socket.turn(&id).await?.merged(), live.rest().await?.merged())?;
                same("the new one", socket.turn(&id).await?.merged(), turn.merged())
            },
        ),
        check(
            "D2-socket-queue",
            "chat.send with whenActive queue queues without an answer",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                let mut frame = body(&w, &id, "say more", "queue")?;
                frame["type"] = json!("chat.send");
                socket.send(frame).await?;
                w.until("the message in the queue", || async {
                    Ok((w.get(at(&id, "/queue")).await?.ok()?["queue"][0]["text"] == "say more")
                        .then_some(()))
                })
                .await?;
                socket.silence("refused", |frame| frame["type"] == "chat.error").await?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "D2-socket-interrupt",
            "chat.send with whenActive interrupt stops the running turn and starts the new one",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                let mut frame = body(&w, &id, "say hello", "interrupt")?;
                frame["type"] = json!("chat.send");
                socket.send(frame).await?;
                live.rest().await?.ended("aborted")?;
                // The socket watches from its message on, so it may see the end of the old turn too.
                loop {
                    let events = socket.events_until(&id, "turn-sealed").await?;
                    if events
                        .iter()
                        .any(|event| event["type"] == "user-message" && event["text"] == "say hello")
                    {
                        return Ok(());
                    }
                }
            },
        ),
        check("D2-unknown-value", "any other whenActive is refused", |w| async move {
            for value in [json!("wait"), json!(""), json!(true), json!(null)] {
                let id = w.id();
                let mut body = body(&w, &id, "say hello", "")?;
                body["whenActive"] = value;
                w.post("/chat", body.clone()).await?.invalid()?;
                let mut socket = w.socket().await?;
                body["type"] = json!("chat.send");
                socket.send(body).await?;
                socket.chat_error(Some(&id)).await?;
            }
            Ok(())
        }),
    ]
}

fn body(w: &World, id: &str, message: &str, when: &str) -> Outcome<Value> {
    Ok(json!({"conversationId": id, "message": message, "model": w.model()?, "whenActive": when}))
}
