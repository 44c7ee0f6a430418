//! 2.2: `GET /models`.

use std::collections::HashSet;

use serde_json::Value;

use crate::check::{Check, Outcome, check, ensure, same, skipped};
use crate::contract;
use crate::world::World;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.2-shape", "models is a list of names; modelInfo is left out or an object", |w| async move {
            contract::MODELS.verify(&models(&w).await?)
        }),
        check("2.2-names-have-two-parts", "every name is <credential>/<model>", |w| async move {
            for name in names(&w).await? {
                let parts = name.split_once('/');
                ensure(
                    parts.is_some_and(|(credential, model)| !credential.is_empty() && !model.is_empty()),
                    "credential/model",
                    name,
                )?;
            }
            Ok(())
        }),
        check("2.2-names-are-unique", "no name is there twice", |w| async move {
            let names = names(&w).await?;
            let distinct: HashSet<&String> = names.iter().collect();
            ensure(distinct.len() == names.len(), "each name once", names.join(" "))
        })
        .quirk("no de-duplication; web clients die of two equal names", "each name once"),
        check(
            "2.2-info-is-about-listed-models",
            "modelInfo has entries of listed models only, without nulls",
            |w| async move {
                let (body, names) = (models(&w).await?, names(&w).await?);
                let Some(info) = body["modelInfo"].as_object() else { return Ok(()) };
                ensure(!info.is_empty(), "modelInfo is left out when nothing is known", "{}")?;
                for (name, info) in info {
                    ensure(names.contains(name), "a listed model", name)?;
                    contract::MODEL_INFO.verify(info)?;
                }
                Ok(())
            },
        ),
        check(
            "2.2-context-window",
            "a model whose context window is known has it in modelInfo",
            |w| async move {
                let demo = w.demo()?.to_owned();
                let window = models(&w).await?["modelInfo"][&demo]["contextWindow"].clone();
                ensure(
                    window.as_u64().is_some_and(|tokens| tokens > 1000),
                    format!("the context window of {demo}"),
                    window,
                )
            },
        ),
        check("2.2-order-is-stable", "two listings have the same order", |w| async move {
            same("models", names(&w).await?, names(&w).await?)
        }),
        check(
            "2.2-one-broken-provider-hides-no-other",
            "a provider that cannot be reached does not fail the call",
            |w| async move {
                let Some(broken) = &w.server.broken_credential else {
                    return skipped("needs a credential without a provider: --broken-credential");
                };
                let names = names(&w).await?;
                ensure(
                    names.iter().any(|name| !name.starts_with(&format!("{broken}/"))),
                    "the other models",
                    names.join(" "),
                )
            },
        )
        .quirk("one failing provider made the whole call 502", "200 with the models of the others"),
    ]
}

async fn models(w: &World) -> Outcome<Value> {
    w.get("/models").await?.ok()
}

async fn names(w: &World) -> Outcome<Vec<String>> {
    let body = models(w).await?;
    let names = body["models"].as_array().into_iter().flatten();
    Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
}
