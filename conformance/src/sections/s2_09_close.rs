//! 2.9: `POST /conversations/:id/close`.

use serde_json::json;

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.9-idle", "closing an idle conversation aborts nothing and closes it", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            close(&w, &id, false).await?;
            same("status", w.listed(&id).await?["status"].clone(), "closed")
        }),
        check("2.9-running", "closing stops the running turn: done aborted, turn-sealed", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            close(&w, &id, true).await?;
            live.rest().await?.ended("aborted")
        }),
        check(
            "2.9-stays-closed",
            "the turn that closing stopped does not make the conversation idle",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                close(&w, &id, true).await?;
                live.rest().await?;
                same("status", w.listed(&id).await?["status"].clone(), "closed")
            },
        )
        .quirk("the aborted turn overwrote closed with idle", "closed stays closed"),
        check("2.9-idempotent", "closing twice is closing once", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            close(&w, &id, false).await?;
            close(&w, &id, false).await?;
            same("status", w.listed(&id).await?["status"].clone(), "closed")
        }),
        check("2.9-unknown", "closing an unknown conversation is fine and creates nothing", |w| async move {
            let id = w.id();
            close(&w, &id, false).await?;
            ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
        })
        .quirk("an empty conversation was created, closed and untitled", "nothing is created"),
        check("2.9-is-broadcast", "every socket hears that a conversation was closed", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let (mut one, mut other) = (w.socket().await?, w.socket().await?);
            close(&w, &id, false).await?;
            one.status(&id, "closed").await?;
            other.status(&id, "closed").await
        }),
        check("2.9-keeps-the-history", "a closed conversation can be read", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let before = w.history(&id).await?;
            close(&w, &id, false).await?;
            same("history", w.history(&id).await?, before)
        }),
        check(
            "2.9-a-message-opens-it-again",
            "a message to a closed conversation starts a turn; it is idle after",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                close(&w, &id, false).await?;
                w.talk(&id).await?;
                w.until_status(&id, "idle").await.map(drop)
            },
        ),
        check(
            "2.9-discards-the-queue",
            "what was queued is dropped, and no turn starts from it",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?;
                let mut socket = w.socket().await?;
                close(&w, &id, true).await?;
                live.rest().await?;
                socket.status(&id, "closed").await?;
                socket
                    .silence("active", |frame| frame["conversationId"] == *id && frame["status"] == "active")
                    .await?;
                let turn = w.talk(&id).await?;
                same("the next prompt", turn.one("user-message")?["text"].clone(), "say hello")
            },
        )
        .quirk(
            "the queue was carried into a new turn, so that the conversation came back",
            "the queue is dropped",
        ),
    ]
}

async fn close(w: &World, id: &str, aborted: bool) -> Outcome {
    w.post_nothing(at(id, "/close")).await?.is(json!({"conversationId": id, "abortedTurn": aborted}))
}
