//! 2.18: `POST …/compact` and `…/compact-percent`; what compaction does to a conversation is section 7.5.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, same};
use crate::contract;
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.18-answer",
            "compacting answers the archive's id and how many messages went and stayed",
            |w| async move {
                let id = w.id();
                let messages = talked(&w, &id, 3).await?;
                let body = w.post(at(&id, "/compact"), json!({"keepLastN": 2})).await?.ok()?;
                contract::COMPACTED.verify(&body)?;
                same("conversationId", body["conversationId"].clone(), id)?;
                let count = |name: &str| body[name].as_u64().unwrap_or_default();
                same("messages", count("messagesSummarized") + count("messagesKept"), messages)
            },
        ),
        check(
            "2.18-too-short",
            "a conversation with no more messages than are kept is refused",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 1).await?;
                w.post(at(&id, "/compact"), json!({"keepLastN": 2}))
                    .await?
                    .refused(409, "compaction-refused")
                    .map(drop)
            },
        ),
        check(
            "2.18-keeps-ten-by-default",
            "without keepLastN ten messages are kept: six are too few to compact",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                w.post(at(&id, "/compact"), json!({})).await?.refused(409, "compaction-refused").map(drop)
            },
        ),
        check(
            "2.18-body-is-optional",
            "no body, or one that is not JSON, means the defaults",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                w.post_nothing(at(&id, "/compact")).await?.refused(409, "compaction-refused")?;
                let broken = w.ask(reqwest::Method::POST, at(&id, "/compact")).body("{keep").send().await?;
                broken.refused(409, "compaction-refused").map(drop)
            },
        ),
        check(
            "2.18-keep-last-n-of-wrong-type",
            "a keepLastN that is no positive number is ignored",
            |w| async move {
                let id = w.id();
                talked(&w, &id, 3).await?;
                for keep in [json!("2"), json!(0), json!(-3), json!(null), json!([2])] {
                    w.post(at(&id, "/compact"), json!({"keepLastN": keep}))
                        .await?
                        .refused(409, "compaction-refused")?;
                }
                Ok(())
            },
        ),
        check("2.18-keep-last-n-is-floored", "keepLastN 2.9 keeps two", |w| async move {
            let id = w.id();
            talked(&w, &id, 3).await?;
            let body = w.post(at(&id, "/compact"), json!({"keepLastN": 2.9})).await?.ok()?;
            same("messagesKept", body["messagesKept"].clone(), 2)
        }),
        check(
            "2.18-unknown-conversation",
            "there is nothing to compact in an unknown conversation",
            |w| async move {
                w.post(at(&w.id(), "/compact"), json!({})).await?.refused(409, "compaction-refused").map(drop)
            },
        ),
        check("2.18-while-active", "a conversation is not compacted while a turn runs", |w| async move {
            let id = w.id();
            talked(&w, &id, 2).await?;
            let live = w.running(&id).await?;
            let answer = w.post(at(&id, "/compact"), json!({"keepLastN": 1})).await?.status(409)?;
            let code = answer.json()?["code"].clone();
            w.stop(&id, live).await?;
            let known = ["compaction-refused", "conversation-active", "turn-active"]
                .iter()
                .any(|known| code == *known);
            crate::check::ensure(known, "compaction-refused or conversation-active", code)
        }),
        check("2.18-unknown-model", "a summary cannot be asked of an unknown model", |w| async move {
            let id = w.id();
            talked(&w, &id, 3).await?;
            let before = w.history(&id).await?;
            let body = json!({"keepLastN": 2, "modelName": "nobody/nothing"});
            w.post(at(&id, "/compact"), body).await?.status(409)?;
            same("history", w.history(&id).await?, before)
        }),
        check("2.18-percent-default", "compact-percent is 85 when it was never set", |w| async move {
            let id = w.id();
            percent(w.get(at(&id, "/compact-percent")).await?.ok()?, &id, 85)
        })
        .quirk("0 was answered although 85 held", "the percent that is in force"),
        check(
            "2.18-percent-has-two-names",
            "percent and threshold are both answered, and either is taken",
            |w| async move {
                let id = w.id();
                percent(w.put(at(&id, "/compact-percent"), json!({"percent": 40})).await?.ok()?, &id, 40)?;
                percent(w.get(at(&id, "/compact-percent")).await?.ok()?, &id, 40)?;
                percent(w.put(at(&id, "/compact-percent"), json!({"threshold": 60})).await?.ok()?, &id, 60)?;
                percent(w.get(at(&id, "/compact-percent")).await?.ok()?, &id, 60)
            },
        )
        .quirk(
            "the server said percent, its published types threshold",
            "both are answered, either is taken",
        ),
        check("2.18-percent-may-be-zero", "0 switches automatic compaction off", |w| async move {
            let id = w.id();
            percent(w.put(at(&id, "/compact-percent"), json!({"percent": 0})).await?.ok()?, &id, 0)?;
            percent(w.get(at(&id, "/compact-percent")).await?.ok()?, &id, 0)
        }),
        check("2.18-percent-is-floored", "a fraction is cut off", |w| async move {
            let id = w.id();
            percent(w.put(at(&id, "/compact-percent"), json!({"percent": 49.9})).await?.ok()?, &id, 49)
        }),
        check(
            "2.18-percent-must-be-a-number",
            "a negative, missing or non-number percent is refused",
            |w| async move {
                let id = w.id();
                for body in [
                    json!({}),
                    json!({"percent": -1}),
                    json!({"percent": "50"}),
                    json!({"percent": null}),
                    json!({"threshold": true}),
                ] {
                    w.put(at(&id, "/compact-percent"), body).await?.invalid()?;
                }
                percent(w.get(at(&id, "/compact-percent")).await?.ok()?, &id, 85)
            },
        ),
    ]
}

/// That many turns; how many messages they are.
async fn talked(w: &World, id: &str, turns: usize) -> Outcome<usize> {
    w.talk_at_length(id, turns).await?;
    Ok(turns * 2)
}

fn percent(body: Value, id: &str, percent: u64) -> Outcome {
    same("compact-percent", body, json!({"conversationId": id, "percent": percent, "threshold": percent}))
}
