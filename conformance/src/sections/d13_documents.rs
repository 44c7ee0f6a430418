//! The system prompt's template, and what the server says about itself.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::World;

/// The contract's routes, and ours.
const ROUTES: &[(&str, &str)] = &[
    ("get", "/health"),
    ("get", "/models"),
    ("post", "/chat"),
    ("post", "/chat/warm"),
    ("get", "/conversations"),
    ("get", "/conversations/{}"),
    ("delete", "/conversations/{}"),
    ("get", "/metrics/throughput"),
    ("get", "/conversations/{}/metrics"),
    ("post", "/conversations/{}/close"),
    ("post", "/conversations/{}/stop"),
    ("post", "/conversations/{}/queue"),
    ("get", "/conversations/{}/queue"),
    ("delete", "/conversations/{}/queue/{}"),
    ("get", "/conversations/{}/cwd"),
    ("put", "/conversations/{}/cwd"),
    ("delete", "/conversations/{}/cwd"),
    ("get", "/conversations/{}/last"),
    ("get", "/conversations/{}/reasoning-effort"),
    ("put", "/conversations/{}/reasoning-effort"),
    ("get", "/conversations/{}/lsp"),
    ("get", "/conversations/{}/mcp"),
    ("post", "/conversations/{}/open"),
    ("get", "/conversations/{}/title"),
    ("put", "/conversations/{}/title"),
    ("post", "/conversations/{}/compact"),
    ("get", "/conversations/{}/compact-percent"),
    ("put", "/conversations/{}/compact-percent"),
    ("get", "/conversations/{}/status"),
    ("get", "/conversations/{}/model"),
    ("put", "/conversations/{}/model"),
    ("get", "/conversations/{}/events"),
    ("get", "/system-prompt"),
    ("put", "/system-prompt"),
    ("get", "/system-prompt/variables"),
];

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("D13-template-is-read", "GET /system-prompt answers the template", |w| async move {
            template(&w).await.map(drop)
        }),
        check("D13-template-is-set", "PUT /system-prompt sets it, whatever it is made of", |w| async move {
            let before = template(&w).await?;
            for text in [
                "You are [system:os]. [if git:branch]On [git:branch].[endif]",
                "",
                "[unknown:tag] [if",
                "ä\n\"quoted\"",
            ] {
                let set =
                    w.put("/system-prompt", json!({"template": text})).await?.is(json!({"template": text}));
                let read = template(&w).await;
                restore(&w, &before).await?;
                set?;
                same("template", read?, text)?;
            }
            Ok(())
        })
        .alone(),
        check(
            "D13-template-must-be-a-string",
            "a template that is no string is refused and changes nothing",
            |w| async move {
                let before = template(&w).await?;
                for body in [json!({}), json!({"template": 1}), json!({"template": null})] {
                    w.put("/system-prompt", body).await?.invalid()?;
                }
                same("template", template(&w).await?, before)
            },
        ),
        check(
            "D13-template-reaches-the-model",
            "the model of a new conversation gets the template's text",
            |w| async move {
                let before = template(&w).await?;
                w.put("/system-prompt", json!({"template": ""})).await?.ok()?;
                let without = tokens(&w).await;
                w.put("/system-prompt", json!({"template": "word ".repeat(2000)})).await?.ok()?;
                let with = tokens(&w).await;
                restore(&w, &before).await?;
                let (without, with) = (without?, with?);
                ensure(with > without + 1000, format!("much more than {without} tokens"), with)
            },
        )
        .alone(),
        check(
            "D13-variables",
            "the variables have type, name and description; a file's name is free",
            |w| async move {
                let body = w.get("/system-prompt/variables").await?.ok()?;
                contract::VARIABLES.verify(&body)?;
                let variables = body["variables"].as_array().cloned().unwrap_or_default();
                for (kind, name) in [
                    ("system", "time"),
                    ("system", "date"),
                    ("system", "os"),
                    ("prompt", "cwd"),
                    ("prompt", "model"),
                    ("git", "branch"),
                ] {
                    let found =
                        variables.iter().any(|variable| variable["type"] == kind && variable["name"] == name);
                    ensure(found, format!("[{kind}:{name}]"), &body)?;
                }
                let file = variables.iter().find(|variable| variable["type"] == "file");
                same("dynamic", file.map(|file| file["dynamic"].clone()), true)
            },
        ),
        check("D13-openapi", "GET /openapi.json is OpenAPI 3.1 and has every route", |w| async move {
            let document = w.get("/openapi.json").await?.ok()?;
            ensure(
                document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
                "openapi 3.1",
                &document["openapi"],
            )?;
            let mut known = Vec::new();
            for (path, operations) in document["paths"].as_object().into_iter().flatten() {
                known.extend(
                    operations
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(method, _)| (method.clone(), nameless(path))),
                );
            }
            let missing: Vec<String> = ROUTES
                .iter()
                .filter(|(method, path)| !known.iter().any(|(m, p)| m == method && p == path))
                .map(|(method, path)| format!("{method} {path}"))
                .collect();
            ensure(missing.is_empty(), "every route", format!("missing: {}", missing.join(", ")))
        }),
        check("D13-openapi-is-whole", "every reference in the document leads somewhere", |w| async move {
            let document = w.get("/openapi.json").await?.ok()?;
            let mut references = Vec::new();
            references_of(&document, &mut references);
            for reference in references {
                let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                ensure(target.is_some(), format!("something at {reference}"), "nothing")?;
            }
            Ok(())
        }),
        check("D13-docs", "GET /docs is a page", |w| async move {
            let answer = w.get("/docs").await?.status(200)?;
            ensure(
                answer.header("content-type").starts_with("text/html"),
                "text/html",
                answer.header("content-type"),
            )
        }),
    ]
}

async fn template(w: &World) -> Outcome<String> {
    let body = w.get("/system-prompt").await?.ok()?;
    match body["template"].as_str() {
        Some(template) => Ok(template.to_owned()),
        None => crate::check::failed("{template}", body),
    }
}

async fn restore(w: &World, template: &str) -> Outcome {
    w.put("/system-prompt", json!({"template": template})).await?.ok().map(drop)
}

/// The prompt tokens of a first turn.
async fn tokens(w: &World) -> Outcome<u64> {
    let turn = w.script(&w.id(), "say hello").await?;
    Ok(turn.one("usage")?["usage"]["inputTokens"].as_u64().unwrap_or_default())
}

/// A path without the names of its parameters.
fn nameless(path: &str) -> String {
    let mut nameless = String::new();
    let mut inside = false;
    for c in path.chars() {
        inside = if inside { c != '}' } else { c == '{' };
        if !inside || c == '{' {
            nameless.push(c);
        }
    }
    nameless
}

fn references_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference.clone());
            }
            fields.values().for_each(|value| references_of(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references_of(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lose_their_names() {
        assert_eq!(nameless("/conversations/{id}/queue/{messageId}"), "/conversations/{}/queue/{}");
    }
}
