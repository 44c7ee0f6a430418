//! 7.2: active, idle, closed.

use serde_json::{Value, json};

use crate::check::{Check, check, same};
use crate::socket::Socket;
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "7.2-a-turn",
            "a turn makes a conversation active, its end idle, however it ends",
            |w| async move {
                for message in ["say hello", "fail", "run `true`"] {
                    let id = w.id();
                    let mut socket = w.socket().await?;
                    w.script(&id, message).await?;
                    same(message, statuses(&mut socket, &id, "idle").await?, vec!["active", "idle"])?;
                    same("in the list", w.listed(&id).await?["status"].clone(), "idle")?;
                }
                Ok(())
            },
        ),
        check("7.2-a-stopped-turn", "a stopped turn ends idle", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            let live = w.running(&id).await?;
            w.stop(&id, live).await?;
            same("statuses", statuses(&mut socket, &id, "idle").await?, vec!["active", "idle"])
        }),
        check(
            "7.2-closed-and-back",
            "closed becomes active with the next message, then idle",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                let mut socket = w.socket().await?;
                w.post_nothing(at(&id, "/close")).await?.ok()?;
                w.talk(&id).await?;
                let mut heard = statuses(&mut socket, &id, "idle").await?;
                heard.dedup();
                same("statuses", heard, vec!["closed", "active", "idle"])
            },
        ),
        check(
            "7.2-closing-a-running-turn",
            "closing while a turn runs ends as closed: the last status is not idle",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                w.post_nothing(at(&id, "/close")).await?.ok()?;
                live.rest().await?;
                socket.status(&id, "closed").await?;
                socket
                    .silence("idle after closed", |frame| {
                        frame["conversationId"] == *id && frame["status"] == "idle"
                    })
                    .await?;
                same("in the list", w.listed(&id).await?["status"].clone(), "closed")
            },
        )
        .quirk("the aborted turn settled later and overwrote closed with idle", "closed is the last word"),
        check(
            "7.2-an-unknown-model-ends-idle",
            "a turn that could not be served leaves the conversation idle",
            |w| async move {
                let id = w.id();
                w.chat(json!({"conversationId": id, "message": "say a", "model": "nobody/nothing"}))
                    .await?
                    .rest()
                    .await?;
                w.until_status(&id, "idle").await.map(drop)
            },
        ),
        check(
            "7.2-list-and-status-agree",
            "GET …/status says what the list says, while a turn runs and after",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                w.get(at(&id, "/status"))
                    .await?
                    .is(json!({"conversationId": id, "isActive": true, "status": "active"}))?;
                same("in the list", w.listed(&id).await?["status"].clone(), "active")?;
                w.stop(&id, live).await?;
                w.until_status(&id, "idle").await?;
                w.get(at(&id, "/status"))
                    .await?
                    .is(json!({"conversationId": id, "isActive": false, "status": "idle"}))
            },
        )
        .quirk("a flag that could be left behind by a crash", "status follows from what runs"),
    ]
}

/// What a socket hears of a conversation's status, up to the first of that name.
async fn statuses(socket: &mut Socket, id: &str, last: &str) -> crate::check::Outcome<Vec<Value>> {
    let mut heard = Vec::new();
    loop {
        let frame =
            socket.expect("conversation.statusChanged", id, |frame| frame["conversationId"] == id).await?;
        let status = frame["status"].clone();
        heard.push(status.clone());
        if status == last {
            return Ok(heard);
        }
    }
}
