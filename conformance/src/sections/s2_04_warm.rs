//! 2.4: `POST /chat/warm`.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.4-conversation-is-required",
            "a missing, empty or non-string conversationId is refused",
            |w| async move {
                for body in [
                    json!({}),
                    json!({"conversationId": ""}),
                    json!({"conversationId": 1}),
                    json!({"conversationId": null}),
                ] {
                    w.post("/chat/warm", body).await?.invalid()?;
                }
                Ok(())
            },
        ),
        check(
            "2.4-model-and-cwd-are-strings",
            "a model or cwd that is no string is refused",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.post("/chat/warm", json!({"conversationId": id, "model": 1})).await?.invalid()?;
                w.post("/chat/warm", json!({"conversationId": id, "cwd": []})).await?.invalid()
            },
        ),
        check(
            "2.4-shape",
            "a warm answers six numbers",
            |w| async move { warmed(&w, &w.id()).await.map(drop) },
        ),
        check(
            "2.4-rates-are-percent",
            "cachePct and expectedCacheRate follow from the tokens",
            |w| async move {
                let body = warmed(&w, &w.id()).await?;
                let tokens = |name: &str| body[name].as_f64().unwrap_or_default();
                let (input, read, written) =
                    (tokens("inputTokens"), tokens("cacheReadTokens"), tokens("cacheWriteTokens"));
                let percent = |part: f64, whole: f64| {
                    if whole <= 0.0 { 0.0 } else { (100.0 * part / whole).round().clamp(0.0, 100.0) }
                };
                same("cachePct", tokens("cachePct"), percent(read, input))?;
                same("expectedCacheRate", tokens("expectedCacheRate"), percent(read, read + written))
            },
        ),
        check(
            "2.4-refused-without-history",
            "a conversation without history cannot be warmed",
            |w| async move {
                let model = w.model()?.to_owned();
                w.post("/chat/warm", json!({"conversationId": w.id(), "model": model}))
                    .await?
                    .refused(409, "warm-refused")
                    .map(drop)
            },
        ),
        check(
            "2.4-refused-while-active",
            "a conversation cannot be warmed while a turn runs",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let live = w.running(&id).await?;
                let answer = w.post("/chat/warm", json!({"conversationId": id})).await?;
                answer.refused(409, "warm-refused")?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "2.4-refused-for-an-unknown-model",
            "a model that nobody serves cannot be warmed",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let answer = w
                    .post("/chat/warm", json!({"conversationId": id, "model": "nobody/nothing"}))
                    .await?
                    .status(409)?;
                let body = answer.json()?;
                ensure(body["error"].is_string() && body["code"].is_string(), "{error, code}", body)
            },
        ),
        check(
            "2.4-leaves-no-trace",
            "a warm changes neither history nor metrics nor the list",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let before = everything(&w, &id).await?;
                w.post("/chat/warm", json!({"conversationId": id})).await?.ok()?;
                same("after the warm", everything(&w, &id).await?, before)
            },
        ),
        check(
            "2.4-streams-nothing",
            "who watches the conversation hears nothing of a warm",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                w.post("/chat/warm", json!({"conversationId": id})).await?.ok()?;
                socket.silence_of(&id).await
            },
        ),
        check(
            "2.4-provider-failure-is-an-error",
            "a provider that fails during a warm is an error that says so, no defect of the server",
            |w| async move {
                let (id, broken) = (w.id(), w.broken_model()?);
                w.talk(&id).await?;
                let answer = w.post("/chat/warm", json!({"conversationId": id, "model": broken})).await?;
                let (status, body) = (answer.status, answer.json()?);
                let refused = (400..600).contains(&status) && status != 500;
                let said = body["error"].is_string() && body["code"].is_string();
                ensure(refused && said, "{error, code}, not with 500", format!("{status} {body}"))
            },
        )
        .quirk("the failure was not caught: 500", "an answer that says what the provider did"),
    ]
}

async fn warmed(w: &World, id: &str) -> Outcome<Value> {
    w.talk(id).await?;
    let model = w.model()?.to_owned();
    let body = w.post("/chat/warm", json!({"conversationId": id, "model": model})).await?.ok()?;
    contract::WARM.verify(&body)?;
    Ok(body)
}

async fn everything(w: &World, id: &str) -> Outcome<Value> {
    Ok(json!([w.history(id).await?, w.get(at(id, "/metrics")).await?.ok()?, w.listed(id).await?]))
}
