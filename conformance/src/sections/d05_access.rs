//! Decisions 4 and 5: one port is enough; origins, hosts and keys.

use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::check::{Check, Outcome, check, ensure, failed, same, skipped};
use crate::socket::Opening;
use crate::world::World;

const FOREIGN: &str = "https://evil.example";

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "D5-http-port-upgrades",
            "the HTTP port serves WebSockets as well, on any path",
            |w| async move {
                for path in ["/", "/ws", "/health"] {
                    w.socket_with(Opening { path, ..Opening::default() }).await?;
                }
                Ok(())
            },
        ),
        check("D5-ports-are-one-server", "what happens on one port is heard on the other", |w| async move {
            if w.server.ws.is_none() {
                return skipped("no separate WebSocket port was named with --ws");
            }
            let id = w.id();
            let mut own = w.socket_with(Opening { own_port: true, ..Opening::default() }).await?;
            let mut shared = w.socket_with(Opening::default()).await?;
            own.subscribe(&id).await?;
            shared.subscribe(&id).await?;
            let turn = w.talk(&id).await?;
            same("own port", own.turn(&id).await?.merged(), turn.merged())?;
            same("HTTP port", shared.turn(&id).await?.merged(), turn.merged())
        }),
        check(
            "D5-foreign-origins-are-refused",
            "a page of another origin may neither use the server nor read its answers",
            |w| async move {
                for origin in [FOREIGN, "null", "http://localhost.evil.example"] {
                    let answer = w.ask(Method::GET, "/conversations").header("origin", origin).send().await?;
                    let allowed = answer.header("access-control-allow-origin").to_owned();
                    ensure(allowed.is_empty(), "no access-control-allow-origin", allowed)?;
                    answer.refused(403, "forbidden-origin")?;
                }
                Ok(())
            },
        )
        .quirk("every origin was allowed", "loopback and configured ones"),
        check(
            "D5-foreign-pages-cannot-send",
            "a page of another origin cannot start a turn",
            |w| async move {
                let id = w.id();
                let body = json!({"conversationId": id, "message": "say hello"});
                w.ask(Method::POST, "/chat")
                    .header("origin", FOREIGN)
                    .body(body.to_string())
                    .send()
                    .await?
                    .refused(403, "forbidden-origin")?;
                ensure(w.meta(&id).await?.is_none(), "no such conversation in the list", "it is there")
            },
        ),
        check(
            "D5-foreign-sockets-are-refused",
            "a page of another origin gets no WebSocket",
            |w| async move {
                for own_port in [false, true] {
                    match w
                        .upgrade(&Opening { headers: &[("origin", FOREIGN)], own_port, ..Opening::default() })
                        .await?
                    {
                        Err(Error::Http(response)) => same("status", response.status().as_u16(), 403)?,
                        Err(error) => return failed("403", error),
                        Ok(_) => return failed("403", "a socket"),
                    }
                }
                Ok(())
            },
        ),
        check("D5-foreign-preflight", "the preflight of another origin allows nothing", |w| async move {
            let answer = w
                .ask_without_key(Method::OPTIONS, "/chat")
                .header("origin", FOREIGN)
                .header("access-control-request-method", "POST")
                .send()
                .await?;
            same("access-control-allow-origin", answer.header("access-control-allow-origin"), "")
        }),
        check("D5-local-sockets-are-welcome", "a page on loopback gets a WebSocket", |w| async move {
            let headers = &[("origin", "http://localhost:24204")];
            let opening = Opening { headers, own_port: w.server.ws.is_some(), ..Opening::default() };
            w.socket_with(opening).await.map(drop)
        }),
        check(
            "D5-foreign-hosts-are-refused",
            "on loopback, a request that names another host is refused",
            |w| async move {
                let host = w.server.url.trim_start_matches("http://");
                if !host.starts_with("127.") && !host.starts_with("localhost") && !host.starts_with("[::1]") {
                    return skipped("the server is not on loopback");
                }
                for host in [FOREIGN.trim_start_matches("https://"), "127.0.0.1.evil.example:24203"] {
                    w.ask(Method::GET, "/conversations")
                        .header("host", host)
                        .send()
                        .await?
                        .refused(403, "forbidden-origin")?;
                }
                Ok(())
            },
        ),
        check(
            "D5-key-is-wanted",
            "a server with a key answers 401 without it, and with a wrong one",
            |w| async move {
                let key = key(&w)?;
                w.ask_without_key(Method::GET, "/conversations")
                    .send()
                    .await?
                    .refused(401, "unauthorized")?;
                for wrong in [
                    format!("Bearer {key}x"),
                    format!("Bearer {}", &key[1..]),
                    "Bearer ".to_owned(),
                    format!("Basic {key}"),
                ] {
                    w.ask_without_key(Method::GET, "/conversations")
                        .header("authorization", &wrong)
                        .send()
                        .await?
                        .refused(401, "unauthorized")?;
                }
                w.ask_without_key(Method::POST, "/chat")
                    .json(&json!({"message": "say hello"}))
                    .send()
                    .await?
                    .refused(401, "unauthorized")
                    .map(drop)
            },
        ),
        check(
            "D5-key-in-a-url-is-for-sockets",
            "api_key in the URL opens a WebSocket and nothing else",
            |w| async move {
                let key = key(&w)?.to_owned();
                let path = format!("/?api_key={key}");
                for own_port in [false, w.server.ws.is_some()] {
                    w.socket_with(Opening { path: &path, without_key: true, own_port, ..Opening::default() })
                        .await?;
                }
                w.ask_without_key(Method::GET, format!("/conversations?api_key={key}"))
                    .send()
                    .await?
                    .refused(401, "unauthorized")
                    .map(drop)
            },
        ),
        check("D5-health-needs-no-key", "GET /health answers without a key", |w| async move {
            key(&w)?;
            w.ask_without_key(Method::GET, "/health").send().await?.is(json!({"ok": true}))
        }),
        check("D5-refusals-can-be-read", "a page on loopback can read that it needs a key", |w| async move {
            key(&w)?;
            let page = "http://localhost:24204";
            let answer = w
                .ask_without_key(Method::GET, "/conversations")
                .header("origin", page)
                .send()
                .await?
                .status(401)?;
            same("access-control-allow-origin", answer.header("access-control-allow-origin"), page)
        }),
    ]
}

fn key(w: &World) -> Outcome<&str> {
    match &w.server.key {
        Some(key) => Ok(key),
        None => skipped("no key was named with --key"),
    }
}
