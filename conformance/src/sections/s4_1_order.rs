//! 4.1: the order of events inside a turn. Their grammar is checked wherever a turn is read to its end.

use serde_json::Value;

use crate::check::{Check, check, ensure, same};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.1-one-step",
            "a plain answer: user-message, turn-start, text, usage, step-complete, done, turn-sealed",
            |w| async move {
                let turn = w.script(&w.id(), "say hello, world").await?;
                let expected = vec![
                    "user-message",
                    "turn-start",
                    "text-delta",
                    "usage",
                    "step-complete",
                    "done",
                    "turn-sealed",
                ];
                same("events", turn.kinds(), expected)?;
                same("text", turn.text(), "hello, world")
            },
        ),
        check(
            "4.1-reasoning-comes-before-text",
            "reasoning is streamed as reasoning-delta, in its place",
            |w| async move {
                let turn = w.script(&w.id(), "think about order").await?;
                let begin = turn.kinds().into_iter().take(4).collect::<Vec<_>>();
                same("events", begin, vec!["user-message", "turn-start", "reasoning-delta", "text-delta"])
            },
        ),
        check(
            "4.1-a-step-with-a-tool",
            "a call ends its step; its result comes after step-complete; another step follows",
            |w| async move {
                let turn = w.script(&w.id(), "run `true`").await?;
                let kinds: Vec<&str> =
                    turn.kinds().into_iter().filter(|kind| *kind != "tool-output").collect();
                let expected = vec![
                    "user-message",
                    "turn-start",
                    "text-delta",
                    "tool-call",
                    "usage",
                    "step-complete",
                    "tool-result",
                    "text-delta",
                    "usage",
                    "step-complete",
                    "done",
                    "turn-sealed",
                ];
                same("events", kinds, expected)
            },
        ),
        check(
            "4.1-calls-of-one-step",
            "calls of one step share a stepId, live and in history; results are in call order",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, "run `echo a` and read no-such-file and run `echo b`").await?;
                let ids = |kind: &str| {
                    turn.of(kind).map(|event| event["toolCallId"].clone()).collect::<Vec<Value>>()
                };
                same("order of results", ids("tool-result"), ids("tool-call"))?;
                let steps: Vec<Value> = turn
                    .of("tool-call")
                    .chain(turn.of("tool-result"))
                    .map(|event| event["stepId"].clone())
                    .collect();
                ensure(
                    steps.len() == 6 && steps.iter().all(|step| *step == steps[0]),
                    "one stepId",
                    Value::from(steps.clone()),
                )?;
                let stored: Vec<Value> = w
                    .history(&id)
                    .await?
                    .iter()
                    .filter_map(|chunk| chunk["chunk"].get("stepId").cloned())
                    .collect();
                same("stepIds in history", stored, steps)
            },
        ),
        check(
            "4.1-steps-are-distinct",
            "each step has a stepId of its own, and step-complete once",
            |w| async move {
                let turn = w.script(&w.id(), "run `true`, then run `true`, then run `true`").await?;
                let mut steps: Vec<String> =
                    turn.of("step-complete").map(|event| event["stepId"].to_string()).collect();
                same("steps", steps.len(), 4)?;
                steps.sort();
                steps.dedup();
                same("distinct steps", steps.len(), 4)
            },
        ),
        check(
            "4.1-output-is-live",
            "output of a tool comes while it runs, before its result",
            |w| async move {
                let mut live = w.start(&w.id(), "run `echo first; sleep 2; echo second`").await?;
                let first = live.until("tool-output").await?;
                same("data", first["data"].clone(), "first\n")?;
                ensure(
                    !live.seen.iter().any(|event| event["type"] == "tool-result"),
                    "no result yet",
                    "a result",
                )?;
                let turn = live.rest().await?;
                let data: String =
                    turn.of("tool-output").filter_map(|event| event["data"].as_str()).collect();
                same("all output", data, "first\nsecond\n")
            },
        ),
        check(
            "4.1-duration-is-the-tools-own",
            "durationMs of a result is how long that tool ran, not its siblings",
            |w| async move {
                let turn = w.script(&w.id(), "read no-such-file and run `sleep 3`").await?;
                let times: Vec<u64> =
                    turn.of("tool-result").filter_map(|event| event["durationMs"].as_u64()).collect();
                ensure(
                    times.len() == 2 && times[0] < 2500 && times[1] >= 2900,
                    "a moment, and three seconds",
                    format!("{times:?}"),
                )
            },
        )
        .quirk("the time from the call to the common emission, siblings included", "the tool's own time"),
        check(
            "4.1-timings-add-up",
            "step-complete has genTotalMs = ttftMs + decodeMs when something was said",
            |w| async move {
                let turn = w.script(&w.id(), "count to 20").await?;
                let step = turn.one("step-complete")?;
                let time = |name: &str| step[name].as_u64();
                match (time("ttftMs"), time("decodeMs"), time("genTotalMs")) {
                    (Some(first), Some(decode), Some(total)) => same("genTotalMs", total, first + decode),
                    _ => crate::check::failed("ttftMs, decodeMs and genTotalMs", step),
                }
            },
        ),
        check(
            "4.1-usage-comes-once-a-step",
            "each step has one usage, with its stepId, before its step-complete",
            |w| async move {
                let turn = w.script(&w.id(), "run `true`, then say done").await?;
                let steps =
                    |kind: &str| turn.of(kind).map(|event| event["stepId"].clone()).collect::<Vec<Value>>();
                same("steps of usage", steps("usage"), steps("step-complete"))
            },
        ),
    ]
}
