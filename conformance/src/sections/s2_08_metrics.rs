//! 2.8: `GET /conversations/:id/metrics`.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::turn::Turn;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.8-unknown-is-empty", "an unknown conversation has no turns", |w| async move {
            w.get(at(&w.id(), "/metrics")).await?.is(json!({"turns": []}))
        }),
        check(
            "2.8-equal-to-the-live-events",
            "a turn's metrics are what done, usage and step-complete said",
            |w| async move {
                let id = w.id();
                let turn = w.talk(&id).await?;
                same("turns", metrics(&w, &id).await?, vec![live(&turn)?])
            },
        )
        .quirk("of several usages of a step only the last was kept", "the sum of a step's usages"),
        check(
            "2.8-one-entry-a-step",
            "a turn with tools has an entry for each step, in order",
            |w| async move {
                let id = w.id();
                let turn = w.script(&id, "run `echo a`, then run `echo b`, then say done").await?;
                let found = metrics(&w, &id).await?;
                same("turns", found.clone(), vec![live(&turn)?])?;
                same("steps", found[0]["steps"].as_array().map(Vec::len), 3)
            },
        ),
        check("2.8-in-the-order-of-turns", "turns are in the order they ran", |w| async move {
            let id = w.id();
            let turns = [w.talk(&id).await?, w.talk(&id).await?, w.talk(&id).await?];
            let expected = turns.iter().map(live).collect::<Outcome<Vec<Value>>>()?;
            same("turns", metrics(&w, &id).await?, expected)
        }),
        check("2.8-of-a-stopped-turn", "a stopped turn has metrics as well", |w| async move {
            let id = w.id();
            let live = w.running(&id).await?;
            let turn = w.stop(&id, live).await?;
            let found = metrics(&w, &id).await?;
            same(
                "turns",
                found.iter().map(|turn| turn["turnId"].clone()).collect::<Vec<_>>(),
                vec![turn.id()],
            )
        }),
        check("2.8-of-a-failed-turn", "a failed turn has metrics as well", |w| async move {
            let id = w.id();
            let turn = w.script(&id, "fail after 2 words").await?;
            let found = metrics(&w, &id).await?;
            same(
                "turns",
                found.iter().map(|turn| turn["turnId"].clone()).collect::<Vec<_>>(),
                vec![turn.id()],
            )
        }),
        check(
            "2.8-not-while-the-turn-runs",
            "a turn has metrics when it is sealed, not before",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                same("while it runs", metrics(&w, &id).await?.len(), 0)?;
                w.stop(&id, live).await?;
                same("when it is sealed", metrics(&w, &id).await?.len(), 1)
            },
        ),
    ]
}

async fn metrics(w: &World, id: &str) -> Outcome<Vec<Value>> {
    let body = w.get(at(id, "/metrics")).await?.ok()?;
    contract::METRICS.verify(&body)?;
    Ok(body["turns"].as_array().cloned().unwrap_or_default())
}

/// What the metrics of a turn must be.
fn live(turn: &Turn) -> Outcome<Value> {
    let mut steps: Vec<Value> = Vec::new();
    for complete in turn.of("step-complete") {
        let of_step = turn.of("usage").filter(|usage| usage["stepId"] == complete["stepId"]);
        let mut usage = crate::grammar::sum(of_step.map(|usage| &usage["usage"]));
        if usage.is_empty() {
            usage.extend([("inputTokens".to_owned(), json!(0)), ("outputTokens".to_owned(), json!(0))]);
        }
        let mut step = json!({"stepId": complete["stepId"], "usage": usage});
        for time in ["ttftMs", "decodeMs", "genTotalMs"] {
            if let Some(value) = complete.get(time) {
                step[time] = value.clone();
            }
        }
        steps.push(step);
    }
    ensure(!steps.is_empty(), "a step-complete", turn.kinds().join(" "))?;
    let done = turn.done()?;
    let mut metrics = json!({"turnId": turn.id(), "usage": done["usage"], "steps": steps});
    for field in ["durationMs", "contextSize"] {
        if let Some(value) = done.get(field) {
            metrics[field] = value.clone();
        }
    }
    Ok(metrics)
}
