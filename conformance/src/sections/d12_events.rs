//! `GET /conversations/:id/events`: a conversation as server-sent events.

use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};
use crate::sse::Block;
use crate::turn::merged;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "D12-streams-a-turn",
            "the stream has the events of a turn as the HTTP stream has them",
            |w| async move {
                let id = w.id();
                let mut events = w.events(&id, None).await?;
                let turn = w.script(&id, "think about it, then run `echo a`").await?;
                let heard: Vec<Value> =
                    events.until("turn-sealed").await?.into_iter().map(|(_, event)| event).collect();
                same("events", merged(&heard), turn.merged())
            },
        ),
        check(
            "D12-tools-that-start",
            "clients that asked for extensions hear tool-start of each call, also when they join late; others do not",
            |w| async move {
                let id = w.id();
                let (mut plain, mut extended) = (w.socket().await?, w.socket().await?);
                plain.subscribe(&id).await?;
                let subscribe = json!({"type": "chat.subscribe", "conversationId": id, "extensions": true});
                extended.send(subscribe.clone()).await?;
                let live = w.start(&id, "run `sleep 100`").await?;
                let started = extended.events_until(&id, "tool-start").await?;
                let mut late = w.socket().await?;
                late.send(subscribe).await?;
                let heard = late.events_until(&id, "tool-start").await?;
                same("tool-start", heard.last().cloned(), started.last().cloned())?;
                w.stop(&id, live).await?;
                let turn = plain.turn(&id).await?;
                ensure(
                    turn.of("tool-start").next().is_none(),
                    "the contract's events",
                    turn.kinds().join(" "),
                )
            },
        ),
        check("D12-stays-open", "the stream goes on over turns", |w| async move {
            let id = w.id();
            let mut events = w.events(&id, None).await?;
            for _ in 0..2 {
                let turn = w.talk(&id).await?;
                let heard: Vec<Value> =
                    events.until("turn-sealed").await?.into_iter().map(|(_, event)| event).collect();
                same("events", merged(&heard), turn.merged())?;
            }
            Ok(())
        }),
        check("D12-ids", "each event has the id <turnId>:<eventSeq>, counted from 1", |w| async move {
            let id = w.id();
            let mut events = w.events(&id, None).await?;
            let turn = w.talk(&id).await?;
            let mut last = 0;
            for (event_id, event) in events.until("turn-sealed").await? {
                let (of, number) = event_id.rsplit_once(':').unwrap_or_default();
                same("turnId", of, turn.id())?;
                let number: u64 = number.parse().unwrap_or_default();
                let merges =
                    matches!(event["type"].as_str(), Some("text-delta" | "reasoning-delta" | "tool-output"));
                ensure(
                    number == last + 1 || (merges && number > last),
                    format!("a number after {last}"),
                    &event_id,
                )?;
                last = number;
            }
            Ok(())
        }),
        check(
            "D12-late-joiner",
            "who opens the stream in the middle of a turn gets it from its first event",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut events = w.events(&id, None).await?;
                let (_, first) = events.next().await?;
                same("first", first["type"].clone(), "user-message")?;
                let mut heard = vec![first];
                let turn = w.stop(&id, live).await?;
                heard.extend(events.until("turn-sealed").await?.into_iter().map(|(_, event)| event));
                same("events", merged(&heard), turn.merged())
            },
        ),
        check("D12-resume", "Last-Event-ID goes on right after that event", |w| async move {
            let id = w.id();
            let mut first = w.events(&id, None).await?;
            let mut live = w.start(&id, "count to 30, then run `sleep 1`, then count to 40").await?;
            live.until("tool-call").await?;
            let (mut seen, mut last) = (Vec::new(), String::new());
            for _ in 0..7 {
                let (event_id, event) = first.next().await?;
                seen.push(event);
                last = event_id;
            }
            drop(first);
            let mut second = w.events(&id, Some(&last)).await?;
            let turn = live.rest().await?;
            seen.extend(second.until("turn-sealed").await?.into_iter().map(|(_, event)| event));
            same("what was seen before and after", merged(&seen), turn.merged())
        }),
        check(
            "D12-resume-a-turn-that-is-over",
            "after a turn that is over, its turn-sealed is heard first",
            |w| async move {
                let id = w.id();
                let mut first = w.events(&id, None).await?;
                let old = w.talk(&id).await?;
                let (last, _) = first.next().await?;
                drop(first);
                let live = w.running(&id).await?;
                let mut second = w.events(&id, Some(&last)).await?;
                let (_, event) = second.next().await?;
                same("first", json!([event["type"], event["turnId"]]), json!(["turn-sealed", old.id()]))?;
                let (_, event) = second.next().await?;
                same(
                    "then",
                    json!([event["type"], event["turnId"]]),
                    json!(["user-message", live.turn_id()]),
                )?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "D12-unknown-conversation",
            "the stream of an unknown conversation stays open until something happens",
            |w| async move {
                let id = w.id();
                let mut events = w.events(&id, None).await?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")?;
                w.talk(&id).await?;
                same("first", events.next().await?.1["type"].clone(), "user-message")
            },
        ),
        check("D12-kept-alive", "a quiet stream has comments now and then", |w| async move {
            let mut events = w.events(&w.id(), None).await?;
            let block = events.block().await?;
            ensure(block == Block::Comment, "a comment", format!("{block:?}"))
        }),
        check("D12-leaving-stops-nothing", "a turn goes on when who streams it goes away", |w| async move {
            let id = w.id();
            let events = w.events(&id, None).await?;
            let mut live = w.start(&id, "count to 60").await?;
            live.until("text-delta").await?;
            drop(events);
            live.rest().await?.ended("stop")
        }),
    ]
}
