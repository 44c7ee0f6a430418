//! 4.2: `done`.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.2-stop",
            "a turn that the model finished ends with reason stop, also after tools",
            |w| async move {
                w.script(&w.id(), "say hello").await?.ended("stop")?;
                w.script(&w.id(), "run `true`").await?.ended("stop")
            },
        ),
        check("4.2-aborted", "a turn that was stopped ends with reason aborted", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            w.stop(&id, live).await?.ended("aborted")
        }),
        check("4.2-error", "a turn whose provider failed ends with reason error", |w| async move {
            w.script(&w.id(), "fail").await?.ended("error")?;
            w.script(&w.id(), "fail after 5 words").await?.ended("error")
        })
        .quirk("an error that the provider emitted left the reason at stop", "error"),
        check(
            "4.2-max-steps",
            "a turn that never stops calling tools ends with reason max-steps",
            |w| async move {
                let message = vec!["run `true`"; 230].join("\n");
                let turn = w.script(&w.id(), &message).await?;
                turn.ended("max-steps")?;
                ensure(
                    turn.of("tool-call").count() < 230,
                    "an end before the last call",
                    "all calls were made",
                )
            },
        )
        .quirk("a limit of 50 that was later none at all", "a finite limit, 200 unless configured"),
        check(
            "4.2-usage-is-the-sum",
            "usage of done is the sum over the steps, cache fields included",
            |w| async move {
                let turn = w.script(&w.id(), "run `echo a`, then run `echo b`").await?;
                let sum = crate::grammar::sum(turn.of("usage").map(|event| &event["usage"]));
                ensure(turn.of("usage").count() == 3, "three steps", turn.kinds().join(" "))?;
                same("usage", turn.done()?["usage"].clone(), Value::Object(sum))
            },
        ),
        check(
            "4.2-context-size",
            "contextSize is input plus output of the last step, not of all",
            |w| async move {
                let turn = w.script(&w.id(), "run `echo a`, then run `echo b`").await?;
                let last = turn.of("usage").last().map(|event| event["usage"].clone()).unwrap_or_default();
                let tokens = |name: &str| last[name].as_u64().unwrap_or_default();
                same(
                    "contextSize",
                    turn.done()?["contextSize"].clone(),
                    tokens("inputTokens") + tokens("outputTokens"),
                )
            },
        )
        .quirk("0 when the last step had no usage", "left out rather than 0"),
        check("4.2-duration", "durationMs is the whole turn, tools included", |w| async move {
            let turn = w.script(&w.id(), "run `sleep 1`").await?;
            let duration = turn.done()?["durationMs"].clone();
            ensure(duration.as_u64().is_some_and(|ms| ms >= 1000), "at least a second", duration)
        }),
        check("4.2-context-grows", "a conversation's contextSize grows with its turns", |w| async move {
            let id = w.id();
            let mut last = 0;
            for _ in 0..3 {
                let size = w.talk(&id).await?.done()?["contextSize"].as_u64().unwrap_or_default();
                ensure(size > last, format!("more than {last}"), size)?;
                last = size;
            }
            Ok(())
        }),
        check(
            "4.2-reason-is-not-the-providers",
            "the reason of a turn with tools is never tool_calls",
            |w| async move {
                let turn = w.script(&w.id(), "run `true` and run `false`").await?;
                same("reason", turn.done()?["reason"].clone(), json!("stop"))
            },
        )
        .quirk("the provider's word was passed on, tool_calls included", "one of seven words"),
    ]
}
