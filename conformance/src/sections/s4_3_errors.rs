//! 4.3: errors inside a turn.

use serde_json::json;

use crate::check::{Check, check, ensure, same};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.3-before-the-first-word",
            "a provider that fails at once: error, step-complete, done error, turn-sealed",
            |w| async move {
                let turn = w.script(&w.id(), "fail").await?;
                let kinds: Vec<&str> = turn.kinds().into_iter().filter(|kind| *kind != "usage").collect();
                same(
                    "events",
                    kinds,
                    vec!["user-message", "turn-start", "error", "step-complete", "done", "turn-sealed"],
                )
            },
        ),
        check(
            "4.3-what-was-said-is-kept",
            "a provider that fails in the middle: what it said stays, live and in history",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, "fail after 3 words").await?;
                same("live", turn.text(), "word1 word2 word3")?;
                let history = w.history(&id).await?;
                same(
                    "stored",
                    history[1]["chunk"].clone(),
                    json!({"type": "text", "text": "word1 word2 word3"}),
                )
            },
        ),
        check(
            "4.3-error-chunk",
            "the error is a chunk of the assistant, the same as the event",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, "fail after 3 words").await?;
                let event = turn.one("error")?;
                let mut chunk = json!({"type": "error", "message": event["message"]});
                if let Some(code) = event.get("code") {
                    chunk["code"] = code.clone();
                }
                let last = w.history(&id).await?.last().cloned().unwrap_or_default();
                same("last chunk", last, json!({"seq": 3, "role": "assistant", "chunk": chunk}))
            },
        ),
        check("4.3-the-conversation-goes-on", "after a failed turn the next one works", |w| async move {
            let id = w.id();
            w.script(&id, "fail").await?;
            w.script(&id, "fail after 2 words").await?;
            let turn = w.script(&id, "say again").await?;
            turn.ended("stop")?;
            same("text", turn.text(), "again")
        }),
        check(
            "4.3-unknown-model-keeps-the-prompt",
            "the prompt of a turn with an unknown model is in the history",
            |w| async move {
                let id = w.id();
                w.chat(json!({"conversationId": id, "message": "say kept", "model": "nobody/nothing"}))
                    .await?
                    .rest()
                    .await?;
                let history = w.history(&id).await?;
                same("first chunk", history[0]["chunk"].clone(), json!({"type": "text", "text": "say kept"}))
            },
        )
        .quirk("the prompt was lost", "it is in the log before anything can fail"),
        check(
            "4.3-unknown-model-ends-idle",
            "after a turn with an unknown model the conversation is idle and goes on",
            |w| async move {
                let id = w.id();
                w.chat(json!({"conversationId": id, "message": "say a", "model": "nobody/nothing"}))
                    .await?
                    .rest()
                    .await?;
                w.until_status(&id, "idle").await?;
                w.talk(&id).await?.ended("stop")
            },
        )
        .quirk("an error event without done and turn-sealed", "every turn ends with done and turn-sealed"),
        check(
            "4.3-unreachable-provider",
            "a provider that cannot be reached is said with a code, and the turn ends",
            |w| async move {
                let (id, model) = (w.id(), w.broken_model()?);
                let turn = w
                    .chat(json!({"conversationId": id, "message": "say a", "model": model}))
                    .await?
                    .rest()
                    .await?;
                turn.ended("error")?;
                same("code", turn.one("error")?["code"].clone(), "provider-unreachable")
            },
        ),
        check(
            "4.3-a-failing-tool-is-no-error",
            "a tool that fails is a result with isError, the turn goes on",
            |w| async move {
                let turn = w.script(&w.id(), "run `exit 3`, then say after").await?;
                same("isError", turn.one("tool-result")?["isError"].clone(), true)?;
                turn.ended("stop")?;
                ensure(turn.of("error").next().is_none(), "no error event", turn.kinds().join(" "))?;
                ensure(turn.text().ends_with("after"), "the rest of the answer", turn.text())
            },
        ),
        check(
            "4.3-errors-have-codes",
            "the error event of a provider's failure has a code",
            |w| async move {
                let turn = w.script(&w.id(), "fail").await?;
                let code = turn.one("error")?["code"].clone();
                ensure(code.as_str().is_some_and(|code| !code.is_empty()), "a code", code)
            },
        )
        .quirk("no stable codes", "a code on every error"),
    ]
}
