//! 2.10: `POST /conversations/:id/stop`.

use serde_json::json;

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.10-running",
            "stopping ends the turn: done aborted, turn-sealed, and the stream",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                w.stop(&id, live).await?.ended("aborted")
            },
        ),
        check("2.10-then-idle", "the conversation is idle after a stop, not closed", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            let mut socket = w.socket().await?;
            w.stop(&id, live).await?;
            socket.status(&id, "idle").await?;
            same("status", w.listed(&id).await?["status"].clone(), "idle")
        }),
        check("2.10-idle", "stopping an idle conversation stops nothing", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            stops_nothing(&w, &id).await
        }),
        check("2.10-twice", "the second stop finds nothing to stop", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            w.stop(&id, live).await?;
            stops_nothing(&w, &id).await
        }),
        check(
            "2.10-unknown",
            "stopping an unknown conversation is fine and creates nothing",
            |w| async move {
                let id = w.id();
                stops_nothing(&w, &id).await?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "2.10-watchers-see-it",
            "who watches the turn sees done aborted and turn-sealed",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                socket.event(&id).await?;
                w.stop(&id, live).await?;
                let events = socket.events_until(&id, "turn-sealed").await?;
                let done = events.iter().find(|event| event["type"] == "done");
                same("reason", done.map(|done| done["reason"].clone()), "aborted")
            },
        ),
        check(
            "2.10-the-conversation-goes-on",
            "a stopped conversation takes the next message",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                w.stop(&id, live).await?;
                w.talk(&id).await?.ended("stop")
            },
        ),
        check(
            "2.10-a-silent-provider-is-stopped",
            "a turn whose provider says nothing stops as well",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "stall").await?;
                live.until("turn-start").await?;
                w.stop(&id, live).await?.ended("aborted")
            },
        )
        .quirk(
            "the provider's request was not cancelled, a stop waited for its next event",
            "it is cancelled",
        ),
        check(
            "2.10-a-running-tool-is-stopped",
            "a turn whose tool runs stops without waiting for the tool",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 100`").await?;
                live.until("step-complete").await?;
                w.stop(&id, live).await?.ended("aborted")
            },
        ),
    ]
}

async fn stops_nothing(w: &World, id: &str) -> Outcome {
    w.post_nothing(at(id, "/stop")).await?.is(json!({"conversationId": id, "abortedTurn": false}))
}
