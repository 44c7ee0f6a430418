//! Decision 3: clients that lose their connection send again and go on where they were.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::turn::merged;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "D3-id-is-echoed",
            "clientMessageId comes back in user-message, over HTTP and on the socket",
            |w| async move {
                let (a, b) = (w.id(), w.id());
                let turn = w.chat(message(&w, &a, "say hello", "m-1")?).await?.rest().await?;
                same("over HTTP", turn.one("user-message")?["clientMessageId"].clone(), "m-1")?;
                let mut socket = w.socket().await?;
                socket.send(frame(message(&w, &b, "say hello", "m-2")?)).await?;
                same(
                    "on the socket",
                    socket.turn(&b).await?.one("user-message")?["clientMessageId"].clone(),
                    "m-2",
                )
            },
        ),
        check(
            "D3-unused-is-absent",
            "without clientMessageId and cursor no event has any of our fields",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let turn = w.script(&id, "run `echo a`").await?;
                for event in turn.events.iter().chain(&socket.turn(&id).await?.events) {
                    for field in ["clientMessageId", "clientMessageIds", "eventSeq", "attempt"] {
                        ensure(event.get(field).is_none(), format!("no {field}"), event)?;
                    }
                }
                Ok(())
            },
        ),
        check(
            "D3-again-while-it-runs",
            "the same clientMessageId while its turn runs streams that turn, from its first event",
            |w| async move {
                let id = w.id();
                let mut live = w.chat(message(&w, &id, "count to 100", "m")?).await?;
                live.until("text-delta").await?;
                let again = w.chat(message(&w, &id, "count to 100", "m")?).await?.rest().await?;
                same("the turn", again.merged(), live.rest().await?.merged())?;
                same("messages", w.history(&id).await?.len(), 2)
            },
        ),
        check(
            "D3-again-when-it-is-over",
            "the same clientMessageId after its turn streams that turn's turn-sealed alone",
            |w| async move {
                let id = w.id();
                let turn = w.chat(message(&w, &id, "say hello", "m")?).await?.rest().await?;
                let events = w.chat(message(&w, &id, "say hello", "m")?).await?.all().await?;
                same(
                    "events",
                    events,
                    json!([{"type": "turn-sealed", "conversationId": id, "turnId": turn.id()}]),
                )?;
                same("messages", w.history(&id).await?.len(), 2)
            },
        ),
        check(
            "D3-again-much-later",
            "an id is known after other turns as well, whatever is sent with it",
            |w| async move {
                let id = w.id();
                let turn = w.chat(message(&w, &id, "say a", "m-1")?).await?.rest().await?;
                w.chat(message(&w, &id, "say b", "m-2")?).await?.rest().await?;
                let events = w.chat(message(&w, &id, "say other", "m-1")?).await?.all().await?;
                same(
                    "events",
                    events,
                    json!([{"type": "turn-sealed", "conversationId": id, "turnId": turn.id()}]),
                )?;
                same("messages", w.history(&id).await?.len(), 4)
            },
        ),
        check(
            "D3-ids-are-of-a-conversation",
            "the same clientMessageId in another conversation is another message",
            |w| async move {
                for id in [w.id(), w.id()] {
                    w.chat(message(&w, &id, "say hello", "m")?).await?.rest().await?.ended("stop")?;
                }
                Ok(())
            },
        ),
        check(
            "D3-equal-texts-are-two-messages",
            "the same text without an id, or with another, starts another turn",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.talk(&id).await?;
                w.chat(message(&w, &id, "say hello", "m-1")?).await?.rest().await?;
                w.chat(message(&w, &id, "say hello", "m-2")?).await?.rest().await?;
                same("messages", w.history(&id).await?.len(), 8)
            },
        ),
        check(
            "D3-socket-again",
            "chat.send with the same clientMessageId twice starts one turn and is no error",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.send(frame(message(&w, &id, "count to 60", "m")?)).await?;
                socket.event(&id).await?;
                socket.send(frame(message(&w, &id, "count to 60", "m")?)).await?;
                socket.events_until(&id, "turn-sealed").await?;
                w.until_status(&id, "idle").await?;
                socket.silence("refused", |frame| frame["type"] == "chat.error").await?;
                same("messages", w.history(&id).await?.len(), 2)
            },
        ),
        check(
            "D3-at-the-same-moment",
            "five equal sends at the same moment are one turn, and all five see it",
            |w| async move {
                let id = w.id();
                let sends = (0..5)
                    .map(|_| async { w.chat(message(&w, &id, "count to 60", "m")?).await?.all().await });
                for events in futures_util::future::join_all(sends).await {
                    let events = events?;
                    let last = events.last().cloned().unwrap_or_default();
                    ensure(last["type"] == "turn-sealed", "turn-sealed at the end", last)?;
                }
                same("messages", w.history(&id).await?.len(), 2)
            },
        ),
        check(
            "D3-interrupting-at-the-same-moment",
            "five equal sends that would interrupt do not interrupt each other: one turn, to its end",
            |w| async move {
                let id = w.id();
                let sends = (0..5).map(|_| async {
                    let mut body = message(&w, &id, "count to 60", "m")?;
                    body["whenActive"] = json!("interrupt");
                    w.chat(body).await?.all().await
                });
                for events in futures_util::future::join_all(sends).await {
                    let last = events?.last().cloned().unwrap_or_default();
                    ensure(last["type"] == "turn-sealed", "turn-sealed at the end", last)?;
                }
                let history = w.history(&id).await?;
                let said = history.last().map(|chunk| chunk["chunk"]["text"].clone()).unwrap_or_default();
                ensure(said.as_str().is_some_and(|text| text.ends_with(" 60")), "the whole answer", said)?;
                same("messages", history.len(), 2)
            },
        ),
        check(
            "D3-in-the-queue",
            "a queued message has its clientMessageId in the queue, and in steering",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 2`, then say done").await?;
                live.until("tool-call").await?;
                let body = w
                    .post(at(&id, "/queue"), json!({"text": "mind the gap", "clientMessageId": "q-1"}))
                    .await?
                    .ok()?;
                same("in the queue", body["queue"][0]["clientMessageId"].clone(), "q-1")?;
                same("in steering", live.rest().await?.one("steering")?["clientMessageId"].clone(), "q-1")
            },
        ),
        check(
            "D3-several-are-listed",
            "when several messages are joined, clientMessageIds lists all of their ids",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 2`, then say done").await?;
                live.until("tool-call").await?;
                for number in 1..=3 {
                    w.post(
                        at(&id, "/queue"),
                        json!({"text": "more", "clientMessageId": format!("q-{number}")}),
                    )
                    .await?
                    .ok()?;
                }
                let turn = live.rest().await?;
                let steering = turn.one("steering")?;
                same("clientMessageIds", steering["clientMessageIds"].clone(), json!(["q-1", "q-2", "q-3"]))?;
                ensure(steering.get("clientMessageId").is_none(), "no clientMessageId", steering)
            },
        ),
        check("D3-carried", "a carried message has its clientMessageId in user-message", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            socket.subscribe(&id).await?;
            let mut live = w.start(&id, "count to 40").await?;
            live.until("text-delta").await?;
            w.post(at(&id, "/queue"), json!({"text": "say carried", "clientMessageId": "q"})).await?.ok()?;
            socket.turn(&id).await?;
            same("user-message", socket.turn(&id).await?.one("user-message")?["clientMessageId"].clone(), "q")
        }),
        check(
            "D3-queued-once",
            "the same clientMessageId queued twice is in the queue once, and delivered once",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "run `sleep 2`, then say done").await?;
                live.until("tool-call").await?;
                let queued = json!({"text": "mind the gap", "clientMessageId": "q"});
                w.post(at(&id, "/queue"), queued.clone()).await?.ok()?;
                let body = w.post(at(&id, "/queue"), queued.clone()).await?.ok()?;
                same("queue", body["queue"].as_array().map(Vec::len), 1)?;
                let turn = live.rest().await?;
                same("steering", turn.one("steering")?["text"].clone(), "mind the gap")?;
                let after = w.post(at(&id, "/queue"), queued).await?.ok()?;
                same("after the delivery", json!([after["startedTurn"], after["queue"]]), json!([false, []]))
            },
        ),
        check(
            "D3-id-must-be-a-string",
            "a clientMessageId that is no string, or empty, is refused",
            |w| async move {
                let id = w.id();
                for value in [json!(1), json!(""), json!(null), json!(["m"])] {
                    let mut body = message(&w, &id, "say hello", "")?;
                    body["clientMessageId"] = value.clone();
                    w.post("/chat", body).await?.invalid()?;
                    w.post(at(&id, "/queue"), json!({"text": "say hello", "clientMessageId": value}))
                        .await?
                        .invalid()?;
                }
                Ok(())
            },
        ),
        check(
            "D3-cursor",
            "with cursor every event has eventSeq 1, 2, 3 … and attempt, live",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "chat.subscribe", "conversationId": id, "cursor": true})).await?;
                w.script(&id, "run `echo a`, then say b").await?;
                let turn = socket.turn(&id).await?;
                let mut last = 0;
                for event in &turn.events {
                    let number = event["eventSeq"].as_u64().unwrap_or_default();
                    let merges = matches!(
                        event["type"].as_str(),
                        Some("text-delta" | "reasoning-delta" | "tool-output")
                    );
                    ensure(
                        number == last + 1 || (merges && number > last),
                        format!("eventSeq after {last}"),
                        event,
                    )?;
                    ensure(
                        event["attempt"].as_u64().is_some_and(|attempt| attempt >= 1),
                        "attempt from 1",
                        event,
                    )?;
                    last = number;
                }
                same("the first", turn.events[0]["eventSeq"].clone(), 1)
            },
        ),
        check("D3-cursor-of-send", "chat.send takes cursor as well", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            let mut body = message(&w, &id, "say hello", "m")?;
            body["cursor"] = json!(true);
            socket.send(frame(body)).await?;
            same("eventSeq", socket.event(&id).await?["eventSeq"].clone(), 1)?;
            socket.events_until(&id, "turn-sealed").await.map(drop)
        }),
        check(
            "D3-cursors-agree",
            "an event has the same eventSeq for every watcher that asked",
            |w| async move {
                let id = w.id();
                let (mut early, mut late) = (w.socket().await?, w.socket().await?);
                let subscribe = json!({"type": "chat.subscribe", "conversationId": id, "cursor": true});
                early.send(subscribe.clone()).await?;
                let mut live = w.start(&id, "run `sleep 1`, then say done").await?;
                live.until("tool-call").await?;
                late.send(subscribe).await?;
                let (early, late) = (early.turn(&id).await?, late.turn(&id).await?);
                for kind in ["user-message", "turn-start", "tool-call", "tool-result", "done", "turn-sealed"]
                {
                    let number =
                        |turn: &crate::turn::Turn| turn.one(kind).map(|event| event["eventSeq"].clone());
                    same(kind, number(&late)?, number(&early)?)?;
                }
                live.rest().await.map(drop)
            },
        ),
        check("D3-resume", "turnId and afterEventSeq go on right after that event", |w| async move {
            let id = w.id();
            let mut first = w.socket().await?;
            first.send(json!({"type": "chat.subscribe", "conversationId": id, "cursor": true})).await?;
            let mut live = w.start(&id, "count to 30, then run `sleep 1`, then count to 60").await?;
            live.until("tool-call").await?;
            let mut seen = Vec::new();
            for _ in 0..6 {
                seen.push(first.event(&id).await?);
            }
            let last = seen.last().map(|event| event["eventSeq"].clone()).unwrap_or_default();
            let mut second = w.socket().await?;
            second.send(resuming(&id, &live.turn_id(), &last)).await?;
            let whole = live.rest().await?;
            seen.extend(second.events_until(&id, "turn-sealed").await?);
            same("what was seen before and after", merged(&seen), whole.merged())
        }),
        check(
            "D3-resume-at-every-event",
            "resuming after any event of a running turn loses and repeats nothing",
            |w| async move {
                let id = w.id();
                let mut first = w.socket().await?;
                first.send(json!({"type": "chat.subscribe", "conversationId": id, "cursor": true})).await?;
                let mut live =
                    w.start(&id, "think about it, then run `echo a; sleep 3`, then say done").await?;
                live.until("step-complete").await?;
                let seen = first.events_until(&id, "step-complete").await?;
                let mut sockets = Vec::new();
                for upto in 0..seen.len() {
                    let mut socket = w.socket().await?;
                    let after = seen[..upto].last().map_or(json!(0), |event| event["eventSeq"].clone());
                    let subscribe = resuming(&id, &live.turn_id(), &after);
                    socket.send(subscribe).await?;
                    sockets.push((upto, socket));
                }
                let whole = live.rest().await?.merged();
                for (upto, mut socket) in sockets {
                    let mut events = seen[..upto].to_vec();
                    events.extend(socket.events_until(&id, "turn-sealed").await?);
                    same(&format!("after {upto} events"), merged(&events), whole.clone())?;
                }
                Ok(())
            },
        ),
        check(
            "D3-resume-a-turn-that-is-over",
            "resuming a turn that is over is answered with its turn-sealed first",
            |w| async move {
                let id = w.id();
                let old = w.talk(&id).await?;
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                let subscribe = resuming(&id, old.id(), &json!(2));
                socket.send(subscribe).await?;
                let first = socket.event(&id).await?;
                same("first", json!([first["type"], first["turnId"]]), json!(["turn-sealed", old.id()]))?;
                let second = socket.event(&id).await?;
                same(
                    "then",
                    json!([second["type"], second["turnId"]]),
                    json!(["user-message", live.turn_id()]),
                )?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "D3-resume-an-idle-conversation",
            "resuming a turn that is over, with none running, is answered with turn-sealed too",
            |w| async move {
                let id = w.id();
                let old = w.talk(&id).await?;
                let mut socket = w.socket().await?;
                let subscribe = resuming(&id, old.id(), &json!(2));
                socket.send(subscribe).await?;
                let first = socket.event(&id).await?;
                same("first", json!([first["type"], first["turnId"]]), json!(["turn-sealed", old.id()]))?;
                socket.silence_of(&id).await
            },
        ),
        check("D3-expected-turn", "expectedTurnId queues when that turn runs", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            let body = json!({"text": "say more", "expectedTurnId": live.turn_id()});
            let answer = w.post(at(&id, "/queue"), body).await?.ok()?;
            same("queue", answer["queue"][0]["text"].clone(), "say more")?;
            w.stop(&id, live).await.map(drop)
        }),
        check(
            "D3-another-turn",
            "expectedTurnId of another turn is refused with turn-mismatch, nothing is queued",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                w.post(at(&id, "/queue"), json!({"text": "say more", "expectedTurnId": "another"}))
                    .await?
                    .refused(409, "turn-mismatch")?;
                w.get(at(&id, "/queue")).await?.is(json!({"conversationId": id, "queue": []}))?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "D3-no-turn",
            "expectedTurnId when no turn runs is refused with turn-mismatch, no turn starts",
            |w| async move {
                let id = w.id();
                let turn = w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                w.post(at(&id, "/queue"), json!({"text": "say more", "expectedTurnId": turn.id()}))
                    .await?
                    .refused(409, "turn-mismatch")?;
                same("messages", w.history(&id).await?.len(), 2)?;
                same("status", w.listed(&id).await?["status"].clone(), "idle")
            },
        ),
        check(
            "D3-socket-expected-turn",
            "chat.queue with an expectedTurnId that does not run is a chat.error with turn-mismatch",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                let mut queue = json!({"type": "chat.queue", "conversationId": id, "text": "say more"});
                queue["expectedTurnId"] = json!("another");
                socket.send(queue).await?;
                same("code", socket.chat_error(Some(&id)).await?["code"].clone(), "turn-mismatch")?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
    ]
}

fn message(w: &World, id: &str, text: &str, client: &str) -> Outcome<Value> {
    Ok(json!({"conversationId": id, "message": text, "model": w.demo()?, "clientMessageId": client}))
}

fn resuming(id: &str, turn: &str, after: &Value) -> Value {
    let mut frame = json!({"type": "chat.subscribe", "conversationId": id, "cursor": true});
    frame["turnId"] = json!(turn);
    frame["afterEventSeq"] = after.clone();
    frame
}

fn frame(mut body: Value) -> Value {
    body["type"] = json!("chat.send");
    body
}
