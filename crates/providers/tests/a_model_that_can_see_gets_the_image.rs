//! An image of a message goes to the model as its protocol wants it. One that the provider would refuse, and any for a
//! model that does not see, is a sentence instead: a request that is refused for its history is refused for ever.

use kernel::{ModelInfo, Request};
use providers::Settings;
use serde_json::{Value, json};
use weather::{Answer, Flavour, Script, Weather};
use wire::extension::ImageChunk;
use wire::{Chunk, Role};

use crate::support::{PNG, build, call, events, image, message, png, request, result, settings, text};

const FLAVOURS: [Flavour; 2] = [Flavour::OpenAi, Flavour::Anthropic];

/// The bytes that a request becomes, with the models that the settings list.
async fn bytes(flavour: Flavour, models: Option<Vec<ModelInfo>>, request: Request) -> Vec<u8> {
    let weather = Weather::start(Script::always(Answer::new(flavour).finish())).await.unwrap();
    let provider = build(Settings { models, ..settings(flavour, &weather.base_url()) });
    events(&provider, request).await;
    weather.requests()[0].body.to_vec()
}

/// The messages that a request becomes, without cache marks.
async fn messages(flavour: Flavour, models: Option<Vec<ModelInfo>>, request: Request) -> Value {
    let sent = String::from_utf8(bytes(flavour, models, request).await).unwrap();
    let sent = sent.replace(",\"cache_control\":{\"type\":\"ephemeral\"}", "");
    serde_json::from_str::<Value>(&sent).unwrap()["messages"].take()
}

/// What becomes of one message of the user.
async fn content(flavour: Flavour, chunks: Vec<Chunk>) -> Value {
    let mut messages = messages(flavour, None, request(vec![message(Role::User, chunks)])).await;
    messages[0]["content"].take()
}

fn data(media_type: &str) -> String {
    format!("data:{media_type};base64,{PNG}")
}

#[tokio::test]
async fn openai_gets_parts_in_the_order_of_the_message() {
    let chunks = vec![text("What is this,"), png(), text("and this?"), image("https://example.com/b.jpg")];
    assert_eq!(
        content(Flavour::OpenAi, chunks).await,
        json!([
            {"type": "text", "text": "What is this,"},
            {"type": "image_url", "image_url": {"url": data("image/png")}},
            {"type": "text", "text": "and this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/b.jpg"}},
        ])
    );
}

#[tokio::test]
async fn anthropic_gets_images_before_the_text_of_their_message() {
    let chunks = vec![text("What is this,"), png(), text("and this?"), image("https://example.com/b.jpg")];
    assert_eq!(
        content(Flavour::Anthropic, chunks).await,
        json!([
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/b.jpg"}},
            {"type": "text", "text": "What is this,"},
            {"type": "text", "text": "and this?"},
        ])
    );
}

#[tokio::test]
async fn an_image_needs_no_text_beside_it() {
    assert_eq!(
        content(Flavour::OpenAi, vec![png()]).await,
        json!([{"type": "image_url", "image_url": {"url": data("image/png")}}])
    );
    assert_eq!(
        content(Flavour::Anthropic, vec![png(), text("")]).await,
        json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}])
    );
}

#[tokio::test]
async fn images_stay_where_they_are_in_the_history() {
    let said = request(vec![
        message(Role::User, vec![png(), text("Look.")]),
        message(Role::Assistant, vec![text("I look."), call("c1", "read_file", json!({}))]),
        result("c1", "alpha"),
        message(Role::User, vec![text("And here."), png()]),
    ]);
    let block =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    assert_eq!(
        messages(Flavour::Anthropic, None, said.clone()).await,
        json!([
            {"role": "user", "content": [block, {"type": "text", "text": "Look."}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "read_file", "input": {}},
            ]},
            // The API wants the results of calls before all else.
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "alpha"},
                block,
                {"type": "text", "text": "And here."},
            ]},
        ])
    );
    let part = json!({"type": "image_url", "image_url": {"url": data("image/png")}});
    assert_eq!(
        messages(Flavour::OpenAi, None, said).await,
        json!([
            {"role": "user", "content": [part, {"type": "text", "text": "Look."}]},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "alpha"},
            {"role": "user", "content": [{"type": "text", "text": "And here."}, part]},
        ])
    );
}

#[tokio::test]
async fn an_image_goes_as_what_it_is_whatever_it_is_called() {
    for called in ["image/jpeg", "image/bmp", "image/PNG", "text/plain;charset=utf-8", ""] {
        let chunk = Chunk::Image(ImageChunk { url: data(called), mime_type: Some("image/gif".to_owned()) });
        assert_eq!(
            content(Flavour::OpenAi, vec![chunk.clone()]).await,
            json!([{"type": "image_url", "image_url": {"url": data("image/png")}}]),
        );
        assert_eq!(
            content(Flavour::Anthropic, vec![chunk]).await,
            json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]),
        );
    }
}

