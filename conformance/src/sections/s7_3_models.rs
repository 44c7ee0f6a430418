//! 7.3: which model, effort and directory a turn gets.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "7.3-no-model-is-the-default",
            "a message without a model is answered by the server's default",
            |w| async move {
                w.model()?;
                w.chat(json!({"conversationId": w.id(), "message": "say hello"}))
                    .await?
                    .rest()
                    .await?
                    .ended("stop")
            },
        ),
        check(
            "7.3-every-unknown-name-fails-alike",
            "names without a slash, without a model, of no credential: unknown-model",
            |w| async move {
                let (credential, _) =
                    w.model()?.split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap_or_default();
                for model in [
                    "nobody/a/b/c".to_owned(),
                    "noslash".into(),
                    "/".into(),
                    "/x".into(),
                    format!("{credential}/"),
                ] {
                    let turn = w
                        .chat(json!({"conversationId": w.id(), "message": "say a", "model": model}))
                        .await?
                        .rest()
                        .await?;
                    same(&model, turn.one("error")?["code"].clone(), "unknown-model")?;
                    turn.ended("error")?;
                }
                Ok(())
            },
        ),
        check(
            "7.3-model-is-kept",
            "the model of a message is the conversation's model from then on",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                same("before", kept(&w, &id).await?, Value::Null)?;
                w.talk(&id).await?;
                same("after", kept(&w, &id).await?, model)
            },
        )
        .quirk("the model was not kept and was forgotten in a new browser", "it is kept"),
        check(
            "7.3-a-set-model-is-used",
            "the model that was set answers messages that name none",
            |w| async move {
                let (id, demo) = (w.id(), w.demo()?.to_owned());
                w.put(at(&id, "/model"), json!({"model": demo}))
                    .await?
                    .is(json!({"conversationId": id, "model": demo}))?;
                let turn = w
                    .chat(json!({"conversationId": id, "message": "say it was the demo"}))
                    .await?
                    .rest()
                    .await?;
                same("text", turn.text(), "it was the demo")
            },
        ),
        check(
            "7.3-a-set-model-may-be-unknown",
            "setting a model that nobody serves is refused with unknown-model, or said by the next turn",
            |w| async move {
                let id = w.id();
                let set = w.put(at(&id, "/model"), json!({"model": "nobody/nothing"})).await?;
                if set.status != 200 {
                    return set.refused(400, "unknown-model").map(drop);
                }
                let turn =
                    w.chat(json!({"conversationId": id, "message": "say hello"})).await?.rest().await?;
                same("code", turn.one("error")?["code"].clone(), "unknown-model")
            },
        ),
        check(
            "7.3-set-model-can-be-cleared",
            "model null makes it the server's default again",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                w.put(at(&id, "/model"), json!({"model": model})).await?.ok()?;
                w.put(at(&id, "/model"), json!({"model": null}))
                    .await?
                    .is(json!({"conversationId": id, "model": null}))?;
                w.chat(json!({"conversationId": id, "message": "say hello"}))
                    .await?
                    .rest()
                    .await?
                    .ended("stop")
            },
        ),
        check(
            "7.3-set-model-is-checked",
            "an empty, missing or non-string model is refused",
            |w| async move {
                let id = w.id();
                for body in [json!({}), json!({"model": ""}), json!({"model": 1}), json!({"model": ["a/b"]})]
                {
                    w.put(at(&id, "/model"), body).await?.status(400)?;
                }
                same("model", kept(&w, &id).await?, Value::Null)
            },
        ),
        check(
            "7.3-a-conversation-can-change-models",
            "each message may name another model",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                w.chat(json!({"conversationId": id, "message": "say a", "model": "nobody/nothing"}))
                    .await?
                    .rest()
                    .await?
                    .ended("error")?;
                w.chat(json!({"conversationId": id, "message": "say b", "model": model}))
                    .await?
                    .rest()
                    .await?
                    .ended("stop")?;
                w.chat(json!({"conversationId": id, "message": "say c"})).await?.rest().await?.ended("stop")
            },
        ),
        check(
            "7.3-effort-holds",
            "a set effort and one of a message are both accepted by a turn",
            |w| async move {
                let (id, model) = (w.id(), w.model()?.to_owned());
                w.put(at(&id, "/reasoning-effort"), json!({"reasoningEffort": "max"})).await?.ok()?;
                let mut body = json!({"conversationId": id, "message": "say a", "model": model});
                body["reasoningEffort"] = json!("low");
                w.chat(body).await?.rest().await?;
                w.get(at(&id, "/reasoning-effort"))
                    .await?
                    .is(json!({"conversationId": id, "reasoningEffort": "max"}))
            },
        ),
        check(
            "7.3-message-beats-setting",
            "the cwd of a message wins over the conversation's and replaces it",
            |w| async move {
                let (id, first, second) = (w.id(), w.directory().await?, w.directory().await?);
                w.put(at(&id, "/cwd"), json!({"cwd": first})).await?.ok()?;
                let body =
                    json!({"conversationId": id, "message": "run `pwd`", "model": w.demo()?, "cwd": second});
                let turn = w.chat(body).await?.rest().await?;
                let content = turn.one("tool-result")?["content"].clone();
                ensure(content.as_str().is_some_and(|text| text.starts_with(&second)), &second, content)?;
                w.get(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": second}))
            },
        ),
    ]
}

async fn kept(w: &World, id: &str) -> Outcome<Value> {
    let body = w.get(at(id, "/model")).await?.ok()?;
    same("conversationId", body["conversationId"].clone(), id)?;
    Ok(body["model"].clone())
}
