//! 2.14: `/conversations/:id/reasoning-effort`.

use serde_json::json;

use crate::check::{Check, check};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.14-null-when-never-set", "reasoningEffort is null until it is set", |w| async move {
            let id = w.id();
            w.get(at(&id, "/reasoning-effort"))
                .await?
                .is(json!({"conversationId": id, "reasoningEffort": null}))
        }),
        check("2.14-set-and-read", "each level is answered and read back", |w| async move {
            let id = w.id();
            for level in ["low", "medium", "high", "xhigh", "max"] {
                let expected = json!({"conversationId": id, "reasoningEffort": level});
                w.put(at(&id, "/reasoning-effort"), json!({"reasoningEffort": level}))
                    .await?
                    .is(expected.clone())?;
                w.get(at(&id, "/reasoning-effort")).await?.is(expected)?;
            }
            Ok(())
        }),
        check("2.14-must-be-a-level", "anything else is refused, null too", |w| async move {
            let id = w.id();
            for level in [json!("none"), json!(""), json!(2), json!(null), json!(["low"])] {
                w.put(at(&id, "/reasoning-effort"), json!({"reasoningEffort": level})).await?.invalid()?;
            }
            w.put(at(&id, "/reasoning-effort"), json!({})).await?.invalid()
        }),
        check(
            "2.14-of-a-message-is-not-kept",
            "the level of a message holds for its turn only",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                let mut body = json!({"conversationId": id, "message": "say hello", "model": model});
                body["reasoningEffort"] = json!("low");
                w.chat(body).await?.rest().await?;
                w.get(at(&id, "/reasoning-effort"))
                    .await?
                    .is(json!({"conversationId": id, "reasoningEffort": null}))
            },
        ),
    ]
}