#[tokio::test]
async fn what_a_provider_would_refuse_is_said_instead() {
    let neither = "it is neither PNG, JPEG, GIF nor WebP";
    let not_base64 = "its data is not base64";
    let nowhere = "it has no address that a provider can fetch it from";
    let local = "its address is local, so the provider cannot reach it";
    let unknown = "of an unknown type";
    for (url, kind, why) in [
        ("data:image/bmp;base64,Qk0wMDAw".to_owned(), "image/bmp", neither),
        ("data:image/svg+xml;base64,PHN2Zy8+".to_owned(), "image/svg+xml", neither),
        (format!("data:image/png;base64,{PNG}!"), "image/png", not_base64),
        ("data:image/png,raw".to_owned(), "image/png", not_base64),
        ("/images/c1/a.png".to_owned(), unknown, nowhere),
        ("file:///a.png".to_owned(), unknown, nowhere),
        ("http://localhost:8080/a.png".to_owned(), unknown, local),
        ("https://192.168.1.5/a.png".to_owned(), unknown, local),
    ] {
        let words = format!("[an image ({kind}) that could not be sent: {why}]");
        for flavour in FLAVOURS {
            let expected = match flavour {
                Flavour::OpenAi => json!(format!("{words}\n\nWhat is this?")),
                Flavour::Anthropic => {
                    json!([{"type": "text", "text": words}, {"type": "text", "text": "What is this?"}])
                }
            };
            assert_eq!(content(flavour, vec![image(&url), text("What is this?")]).await, expected);
        }
    }
}

#[tokio::test]
async fn one_that_is_refused_leaves_the_others() {
    let chunks = || vec![image("/images/c1/a.png"), png()];
    let words = "[an image (of an unknown type) that could not be sent: it has no address that a provider can fetch it from]";
    assert_eq!(
        content(Flavour::OpenAi, chunks()).await,
        json!([
            {"type": "text", "text": words},
            {"type": "image_url", "image_url": {"url": data("image/png")}},
        ])
    );
    assert_eq!(
        content(Flavour::Anthropic, chunks()).await,
        json!([
            {"type": "text", "text": words},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        ])
    );
}

#[tokio::test]
async fn only_some_fetch_without_tls() {
    let url = "http://example.com/a.png";
    assert_eq!(
        content(Flavour::OpenAi, vec![image(url)]).await,
        json!([{"type": "image_url", "image_url": {"url": url}}])
    );
    assert_eq!(
        content(Flavour::Anthropic, vec![image(url)]).await,
        json!([{"type": "text", "text": "[an image (of an unknown type) that could not be sent: \
                 the provider fetches from https: addresses only]"}])
    );
}

#[tokio::test]
async fn the_largest_image_is_sent_and_a_larger_one_is_not() {
    for (flavour, most) in [(Flavour::OpenAi, 50_000_000), (Flavour::Anthropic, 5 * 1024 * 1024)] {
        // Base64 comes in groups of four.
        let of_size = |size: usize| {
            let start = &PNG[..32];
            image(format!("data:image/png;base64,{start}{}", "A".repeat(size - start.len())))
        };
        let words = format!(
            "[an image (image/png) that could not be sent: it is larger than the provider takes, {most} bytes of base64]"
        );
        let (sent, refused) = match flavour {
            Flavour::OpenAi => ("image_url", json!(words)),
            Flavour::Anthropic => ("image", json!([{"type": "text", "text": words}])),
        };
        assert_eq!(content(flavour, vec![of_size(most)]).await[0]["type"], sent);
        assert_eq!(content(flavour, vec![of_size(most + 4)]).await, refused);
    }
}

#[tokio::test]
async fn a_model_that_does_not_see_gets_words() {
    let model = |id: &str, vision| ModelInfo { id: id.to_owned(), context_window: None, vision };
    let said = || {
        let webp = Chunk::Image(ImageChunk {
            url: "https://example.com/a".to_owned(),
            mime_type: Some("image/webp".to_owned()),
        });
        request(vec![
            message(Role::User, vec![png(), webp, text("Look.")]),
            message(Role::Assistant, vec![text("I cannot.")]),
            message(Role::User, vec![text("Why?")]),
        ])
    };
    let words =
        ["image/png", "image/webp"].map(|kind| format!("[an image ({kind}) that this model cannot see]"));
    let blind = vec![model("other", Some(true)), model("model-1", Some(false))];
    assert_eq!(
        messages(Flavour::OpenAi, Some(blind.clone()), said()).await,
        json!([
            {"role": "user", "content": format!("{}\n\n{}\n\nLook.", words[0], words[1])},
            {"role": "assistant", "content": "I cannot."},
            {"role": "user", "content": "Why?"},
        ])
    );
    let block = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        messages(Flavour::Anthropic, Some(blind), said()).await,
        json!([
            {"role": "user", "content": [block(&words[0]), block(&words[1]), block("Look.")]},
            {"role": "assistant", "content": [block("I cannot.")]},
            {"role": "user", "content": [block("Why?")]},
        ])
    );
    // Nothing known is not the same as blind, and what another model cannot see does not matter.
    for flavour in FLAVOURS {
        for sees in [Some(true), None] {
            let models = vec![model("model-1", sees), model("other", Some(false))];
            assert_eq!(messages(flavour, Some(models), said()).await, messages(flavour, None, said()).await);
        }
    }
}

#[tokio::test]
async fn the_same_image_is_the_same_bytes() {
    for flavour in FLAVOURS {
        let said = || {
            let chunks =
                vec![png(), image(data("image/jpeg")), image("https://example.com/ä b"), image("data:,")];
            request(vec![message(Role::User, chunks)])
        };
        assert_eq!(bytes(flavour, None, said()).await, bytes(flavour, None, said()).await);
    }
}
