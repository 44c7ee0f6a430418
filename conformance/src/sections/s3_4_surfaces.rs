//! 3.4: surfaces. What the cache-warming surface does is section 7.4.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same, skipped};
use crate::contract;
use crate::socket::Socket;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "3.4-baseline-surfaces",
            "the catalog has cache-warming, message-queue and todo, one for each conversation",
            |w| async move {
                let socket = w.socket().await?;
                for id in ["cache-warming", "message-queue", "todo"] {
                    let entry = socket.catalog.iter().find(|entry| entry["id"] == id);
                    ensure(
                        entry.is_some_and(|entry| entry["scope"] != "global"),
                        id,
                        Value::from(socket.catalog.clone()),
                    )?;
                }
                Ok(())
            },
        ),
        check("3.4-catalog-ids-are-unique", "no surface is in the catalog twice", |w| async move {
            let catalog = w.socket().await?.catalog;
            let ids: HashSet<String> = catalog.iter().map(|entry| entry["id"].to_string()).collect();
            same("distinct ids", ids.len(), catalog.len())
        }),
        check(
            "3.4-subscribe-answers-the-whole-surface",
            "subscribe is answered with the whole spec, conversationId echoed",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                for entry in socket.catalog.clone() {
                    if entry["scope"] == "global" {
                        continue;
                    }
                    let frame = opened(&mut socket, &entry["id"], Some(&id)).await?;
                    same("conversationId", frame["conversationId"].clone(), id.clone())?;
                    for field in ["id", "region", "title"] {
                        same(field, frame["spec"][field].clone(), entry[field].clone())?;
                    }
                }
                Ok(())
            },
        )
        .quirk("a surface that took time to build broke the answer", "the answer waits for it"),
        check(
            "3.4-without-a-conversation",
            "subscribe without a conversation is answered without conversationId",
            |w| async move {
                let mut socket = w.socket().await?;
                for entry in socket.catalog.clone() {
                    let frame = opened(&mut socket, &entry["id"], None).await?;
                    ensure(frame.get("conversationId").is_none(), "no conversationId", frame)?;
                }
                Ok(())
            },
        ),
        check(
            "3.4-subscribe-again-answers-again",
            "subscribing to the same again is answered, and registers nothing twice",
            |w| async move {
                let id = w.id();
                let mut socket = having(&w, "message-queue").await?;
                opened(&mut socket, &json!("message-queue"), Some(&id)).await?;
                opened(&mut socket, &json!("message-queue"), Some(&id)).await?;
                let live = w.running(&id).await?;
                w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?;
                updated(&mut socket, "message-queue", &id).await?;
                socket.silence("twice", |frame| frame["type"] == "update").await?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.4-queue-surface-follows-the-queue",
            "message-queue shows the queue, is updated when it grows and when it is emptied",
            |w| async move {
                let id = w.id();
                let mut socket = having(&w, "message-queue").await?;
                let first = opened(&mut socket, &json!("message-queue"), Some(&id)).await?;
                same("at first", payload(&first["spec"], "message-queue")?, json!({"messages": []}))?;
                let mut live = w.start(&id, "run `sleep 2`, then say done").await?;
                live.until("tool-call").await?;
                let queue =
                    w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?["queue"].clone();
                let update = updated(&mut socket, "message-queue", &id).await?;
                let shown = payload(&update["spec"], "message-queue")?;
                contract::QUEUE_PAYLOAD.verify(&shown)?;
                same("queued", shown, json!({"messages": queue}))?;
                let update = updated(&mut socket, "message-queue", &id).await?;
                same("delivered", payload(&update["spec"], "message-queue")?, json!({"messages": []}))?;
                live.rest().await?.one("steering").map(drop)
            },
        ),
        check(
            "3.4-queue-surface-of-a-running-queue",
            "who subscribes while messages wait sees them at once",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let queue =
                    w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?["queue"].clone();
                let mut socket = having(&w, "message-queue").await?;
                let first = opened(&mut socket, &json!("message-queue"), Some(&id)).await?;
                same("payload", payload(&first["spec"], "message-queue")?, json!({"messages": queue}))?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.4-updates-are-of-their-conversation",
            "a change in one conversation updates no other's surface",
            |w| async move {
                let (id, other) = (w.id(), w.id());
                let mut socket = having(&w, "message-queue").await?;
                opened(&mut socket, &json!("message-queue"), Some(&other)).await?;
                let live = w.running(&id).await?;
                w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?;
                socket
                    .silence("of a conversation where nothing changed", |frame| frame["type"] == "update")
                    .await?;
                w.stop(&id, live).await.map(drop)
            },
        )
        .quirk("a change anywhere sent every subscriber its surface again", "only the surface that changed"),
        check("3.4-unsubscribe", "after unsubscribe no update comes", |w| async move {
            let id = w.id();
            let mut socket = having(&w, "message-queue").await?;
            opened(&mut socket, &json!("message-queue"), Some(&id)).await?;
            let mut leave = json!({"type": "unsubscribe", "surfaceId": "message-queue"});
            leave["conversationId"] = json!(id);
            socket.send(leave).await?;
            let live = w.running(&id).await?;
            w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?;
            socket.silence("after unsubscribe", |frame| frame["type"] == "update").await?;
            w.stop(&id, live).await.map(drop)
        }),
        check(
            "3.4-pairs-are-distinct",
            "unsubscribing without a conversation leaves that of a conversation",
            |w| async move {
                let id = w.id();
                let mut socket = having(&w, "message-queue").await?;
                opened(&mut socket, &json!("message-queue"), Some(&id)).await?;
                socket.send(json!({"type": "unsubscribe", "surfaceId": "message-queue"})).await?;
                let live = w.running(&id).await?;
                w.post(at(&id, "/queue"), json!({"text": "say more"})).await?.ok()?;
                updated(&mut socket, "message-queue", &id).await?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.4-unknown-action",
            "invoking an action that a surface does not have is answered with error",
            |w| async move {
                let id = w.id();
                let mut socket = having(&w, "message-queue").await?;
                let mut invoke =
                    json!({"type": "invoke", "surfaceId": "message-queue", "actionId": "no/such"});
                invoke["conversationId"] = json!(id);
                socket.send(invoke).await?;
                let error = socket.expect("error", "about the action", |_| true).await?;
                same("surfaceId", error["surfaceId"].clone(), "message-queue")?;
                same("code", error["code"].clone(), "unknown-action")
            },
        )
        .quirk("failures of actions were swallowed", "error, with the surface and a code"),
        check(
            "3.4-bad-payload",
            "an action with a payload that it cannot take is answered with error",
            |w| async move {
                let id = w.id();
                let mut socket = having(&w, "cache-warming").await?;
                let mut invoke = json!({"type": "invoke", "surfaceId": "cache-warming", "payload": "soon"});
                invoke["actionId"] = json!("cache-warming/set-interval");
                invoke["conversationId"] = json!(id);
                socket.send(invoke).await?;
                let error = socket.expect("error", "about the payload", |_| true).await?;
                same("code", error["code"].clone(), "action-failed")
            },
        )
        .quirk("failures of actions were swallowed", "error with code action-failed"),
        check("3.4-todo-is-empty-at-first", "todo has one custom field with an empty list", |w| async move {
            let id = w.id();
            let mut socket = having(&w, "todo").await?;
            let first = opened(&mut socket, &json!("todo"), Some(&id)).await?;
            same("payload", payload(&first["spec"], "todo")?, json!({"todos": []}))
        }),
        check(
            "3.4-todo-follows-the-tool",
            "todo is updated when the model writes its list",
            |w| async move {
                w.demo_with_call()?;
                let id = w.id();
                let mut socket = having(&w, "todo").await?;
                opened(&mut socket, &json!("todo"), Some(&id)).await?;
                let todo = |content: &str, status: &str| json!({"content": content, "status": status});
                let todos = json!([todo("a", "completed"), todo("b", "in_progress")]);
                w.script(&id, &format!("call todo_write {}", json!({"todos": todos}))).await?;
                let update = updated(&mut socket, "todo", &id).await?;
                same("payload", payload(&update["spec"], "todo")?, json!({"todos": todos}))
            },
        ),
        check(
            "3.4-loaded-extensions",
            "loaded-extensions is global: a count and a table of four columns",
            |w| async move {
                let mut socket = having(&w, "loaded-extensions").await?;
                let entry = socket
                    .catalog
                    .iter()
                    .find(|entry| entry["id"] == "loaded-extensions")
                    .cloned()
                    .unwrap_or_default();
                same("scope", entry["scope"].clone(), "global")?;
                let frame = opened(&mut socket, &json!("loaded-extensions"), None).await?;
                let table = payload(&frame["spec"], "table")?;
                same("columns", table["columns"].clone(), json!(["Name", "Version", "Trust", "Activation"]))?;
                ensure(table["rows"].is_array(), "rows", table)
            },
        ),
    ]
}

