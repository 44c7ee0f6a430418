//! 7.4: keeping a provider's prompt cache warm.

use serde_json::{Value, json};

use super::s3_4_surfaces::{having, opened, payload, updated};
use crate::check::{Check, Outcome, check, ensure, failed, same};
use crate::contract;
use crate::socket::Socket;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "7.4-is-opt-in",
            "a conversation is not kept warm until someone asks: off, 240 s",
            |w| async move {
                let id = w.id();
                let (_, spec) = panel(&w, &id).await?;
                same("toggle", field(&spec, "toggle")?["value"].clone(), false)?;
                same("interval", field(&spec, "number")?["value"].clone(), 240)
            },
        )
        .quirk("it was on by default for a while, and cost money", "off until someone asks"),
        check(
            "7.4-fields",
            "the surface has a toggle, an interval in seconds, two stats and a timer",
            |w| async move {
                let id = w.id();
                let (_, spec) = panel(&w, &id).await?;
                let number = field(&spec, "number")?;
                same("interval", json!([number["min"], number["step"], number["unit"]]), json!([1, 1, "s"]))?;
                same(
                    "toggle's action",
                    field(&spec, "toggle")?["action"]["actionId"].clone(),
                    "cache-warming/toggle",
                )?;
                same(
                    "interval's action",
                    number["action"]["actionId"].clone(),
                    "cache-warming/set-interval",
                )?;
                let stats: Vec<Value> = fields(&spec)
                    .filter(|field| field["kind"] == "stat")
                    .map(|field| field["value"].clone())
                    .collect();
                same("unknown percentages", stats, vec!["—", "—"])?;
                let timer = payload(&spec, "cache-warming-timer")?;
                same("timer", timer, json!({"nextWarmAt": null, "lastWarmAt": null}))
            },
        ),
        check(
            "7.4-without-a-conversation",
            "without a conversation the surface is one stat that says so",
            |w| async move {
                let mut socket = having(&w, "cache-warming").await?;
                let frame = opened(&mut socket, &json!("cache-warming"), None).await?;
                let kinds: Vec<Value> =
                    fields(&frame["spec"]).map(|field| json!([field["kind"], field["label"]])).collect();
                same("fields", kinds, json!([["stat", "Status"]]))
            },
        ),
        check("7.4-toggle", "cache-warming/toggle flips, whatever its payload", |w| async move {
            let id = w.id();
            let (mut socket, _) = panel(&w, &id).await?;
            for expected in [true, false, true] {
                invoke(&mut socket, &id, "toggle", Some(json!(false))).await?;
                let value = settled(&mut socket, &id, |spec| {
                    field(spec, "toggle").is_ok_and(|field| field["value"] == expected)
                })
                .await?;
                same("toggle", field(&value, "toggle")?["value"].clone(), expected)?;
            }
            invoke(&mut socket, &id, "toggle", None).await
        }),
        check("7.4-interval", "set-interval takes seconds as a number or as {value}", |w| async move {
            let id = w.id();
            let (mut socket, _) = panel(&w, &id).await?;
            for (payload, expected) in [(json!(60), 60.0), (json!({"value": 90}), 90.0)] {
                invoke(&mut socket, &id, "set-interval", Some(payload)).await?;
                settled(&mut socket, &id, |spec| seconds(spec) == Some(expected)).await?;
            }
            Ok(())
        }),
        check(
            "7.4-interval-has-a-least",
            "an interval of less than a second becomes one second",
            |w| async move {
                let id = w.id();
                let (mut socket, _) = panel(&w, &id).await?;
                invoke(&mut socket, &id, "set-interval", Some(json!(0))).await?;
                settled(&mut socket, &id, |spec| seconds(spec) == Some(1.0)).await.map(drop)
            },
        ),
        check(
            "7.4-settings-are-of-the-conversation",
            "settings of one conversation are not another's, and every socket sees them",
            |w| async move {
                let (id, other) = (w.id(), w.id());
                let (mut socket, _) = panel(&w, &id).await?;
                invoke(&mut socket, &id, "set-interval", Some(json!(77))).await?;
                settled(&mut socket, &id, |spec| seconds(spec) == Some(77.0)).await?;
                let (_, again) = panel(&w, &id).await?;
                same("read again", field(&again, "number")?["value"].clone(), 77)?;
                let (_, spec) = panel(&w, &other).await?;
                same("of the other", field(&spec, "number")?["value"].clone(), 240)
            },
        ),
        check(
            "7.4-a-manual-warm-shows",
            "a manual warm updates lastWarmAt and the last percentage",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let (mut socket, _) = panel(&w, &id).await?;
                let warmed = w.post("/chat/warm", json!({"conversationId": id})).await?.ok()?;
                let spec = settled(&mut socket, &id, |spec| timer(spec, "lastWarmAt").is_some()).await?;
                let percent = warmed["cachePct"].to_string();
                let stat = fields(&spec)
                    .find(|field| field["label"] == "Last Cache %")
                    .map(|field| field["value"].clone())
                    .unwrap_or_default();
                ensure(
                    stat.as_str().is_some_and(|text| text.contains(&percent)),
                    format!("{percent} in Last Cache %"),
                    stat,
                )
            },
        ),
        check(
            "7.4-warms-by-itself",
            "an enabled conversation is warmed after its interval, again and again, without a trace",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let before = w.history(&id).await?;
                let (mut socket, _) = panel(&w, &id).await?;
                invoke(&mut socket, &id, "set-interval", Some(json!(1))).await?;
                invoke(&mut socket, &id, "toggle", None).await?;
                let spec = settled(&mut socket, &id, |spec| timer(spec, "lastWarmAt").is_some()).await?;
                let first = timer(&spec, "lastWarmAt");
                settled(&mut socket, &id, |spec| timer(spec, "lastWarmAt") > first).await?;
                same("history", w.history(&id).await?, before)?;
                invoke(&mut socket, &id, "toggle", None).await
            },
        ),
        check(
            "7.4-next-is-in-the-future",
            "after a warm nextWarmAt is later than lastWarmAt",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let (mut socket, _) = panel(&w, &id).await?;
                invoke(&mut socket, &id, "toggle", None).await?;
                let spec = settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt").is_some()).await?;
                ensure(timer(&spec, "nextWarmAt") > timer(&spec, "lastWarmAt"), "a later next", spec)?;
                w.post("/chat/warm", json!({"conversationId": id})).await?.ok()?;
                let spec = settled(&mut socket, &id, |spec| timer(spec, "lastWarmAt").is_some()).await?;
                ensure(timer(&spec, "nextWarmAt") > timer(&spec, "lastWarmAt"), "a later next", spec)?;
                invoke(&mut socket, &id, "toggle", None).await
            },
        )
        .quirk(
            "subscribers were told before the timer was set, and saw times in the past",
            "the time that is to come",
        ),
        check("7.4-a-turn-holds-the-timer", "while a turn runs no warming is due", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let (mut socket, _) = panel(&w, &id).await?;
            invoke(&mut socket, &id, "toggle", None).await?;
            settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt").is_some()).await?;
            let live = w.running(&id).await?;
            settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt").is_none()).await?;
            w.stop(&id, live).await?;
            settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt").is_some()).await?;
            invoke(&mut socket, &id, "toggle", None).await
        }),
        check(
            "7.4-a-failed-warm-is-tried-again",
            "after a warm that failed the next one is due",
            |w| async move {
                let (id, broken) = (w.id(), w.broken_model()?);
                w.talk(&id).await?;
                let body = json!({"conversationId": id, "message": "say a", "model": broken});
                w.chat(body).await?.rest().await?.ended("error")?;
                let (mut socket, _) = panel(&w, &id).await?;
                invoke(&mut socket, &id, "set-interval", Some(json!(1))).await?;
                invoke(&mut socket, &id, "toggle", None).await?;
                let spec = settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt").is_some()).await?;
                let first = timer(&spec, "nextWarmAt");
                let spec = settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt") > first).await?;
                same("lastWarmAt", timer(&spec, "lastWarmAt"), Value::Null)?;
                invoke(&mut socket, &id, "toggle", None).await
            },
        )
        .quirk("the failure was handled by nobody, and nothing was warmed again", "the timer goes on"),
        check(
            "7.4-closing-switches-it-off",
            "closing a conversation switches its warming off",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let (mut socket, _) = panel(&w, &id).await?;
                invoke(&mut socket, &id, "toggle", None).await?;
                settled(&mut socket, &id, |spec| timer(spec, "nextWarmAt").is_some()).await?;
                w.post_nothing(at(&id, "/close")).await?.ok()?;
                let (_, spec) = panel(&w, &id).await?;
                same("toggle", field(&spec, "toggle")?["value"].clone(), false)?;
                same("nextWarmAt", timer(&spec, "nextWarmAt"), Value::Null)
            },
        ),
    ]
}

