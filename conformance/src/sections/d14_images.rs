//! Images that come with a message.

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

/// One pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADU\
    lEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("D14-is-taken", "a message may have images, as data: or https: URLs", |w| async move {
            for image in [
                json!({"url": PIXEL}),
                json!({"url": PIXEL, "mimeType": "image/png"}),
                json!({"url": "https://example.com/a.png"}),
            ] {
                with_images(&w, &w.id(), json!([image])).await?.rest().await?;
            }
            Ok(())
        }),
        check(
            "D14-is-told-at-once",
            "the user-message event has the images of its message",
            |w| async move {
                let id = w.id();
                let turn = with_images(&w, &id, json!([{"url": PIXEL}])).await?.rest().await?;
                let chunks = w.page(&id, "?extensions=true").await?.chunks;
                let image = chunks.iter().map(|chunk| &chunk["chunk"]).find(|chunk| chunk["type"] == "image");
                let (told, kept) =
                    (&turn.one("user-message")?["images"][0], image.cloned().unwrap_or_default());
                for field in ["url", "mimeType"] {
                    same(field, told[field].clone(), kept[field].clone())?;
                }
                Ok(())
            },
        ),
        check(
            "D14-history-has-text-for-it",
            "in the history an image is a text chunk, in its place",
            |w| async move {
                let id = w.id();
                with_images(&w, &id, json!([{"url": PIXEL}])).await?.rest().await?;
                let history = w.history(&id).await?;
                let of_user: Vec<Value> = history
                    .iter()
                    .filter(|chunk| chunk["role"] == "user")
                    .map(|chunk| chunk["chunk"]["type"].clone())
                    .collect();
                same("types", of_user, vec!["text", "text"])?;
                ensure(
                    !Value::from(history).to_string().contains("base64"),
                    "no image data in it",
                    "there is",
                )
            },
        ),
        check(
            "D14-history-has-images-for-who-asks",
            "with extensions=true it is an image chunk at the same seq",
            |w| async move {
                let id = w.id();
                with_images(&w, &id, json!([{"url": PIXEL}])).await?.rest().await?;
                let (plain, extended) =
                    (w.history(&id).await?, w.page(&id, "?extensions=true").await?.chunks);
                same("chunks", extended.len(), plain.len())?;
                for (plain, extended) in plain.iter().zip(&extended) {
                    same("seq", extended["seq"].clone(), plain["seq"].clone())?;
                }
                // Chunks may say more besides.
                let differ: Vec<usize> = (0..plain.len())
                    .filter(|place| plain[*place]["chunk"] != extended[*place]["chunk"])
                    .collect();
                ensure(differ.len() == 1, "one chunk that differs", format!("{differ:?}"))?;
                same("type", extended[differ[0]]["chunk"]["type"].clone(), "image")
            },
        ),
        check("D14-can-be-fetched", "the image of a data: URL is served, byte for byte", |w| async move {
            let id = w.id();
            with_images(&w, &id, json!([{"url": PIXEL}])).await?.rest().await?;
            let chunks = w.page(&id, "?extensions=true").await?.chunks;
            let image = chunks
                .iter()
                .map(|chunk| &chunk["chunk"])
                .find(|chunk| chunk["type"] == "image")
                .cloned()
                .unwrap_or_default();
            let url = image["url"].as_str().unwrap_or_default();
            if !url.starts_with('/') {
                return same("url", url, PIXEL);
            }
            let answer = w.get(url).await?.status(200)?;
            same("content-type", answer.header("content-type"), "image/png")?;
            ensure(answer.body.contains("PNG"), "a PNG", crate::check::excerpt(&answer.body))
        }),
        check(
            "D14-bad-images-are-refused",
            "images that are no list of {url}, or of another scheme, are refused",
            |w| async move {
                for images in [
                    json!("x"),
                    json!({}),
                    json!([{}]),
                    json!([1]),
                    json!([{"url": ""}]),
                    json!([{"url": "file:///etc/passwd"}]),
                    json!([{"url": "javascript:1"}]),
                    json!([{"url": PIXEL, "mimeType": 1}]),
                    json!(null),
                ] {
                    let body = json!({"conversationId": w.id(), "message": "say hello", "images": images});
                    w.post("/chat", body).await?.invalid()?;
                }
                Ok(())
            },
        ),
        check("D14-socket", "chat.send takes images as POST /chat does", |w| async move {
            let (id, model) = (w.id(), w.model()?.to_owned());
            let mut socket = w.socket().await?;
            let mut send =
                json!({"type": "chat.send", "conversationId": id, "message": "say hello", "model": model});
            send["images"] = json!([{"url": PIXEL}]);
            socket.send(send).await?;
            socket.turn(&id).await?;
            let of_user = w.history(&id).await?.iter().filter(|chunk| chunk["role"] == "user").count();
            same("chunks of the user", of_user, 2)?;
            w.get(at(&id, "")).await?.ok().map(drop)
        }),
        check("D14-an-empty-list-is-none", "images: [] is a message without images", |w| async move {
            let id = w.id();
            with_images(&w, &id, json!([])).await?.rest().await?;
            same("chunks", w.history(&id).await?.len(), 2)
        }),
    ]
}

async fn with_images(w: &World, id: &str, images: Value) -> Outcome<crate::turn::Live> {
    let model = w.model()?.to_owned();
    w.chat(json!({"conversationId": id, "message": "say hello", "model": model, "images": images})).await
}
