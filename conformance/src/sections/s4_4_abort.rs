//! 4.4: what is left of a turn that was stopped.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.4-partial-text-is-kept",
            "what the model had said is in the history, exactly what was streamed",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let turn = w.stop(&id, live).await?;
                let history = w.history(&id).await?;
                same("text", history[1]["chunk"].clone(), json!({"type": "text", "text": turn.text()}))
            },
        ),
        check(
            "4.4-calls-that-never-started",
            "calls that had not started get the result Aborted, with isError",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 100` and run `echo never`").await?;
                live.until("step-complete").await?;
                let turn = w.stop(&id, live).await?;
                let results: Vec<&Value> = turn.of("tool-result").collect();
                ensure(results.len() == 2, "two results", turn.kinds().join(" "))?;
                same("isError", results[0]["isError"].clone(), true)?;
                same("content", results[1]["content"].clone(), "Aborted")?;
                same("isError", results[1]["isError"].clone(), true)
            },
        ),
        check(
            "4.4-every-call-has-a-result-in-the-log",
            "the log of a stopped turn has each call with one result",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 100` and run `echo never`").await?;
                live.until("step-complete").await?;
                w.stop(&id, live).await?;
                let history = w.history(&id).await?;
                let ids = |kind: &str| -> Vec<Value> {
                    let chunks =
                        history.iter().map(|chunk| &chunk["chunk"]).filter(|chunk| chunk["type"] == kind);
                    chunks.map(|chunk| chunk["toolCallId"].clone()).collect()
                };
                same("calls", ids("tool-call").len(), 2)?;
                same("results", ids("tool-result"), ids("tool-call"))
            },
        )
        .quirk(
            "calls were stripped, or left without results, so that the next request failed",
            "calls stay, each with a result",
        ),
        check(
            "4.4-output-so-far-is-kept",
            "the result of a tool that was stopped has its output so far",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `echo before; sleep 100`").await?;
                live.until("tool-output").await?;
                let turn = w.stop(&id, live).await?;
                let content = turn.one("tool-result")?["content"].clone();
                ensure(content.as_str().is_some_and(|text| text.contains("before")), "before …", content)
            },
        ),
        check(
            "4.4-the-model-goes-on",
            "a conversation with a stopped tool turn takes the next message",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 100` and run `echo never`").await?;
                live.until("step-complete").await?;
                w.stop(&id, live).await?;
                let turn = w.script(&id, "say again").await?;
                turn.ended("stop")?;
                same("text", turn.text(), "again")
            },
        ),
        check(
            "4.4-step-complete-before-done",
            "a stopped step is completed: step-complete, results, done aborted, turn-sealed",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let turn = w.stop(&id, live).await?;
                let kinds: Vec<&str> = turn.kinds().into_iter().filter(|kind| *kind != "usage").collect();
                same(
                    "events",
                    kinds,
                    vec!["user-message", "turn-start", "text-delta", "step-complete", "done", "turn-sealed"],
                )
            },
        ),
        check(
            "4.4-what-the-shell-started-is-gone",
            "a stopped command is killed with everything that it started",
            |w| async move {
                let (id, directory) = (w.id(), w.directory().await?);
                let message = format!("run `cd {directory}; (sleep 3; touch late) & echo begun; wait`");
                let mut live = w.start(&id, &message).await?;
                live.until("tool-output").await?;
                w.stop(&id, live).await?;
                let turn = w.script(&w.id(), &format!("run `sleep 4; ls {directory}`")).await?;
                same(
                    "files",
                    turn.one("tool-result")?["content"].as_str().is_some_and(|text| text.contains("late")),
                    false,
                )
            },
        ),
    ]
}
