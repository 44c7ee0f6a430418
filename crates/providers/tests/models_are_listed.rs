//! The models of a provider, with what it says about their size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use kernel::ModelInfo;
use providers::{Kind, Limits, Settings};
use serde_json::json;
use std::time::Duration;
use support::{KEY, build, provider, settings};
use weather::{Flavour, Reply, Script, Weather};

fn model(id: &str, context_window: Option<u64>) -> ModelInfo {
    ModelInfo { id: id.to_owned(), context_window }
}

#[tokio::test]
async fn openai_servers_name_the_size_in_many_ways() {
    let weather = Weather::start(Reply::json(&json!({"object": "list", "data": [
        {"id": "gpt-4.1", "object": "model", "created": 1, "owned_by": "openai"},
        {"id": "a/b", "context_length": 131_072, "max_tokens": 8192},
        {"id": "c", "context_window": 200_000},
        {"id": "d", "max_context_length": 32_768},
        {"id": "e", "max_model_len": 16_384},
        {"id": "f", "max_tokens": 4096},
        {"id": "g", "context_length": 0},
        {"no": "id"},
    ]})))
    .await
    .unwrap();
    assert_eq!(
        provider(Flavour::OpenAi, &weather).models().await.unwrap(),
        [
            model("gpt-4.1", None),
            model("a/b", Some(131_072)),
            model("c", Some(200_000)),
            model("d", Some(32_768)),
            model("e", Some(16_384)),
            model("f", Some(4096)),
            model("g", None),
        ]
    );
    let request = &weather.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/models"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[tokio::test]
async fn anthropic_lists_page_by_page() {
    let page = |ids: &[&str], more: bool| {
        let data: Vec<_> = ids
            .iter()
            .map(|id| json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"}))
            .collect();
        Reply::json(
            &json!({"data": data, "has_more": more, "first_id": ids[0], "last_id": ids[ids.len() - 1]}),
        )
    };
    let large =
        Reply::json(&json!({"data": [{"id": "d", "max_input_tokens": 1_000_000}], "has_more": false}));
    let weather =
        Weather::start(Script::new([page(&["a", "b"], true), page(&["c"], true), large])).await.unwrap();
    assert_eq!(
        provider(Flavour::Anthropic, &weather).models().await.unwrap(),
        [model("a", None), model("b", None), model("c", None), model("d", Some(1_000_000))]
    );
    let asked: Vec<_> =
        weather.requests().iter().map(|r| (r.path.clone(), r.query.clone().unwrap())).collect();
    let expected = ["limit=1000", "limit=1000&after_id=b", "limit=1000&after_id=c"];
    assert_eq!(asked, expected.map(|query| ("/v1/models".to_owned(), query.to_owned())));
}

#[tokio::test]
async fn a_list_without_end_is_an_error() {
    let mut page = 0;
    let weather = Weather::start(Script::chosen_by(move |_| {
        page += 1;
        let id = format!("m{page}");
        Reply::json(&json!({"data": [{"id": id}], "has_more": true, "last_id": id}))
    }))
    .await
    .unwrap();
    let failure = provider(Flavour::Anthropic, &weather).models().await.unwrap_err();
    assert_eq!(failure.message, "the provider's list of models has more than 20 pages");
}

#[tokio::test]
async fn a_list_that_cannot_be_had_says_why() {
    for flavour in [Flavour::OpenAi, Flavour::Anthropic] {
        for (reply, code) in [
            (Reply::status(401), "401"),
            (Reply::json(&json!({"data": 7})), "provider-protocol"),
            (Reply::status(200).send("<html>"), "provider-protocol"),
            (Reply::silence(), "provider-stalled"),
            (Reply::status(200).send("{").stall(), "provider-stalled"),
        ] {
            let weather = Weather::start(reply).await.unwrap();
            let limits = Limits { stall: Duration::from_millis(300), ..Limits::default() };
            let provider = build(Settings { limits, ..settings(flavour, &weather.base_url()) });
            assert_eq!(provider.models().await.unwrap_err().code.as_deref(), Some(code));
        }
    }
}

#[tokio::test]
async fn configured_models_are_listed_without_a_call() {
    for name in ["openai", "anthropic", "demo"] {
        let models = vec![model("x", None), model("y", Some(5))];
        let settings = Settings {
            base_url: Some("http://127.0.0.1:1".to_owned()),
            models: Some(models.clone()),
            ..Settings::new("work", Kind::parse(name).unwrap())
        };
        assert_eq!(build(settings).models().await, Ok(models));
    }
    let demo = build(Settings::new("demo", Kind::parse("demo").unwrap()));
    assert_eq!(demo.models().await, Ok(vec![model("demo", Some(200_000))]));
}
