//! 2.3: `POST /chat`.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same, shown};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.3-ndjson", "the answer is application/x-ndjson", |w| async move {
            let live = begin(&w, &w.id()).await?;
            same("content-type", live.header("content-type"), "application/x-ndjson")
        }),
        check("2.3-names-the-conversation", "X-Conversation-Id is the id of the request", |w| async move {
            let id = w.id();
            let live = begin(&w, &id).await?;
            same("x-conversation-id", live.header("x-conversation-id"), id)
        }),
        check("2.3-is-chunked", "the answer is streamed, without a content-length", |w| async move {
            let live = begin(&w, &w.id()).await?;
            same("transfer-encoding", live.header("transfer-encoding"), "chunked")?;
            same("content-length", live.header("content-length"), "")
        }),
        check(
            "2.3-events-are-lines",
            "one event a line, from user-message to turn-sealed, all of one turn",
            |w| async move { w.talk(&w.id()).await.map(drop) },
        ),
        check("2.3-mints-an-id", "without a conversationId the server mints a UUID v4", |w| async move {
            minted(&w, json!({})).await
        }),
        check("2.3-mints-for-an-empty-id", "an empty conversationId counts as none", |w| async move {
            minted(&w, json!({"conversationId": ""})).await
        }),
        check(
            "2.3-mints-for-what-is-no-string",
            "a conversationId that is no string counts as none",
            |w| async move {
                minted(&w, json!({"conversationId": 5})).await?;
                minted(&w, json!({"conversationId": null})).await
            },
        ),
        check(
            "2.3-message-is-trimmed",
            "white space around the message is not part of it, live and in history",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                let body = json!({"conversationId": id, "message": " \n say hello\t ", "model": model});
                let turn = w.chat(body).await?.rest().await?;
                same("text", turn.one("user-message")?["text"].clone(), "say hello")?;
                let first = w.history(&id).await?.first().cloned();
                same(
                    "first chunk",
                    first,
                    json!({"seq": 1, "role": "user", "chunk": {"type": "text", "text": "say hello"}}),
                )
            },
        ),
        check("2.3-message-is-required", "a request without a message is refused", |w| async move {
            w.post("/chat", json!({"conversationId": w.id()})).await?.invalid()
        }),
        check("2.3-message-must-say-something", "an empty or blank message is refused", |w| async move {
            for message in ["", " ", "\n\t"] {
                w.post("/chat", json!({"conversationId": w.id(), "message": message})).await?.invalid()?;
            }
            Ok(())
        }),
        check("2.3-message-must-be-a-string", "a message that is no string is refused", |w| async move {
            for message in [json!(1), json!(null), json!(["a"]), json!({"text": "a"})] {
                w.post("/chat", json!({"conversationId": w.id(), "message": message})).await?.invalid()?;
            }
            Ok(())
        }),
        check("2.3-model-must-be-a-string", "a model that is no string is refused", |w| async move {
            refuses(&w, "model", &[json!(1), json!({}), json!(null)]).await
        }),
        check("2.3-cwd-must-be-a-string", "a cwd that is no string is refused", |w| async move {
            refuses(&w, "cwd", &[json!(1), json!([]), json!(null)]).await
        }),
        check("2.3-cwd-may-be-empty", "an empty cwd is accepted", |w| async move {
            let model = w.model()?.to_owned();
            w.chat(json!({"conversationId": w.id(), "message": "say hello", "model": model, "cwd": ""}))
                .await?
                .rest()
                .await
                .map(drop)
        }),
        check("2.3-effort-levels", "all five levels of reasoningEffort are accepted", |w| async move {
            let model = w.model()?.to_owned();
            for level in ["low", "medium", "high", "xhigh", "max"] {
                let mut body = json!({"conversationId": w.id(), "message": "say hello", "model": model});
                body["reasoningEffort"] = json!(level);
                w.chat(body).await?.rest().await?;
            }
            Ok(())
        }),
        check(
            "2.3-effort-must-be-a-level",
            "any other reasoningEffort is refused, null too; the error lists the levels",
            |w| async move {
                for level in [json!("huge"), json!(""), json!("HIGH"), json!(3), json!(null)] {
                    let body =
                        json!({"conversationId": w.id(), "message": "say hello", "reasoningEffort": level});
                    let error = w.post("/chat", body).await?.refused(400, "invalid-request")?;
                    for known in ["low", "medium", "high", "xhigh", "max"] {
                        ensure(error.contains(known), format!("the levels in the error: {known}"), &error)?;
                    }
                }
                Ok(())
            },
        ),
        check(
            "2.3-unknown-fields-are-ignored",
            "fields that the server does not know change nothing",
            |w| async move {
                let model = w.model()?.to_owned();
                let mut body = json!({"conversationId": w.id(), "message": "say hello", "model": model});
                body["workspaceId"] = json!("default");
                body["computerId"] = json!(null);
                body["someday"] = json!({"a": [1]});
                w.chat(body).await?.rest().await?.ended("stop")
            },
        ),
        check(
            "2.3-refused-requests-create-nothing",
            "a conversation whose only request was refused does not exist",
            |w| async move {
                let id = w.id();
                w.post("/chat", json!({"conversationId": id, "message": " "})).await?.invalid()?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "2.3-continues-a-conversation",
            "a second message with the same id follows the first in the history",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let before = w.history(&id).await?;
                w.talk(&id).await?;
                let after = w.history(&id).await?;
                ensure(
                    after.len() > before.len() && after.starts_with(&before),
                    "the old chunks and then more",
                    shown(&Value::from(after)),
                )
            },
        ),
        check(
            "2.3-stream-ends-with-turn-sealed",
            "turn-sealed is the last line, and the connection ends",
            |w| async move {
                let events = begin(&w, &w.id()).await?.all().await?;
                let last = events.last().map(|event| event["type"].clone());
                same("last event", last, "turn-sealed")
            },
        ),
        check(
            "2.3-stream-goes-on-after-an-error",
            "an error inside the turn does not end the stream",
            |w| async move {
                let turn = w.script(&w.id(), "fail after 3 words").await?;
                let after = turn.position("error")?;
                let kinds: Vec<&str> =
                    turn.events[after..].iter().filter_map(|event| event["type"].as_str()).collect();
                ensure(
                    kinds.contains(&"done") && kinds.ends_with(&["turn-sealed"]),
                    "error … done turn-sealed",
                    kinds.join(" "),
                )
            },
        )
        .quirk("the stream ended with the first error event", "it goes on to turn-sealed"),
        check(
            "2.3-unknown-model-is-said-by-the-turn",
            "an unknown model is not a 400 but an error event, and the turn ends",
            |w| async move {
                let body =
                    json!({"conversationId": w.id(), "message": "say hello", "model": "nobody/nothing"});
                let turn = w.chat(body).await?.rest().await?;
                let error = turn.one("error")?;
                let text = error["message"].as_str().unwrap_or_default();
                ensure(text.contains("nobody/nothing"), "an error that names the model", text)?;
                same("code", error["code"].clone(), "unknown-model")?;
                turn.ended("error")
            },
        )
        .quirk("an error event, and no end of the turn", "error, done with reason error, turn-sealed"),
        check(
            "2.3-while-active-one-error-event",
            "while a turn runs, a message is answered with one error event",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let model = w.model()?.to_owned();
                let events = w
                    .chat(json!({"conversationId": id, "message": "say more", "model": model}))
                    .await?
                    .all()
                    .await?;
                ensure(events.len() == 1, "one event", Value::from(events.clone()))?;
                same("type", events[0]["type"].clone(), "error")?;
                same("message", events[0]["message"].clone(), "turn already active for this conversation")?;
                same("conversationId", events[0]["conversationId"].clone(), id.clone())?;
                let own = events[0]["turnId"].as_str().unwrap_or_default();
                ensure(!own.is_empty() && own != live.turn_id(), "a turnId of its own", own)?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "2.3-while-active-nothing-is-queued",
            "a message that was refused because a turn runs is gone",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let model = w.model()?.to_owned();
                w.chat(json!({"conversationId": id, "message": "say more", "model": model}))
                    .await?
                    .all()
                    .await?;
                w.stop(&id, live).await?;
                let after = w.talk(&id).await?;
                same("the next prompt", after.one("user-message")?["text"].clone(), "say hello")?;
                let history = Value::from(w.history(&id).await?).to_string();
                ensure(!history.contains("say more"), "no trace of the refused message", history)
            },
        ),
        check(
            "2.3-disconnecting-aborts-nothing",
            "the turn goes on when its client goes away",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "count to 60").await?;
                live.until("text-delta").await?;
                drop(live);
                w.until_status(&id, "idle").await?;
                let history = w.history(&id).await?;
                let said = history.last().map(|chunk| chunk["chunk"]["text"].clone()).unwrap_or_default();
                let whole: Vec<String> = (1..=60).map(|number: u32| number.to_string()).collect();
                same("what was said", said, whole.join(" "))
            },
        ),
        check(
            "2.3-hears-user-message-first",
            "the stream begins with user-message, which has the message",
            |w| async move {
                let id = w.id();
                let mut live = begin(&w, &id).await?;
                let first = live.next().await?.unwrap_or_default();
                let turn = first["turnId"].clone();
                let mut expected = json!({"type": "user-message", "conversationId": id, "text": "say hello"});
                expected["turnId"] = turn;
                same("first event", first, expected)?;
                live.rest().await.map(drop)
            },
        ),
        check(
            "2.3-multiline-and-unicode",
            "a message goes through unchanged, whatever it is made of",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                let message = "say “ä\u{1F600}\u{200D}\" \\ </script>\n\u{2028}ok”";
                let body = json!({"conversationId": id, "message": message, "model": model});
                let turn = w.chat(body).await?.rest().await?;
                same("live", turn.one("user-message")?["text"].clone(), message)?;
                same("stored", w.history(&id).await?[0]["chunk"]["text"].clone(), message)
            },
        ),
        check("2.3-turn-ids-differ", "every turn has an id of its own", |w| async move {
            let id = w.id();
            let (first, second) = (w.talk(&id).await?, w.talk(&id).await?);
            ensure(first.id() != second.id(), "two ids", first.id())?;
            w.get(at(&id, "")).await?.ok().map(drop)
        }),
    ]
}

async fn begin(w: &World, id: &str) -> Outcome<crate::turn::Live> {
    let model = w.model()?.to_owned();
    w.chat(json!({"conversationId": id, "message": "say hello", "model": model})).await
}

async fn minted(w: &World, mut body: Value) -> Outcome {
    body["message"] = json!("say hello");
    body["model"] = json!(w.model()?);
    let live = w.chat(body).await?;
    let id = live.header("x-conversation-id").to_owned();
    let turn = live.rest().await?;
    let parts: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let digits = id.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    let version = lengths == [8, 4, 4, 4, 12]
        && parts[2].starts_with('4')
        && parts[3].starts_with(['8', '9', 'a', 'b']);
    ensure(digits && version, "a UUID v4", &id)?;
    same("conversationId of the events", turn.events[0]["conversationId"].clone(), id.clone())?;
    ensure(!w.history(&id).await?.is_empty(), "its history", "none")
}

async fn refuses(w: &World, field: &str, values: &[Value]) -> Outcome {
    for value in values {
        let mut body = json!({"conversationId": w.id(), "message": "say hello"});
        body[field] = value.clone();
        w.post("/chat", body).await?.invalid()?;
    }
    Ok(())
}
