//! Decision 9: a provider that fails before it said anything is tried again.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::World;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "D9-a-failure-before-the-first-word-is-retried",
            "the turn goes on as if nothing had happened, with no error",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, &once(&id)).await?;
                turn.ended("stop")?;
                let kinds: Vec<&str> = turn.kinds().into_iter().filter(|kind| *kind != "usage").collect();
                let expected =
                    vec!["user-message", "turn-start", "text-delta", "step-complete", "done", "turn-sealed"];
                same("events", kinds, expected)?;
                same("messages", w.history(&id).await?.len(), 2)
            },
        ),
        check(
            "D9-retry-is-announced-to-who-asked",
            "clients that asked for extensions hear provider-retry, over HTTP",
            |w| async move {
                let id = w.id();
                let events = extended(&w, &id).await?;
                let retries: Vec<&Value> =
                    events.iter().filter(|event| event["type"] == "provider-retry").collect();
                ensure(retries.len() == 1, "one provider-retry", format!("{retries:?}"))?;
                same("attempt", retries[0]["attempt"].clone(), 1)
            },
        ),
        check(
            "D9-retry-on-the-socket",
            "a socket that asked for extensions hears provider-retry",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket
                    .send(json!({"type": "chat.subscribe", "conversationId": id, "extensions": true}))
                    .await?;
                w.script(&id, &once(&id)).await?;
                socket.events_until(&id, "provider-retry").await?;
                socket.events_until(&id, "turn-sealed").await.map(drop)
            },
        ),
        check(
            "D9-others-hear-nothing-of-it",
            "a socket that never asked for extensions gets exactly the contract's events",
            |w| async move {
                let id = w.id();
                let (mut plain, mut extended) = (w.socket().await?, w.socket().await?);
                plain.subscribe(&id).await?;
                extended
                    .send(json!({"type": "chat.subscribe", "conversationId": id, "extensions": true}))
                    .await?;
                w.script(&id, &once(&id)).await?;
                extended.events_until(&id, "provider-retry").await?;
                let turn = plain.turn(&id).await?;
                ensure(
                    turn.of("provider-retry").next().is_none(),
                    "the contract's events",
                    turn.kinds().join(" "),
                )
            },
        ),
        check("D9-retry-is-not-stored", "the history has nothing of a retry", |w| async move {
            let id = w.id();
            extended(&w, &id).await?;
            let history = Value::from(w.history(&id).await?).to_string();
            ensure(
                !history.contains("retry") && !history.contains("\"error\""),
                "the prompt and the answer",
                history,
            )
        }),
        check("D9-attempt-counts", "with cursor, events after a retry are of attempt 2", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            socket.send(json!({"type": "chat.subscribe", "conversationId": id, "cursor": true})).await?;
            w.script(&id, &once(&id)).await?;
            let events = socket.events_until(&id, "turn-sealed").await?;
            let delta = events
                .iter()
                .find(|event| event["type"] == "text-delta")
                .map(|event| event["attempt"].clone());
            same("attempt of the text", delta, 2)
        }),
        check(
            "D9-not-after-the-first-word",
            "a failure after the first word is not retried: what was said stays, the turn fails",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, "fail after 2 words").await?;
                turn.ended("error")?;
                same("text", turn.text(), "word1 word2")
            },
        ),
        check("D9-not-what-cannot-be-retried", "a failure that is final is not retried", |w| async move {
            let (id, model) = (w.id(), w.demo()?.to_owned());
            let events = w
                .chat(json!({"conversationId": id, "message": "fail", "model": model, "extensions": true}))
                .await?
                .all()
                .await?;
            ensure(
                !events.iter().any(|event| event["type"] == "provider-retry"),
                "no provider-retry",
                format!("{events:?}"),
            )
        }),
        check(
            "D9-stopping-ends-the-wait",
            "a turn that waits for its next attempt can be stopped",
            |w| async move {
                let (id, model) = (w.id(), w.broken_model()?);
                let mut live = w
                    .chat(
                        json!({"conversationId": id, "message": "say a", "model": model, "extensions": true}),
                    )
                    .await?;
                live.until("provider-retry").await?;
                w.post_nothing(crate::world::at(&id, "/stop")).await?.ok()?;
                let events = live.all().await?;
                same("the end", events.last().map(|event| event["type"].clone()), "turn-sealed")
            },
        ),
    ]
}

/// A prompt that fails once; unique, for the demo remembers what it failed.
fn once(id: &str) -> String {
    format!("fail once\nsay {id}")
}

async fn extended(w: &World, id: &str) -> Outcome<Vec<Value>> {
    let model = w.demo()?.to_owned();
    let body = json!({"conversationId": id, "message": once(id), "model": model, "extensions": true});
    let events = w.chat(body).await?.all().await?;
    same("the end", events.last().map(|event| event["type"].clone()), "turn-sealed")?;
    Ok(events)
}
