//! 9: tools, as far as they show on the wire.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::turn::Turn;
use crate::world::World;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "9-read-numbers-lines",
            "read_file gives the lines of a file with their numbers",
            |w| async move {
                let directory = w.directory().await?;
                run(&w, &directory, "run `printf 'one\\ntwo\\n' > f`").await?;
                let result = result(&w, &directory, "read f").await?;
                let text = content(&result, false)?;
                ensure(text.contains("1: one\n2: two"), "1: one\n2: two", text)
            },
        ),
        check(
            "9-read-lists-directories",
            "read_file on a directory gives its entries, sorted, sub-directories with /",
            |w| async move {
                let directory = w.directory().await?;
                run(&w, &directory, "run `mkdir b; touch c a`").await?;
                let result = result(&w, &directory, "read .").await?;
                let text = content(&result, false)?;
                let places = ["a", "b/", "c"].map(|name| text.lines().position(|line| line.trim() == name));
                ensure(places.iter().all(Option::is_some) && places.is_sorted(), "a, b/, c", text)
            },
        ),
        check("9-read-missing", "read_file of what is not there is a result with isError", |w| async move {
            let directory = w.directory().await?;
            content(&result(&w, &directory, "read no-such-file").await?, true).map(drop)
        }),
        check(
            "9-read-empty",
            "read_file of an empty file gives a note, not an empty result",
            |w| async move {
                let directory = w.directory().await?;
                run(&w, &directory, "run `touch empty`").await?;
                let result = result(&w, &directory, "read empty").await?;
                ensure(!content(&result, false)?.trim().is_empty(), "a note", &result)
            },
        ),
        check("9-read-is-bounded", "read_file of a large file gives a part of it", |w| async move {
            let directory = w.directory().await?;
            run(&w, &directory, "run `seq 1 200000 > large`").await?;
            let result = result(&w, &directory, "read large").await?;
            let text = content(&result, false)?;
            ensure(text.len() < 512 * 1024 && text.contains("1: 1"), "the first lines", text.len())
        })
        .quirk("no limit on what was read", "a part, from the first line"),
        check("9-write-creates", "write_file makes a file with exactly that content", |w| async move {
            let directory = w.directory().await?;
            content(&result(&w, &directory, "write f: some text").await?, false)?;
            let read = result(&w, &directory, "run `cat f`").await?;
            same("content", content(&read, false)?.trim(), "some text")
        }),
        check("9-write-does-not-replace", "write_file refuses a file that exists", |w| async move {
            let directory = w.directory().await?;
            content(&result(&w, &directory, "write f: first").await?, false)?;
            content(&result(&w, &directory, "write f: second").await?, true)?;
            let read = result(&w, &directory, "run `cat f`").await?;
            same("content", content(&read, false)?.trim(), "first")
        }),
        check(
            "9-write-replaces-when-told",
            "write_file with overwrite replaces, and refuses what does not exist",
            |w| async move {
                w.demo_with_call()?;
                let directory = w.directory().await?;
                let overwrite =
                    "call write_file {\"path\": \"f\", \"content\": \"second\", \"overwrite\": true}";
                content(&result(&w, &directory, overwrite).await?, true)?;
                content(&result(&w, &directory, "write f: first").await?, false)?;
                content(&result(&w, &directory, overwrite).await?, false)?;
                same(
                    "content",
                    content(&result(&w, &directory, "run `cat f`").await?, false)?.trim(),
                    "second",
                )
            },
        ),
        check("9-write-needs-the-directory", "write_file makes no directories", |w| async move {
            let directory = w.directory().await?;
            content(&result(&w, &directory, "write no/such/f: text").await?, true).map(drop)
        }),
        check("9-edit", "edit_file replaces exact text, once", |w| async move {
            w.demo_with_call()?;
            let directory = w.directory().await?;
            run(&w, &directory, "write f: one two").await?;
            let edit = |old: &str, new: &str| {
                format!("call edit_file {}", json!({"path": "f", "oldString": old, "newString": new}))
            };
            content(&result(&w, &directory, &edit("one", "three")).await?, false)?;
            content(&result(&w, &directory, &edit("absent", "x")).await?, true)?;
            content(&result(&w, &directory, &edit("t", "x")).await?, true)?;
            content(&result(&w, &directory, &edit("two", "two")).await?, true)?;
            same(
                "content",
                content(&result(&w, &directory, "run `cat f`").await?, false)?.trim(),
                "three two",
            )
        }),
        check(
            "9-files-stay-inside",
            "file tools reach nothing outside of the directory, also not through links",
            |w| async move {
                let directory = w.directory().await?;
                run(&w, &directory, "run `ln -s /etc link; ln -s /etc/passwd passwd`").await?;
                for message in [
                    "read /etc/passwd",
                    "read ../../../../../../etc/passwd",
                    "read link/passwd",
                    "read passwd",
                    "write ../outside: text",
                    "write /tmp/outside-of-it: text",
                ] {
                    let result = result(&w, &directory, message).await?;
                    let text = content(&result, true)?;
                    ensure(!text.contains("root:"), "nothing of the file", text)?;
                }
                Ok(())
            },
        )
        .quirk("containment was claimed, and given up for a while", "file tools stay inside the directory"),
        check(
            "9-shell-streams-both",
            "run_shell streams stdout and stderr by their names, and keeps both",
            |w| async move {
                let turn = w.script(&w.id(), "run `echo out; sleep 0.3; echo err >&2`").await?;
                let of = |stream: &str| -> String {
                    turn.of("tool-output")
                        .filter(|event| event["stream"] == stream)
                        .filter_map(|event| event["data"].as_str())
                        .collect()
                };
                same("stdout", of("stdout"), "out\n")?;
                same("stderr", of("stderr"), "err\n")?;
                let result = turn.one("tool-result")?;
                let text = content(result, false)?;
                let places = [text.find("out"), text.find("err")];
                ensure(places[0].is_some() && places[0] < places[1], "out, then err", text)
            },
        ),
        check(
            "9-shell-exit-code",
            "a command that fails is isError, and the result says its exit code",
            |w| async move {
                let turn = w.script(&w.id(), "run `echo before; exit 42`").await?;
                let text = content(turn.one("tool-result")?, true)?;
                ensure(text.contains("before") && text.contains("42"), "the output and 42", text)
            },
        )
        .quirk("the exit code was not shown", "it is"),
        check("9-shell-has-no-input", "a command that reads its input gets none", |w| async move {
            let turn = w.script(&w.id(), "run `cat; echo end`").await?;
            ensure(content(turn.one("tool-result")?, false)?.contains("end"), "end", "nothing")
        }),
        check("9-shell-output-is-cut", "a result is cut at 50 000 characters and says so", |w| async move {
            let turn = w.script(&w.id(), "run `seq 1 30000`").await?;
            let text = content(turn.one("tool-result")?, false)?;
            ensure(text.len() < 60_000, "about 50 000 characters", text.len())
        })
        .quirk("the loop had no limit of its own on results", "a result is bounded"),
        check(
            "9-shell-timeout",
            "a command that runs longer than its timeout is stopped, and the result says so",
            |w| async move {
                w.demo_with_call()?;
                let call = "call run_shell {\"command\": \"echo begun; sleep 60\", \"timeout\": 500}";
                let turn = w.script(&w.id(), call).await?;
                let text = content(turn.one("tool-result")?, true)?;
                ensure(text.contains("begun") && text.len() > "begun\n".len(), "the output and a note", text)
            },
        ),
        check("9-shell-odd-output", "output that is no text does no harm", |w| async move {
            let turn = w.script(&w.id(), "run `printf '\\377\\000\\033[31mx'`").await?;
            turn.ended("stop")
        }),
        check(
            "9-call-has-its-input",
            "a tool-call event has the tool's name and the whole input",
            |w| async move {
                let turn = w.script(&w.id(), "run `echo \"quoted\" 'and' \\back`").await?;
                let call = turn.one("tool-call")?;
                same("toolName", call["toolName"].clone(), "run_shell")?;
                same("input", call["input"].clone(), json!({"command": "echo \"quoted\" 'and' \\back"}))
            },
        ),
        check("9-todo", "todo_write answers the list as JSON and refuses a wrong shape", |w| async move {
            w.demo_with_call()?;
            let todos = json!([{"content": "a", "status": "pending"}]);
            let turn = w.script(&w.id(), &format!("call todo_write {}", json!({"todos": todos}))).await?;
            let text = content(turn.one("tool-result")?, false)?;
            same("list", serde_json::from_str::<Value>(text).unwrap_or_default(), todos)?;
            for wrong in [
                json!([{"content": "", "status": "pending"}]),
                json!([{"content": "a", "status": "later"}]),
                json!("a"),
            ] {
                let turn = w.script(&w.id(), &format!("call todo_write {}", json!({"todos": wrong}))).await?;
                content(turn.one("tool-result")?, true)?;
            }
            Ok(())
        }),
        check(
            "9-skills",
            "load_skill gives a skill of the directory without its summary lines, and refuses others",
            |w| async move {
                w.demo_with_call()?;
                let directory = w.directory().await?;
                run(
                    &w,
                    &directory,
                    "run `mkdir -p .skills/a; printf 'Summary\\n---\\nThe text\\n' > .skills/a/known.md`",
                )
                .await?;
                let text =
                    content(&result(&w, &directory, "call load_skill {\"name\": \"known\"}").await?, false)?
                        .to_owned();
                ensure(text.contains("The text") && !text.contains("---"), "The text", text)?;
                for name in ["unknown", "../known", "a/known", ""] {
                    content(
                        &result(&w, &directory, &format!("call load_skill {}", json!({"name": name})))
                            .await?,
                        true,
                    )?;
                }
                Ok(())
            },
        ),
    ]
}

async fn run(w: &World, directory: &str, message: &str) -> Outcome<Turn> {
    let body = json!({"conversationId": w.id(), "message": message, "model": w.demo()?, "cwd": directory});
    w.chat(body).await?.rest().await
}

/// The one result of a turn.
async fn result(w: &World, directory: &str, message: &str) -> Outcome<Value> {
    Ok(run(w, directory, message).await?.one("tool-result")?.clone())
}

/// What a result says, which is an error or not.
fn content(result: &Value, is_error: bool) -> Outcome<&str> {
    ensure(result["isError"] == is_error, format!("isError {is_error}"), result)?;
    Ok(result["content"].as_str().unwrap_or_default())
}
