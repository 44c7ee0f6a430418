//! 3.2: what the server sends. Every frame of every check is looked at; here are those that must come.

use serde_json::json;

use crate::check::{Check, check, ensure, same};
use crate::world::at;

/// The fields of `conversation.compacted`.
const COMPACTED: [&str; 5] =
    ["type", "conversationId", "newConversationId", "messagesSummarized", "messagesKept"];

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "3.2-status-is-broadcast",
            "sockets that watch nothing hear active and idle of every turn",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                w.talk(&id).await?;
                socket.status(&id, "active").await?;
                socket.status(&id, "idle").await
            },
        ),
        check("3.2-deltas-go-to-watchers-only", "sockets that watch nothing hear no event", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            w.talk(&id).await?;
            socket.silence_of(&id).await
        }),
        check(
            "3.2-delta-is-the-event",
            "a chat.delta holds the event as it is in the HTTP stream",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let streamed = w.script(&id, "think about it, then run `echo a`").await?;
                same("events", socket.turn(&id).await?.merged(), streamed.merged())
            },
        ),
        check(
            "3.2-delta-has-type-and-event",
            "a chat.delta has no field besides type and event",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                w.talk(&id).await?;
                let frame = socket
                    .expect("chat.delta", "of the turn", |frame| frame["event"]["conversationId"] == *id)
                    .await?;
                same(
                    "fields",
                    frame.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()),
                    vec!["event", "type"],
                )
            },
        ),
        check(
            "3.2-compacted-is-broadcast",
            "every socket gets conversation.compacted with what the answer said",
            |w| async move {
                let id = w.id();
                w.talk_at_length(&id, 3).await?;
                let mut socket = w.socket().await?;
                let mut expected = w.post(at(&id, "/compact"), json!({"keepLastN": 2})).await?.ok()?;
                expected["type"] = json!("conversation.compacted");
                let mut frame = socket
                    .expect("conversation.compacted", &id, |frame| frame["conversationId"] == *id)
                    .await?;
                // Additions are allowed, on the frame and in the answer.
                for body in [&mut frame, &mut expected] {
                    if let Some(fields) = body.as_object_mut() {
                        fields.retain(|name, _| COMPACTED.contains(&name.as_str()));
                    }
                }
                same("frame", frame, expected)
            },
        ),
        check(
            "3.2-errors-carry-a-code",
            "chat.error and error have a code beside their message",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "chat.send", "conversationId": id, "message": ""})).await?;
                same("code", socket.chat_error(Some(&id)).await?["code"].clone(), "invalid-request")?;
                socket.send(json!({"type": "no.such.thing"})).await?;
                same("code", socket.expect("error", "", |_| true).await?["code"].clone(), "unknown-message")?;
                socket.send(json!({"type": "subscribe", "surfaceId": "no-such"})).await?;
                same("code", socket.expect("error", "", |_| true).await?["code"].clone(), "unknown-surface")
            },
        ),
        check(
            "3.2-chat-error-goes-to-the-sender",
            "other sockets do not hear of a refused chat.send",
            |w| async move {
                let id = w.id();
                let (mut sender, mut other) = (w.socket().await?, w.socket().await?);
                other.subscribe(&id).await?;
                sender.send(json!({"type": "chat.send", "conversationId": id, "message": ""})).await?;
                sender.chat_error(Some(&id)).await?;
                other.silence("of it", |frame| frame["type"] == "chat.error").await
            },
        ),
        check(
            "3.2-turn-active-has-its-code",
            "the refusal of a second turn has code turn-active, on the socket and over HTTP",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket
                    .send(json!({"type": "chat.send", "conversationId": id, "message": "say more"}))
                    .await?;
                same("code", socket.chat_error(Some(&id)).await?["code"].clone(), "turn-active")?;
                let events =
                    w.chat(json!({"conversationId": id, "message": "say more"})).await?.all().await?;
                ensure(
                    events.iter().all(|event| event["code"] == "turn-active"),
                    "code turn-active",
                    format!("{events:?}"),
                )?;
                w.stop(&id, live).await.map(drop)
            },
        ),
    ]
}
