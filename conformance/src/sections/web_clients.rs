//! What the web clients that exist need from a server, seen by running them.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::socket::{Opening, Socket};
use crate::world::{World, at};

const PAGE: &str = "http://localhost:24204";

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "W-first-sync-races-the-first-send",
            "history of an id that is being sent to at this moment is 200, never 404",
            |w| async move {
                let id = w.id();
                let mut socket = page(&w).await?;
                socket.talk(&id).await?;
                for _ in 0..5 {
                    w.page(&id, "?sinceSeq=0").await?;
                }
                socket.turn(&id).await.map(drop)
            },
        ),
        check(
            "W-every-turn-ends-for-the-page",
            "each event has conversationId and turnId, the seal has a turnId that is not null",
            |w| async move {
                let id = w.id();
                let mut socket = page(&w).await?;
                socket.talk(&id).await?;
                let turn = socket.turn(&id).await?;
                ensure(turn.one("turn-sealed")?["turnId"].is_string(), "a turnId", turn.one("turn-sealed")?)
            },
        ),
        check(
            "W-sync-after-the-seal-has-everything",
            "the sync that a page does at the seal has the whole turn, in all of many fast turns",
            |w| async move {
                let id = w.id();
                let mut socket = page(&w).await?;
                let mut cursor = 0;
                for _ in 0..10 {
                    socket.talk(&id).await?;
                    socket.events_until(&id, "turn-sealed").await?;
                    let synced = w.page(&id, &format!("?sinceSeq={cursor}")).await?;
                    let roles: HashSet<String> =
                        synced.chunks.iter().map(|chunk| chunk["role"].to_string()).collect();
                    same("prompt and answer", roles.len(), 2)?;
                    cursor = synced.latest;
                }
                Ok(())
            },
        ),
        check(
            "W-first-probe",
            "the first client's own probe: catalog, deltas, text, seal, chunks, seqs, the answer's text",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                let mut socket = page(&w).await?;
                let mut send = json!({"type": "chat.send", "conversationId": id, "model": model});
                send["message"] = json!("Reply with exactly: hello from dispatch");
                socket.send(send).await?;
                let turn = socket.turn(&id).await?;
                ensure(!turn.text().is_empty(), "a text-delta", turn.kinds().join(" "))?;
                let page = w.page(&id, "?sinceSeq=0").await?;
                ensure(
                    page.seqs().windows(2).all(|pair| pair[0] < pair[1]),
                    "rising seqs",
                    format!("{:?}", page.seqs()),
                )?;
                let answer = page
                    .chunks
                    .iter()
                    .find(|chunk| chunk["role"] == "assistant" && chunk["chunk"]["type"] == "text");
                ensure(
                    answer.is_some_and(|chunk| chunk["chunk"]["text"] != ""),
                    "the answer's text",
                    Value::from(page.chunks.clone()),
                )
            },
        ),
        check(
            "W-second-probe",
            "the later client's probe: usage, durations, metrics, stepIds of a batch live and stored",
            |w| async move {
                let id = w.id();
                let mut socket = page(&w).await?;
                socket.script(&id, "run `echo a` and run `echo b`").await?;
                let turn = socket.turn(&id).await?;
                let done = turn.done()?;
                ensure(
                    done["usage"]["outputTokens"].as_u64().is_some_and(|tokens| tokens > 0),
                    "done.usage.outputTokens",
                    done,
                )?;
                ensure(done["durationMs"].is_u64(), "done.durationMs", done)?;
                let metrics = w.get(at(&id, "/metrics")).await?.ok()?;
                ensure(
                    metrics["turns"][0]["usage"]["outputTokens"].as_u64().is_some_and(|tokens| tokens > 0),
                    "metrics",
                    &metrics,
                )?;
                let live: Vec<Value> = turn.of("tool-call").map(|call| call["stepId"].clone()).collect();
                ensure(
                    live.len() == 2 && live[0] == live[1] && live[0].is_string(),
                    "a batch of two",
                    Value::from(live.clone()),
                )?;
                let stored: Vec<Value> = w
                    .history(&id)
                    .await?
                    .iter()
                    .filter(|chunk| chunk["chunk"]["type"] == "tool-call")
                    .map(|chunk| chunk["chunk"]["stepId"].clone())
                    .collect();
                same("stored", stored, live)
            },
        ),
        check(
            "W-page-load",
            "all reads of a page that loads, for a draft that the server never saw, are 200 and readable",
            |w| async move {
                let id = w.id();
                let mut paths = vec![
                    "/models".to_owned(),
                    "/conversations?status=active,idle".into(),
                    at(&id, "?sinceSeq=0&limit=192"),
                ];
                paths.extend(
                    ["/metrics", "/cwd", "/model", "/reasoning-effort", "/compact-percent", "/lsp", "/mcp"]
                        .map(|rest| at(&id, rest)),
                );
                paths.extend(["/system-prompt".to_owned(), "/system-prompt/variables".into()]);
                for path in paths {
                    readable(&w, &path, Some(200)).await?;
                }
                Ok(())
            },
        ),
        check(
            "W-features-that-are-off",
            "reads of features that a server does not have are JSON that a page may read",
            |w| async move {
                let id = w.id();
                for path in [
                    "/computers".to_owned(),
                    "/workspaces".into(),
                    at(&id, "/computer"),
                    "/settings/vision".into(),
                    "/concurrency/status".into(),
                ] {
                    readable(&w, &path, None).await?;
                }
                Ok(())
            },
        ),
        check(
            "W-tab-list",
            "GET /conversations?status=active,idle has a conversation from its first chat.send on",
            |w| async move {
                let id = w.id();
                let mut socket = page(&w).await?;
                socket.script(&id, "run `sleep 1`").await?;
                socket.event(&id).await?;
                let body = w.get("/conversations?status=active,idle").await?.ok()?;
                let listed =
                    body["conversations"].as_array().into_iter().flatten().any(|meta| meta["id"] == *id);
                ensure(listed, "the conversation", "it is not there")?;
                socket.events_until(&id, "turn-sealed").await.map(drop)
            },
        ),
        check(
            "W-newer-fields-do-no-harm",
            "chat.send and chat.queue of a later client, with workspaceId, work",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                let mut socket = page(&w).await?;
                socket.subscribe(&id).await?;
                let mut send = json!({"type": "chat.send", "conversationId": id, "model": model});
                send["message"] = json!("say hello");
                send["workspaceId"] = json!("default");
                socket.send(send).await?;
                socket.turn(&id).await?;
                let mut queue = json!({"type": "chat.queue", "conversationId": id, "text": "say more"});
                queue["workspaceId"] = json!("default");
                socket.send(queue).await?;
                same("prompt", socket.turn(&id).await?.one("user-message")?["text"].clone(), "say more")
            },
        ),
        check(
            "W-no-two-equal-entries",
            "neither /models nor the catalog has an entry twice",
            |w| async move {
                let models = w.get("/models").await?.ok()?;
                let names: Vec<String> =
                    models["models"].as_array().into_iter().flatten().map(Value::to_string).collect();
                same("models", names.iter().collect::<HashSet<_>>().len(), names.len())?;
                let socket = page(&w).await?;
                let ids: Vec<String> = socket.catalog.iter().map(|entry| entry["id"].to_string()).collect();
                same("surfaces", ids.iter().collect::<HashSet<_>>().len(), ids.len())
            },
        ),
        check(
            "W-preflights-of-the-page",
            "the preflights of PUT, POST and DELETE with content-type pass",
            |w| async move {
                let id = w.id();
                for (method, path) in
                    [("PUT", at(&id, "/title")), ("POST", "/chat".to_owned()), ("DELETE", at(&id, ""))]
                {
                    let answer = w
                        .ask_without_key(Method::OPTIONS, path)
                        .header("origin", PAGE)
                        .header("access-control-request-method", method)
                        .header("access-control-request-headers", "content-type,authorization")
                        .send()
                        .await?;
                    ensure((200..300).contains(&answer.status), "2xx", answer.status)?;
                    let headers = answer.header("access-control-allow-headers").to_lowercase();
                    ensure(headers.contains("authorization"), "authorization is allowed", headers)?;
                    ensure(
                        answer.header("access-control-allow-methods").contains(method),
                        method,
                        answer.header("access-control-allow-methods"),
                    )?;
                }
                Ok(())
            },
        ),
        check(
            "W-page-answers-are-shared",
            "an answer that depends on the origin says so to caches",
            |w| async move {
                let answer = w.ask(Method::GET, "/models").header("origin", PAGE).send().await?;
                let vary = answer.header("vary").to_lowercase();
                ensure(vary.contains("origin"), "vary: origin", vary)
            },
        ),
        check(
            "W-reconnecting-page",
            "a page that reconnects in mid-turn, syncs and subscribes misses nothing",
            |w| async move {
                let id = w.id();
                w.script(&id, "say before").await?;
                let mut live = w.start(&id, "count to 40, then run `sleep 1`, then say after").await?;
                live.until("tool-call").await?;
                let mut socket = page(&w).await?;
                socket.subscribe(&id).await?;
                let synced = w.page(&id, "?sinceSeq=0").await?;
                same("synced", synced.seqs(), vec![1, 2])?;
                let turn = live.rest().await?;
                same("the turn", socket.turn(&id).await?.merged(), turn.merged())?;
                let rest = w.page(&id, &format!("?sinceSeq={}", synced.latest)).await?;
                same("the rest begins at", rest.seqs().first().copied(), 3)
            },
        ),
    ]
}

/// A socket as a page opens it: at the root, with its origin.
async fn page(w: &World) -> Outcome<Socket> {
    let own_port = w.server.ws.is_some();
    w.socket_with(Opening { headers: &[("origin", PAGE)], own_port, ..Opening::default() }).await
}

/// A page can read the answer, which is JSON.
async fn readable(w: &World, path: &str, status: Option<u16>) -> Outcome {
    let answer = w.ask(Method::GET, path).header("origin", PAGE).send().await?;
    same(path, answer.header("access-control-allow-origin"), PAGE)?;
    if let Some(status) = status {
        same(path, answer.status, status)?;
    }
    answer.json().map(drop)
}
