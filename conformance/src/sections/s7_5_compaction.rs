//! 7.5: what compaction does to a conversation.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "7.5-summary-then-the-kept",
            "the history is a system message with the summary, then the messages that were kept",
            |w| async move {
                let id = w.id();
                let before = talked(&w, &id, 4).await?;
                compact(&w, &id, 4).await?;
                let after = w.history(&id).await?;
                same("role of the first", after[0]["role"].clone(), "system")?;
                same("type of the first", after[0]["chunk"]["type"].clone(), "text")?;
                ensure(
                    after[0]["chunk"]["text"].as_str().is_some_and(|text| text.len() > 20),
                    "a summary",
                    &after[0],
                )?;
                let chunks = |history: &[Value]| {
                    history.iter().map(|chunk| json!([chunk["role"], chunk["chunk"]])).collect::<Vec<_>>()
                };
                same("the kept", chunks(&after[1..]), chunks(&before[before.len() - 4..]))
            },
        ),
        check(
            "7.5-the-archive-has-everything",
            "the archive is a closed conversation with the whole history",
            |w| async move {
                let id = w.id();
                let before = talked(&w, &id, 4).await?;
                let archive = compact(&w, &id, 2).await?;
                same("history", w.history(&archive).await?, before)?;
                same("status", w.listed(&archive).await?["status"].clone(), "closed")
            },
        ),
        check(
            "7.5-the-archive-is-named",
            "the archive's title is `Archive: ` and the conversation's title",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                w.put(at(&id, "/title"), json!({"title": "Mine"})).await?.ok()?;
                let archive = compact(&w, &id, 2).await?;
                same("title", w.listed(&archive).await?["title"].clone(), "Archive: Mine")?;
                same("the conversation's", w.listed(&id).await?["title"].clone(), "Mine")
            },
        ),
        check("7.5-compacted-from", "the conversation's compactedFrom is the archive", |w| async move {
            let id = w.id();
            talked(&w, &id, 3).await?;
            let archive = compact(&w, &id, 2).await?;
            same("compactedFrom", w.listed(&id).await?["compactedFrom"].clone(), archive)
        }),
        check(
            "7.5-archives-are-a-chain",
            "a second archive's compactedFrom is the first archive",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                let first = compact(&w, &id, 2).await?;
                ensure(
                    w.listed(&first).await?.get("compactedFrom").is_none(),
                    "the first archive has none",
                    "one",
                )?;
                talked(&w, &id, 3).await?;
                let second = compact(&w, &id, 2).await?;
                same("of the conversation", w.listed(&id).await?["compactedFrom"].clone(), second.clone())?;
                same("of the second archive", w.listed(&second).await?["compactedFrom"].clone(), first)
            },
        ),
        check(
            "7.5-the-archive-has-the-times",
            "createdAt and lastActivityAt of the archive are the conversation's",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                let before = w.listed(&id).await?;
                let archive = w.listed(&compact(&w, &id, 2).await?).await?;
                for time in ["createdAt", "lastActivityAt"] {
                    same(time, archive[time].clone(), before[time].clone())?;
                }
                Ok(())
            },
        ),
        check(
            "7.5-the-archive-has-the-settings",
            "cwd and effort of the archive are the conversation's",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                w.put(at(&id, "/cwd"), json!({"cwd": "/tmp"})).await?.ok()?;
                w.put(at(&id, "/reasoning-effort"), json!({"reasoningEffort": "low"})).await?.ok()?;
                let archive = compact(&w, &id, 2).await?;
                for id in [&archive, &id] {
                    same("cwd", w.get(at(id, "/cwd")).await?.ok()?["cwd"].clone(), "/tmp")?;
                    same(
                        "effort",
                        w.get(at(id, "/reasoning-effort")).await?.ok()?["reasoningEffort"].clone(),
                        "low",
                    )?;
                }
                Ok(())
            },
        ),
        check("7.5-metrics-stay", "compaction deletes no metrics", |w| async move {
            let id = w.id();
            talked(&w, &id, 3).await?;
            let before = w.get(at(&id, "/metrics")).await?.ok()?;
            compact(&w, &id, 2).await?;
            same("metrics", w.get(at(&id, "/metrics")).await?.ok()?, before)
        }),
        check(
            "7.5-the-conversation-goes-on",
            "a compacted conversation takes the next message, its id stays",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                compact(&w, &id, 2).await?;
                let before = w.history(&id).await?.len();
                w.talk(&id).await?.ended("stop")?;
                same("chunks", w.history(&id).await?.len(), before + 2)
            },
        ),
        check(
            "7.5-cuts-at-user-messages",
            "the kept part begins with a user message, never inside a step",
            |w| async move {
                let id = w.id();
                w.talk_at_length(&id, 2).await?;
                w.script(&id, "run `echo b` and run `echo c`").await?;
                // The last two messages are the second tool result and the answer after it.
                compact(&w, &id, 2).await?;
                let after = w.history(&id).await?;
                ensure(after.len() > 1, "a kept part", Value::from(after.clone()))?;
                same("first of the kept", after[1]["role"].clone(), "user")?;
                w.script(&id, "say d").await?.ended("stop")
            },
        )
        .quirk(
            "the cut could part a call from its result, and providers refused the rest",
            "only before a user message",
        ),
        check(
            "7.5-nothing-is-lost-beside-it",
            "a message that comes while the summary is written is not lost",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                talked(&w, &id, 4).await?;
                let compacting = w.post(at(&id, "/compact"), json!({"keepLastN": 2}));
                let queueing = async {
                    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                    w.post(at(&id, "/queue"), json!({"text": "say not lost", "model": model})).await?.ok()
                };
                let (compacted, queued) = tokio::join!(compacting, queueing);
                queued?;
                let status = compacted?.status;
                ensure(matches!(status, 200 | 409), "200, or 409 if the turn came first", status)?;
                w.until("the message's answer", || async {
                    let history = Value::from(w.history(&id).await?).to_string();
                    Ok((history.contains("say not lost") && w.listed(&id).await?["status"] == "idle")
                        .then_some(()))
                })
                .await
            },
        )
        .quirk(
            "a turn could start while the summary was written, and was wiped",
            "compaction holds the conversation",
        ),
        check(
            "7.5-refusal-changes-nothing",
            "a refused compaction changes neither history nor list",
            |w| async move {
                let id = w.id();
                let before = talked(&w, &id, 1).await?;
                let meta = w.until_status(&id, "idle").await?;
                w.post(at(&id, "/compact"), json!({})).await?.refused(409, "compaction-refused")?;
                same("history", w.history(&id).await?, before)?;
                same("the entry", w.until_status(&id, "idle").await?, meta)
            },
        ),
        check(
            "7.5-by-itself",
            "a conversation that passes its percent of the context window is compacted after the turn",
            |w| async move {
                let id = w.id();
                w.demo()?;
                w.talk_at_length(&id, 7).await?;
                let mut socket = w.socket().await?;
                w.put(at(&id, "/compact-percent"), json!({"percent": 1})).await?.ok()?;
                // More than 3000 tokens; one percent of the demo's window is 2000.
                w.script(&id, &format!("run `echo {}`", "x".repeat(6000))).await?;
                let frame = socket
                    .expect("conversation.compacted", &id, |frame| frame["conversationId"] == *id)
                    .await?;
                let archive = frame["newConversationId"].as_str().unwrap_or_default().to_owned();
                same("compactedFrom", w.listed(&id).await?["compactedFrom"].clone(), archive)?;
                ensure(w.history(&id).await?[0]["role"] == "system", "a summary first", "none")
            },
        ),
        check("7.5-not-by-itself-when-off", "percent 0 switches automatic compaction off", |w| async move {
            let id = w.id();
            w.put(at(&id, "/compact-percent"), json!({"percent": 0})).await?.ok()?;
            w.demo()?;
            w.talk_at_length(&id, 7).await?;
            let mut socket = w.socket().await?;
            w.script(&id, &format!("run `echo {}`", "x".repeat(6000))).await?;
            socket.status(&id, "idle").await?;
            socket
                .silence("compacted", |frame| {
                    frame["type"] == "conversation.compacted" && frame["conversationId"] == *id
                })
                .await
        }),
    ]
}

/// That many turns; the history after them.
async fn talked(w: &World, id: &str, turns: usize) -> Outcome<Vec<Value>> {
    w.talk_at_length(id, turns).await?;
    w.history(id).await
}

/// Compacts; the archive's id.
async fn compact(w: &World, id: &str, keep: u64) -> Outcome<String> {
    let body = w.post(at(id, "/compact"), json!({"keepLastN": keep})).await?.ok()?;
    contract::COMPACTED.verify(&body)?;
    Ok(w.owns(body["newConversationId"].as_str().unwrap_or_default().to_owned()))
}
