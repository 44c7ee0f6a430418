//! Images: kept, shown, served.

use engine::Options;
use serde_json::{Value, json};
use server::Parts;

use crate::support::*;

/// One transparent pixel.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn an_image_is_words_in_the_same_place_for_those_who_do_not_ask() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { images: Some(directory.path().to_owned()), ..Options::default() };
    let server = serve_over(settings(), world::world_with(options), Parts::default()).await;
    *server.world.script.vision.lock().unwrap() = Some(true);
    let images = json!([
        {"url": format!("data:image/png;base64,{PIXEL}")},
        {"url": "https://example.org/cat"},
    ]);
    let turn = server.chat(json!({"message": "look", "conversationId": "a b", "images": images})).await;
    server.world.settled().await;
    let chunk = |history: &Value, at: usize| history["chunks"][at]["chunk"].clone();

    let (_, asked) = server.get("/conversations/a%20b?extensions=true").await;
    let url = chunk(&asked, 1)["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("/images/a%20b/"), "{url}");
    assert_eq!(chunk(&asked, 1), json!({"type": "image", "url": url, "mimeType": "image/png"}));
    assert_eq!(chunk(&asked, 2), json!({"type": "image", "url": "https://example.org/cat"}));
    let told = json!([{"url": url, "mimeType": "image/png"}, {"url": "https://example.org/cat"}]);
    assert_eq!(turn[0]["images"], told, "every watcher hears of them at once");
    let without = server.chat(json!({"message": "and now?", "conversationId": "c"})).await;
    assert_eq!(without[0].get("images"), None);

    let (_, plain) = server.get("/conversations/a%20b").await;
    assert_eq!(chunk(&plain, 1), json!({"type": "text", "text": format!("[image: image/png, {url}]")}));
    let words = "[image: unknown type, https://example.org/cat]";
    assert_eq!(chunk(&plain, 2), json!({"type": "text", "text": words}));
    let seqs = |history: &Value| -> Vec<Value> {
        history["chunks"].as_array().unwrap().iter().map(|chunk| chunk["seq"].clone()).collect()
    };
    assert_eq!(seqs(&plain), seqs(&asked));

    let image = server.client.get(server.url(&url)).send().await.unwrap();
    assert_eq!(image.status(), 200);
    let header = |name: &str| image.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("cache-control"), "private, max-age=31536000, immutable");
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(image.bytes().await.unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn what_is_no_image_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret.png"), "x").unwrap();
    let options = Options { images: Some(directory.path().to_owned()), ..Options::default() };
    let server = serve_over(settings(), world::world_with(options), Parts::default()).await;
    for path in ["c/secret.png", "c/..%2Fsecret.png", "..%2Fc/secret.png", "%2E%2E/secret.png", "c/x"] {
        let (status, answer) = server.get(&format!("/images/{path}")).await;
        assert_eq!((status, &answer["code"]), (404, &json!("not-found")), "{path}");
    }
}
