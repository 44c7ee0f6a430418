//! 3.1: what clients send.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "3.1-send-streams-to-the-sender",
            "chat.send starts a turn that its socket hears without subscribing",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.talk(&id).await?;
                let turn = socket.turn(&id).await?;
                same("prompt", turn.one("user-message")?["text"].clone(), "say hello")
            },
        ),
        check(
            "3.1-send-mints-an-id",
            "chat.send without a conversationId creates a conversation; events name it",
            |w| async move {
                let model = w.model()?.to_owned();
                let mut socket = w.socket().await?;
                socket
                    .send(json!({"type": "chat.send", "message": "say minted here", "model": model}))
                    .await?;
                let frame = socket
                    .expect("chat.delta", "of the prompt", |frame| {
                        frame["event"]["text"] == "say minted here"
                    })
                    .await?;
                let id = w.owns(frame["event"]["conversationId"].as_str().unwrap_or_default().to_owned());
                ensure(id.len() == 36, "a UUID", &id)?;
                socket.events_until(&id, "turn-sealed").await?;
                ensure(!w.history(&id).await?.is_empty(), "its history", "none")
            },
        ),
        check(
            "3.1-send-trims",
            "white space around the message of chat.send is not part of it",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                let mut socket = w.socket().await?;
                let mut send = json!({"type": "chat.send", "conversationId": id, "model": model});
                send["message"] = json!("\n say hello ");
                socket.send(send).await?;
                same("prompt", socket.turn(&id).await?.one("user-message")?["text"].clone(), "say hello")
            },
        )
        .quirk("HTTP trimmed, the socket did not", "both trim"),
        check(
            "3.1-send-needs-a-message",
            "chat.send without something to say is answered with chat.error",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                for message in [json!(null), json!(""), json!("  "), json!(5)] {
                    socket
                        .send(json!({"type": "chat.send", "conversationId": id, "message": message}))
                        .await?;
                    socket.chat_error(Some(&id)).await?;
                }
                socket.send(json!({"type": "chat.send", "conversationId": id})).await?;
                socket.chat_error(Some(&id)).await?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "3.1-send-checks-the-effort",
            "chat.send with an unknown reasoningEffort is answered with chat.error",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                let mut send = json!({"type": "chat.send", "conversationId": id, "message": "say hello"});
                send["reasoningEffort"] = json!("huge");
                socket.send(send).await?;
                socket.chat_error(Some(&id)).await.map(drop)
            },
        ),
        check(
            "3.1-send-while-active",
            "chat.send while a turn runs is answered with chat.error, with the id",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket
                    .send(json!({"type": "chat.send", "conversationId": id, "message": "say more"}))
                    .await?;
                let error = socket.chat_error(Some(&id)).await?;
                let text = error["message"].as_str().unwrap_or_default();
                ensure(text.contains("already"), "a turn is already generating for this conversation", text)?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.1-refused-sender-watches",
            "a sender that was refused sees the running turn, from its first event",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket
                    .send(json!({"type": "chat.send", "conversationId": id, "message": "say more"}))
                    .await?;
                socket.chat_error(Some(&id)).await?;
                let ended = w.stop(&id, live).await?;
                same("the turn", socket.turn(&id).await?.merged(), ended.merged())
            },
        ),
        check(
            "3.1-send-watches-later-turns",
            "the socket of chat.send hears later turns as well",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.talk(&id).await?;
                socket.turn(&id).await?;
                let later = w.talk(&id).await?;
                same("the later turn", socket.turn(&id).await?.merged(), later.merged())
            },
        ),
        check(
            "3.1-subscribe-hears-turns",
            "chat.subscribe, also before the first message, hears every turn",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                for _ in 0..2 {
                    let turn = w.talk(&id).await?;
                    same("the turn", socket.turn(&id).await?.merged(), turn.merged())?;
                }
                Ok(())
            },
        ),
        check(
            "3.1-subscribe-creates-nothing",
            "subscribing to an unknown conversation is fine and creates nothing",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                socket.silence("about it", |frame| frame.to_string().contains(&id)).await?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "3.1-subscribe-twice-is-once",
            "a second chat.subscribe does nothing, in particular no second replay",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                socket.event(&id).await?;
                socket.subscribe(&id).await?;
                socket.subscribe(&id).await?;
                let turn = w.stop(&id, live).await?;
                let events = socket.events_until(&id, "turn-sealed").await?;
                let prompts = events.iter().filter(|event| event["type"] == "user-message").count();
                same("further prompts", prompts, 0)?;
                let heard: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
                same("text", heard, turn.text())
            },
        ),
        check(
            "3.1-subscribe-needs-an-id",
            "chat.subscribe without a conversationId is answered with chat.error",
            |w| async move {
                let mut socket = w.socket().await?;
                for frame in [
                    json!({"type": "chat.subscribe"}),
                    json!({"type": "chat.subscribe", "conversationId": 5}),
                ] {
                    socket.send(frame).await?;
                    socket.chat_error(None).await?;
                }
                socket.still_open().await
            },
        ),
        check(
            "3.1-unsubscribe",
            "after chat.unsubscribe nothing more is heard; the turn goes on",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                socket.event(&id).await?;
                socket.send(json!({"type": "chat.unsubscribe", "conversationId": id})).await?;
                socket.still_open().await?;
                // What was on its way may have come before the answer.
                while socket.silence_of(&id).await.is_err() {
                    socket.event(&id).await?;
                    ensure(
                        w.listed(&id).await?["status"] == "active",
                        "silence while the turn runs",
                        "events",
                    )?;
                }
                same("status", w.listed(&id).await?["status"].clone(), "active")?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check("3.1-unsubscribe-unknown", "unsubscribing from what is not watched is fine", |w| async move {
            let mut socket = w.socket().await?;
            socket.send(json!({"type": "chat.unsubscribe", "conversationId": w.id()})).await?;
            socket.silence("at all", |_| false).await?;
            socket.still_open().await
        }),
        check(
            "3.1-subscribe-again",
            "after chat.unsubscribe, chat.subscribe replays the running turn again",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                same("first", socket.event(&id).await?["type"].clone(), "user-message")?;
                socket.send(json!({"type": "chat.unsubscribe", "conversationId": id})).await?;
                socket.subscribe(&id).await?;
                socket.events_until(&id, "user-message").await?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.1-queue-starts-a-turn",
            "chat.queue in an idle conversation starts a turn that its socket hears",
            |w| async move {
                w.model()?;
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "chat.queue", "conversationId": id, "text": "say hello"})).await?;
                let turn = socket.turn(&id).await?;
                same("prompt", turn.one("user-message")?["text"].clone(), "say hello")
            },
        ),
        check(
            "3.1-queue-while-active",
            "chat.queue while a turn runs queues, without an answer, without subscribing",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "chat.queue", "conversationId": id, "text": "say more"})).await?;
                w.until("the message in the queue", || async {
                    let queue = w.get(at(&id, "/queue")).await?.ok()?;
                    Ok((queue["queue"][0]["text"] == "say more").then_some(()))
                })
                .await?;
                socket.silence_of(&id).await?;
                socket.silence("about it", |frame| frame["type"] == "chat.error").await?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.1-queue-needs-a-text",
            "chat.queue without something to say is answered with chat.error",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                for text in [json!(null), json!(""), json!(" \t"), json!(1)] {
                    socket.send(json!({"type": "chat.queue", "conversationId": id, "text": text})).await?;
                    socket.chat_error(Some(&id)).await?;
                }
                Ok(())
            },
        ),
        check(
            "3.1-queue-trims",
            "white space around the text of chat.queue is not part of it",
            |w| async move {
                w.model()?;
                let id = w.id();
                let mut socket = w.socket().await?;
                socket
                    .send(json!({"type": "chat.queue", "conversationId": id, "text": " say hello\n"}))
                    .await?;
                same("prompt", socket.turn(&id).await?.one("user-message")?["text"].clone(), "say hello")
            },
        )
        .quirk("the text was checked trimmed and passed on untrimmed", "it is trimmed"),
        check(
            "3.1-queue-cancel",
            "chat.queue.cancel takes one message out of the queue, without an answer",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let first = w.post(at(&id, "/queue"), json!({"text": "say one"})).await?.ok()?;
                w.post(at(&id, "/queue"), json!({"text": "say two"})).await?.ok()?;
                let mut socket = w.socket().await?;
                let message = first["queue"][0]["id"].clone();
                socket
                    .send(json!({"type": "chat.queue.cancel", "conversationId": id, "messageId": message}))
                    .await?;
                w.until("a queue of the other message", || async {
                    let queue = w.get(at(&id, "/queue")).await?.ok()?["queue"].clone();
                    Ok((queue.as_array().map(Vec::len) == Some(1) && queue[0]["text"] == "say two")
                        .then_some(()))
                })
                .await?;
                socket
                    .silence("but statuses", |frame| {
                        frame["type"] == "chat.error" || frame["type"] == "error"
                    })
                    .await?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check("3.1-queue-cancel-unknown", "cancelling what is not in the queue is fine", |w| async move {
            let mut socket = w.socket().await?;
            socket
                .send(json!({"type": "chat.queue.cancel", "conversationId": w.id(), "messageId": "gone"}))
                .await?;
            socket.silence("at all", |frame| frame["type"] == "chat.error" || frame["type"] == "error").await
        }),
        check(
            "3.1-queue-cancel-needs-ids",
            "chat.queue.cancel without its ids is answered with chat.error",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "chat.queue.cancel", "messageId": "a"})).await?;
                socket.expect("chat.error", "about the conversation", |_| true).await?;
                socket.send(json!({"type": "chat.queue.cancel", "conversationId": id})).await?;
                socket.expect("chat.error", "about the message", |_| true).await?;
                socket
                    .send(json!({"type": "chat.queue.cancel", "conversationId": id, "messageId": ""}))
                    .await?;
                socket.expect("chat.error", "about the message", |_| true).await.map(drop)
            },
        ),
        check(
            "3.1-unknown-surface",
            "subscribe to an unknown surface is answered with error and its id",
            |w| async move {
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "subscribe", "surfaceId": "no-such"})).await?;
                unknown(socket.expect("error", "about no-such", |_| true).await?)
            },
        ),
        check(
            "3.1-invoke-unknown-surface",
            "invoke on an unknown surface is answered with error and its id",
            |w| async move {
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "invoke", "surfaceId": "no-such", "actionId": "a"})).await?;
                unknown(socket.expect("error", "about no-such", |_| true).await?)
            },
        ),
        check(
            "3.1-unsubscribe-unknown-surface",
            "unsubscribe from an unknown surface is fine",
            |w| async move {
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "unsubscribe", "surfaceId": "no-such"})).await?;
                socket.silence("at all", |frame| frame["type"] == "error").await
            },
        ),
    ]
}

fn unknown(error: Value) -> crate::check::Outcome {
    same("surfaceId", error["surfaceId"].clone(), "no-such")?;
    same("message", error["message"].clone(), "Unknown surface: no-such")
}
