//! 2.0: what holds for every route.

use reqwest::Method;
use serde_json::{Value, json};

use crate::check::{Check, check, ensure, same};
use crate::world::{World, at};

const PAGE: &str = "http://localhost:24204";

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.0-error-has-text-and-code", "an error is {error, code}, as JSON", |w| async move {
            w.post("/no/such/route", json!({})).await?.refused(404, "not-found").map(drop)
        })
        .quirk("{error} alone, and the framework's plain 404", "the same with a stable code, on 404 as well"),
        check(
            "2.0-wrong-method-is-an-error",
            "a route answers a method that it does not have with an error",
            |w| async move {
                let answer = w.ask(Method::PATCH, "/conversations").send().await?;
                ensure(matches!(answer.status, 404 | 405), "404 or 405", answer.status)?;
                let body = answer.json()?;
                ensure(body["error"].is_string() && body["code"].is_string(), "{error, code}", body)
            },
        ),
        check("2.0-answers-are-json", "reads answer with content-type application/json", |w| async move {
            for path in ["/health".to_owned(), "/models".into(), "/conversations".into(), at(&w.id(), "")] {
                w.get(path).await?.ok()?;
            }
            Ok(())
        }),
        check("2.0-cors-names-the-origin", "a page on loopback may read the answer", |w| async move {
            let answer = w.ask(Method::GET, "/health").header("origin", PAGE).send().await?;
            same("access-control-allow-origin", answer.header("access-control-allow-origin"), PAGE)
        })
        .quirk("access-control-allow-origin: *", "the origin itself, if it is on loopback or configured"),
        check("2.0-cors-on-errors", "a page may read errors and 404s as well", |w| async move {
            let missing =
                w.ask(Method::POST, "/no/such/route").header("origin", PAGE).send().await?.status(404)?;
            let invalid = w
                .ask(Method::POST, "/chat")
                .header("origin", PAGE)
                .json(&json!({}))
                .send()
                .await?
                .status(400)?;
            for answer in [missing, invalid] {
                same("access-control-allow-origin", answer.header("access-control-allow-origin"), PAGE)?;
            }
            Ok(())
        }),
        check(
            "2.0-cors-preflight",
            "a preflight allows GET, POST, PUT, DELETE and Content-Type",
            |w| async move {
                let answer = w
                    .ask_without_key(Method::OPTIONS, at("x", "/title"))
                    .header("origin", PAGE)
                    .header("access-control-request-method", "PUT")
                    .header("access-control-request-headers", "content-type")
                    .send()
                    .await?;
                ensure((200..300).contains(&answer.status), "2xx", answer.status)?;
                same("access-control-allow-origin", answer.header("access-control-allow-origin"), PAGE)?;
                let methods = answer.header("access-control-allow-methods").to_uppercase();
                for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
                    ensure(methods.contains(method), format!("{method} is allowed"), &methods)?;
                }
                let headers = answer.header("access-control-allow-headers").to_lowercase();
                ensure(headers.contains("content-type"), "content-type is allowed", headers)
            },
        )
        .quirk("DELETE was not allowed", "DELETE is allowed, for the routes that have it"),
        check("2.0-cors-exposes-the-conversation-id", "a page can read X-Conversation-Id", |w| async move {
            let answer = w.ask(Method::GET, "/health").header("origin", PAGE).send().await?;
            let exposed = answer.header("access-control-expose-headers").to_lowercase();
            ensure(exposed.contains("x-conversation-id"), "x-conversation-id is exposed", exposed)
        })
        .quirk("X-Conversation-Id was not exposed, so that browsers could not read it", "it is exposed"),
        check(
            "2.0-ids-are-decoded",
            "a percent-encoded id names the same conversation as in JSON",
            |w| async move {
                let id = w.id_like(" ä/b?c#d");
                w.talk(&id).await?;
                ensure(!w.history(&id).await?.is_empty(), "the turn's chunks", "none")
            },
        ),
        check(
            "2.0-ids-may-have-any-character",
            "ids with : % _ * do not meet other conversations",
            |w| async move {
                let plain = w.id();
                w.talk(&plain).await?;
                let alike = [
                    format!("{}%", &plain[..plain.len() - 1]),
                    plain.replace('-', "_"),
                    format!("{plain}:seq"),
                    "%".into(),
                    "_%".into(),
                ];
                for id in alike {
                    let chunks = w.history(&id).await?;
                    ensure(chunks.is_empty(), format!("nothing under {id}"), Value::from(chunks))?;
                }
                let odd = w.id_like(":%_*");
                w.talk(&odd).await?;
                ensure(!w.history(&odd).await?.is_empty(), "the turn's chunks", "none")
            },
        )
        .quirk("ids were parts of storage keys, unescaped", "every character is only a character"),
        check(
            "2.0-huge-ids-are-refused",
            "an id of 10 000 characters is refused, nothing breaks",
            |w| async move {
                let huge = "x".repeat(10_000);
                w.get(at(&huge, "")).await?.invalid()?;
                w.post("/chat", json!({"message": "say hello", "conversationId": huge})).await?.invalid()
            },
        )
        .quirk("ids were never looked at", "400 for one that is too long"),
        check(
            "2.0-control-characters-are-refused",
            "an id with a control character is refused",
            |w| async move {
                w.get("/conversations/a%00b").await?.invalid()?;
                w.post("/chat", json!({"message": "say hello", "conversationId": "a\nb"})).await?.invalid()
            },
        )
        .quirk("ids were never looked at", "400 for one with a control character"),
        check(
            "2.0-invalid-json",
            "a body that is not JSON is refused with `Invalid JSON body`",
            |w| async move {
                for (method, path) in with_bodies(&w) {
                    let asking = w.ask(method.clone(), &path).header("content-type", "application/json");
                    let error = asking.body("{\"text\": ").send().await?.refused(400, "invalid-json")?;
                    same("error", error, "Invalid JSON body")?;
                }
                Ok(())
            },
        ),
        check("2.0-body-must-be-an-object", "a body that is JSON but no object is refused", |w| async move {
            for (method, path) in with_bodies(&w) {
                for body in [json!([]), json!("text"), json!(1), json!(null)] {
                    w.ask(method.clone(), &path).json(&body).send().await?.refused(400, "invalid-json")?;
                }
            }
            Ok(())
        })
        .quirk("several routes took arrays for objects", "400 for whatever is no object"),
        check(
            "2.0-content-type-of-requests-does-not-matter",
            "a JSON body is read without a Content-Type",
            |w| async move {
                let id = w.id();
                let path = at(&id, "/title");
                w.ask(Method::PUT, path)
                    .body("{\"title\": \"named\"}")
                    .send()
                    .await?
                    .is(json!({"conversationId": id, "title": "named"}))
            },
        ),
        check(
            "2.0-unknown-conversations-are-not-404",
            "every read of an unknown conversation answers 200",
            |w| async move {
                let id = w.id();
                for rest in [
                    "",
                    "/metrics",
                    "/cwd",
                    "/last",
                    "/reasoning-effort",
                    "/lsp",
                    "/title",
                    "/compact-percent",
                ] {
                    w.get(at(&id, rest)).await?.ok()?;
                }
                Ok(())
            },
        ),
        check(
            "2.0-reading-creates-nothing",
            "a conversation that was only read is not listed",
            |w| async move {
                let id = w.id();
                for rest in ["", "/metrics", "/cwd", "/last", "/reasoning-effort"] {
                    w.get(at(&id, rest)).await?;
                }
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
    ]
}

/// Routes that want a body.
fn with_bodies(w: &World) -> Vec<(Method, String)> {
    let id = w.id();
    let put = |rest: &str| (Method::PUT, at(&id, rest));
    vec![
        (Method::POST, "/chat".to_owned()),
        (Method::POST, "/chat/warm".to_owned()),
        (Method::POST, at(&id, "/queue")),
        put("/cwd"),
        put("/reasoning-effort"),
        put("/title"),
        put("/compact-percent"),
    ]
}