/// A socket whose catalog has that surface.
pub(super) async fn having(w: &World, surface: &str) -> Outcome<Socket> {
    let socket = w.socket().await?;
    if socket.catalog.iter().any(|entry| entry["id"] == surface) {
        return Ok(socket);
    }
    skipped(format!("the catalog does not list {surface}"))
}

/// Subscribes; the answer.
pub(super) async fn opened(socket: &mut Socket, surface: &Value, id: Option<&str>) -> Outcome<Value> {
    let mut frame = json!({"type": "subscribe", "surfaceId": surface});
    if let Some(id) = id {
        frame["conversationId"] = json!(id);
    }
    socket.send(frame).await?;
    let id = id.map_or(Value::Null, Value::from);
    let fits = |frame: &Value| frame["spec"]["id"] == *surface && frame["conversationId"] == id;
    socket.expect("surface", &format!("{surface} of {id}"), fits).await
}

/// The next update of a surface.
pub(super) async fn updated(socket: &mut Socket, surface: &str, id: &str) -> Outcome<Value> {
    let fits =
        |frame: &Value| frame["update"]["surfaceId"] == surface && frame["update"]["conversationId"] == id;
    let frame = socket.expect("update", &format!("of {surface}"), fits).await?;
    same("id of the spec", frame["update"]["spec"]["id"].clone(), surface)?;
    Ok(frame["update"].clone())
}

/// What a custom field of a surface has.
pub(super) fn payload(spec: &Value, renderer: &str) -> Outcome<Value> {
    let field = spec["fields"].as_array().into_iter().flatten().find(|field| field["rendererId"] == renderer);
    match field {
        Some(field) => Ok(field["payload"].clone()),
        None => crate::check::failed(format!("a custom field {renderer}"), spec),
    }
}
