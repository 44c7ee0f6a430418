//! 5: the turn loop, as far as it shows on the wire.

use serde_json::Value;

use crate::check::{Check, check, ensure, same};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "5-tools-start-while-the-model-streams",
            "a call runs as soon as it is complete, its output comes before step-complete",
            |w| async move {
                // The later calls take the model longer to write than the first one runs.
                let later = format!("run `: {}`", "x".repeat(400));
                let message = format!("run `echo early` and {}", [later.as_str(); 10].join(" and "));
                let turn = w.script(&w.id(), &message).await?;
                same("results", turn.of("tool-result").count(), 11)?;
                let (output, complete) = (turn.position("tool-output")?, turn.position("step-complete")?);
                ensure(output < complete, "the first output before step-complete", turn.kinds().join(" "))
            },
        ),
        check(
            "5-exclusive-tools-run-alone",
            "two commands of one step run one after the other, in order",
            |w| async move {
                let directory = w.directory().await?;
                let message = format!(
                    "run `cd {directory}; sleep 1; echo a >> f` and run `cd {directory}; echo b >> f`"
                );
                w.script(&w.id(), &message).await?;
                let turn = w.script(&w.id(), &format!("run `cat {directory}/f`")).await?;
                same("file", turn.one("tool-result")?["content"].as_str().map(str::trim), "a\nb")
            },
        ),
        check("5-equal-calls-both-run", "two equal commands of one step are both run", |w| async move {
            let directory = w.directory().await?;
            let command = format!("run `cd {directory}; echo a >> f`");
            let turn = w.script(&w.id(), &format!("{command} and {command}")).await?;
            same("calls", turn.of("tool-call").count(), 2)?;
            let turn = w.script(&w.id(), &format!("run `cat {directory}/f`")).await?;
            same("file", turn.one("tool-result")?["content"].as_str().map(str::trim), "a\na")
        })
        .quirk(
            "the second of two equal calls was not run, it got the first one's result",
            "what changes something is run each time",
        ),
        check("5-call-ids-are-unique", "no two calls of a conversation have the same id", |w| async move {
            let id = w.id();
            w.script(&id, "run `true` and run `true`, then run `true`").await?;
            w.script(&id, "run `true`").await?;
            let history = w.history(&id).await?;
            let chunks =
                history.iter().map(|chunk| &chunk["chunk"]).filter(|chunk| chunk["type"] == "tool-call");
            let mut ids: Vec<String> = chunks.map(|chunk| chunk["toolCallId"].to_string()).collect();
            same("calls", ids.len(), 4)?;
            ids.sort();
            ids.dedup();
            same("distinct ids", ids.len(), 4)
        }),
        check(
            "5-unknown-tool",
            "a call of a tool that does not exist gets the result `Unknown tool: <name>`",
            |w| async move {
                w.demo_with_call()?;
                let turn = w.script(&w.id(), "call no_such_tool {}").await?;
                let result = turn.one("tool-result")?;
                same("isError", result["isError"].clone(), true)?;
                let content = result["content"].as_str().unwrap_or_default();
                ensure(
                    content.starts_with("Unknown tool: no_such_tool"),
                    "Unknown tool: no_such_tool",
                    content,
                )?;
                turn.ended("stop")
            },
        ),
        check(
            "5-bad-input-is-a-result",
            "a call whose input the tool cannot take gets a result that says so",
            |w| async move {
                w.demo_with_call()?;
                let turn = w.script(&w.id(), "call read_file {\"path\": 5}").await?;
                same("isError", turn.one("tool-result")?["isError"].clone(), true)?;
                turn.ended("stop")
            },
        ),
        check(
            "5-many-steps",
            "a turn of twenty steps has twenty calls, each with its result",
            |w| async move {
                let message =
                    (0..20).map(|number| format!("run `echo {number}`")).collect::<Vec<_>>().join("\n");
                let turn = w.script(&w.id(), &message).await?;
                let said: Vec<String> = turn
                    .of("tool-result")
                    .filter_map(|event| event["content"].as_str())
                    .map(|text| text.trim().to_owned())
                    .collect();
                same("results", said, (0..20).map(|number| number.to_string()).collect::<Vec<_>>())
            },
        ),
        check(
            "5-history-is-what-the-model-gets",
            "the model's view is the conversation so far",
            |w| async move {
                let id = w.id();
                for message in ["say a", "run `echo b`", "say c"] {
                    w.script(&id, message).await?;
                }
                let text = w.script(&id, "summarise").await?.text();
                for part in ["messages of the user: 3", "calls of tools: 1", "say a", "run `echo b`", "say c"]
                {
                    ensure(text.contains(part), part, &text)?;
                }
                Ok(())
            },
        ),
        check(
            "5-prompts-only-grow",
            "each turn's prompt is at least as long as the one before",
            |w| async move {
                let id = w.id();
                let mut last = 0;
                for _ in 0..3 {
                    let turn = w.script(&id, "run `echo a`").await?;
                    for usage in turn.of("usage") {
                        let input = usage["usage"]["inputTokens"].as_u64().unwrap_or_default();
                        ensure(input >= last, format!("at least {last} tokens"), Value::from(input))?;
                        last = input;
                    }
                }
                Ok(())
            },
        ),
    ]
}
