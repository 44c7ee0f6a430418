//! 7.1: what the list says about a conversation.

use serde_json::json;

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "7.1-title-is-the-first-message",
            "the title is the text of the first message",
            |w| async move {
                let id = w.id();
                w.script(&id, "say hello").await?;
                title(&w, &id, "say hello").await
            },
        ),
        check(
            "7.1-title-while-the-turn-runs",
            "the title is there while the first turn runs",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let (message, _) = w.long()?;
                title(&w, &id, message).await?;
                w.stop(&id, live).await.map(drop)
            },
        )
        .quirk("Untitled until the first append", "the title from the beginning"),
        check("7.1-title-is-cut", "a title is cut to 80 characters and an ellipsis", |w| async move {
            let (eighty, longer) = (format!("say {}", "ä".repeat(76)), format!("say {}", "ä".repeat(77)));
            let (a, b) = (w.id(), w.id());
            w.script(&a, &eighty).await?;
            title(&w, &a, &eighty).await?;
            w.script(&b, &longer).await?;
            title(&w, &b, &format!("say {}…", "ä".repeat(76))).await
        }),
        check("7.1-title-stays", "later messages do not change the title", |w| async move {
            let id = w.id();
            w.script(&id, "say first").await?;
            w.script(&id, "say second").await?;
            title(&w, &id, "say first").await
        }),
        check(
            "7.1-set-title-stays",
            "a title that was set stays, also one set before the first message",
            |w| async move {
                let (before, after) = (w.id(), w.id());
                w.put(at(&before, "/title"), json!({"title": "Mine"})).await?.ok()?;
                w.script(&before, "say first").await?;
                title(&w, &before, "Mine").await?;
                w.script(&after, "say first").await?;
                w.put(at(&after, "/title"), json!({"title": "Mine"})).await?.ok()?;
                w.script(&after, "say second").await?;
                title(&w, &after, "Mine").await
            },
        ),
        check("7.1-activity-moves", "a turn moves lastActivityAt and not createdAt", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let before = w.listed(&id).await?;
            w.talk(&id).await?;
            let after = w.listed(&id).await?;
            same("createdAt", after["createdAt"].clone(), before["createdAt"].clone())?;
            let at = |meta: &serde_json::Value| meta["lastActivityAt"].as_u64().unwrap_or_default();
            ensure(at(&after) > at(&before), "a later lastActivityAt", &after)
        }),
        check("7.1-closing-is-no-activity", "closing does not move lastActivityAt", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let before = w.until_status(&id, "idle").await?;
            w.post_nothing(at(&id, "/close")).await?.ok()?;
            same(
                "lastActivityAt",
                w.listed(&id).await?["lastActivityAt"].clone(),
                before["lastActivityAt"].clone(),
            )
        }),
        check(
            "7.1-compacted-from-stays",
            "compactedFrom is still there after the next turn, a title and a close",
            |w| async move {
                let id = w.id();
                w.talk_at_length(&id, 3).await?;
                let archive =
                    w.post(at(&id, "/compact"), json!({"keepLastN": 2})).await?.ok()?["newConversationId"]
                        .clone();
                same("after the compaction", w.listed(&id).await?["compactedFrom"].clone(), archive.clone())?;
                w.talk(&id).await?;
                w.put(at(&id, "/title"), json!({"title": "Mine"})).await?.ok()?;
                w.post_nothing(at(&id, "/close")).await?.ok()?;
                same("later", w.listed(&id).await?["compactedFrom"].clone(), archive)
            },
        )
        .quirk("the next turn, title or status wrote the row without it", "it stays"),
    ]
}

async fn title(w: &World, id: &str, expected: &str) -> Outcome {
    same("title", w.listed(id).await?["title"].clone(), expected)
}
