//! 3.0: the socket itself.

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::check::{Check, check, ensure, failed, same, skipped};
use crate::socket::Opening;
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("3.0-catalog-first", "the first frame is catalog, unasked", |w| async move {
            w.socket().await.map(drop)
        }),
        check("3.0-catalog-once", "catalog comes once, while the surfaces stay the same", |w| async move {
            let id = w.id();
            let mut socket = w.socket().await?;
            socket.subscribe(&id).await?;
            w.talk(&id).await?;
            socket.turn(&id).await?;
            socket.silence("of a second catalog", |frame| frame["type"] == "catalog").await
        })
        .quirk(
            "said to be sent again on change, and sent at the opening only",
            "at the opening, and not for nothing",
        ),
        check("3.0-any-path", "any path upgrades", |w| async move {
            for path in ["/", "/ws", "/any/path?with=query"] {
                w.socket_with(Opening { path, own_port: w.server.ws.is_some(), ..Opening::default() })
                    .await?;
            }
            Ok(())
        }),
        check(
            "3.0-own-port",
            "the separate port serves sockets and answers anything else with 426",
            |w| async move {
                let Some(ws) = w.server.ws.clone() else {
                    return skipped("no separate WebSocket port was named with --ws");
                };
                w.socket_with(Opening { own_port: true, ..Opening::default() }).await?;
                w.note(format!("GET {ws} without an upgrade"));
                let url = ws.replacen("ws", "http", 1);
                let mut request = w.server.http.get(url);
                if let Some(key) = &w.server.key {
                    request = request.bearer_auth(key);
                }
                match request.send().await {
                    Ok(response) => same("status", response.status().as_u16(), 426),
                    Err(error) => failed("426", format!("{error:?}")),
                }
            },
        ),
        check(
            "3.0-not-json",
            "a frame that is not JSON is answered with error `Invalid JSON`",
            |w| async move {
                let mut socket = w.socket().await?;
                socket.send_message(Message::text("{\"type\":")).await?;
                let error = socket.expect("error", "Invalid JSON", |_| true).await?;
                same("message", error["message"].clone(), "Invalid JSON")?;
                socket.still_open().await
            },
        ),
        check(
            "3.0-unknown-type",
            "a frame of an unknown type is answered with error, the socket stays",
            |w| async move {
                let mut socket = w.socket().await?;
                socket.send(json!({"type": "no.such.thing"})).await?;
                socket.expect("error", "about the type", |_| true).await?;
                socket.still_open().await
            },
        )
        .quirk("an unhandled exception", "error, and the socket stays open"),
        check(
            "3.0-no-type",
            "JSON that is no object, or has no type, is answered with error, the socket stays",
            |w| async move {
                let mut socket = w.socket().await?;
                for frame in [json!([]), json!("chat.send"), json!(null), json!({}), json!({"type": 5})] {
                    socket.send(frame).await?;
                    socket.expect("error", "about the frame", |_| true).await?;
                }
                socket.still_open().await
            },
        ),
        check("3.0-binary-frames", "a binary frame does no harm", |w| async move {
            let mut socket = w.socket().await?;
            socket.send_message(Message::binary(vec![0xff, 0x00])).await?;
            socket.still_open().await
        }),
        check(
            "3.0-ping",
            "a ping is answered with a pong",
            |w| async move { w.socket().await?.ping().await },
        ),
        check(
            "3.0-closing-stops-no-turn",
            "a turn goes on when the socket that started it is gone",
            |w| async move {
                let id = w.id();
                let mut socket = w.socket().await?;
                socket.script(&id, "count to 50").await?;
                socket.event(&id).await?;
                socket.close().await?;
                w.until_status(&id, "idle").await?;
                let said = w
                    .history(&id)
                    .await?
                    .last()
                    .map(|chunk| chunk["chunk"]["text"].clone())
                    .unwrap_or_default();
                ensure(said.as_str().is_some_and(|text| text.ends_with(" 50")), "the whole answer", said)
            },
        ),
        check(
            "3.0-subscriptions-are-the-sockets",
            "a new socket hears nothing that an earlier one subscribed",
            |w| async move {
                let id = w.id();
                let mut first = w.socket().await?;
                first.subscribe(&id).await?;
                first.close().await?;
                let mut second = w.socket().await?;
                w.talk(&id).await?;
                second.silence_of(&id).await
            },
        ),
        check("3.0-many-sockets", "fifty sockets are open at a time and all hear the same", |w| async move {
            let id = w.id();
            let mut sockets = Vec::new();
            for _ in 0..50 {
                sockets.push(w.socket().await?);
            }
            w.post_nothing(at(&id, "/open")).await?;
            for mut socket in sockets {
                socket.expect("conversation.open", &id, |frame| frame["conversationId"] == *id).await?;
            }
            Ok(())
        }),
        check("3.0-key-is-wanted", "a server with a key refuses sockets without it", |w| async move {
            if w.server.key.is_none() {
                return skipped("no key was named with --key");
            }
            for own_port in [false, true] {
                match w.upgrade(&Opening { without_key: true, own_port, ..Opening::default() }).await? {
                    Err(Error::Http(response)) => same("status", response.status().as_u16(), 401)?,
                    Err(error) => return failed("401", error),
                    Ok(_) => return failed("401", "a socket"),
                }
            }
            Ok(())
        }),
    ]
}