/// The surface of a conversation, as it is now, on a socket that hears its updates.
async fn panel(w: &World, id: &str) -> Outcome<(Socket, Value)> {
    let mut socket = having(w, "cache-warming").await?;
    let frame = opened(&mut socket, &json!("cache-warming"), Some(id)).await?;
    contract::TIMER.verify(&payload(&frame["spec"], "cache-warming-timer")?)?;
    Ok((socket, frame["spec"].clone()))
}

/// Waits for an update that shows what is expected.
async fn settled(socket: &mut Socket, id: &str, shows: impl Fn(&Value) -> bool) -> Outcome<Value> {
    loop {
        let update = updated(socket, "cache-warming", id).await?;
        contract::TIMER.verify(&payload(&update["spec"], "cache-warming-timer")?)?;
        if shows(&update["spec"]) {
            return Ok(update["spec"].clone());
        }
    }
}

async fn invoke(socket: &mut Socket, id: &str, action: &str, payload: Option<Value>) -> Outcome {
    let mut frame = json!({"type": "invoke", "surfaceId": "cache-warming", "conversationId": id});
    frame["actionId"] = json!(format!("cache-warming/{action}"));
    if let Some(payload) = payload {
        frame["payload"] = payload;
    }
    socket.send(frame).await
}

fn fields(spec: &Value) -> impl Iterator<Item = &Value> {
    spec["fields"].as_array().into_iter().flatten()
}

fn field<'s>(spec: &'s Value, kind: &str) -> Outcome<&'s Value> {
    match fields(spec).find(|field| field["kind"] == kind) {
        Some(field) => Ok(field),
        None => failed(format!("a field of kind {kind}"), spec),
    }
}

/// The interval that the surface shows.
fn seconds(spec: &Value) -> Option<f64> {
    field(spec, "number").ok()?["value"].as_f64()
}

fn timer(spec: &Value, name: &str) -> Option<u64> {
    payload(spec, "cache-warming-timer").ok()?[name].as_u64()
}
