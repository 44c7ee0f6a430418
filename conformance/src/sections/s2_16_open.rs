//! 2.16: `POST /conversations/:id/open`.

use serde_json::json;

use crate::check::{Check, check, ensure, same};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.16-answer", "the answer is the conversation's id", |w| async move {
            let id = w.id();
            w.post_nothing(at(&id, "/open")).await?.is(json!({"conversationId": id}))
        }),
        check("2.16-is-broadcast", "every socket gets conversation.open", |w| async move {
            let id = w.id();
            let (mut one, mut other) = (w.socket().await?, w.socket().await?);
            w.post_nothing(at(&id, "/open")).await?.ok()?;
            for socket in [&mut one, &mut other] {
                socket.expect("conversation.open", &id, |frame| frame["conversationId"] == *id).await?;
            }
            Ok(())
        }),
        check("2.16-touches-nothing", "opening creates nothing and changes nothing", |w| async move {
            let (unknown, known) = (w.id(), w.id());
            w.post_nothing(at(&unknown, "/open")).await?.ok()?;
            ensure(w.meta(&unknown).await?.is_none(), "no such conversation in the list", "it is there")?;
            w.talk(&known).await?;
            let before = w.until_status(&known, "idle").await?;
            w.post_nothing(at(&known, "/open")).await?.ok()?;
            same("the entry", w.listed(&known).await?, before)
        }),
    ]
}
