//! 3.3: order and replay.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::check::{Check, check, ensure, same};
use crate::turn::{kinds, merged};
use crate::world::at;

const RICH: &str = "think about it, then run `echo a; sleep 0.2; echo b`, then say between, \
                    then run `echo c`, then count to 30";

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "3.3-watchers-see-the-same",
            "two sockets and the HTTP stream get the same events in the same order",
            |w| async move {
                let id = w.id();
                let (mut one, mut other) = (w.socket().await?, w.socket().await?);
                one.subscribe(&id).await?;
                other.subscribe(&id).await?;
                let streamed = w.script(&id, RICH).await?.merged();
                same("one", one.turn(&id).await?.merged(), streamed.clone())?;
                same("other", other.turn(&id).await?.merged(), streamed)
            },
        ),
        check(
            "3.3-late-joiner-sees-everything",
            "who joins in the middle gets the turn from user-message, without gap or repeat",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, RICH).await?;
                live.until("tool-output").await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let streamed = live.rest().await?;
                same("the turn", socket.turn(&id).await?.merged(), streamed.merged())
            },
        ),
        check("3.3-joiners-at-any-time", "whoever joins, whenever, gets the same turn", |w| async move {
            let id = w.id();
            let live = w.start(&id, "think about it, then count to 120").await?;
            let mut sockets = Vec::new();
            for _ in 0..12 {
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                sockets.push(socket);
                sleep(Duration::from_millis(25)).await;
            }
            let streamed = live.rest().await?.merged();
            for mut socket in sockets {
                // Who came after the end hears nothing of this turn.
                if socket.silence_of(&id).await.is_err() {
                    same("the turn", socket.turn(&id).await?.merged(), streamed.clone())?;
                }
            }
            Ok(())
        }),
        check(
            "3.3-nothing-when-idle",
            "subscribing to an idle conversation replays nothing",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                w.until_status(&id, "idle").await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                socket.silence_of(&id).await
            },
        ),
        check(
            "3.3-replays-the-running-turn-only",
            "the replay begins with the running turn, not with earlier ones",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let turn = w.stop(&id, live).await?;
                same("the turn", socket.turn(&id).await?.merged(), turn.merged())?;
                socket.silence_of(&id).await
            },
        ),
        check(
            "3.3-slow-watchers-block-nobody",
            "a socket that reads nothing holds up neither the turn nor others",
            |w| async move {
                let id = w.id();
                let (mut slow, mut fast) = (w.socket().await?, w.socket().await?);
                slow.subscribe(&id).await?;
                fast.subscribe(&id).await?;
                let message = "run `seq 1 20000`, then count to 100";
                let streamed = w.script(&id, message).await?.merged();
                same("fast", fast.turn(&id).await?.merged(), streamed.clone())?;
                same("slow, later", slow.turn(&id).await?.merged(), streamed)
            },
        ),
        check(
            "3.3-a-broken-watcher-blocks-nobody",
            "a socket that goes away in the middle disturbs no other",
            |w| async move {
                let id = w.id();
                let (mut broken, mut other) = (w.socket().await?, w.socket().await?);
                broken.subscribe(&id).await?;
                other.subscribe(&id).await?;
                let mut live = w.start(&id, "count to 80").await?;
                live.until("text-delta").await?;
                drop(broken);
                let streamed = live.rest().await?.merged();
                same("other", other.turn(&id).await?.merged(), streamed)
            },
        ),
        check(
            "3.3-catching-up-is-merged",
            "a late joiner gets hundreds of small deltas in fewer, larger ones",
            |w| async move {
                let id = w.id();
                let mut live = w.start(&id, "count to 300, then run `sleep 2`").await?;
                live.until("step-complete").await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let late = socket.events_until(&id, "step-complete").await?;
                let deltas = |events: &[serde_json::Value]| {
                    events.iter().filter(|event| event["type"] == "text-delta").count()
                };
                let (seen, joined) = (deltas(&live.seen), deltas(&late));
                same("events", merged(&late), merged(&live.seen))?;
                ensure(
                    seen < 100 || joined * 2 < seen,
                    format!("fewer than the {seen} deltas of the first watcher"),
                    joined,
                )
            },
        )
        .quirk(
            "no back-pressure, and a giant turn was sent again delta by delta",
            "adjacent deltas are merged",
        ),
        check(
            "3.3-carry-in-one-subscription",
            "a queued message starts the next turn: turn-sealed, user-message, no idle between",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let mut live = w.start(&id, "count to 40").await?;
                live.until("text-delta").await?;
                w.post(at(&id, "/queue"), json!({"text": "say carried"})).await?.ok()?;
                socket.turn(&id).await?;
                socket.silence("idle yet", |_| false).await?;
                let second = socket.turn(&id).await?;
                same("prompt", second.one("user-message")?["text"].clone(), "say carried")?;
                socket.status(&id, "idle").await?;
                socket
                    .silence("idle twice", |frame| {
                        frame["conversationId"] == *id && frame["status"] == "idle"
                    })
                    .await
            },
        ),
        check(
            "3.3-begins-with-user-message-then-turn-start",
            "every watcher's turn begins user-message, turn-start",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                let mut socket = w.socket().await?;
                socket.subscribe(&id).await?;
                let begun = socket.events_until(&id, "turn-start").await?;
                same("begin", kinds(&begun), vec!["user-message", "turn-start"])?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check(
            "3.3-two-conversations-on-one-socket",
            "events of two conversations on one socket are each in order",
            |w| async move {
                let (a, b) = (w.id(), w.id());
                let mut socket = w.socket().await?;
                socket.script(&a, "count to 50").await?;
                socket.script(&b, "think about it, then count to 50").await?;
                socket.turn(&a).await?.ended("stop")?;
                socket.turn(&b).await?.ended("stop")
            },
        ),
    ]
}
