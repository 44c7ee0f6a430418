//! Additions: status, model, MCP, deletion.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};
use crate::contract;
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "D11-status-of-an-unknown-conversation",
            "an unknown conversation is idle, and asking creates nothing",
            |w| async move {
                let id = w.id();
                let body = w.get(at(&id, "/status")).await?.ok()?;
                contract::STATUS_ANSWER.verify(&body)?;
                same("status", body, json!({"conversationId": id, "isActive": false, "status": "idle"}))?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "D11-status-of-a-closed-conversation",
            "a closed conversation is not active, its status is closed",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.post_nothing(at(&id, "/close")).await?.ok()?;
                w.get(at(&id, "/status"))
                    .await?
                    .is(json!({"conversationId": id, "isActive": false, "status": "closed"}))
            },
        ),
        check("D11-model-is-null-at-first", "model is null until one was chosen", |w| async move {
            let id = w.id();
            w.get(at(&id, "/model")).await?.is(json!({"conversationId": id, "model": null}))
        }),
        check(
            "D11-model-is-set-and-read",
            "a model is set, answered, read back, cleared with null",
            |w| async move {
                let id = w.id();
                for model in [json!(w.model()?), json!(null)] {
                    let expected = json!({"conversationId": id, "model": model});
                    w.put(at(&id, "/model"), json!({"model": model})).await?.is(expected.clone())?;
                    w.get(at(&id, "/model")).await?.is(expected)?;
                }
                Ok(())
            },
        ),
        check(
            "D11-mcp-without-servers",
            "where no MCP server is configured, servers is empty",
            |w| async move {
                let id = w.id();
                w.get(at(&id, "/mcp")).await?.is(json!({"conversationId": id, "cwd": null, "servers": []}))
            },
        ),
        check(
            "D11-mcp-names-the-cwd",
            "mcp answers the conversation's cwd, and servers in their shape",
            |w| async move {
                let (id, directory) = (w.id(), w.directory().await?);
                w.put(at(&id, "/cwd"), json!({"cwd": directory})).await?.ok()?;
                let body = w.get(at(&id, "/mcp")).await?.ok()?;
                contract::MCP.verify(&body)?;
                same("mcp", body, json!({"conversationId": id, "cwd": directory, "servers": []}))
            },
        ),
        check(
            "D11-delete",
            "a deleted conversation is gone: list, history, metrics, title",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                w.delete(at(&id, "")).await?.is(json!({"conversationId": id, "deleted": true}))?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")?;
                w.get(at(&id, "")).await?.is(json!({"chunks": [], "latestSeq": 0}))?;
                w.get(at(&id, "/metrics")).await?.is(json!({"turns": []}))?;
                w.get(at(&id, "/model")).await?.is(json!({"conversationId": id, "model": null}))
            },
        ),
        check(
            "D11-delete-unknown",
            "deleting what is not there deletes nothing, which is no error",
            |w| async move {
                let id = w.id();
                w.delete(at(&id, "")).await?.is(json!({"conversationId": id, "deleted": false}))?;
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                w.delete(at(&id, "")).await?.is(json!({"conversationId": id, "deleted": true}))?;
                w.delete(at(&id, "")).await?.is(json!({"conversationId": id, "deleted": false}))
            },
        ),
        check("D11-delete-while-active", "an active conversation is deleted only by force", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            w.delete(at(&id, "")).await?.refused(409, "conversation-active")?;
            same("status", w.listed(&id).await?["status"].clone(), "active")?;
            w.delete(at(&id, "?force=true")).await?.is(json!({"conversationId": id, "deleted": true}))?;
            ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")?;
            live.all().await.map(drop)
        }),
        check(
            "D11-delete-leaves-others",
            "other conversations are as they were, also those with alike ids",
            |w| async move {
                let id = w.id();
                let alike = [w.owns(format!("{id}0")), w.owns(format!("{}_", &id[..id.len() - 1]))];
                for id in alike.iter().chain([&id]) {
                    w.talk(id).await?;
                }
                w.until_status(&id, "idle").await?;
                w.delete(at(&id, "")).await?.ok()?;
                for id in &alike {
                    same("chunks", w.history(id).await?.len(), 2)?;
                }
                Ok(())
            },
        ),
        check(
            "D11-reopen",
            "a closed conversation can be reopened, which everybody hears; one that is not closed stays as it is",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                w.post_nothing(at(&id, "/close")).await?.ok()?;
                same("status", w.listed(&id).await?["status"].clone(), "closed")?;
                let mut socket = w.socket().await?;
                let idle = json!({"conversationId": id, "isActive": false, "status": "idle"});
                for _ in 0..2 {
                    w.post_nothing(at(&id, "/reopen")).await?.is(idle.clone())?;
                    same("status", w.listed(&id).await?["status"].clone(), "idle")?;
                }
                socket.status(&id, "idle").await?;
                let unknown = w.id();
                w.post_nothing(at(&unknown, "/reopen")).await?.ok()?;
                ensure(w.meta(&unknown).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "D11-deletion-is-announced-to-who-asked",
            "sockets that asked for extensions hear conversation.deleted, others do not",
            |w| async move {
                let (id, other) = (w.id(), w.id());
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                let (mut plain, mut extended) = (w.socket().await?, w.socket().await?);
                extended
                    .send(json!({"type": "chat.subscribe", "conversationId": other, "extensions": true}))
                    .await?;
                extended.silence("at all", |_| false).await?;
                w.delete(at(&id, "")).await?.ok()?;
                extended.expect("conversation.deleted", &id, |frame| frame["conversationId"] == *id).await?;
                plain.silence("of it", |frame| frame["type"] == "conversation.deleted").await
            },
        ),
        check(
            "D11-title-is-announced-to-who-asked",
            "sockets that asked for extensions hear conversation.titleChanged, others do not",
            |w| async move {
                let (id, other) = (w.id(), w.id());
                let (mut plain, mut extended) = (w.socket().await?, w.socket().await?);
                extended
                    .send(json!({"type": "chat.subscribe", "conversationId": other, "extensions": true}))
                    .await?;
                extended.silence("at all", |_| false).await?;
                w.put(at(&id, "/title"), json!({"title": "A tour"})).await?.ok()?;
                let is_it = |frame: &Value| frame["conversationId"] == *id && frame["title"] == "A tour";
                extended.expect("conversation.titleChanged", &id, is_it).await?;
                plain.silence("of it", |frame| frame["type"] == "conversation.titleChanged").await
            },
        ),
        check(
            "D11-a-deleted-id-can-be-used-again",
            "a message to a deleted id is a new conversation, from seq 1",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                w.delete(at(&id, "")).await?.ok()?;
                w.talk(&id).await?.ended("stop")?;
                same("chunks", w.history(&id).await?.len(), 2)
            },
        ),
    ]
}
