//! 2.17: `/conversations/:id/title`.

use serde_json::json;

use crate::check::{Check, check, ensure, same};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.17-set", "a title is set, trimmed, and shown in the list", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            w.put(at(&id, "/title"), json!({"title": "  A title \n"}))
                .await?
                .is(json!({"conversationId": id, "title": "A title"}))?;
            same("title", w.listed(&id).await?["title"].clone(), "A title")
        }),
        check("2.17-must-say-something", "a missing, blank or non-string title is refused", |w| async move {
            let id = w.id();
            for body in [
                json!({}),
                json!({"title": ""}),
                json!({"title": "  "}),
                json!({"title": 1}),
                json!({"title": null}),
            ] {
                w.put(at(&id, "/title"), body).await?.invalid()?;
            }
            ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
        }),
        check("2.17-read", "GET answers the title", |w| async move {
            let id = w.id();
            w.put(at(&id, "/title"), json!({"title": "A title"})).await?.ok()?;
            w.get(at(&id, "/title")).await?.is(json!({"conversationId": id, "title": "A title"}))
        })
        .quirk("the route was documented and did not exist", "it answers"),
        check(
            "2.17-read-unknown",
            "the title of an unknown conversation is a string, and reading creates nothing",
            |w| async move {
                let id = w.id();
                let body = w.get(at(&id, "/title")).await?.ok()?;
                same("conversationId", body["conversationId"].clone(), id.clone())?;
                ensure(matches!(body["title"].as_str(), Some("" | "Untitled")), "empty or Untitled", &body)?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "2.17-creates-an-idle-conversation",
            "setting the title of an unknown conversation creates it, idle",
            |w| async move {
                let id = w.id();
                w.put(at(&id, "/title"), json!({"title": "First"})).await?.ok()?;
                let meta = w.listed(&id).await?;
                same("status", meta["status"].clone(), "idle")?;
                same("title", meta["title"].clone(), "First")
            },
        ),
        check("2.17-is-no-activity", "setting the title does not move lastActivityAt", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let before = w.listed(&id).await?;
            w.put(at(&id, "/title"), json!({"title": "Other"})).await?.ok()?;
            same(
                "lastActivityAt",
                w.listed(&id).await?["lastActivityAt"].clone(),
                before["lastActivityAt"].clone(),
            )
        }),
        check("2.17-during-a-turn", "a title can be set while a turn runs, and stays", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            w.put(at(&id, "/title"), json!({"title": "Mine"})).await?.ok()?;
            w.stop(&id, live).await?;
            same("title", w.listed(&id).await?["title"].clone(), "Mine")
        }),
    ]
}
