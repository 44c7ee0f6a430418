//! Decisions 6, 7, 8 and 10: codes, reasons, usage, limits.

use serde_json::json;

use crate::check::{Check, check, ensure, same};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("D6-text-is-for-people", "an error says what was wrong: it names the field", |w| async move {
            let id = w.id();
            for (path, body, field) in [
                ("/chat".to_owned(), json!({"message": 1}), "message"),
                ("/chat".to_owned(), json!({"message": "say a", "model": 1}), "model"),
                ("/chat".to_owned(), json!({"message": "say a", "cwd": 1}), "cwd"),
                (at(&id, "/queue"), json!({"text": ""}), "text"),
            ] {
                let error = w.post(path, body).await?.refused(400, "invalid-request")?;
                ensure(error.contains(field), field, error)?;
            }
            let error = w.get(at(&id, "?limit=0")).await?.refused(400, "invalid-request")?;
            ensure(error.contains("limit"), "limit", error)
        }),
        check(
            "D6-error-event-has-a-code",
            "the error event of an unknown model has code unknown-model",
            |w| async move {
                let turn = w
                    .chat(json!({"conversationId": w.id(), "message": "say a", "model": "nobody/x"}))
                    .await?
                    .rest()
                    .await?;
                same("code", turn.one("error")?["code"].clone(), "unknown-model")
            },
        ),
        check(
            "D6-cached-tokens-are-input",
            "inputTokens is the whole prompt: it includes cacheReadTokens",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let turn = w.talk(&id).await?;
                for usage in turn.of("usage") {
                    let tokens = |name: &str| usage["usage"][name].as_u64().unwrap_or_default();
                    ensure(
                        tokens("inputTokens") >= tokens("cacheReadTokens") + tokens("cacheWriteTokens"),
                        "the cached part within",
                        usage,
                    )?;
                }
                Ok(())
            },
        ),
        check(
            "D6-later-turns-read-the-cache",
            "the second turn of a conversation reads the first one's prompt from the cache",
            |w| async move {
                let id = w.id();
                w.script(&id, "say a rather long sentence, so that there is something to cache").await?;
                let turn = w.script(&id, "say b").await?;
                let read = turn.one("usage")?["usage"]["cacheReadTokens"].clone();
                ensure(read.as_u64().is_some_and(|tokens| tokens > 0), "cacheReadTokens above 0", read)
            },
        ),
        check(
            "D6-large-bodies-are-refused",
            "a body of more than 16 MiB is refused with body-too-large",
            |w| async move {
                let body = json!({"message": "x".repeat(17 * 1024 * 1024)});
                w.post("/chat", body).await?.refused(413, "body-too-large").map(drop)
            },
        )
        .quirk("no limit on bodies", "16 MiB unless configured"),
        check(
            "D6-large-messages-are-taken",
            "a message of a megabyte is taken, and stored as it is",
            |w| async move {
                let (id, model) = (w.id(), w.demo()?.to_owned());
                let message = format!("say done\n{}", "word ".repeat(200_000)).trim().to_owned();
                w.chat(json!({"conversationId": id, "message": message, "model": model}))
                    .await?
                    .rest()
                    .await?;
                let stored = w.history(&id).await?[0]["chunk"]["text"].as_str().map(str::len);
                same("length", stored, message.len())
            },
        ),
        check(
            "D6-every-turn-ends-with-a-reason",
            "good, failed, stopped and unservable turns end with stop, error, aborted, error",
            |w| async move {
                let id = w.id();
                w.script(&id, "say a").await?.ended("stop")?;
                w.script(&id, "fail").await?.ended("error")?;
                let live = w.running(&id).await?;
                w.stop(&id, live).await?.ended("aborted")?;
                w.chat(json!({"conversationId": id, "message": "say a", "model": "nobody/x"}))
                    .await?
                    .rest()
                    .await?
                    .ended("error")
            },
        ),
        check(
            "D6-deep-json-is-no-danger",
            "a body nested a hundred thousand deep is refused and breaks nothing",
            |w| async move {
                let deep = format!("{{\"message\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
                let asking = w.ask(reqwest::Method::POST, "/chat").header("content-type", "application/json");
                let answer = asking.body(deep).send().await?;
                same("status", answer.status, 400)?;
                w.get("/health").await?.is(json!({"ok": true}))
            },
        ),
    ]
}
