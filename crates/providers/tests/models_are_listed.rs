//! The models of a provider, with what it says about their size.

use kernel::ModelInfo;
use providers::{Kind, Limits, Settings};
use serde_json::{Value, json};
use std::time::Duration;
use weather::{Flavour, Reply, Script, Weather};

use crate::support::{KEY, build, provider, settings};

fn model(id: &str, context_window: Option<u64>) -> ModelInfo {
    ModelInfo { id: id.to_owned(), context_window, vision: None }
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
        {"id": ""},
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

/// What a list says of its models' sight.
async fn sight(flavour: Flavour, list: &Value) -> Vec<(String, Option<bool>)> {
    let weather = Weather::start(Reply::json(list)).await.unwrap();
    let models = provider(flavour, &weather).models().await.unwrap();
    models.into_iter().map(|model| (model.id, model.vision)).collect()
}

fn named(expected: &[(&str, Option<bool>)]) -> Vec<(String, Option<bool>)> {
    expected.iter().map(|(id, vision)| ((*id).to_owned(), *vision)).collect()
}

#[tokio::test]
async fn openai_servers_say_in_many_ways_whether_a_model_sees() {
    let list = json!({"object": "list", "data": [
        {"id": "gpt-4.1", "object": "model", "created": 1, "owned_by": "openai"},
        {"id": "router/sees", "architecture": {"input_modalities": ["text", "image"]}},
        {"id": "router/reads", "architecture": {"input_modalities": ["text"]}},
        {"id": "router/draws", "architecture": {"input_modalities": ["text"], "output_modalities": ["image"]}},
        {"id": "router/silent", "architecture": {"tokenizer": "GPT"}},
        {"id": "flat/sees", "input_modalities": ["image", "text"]},
        {"id": "flag/sees", "capabilities": {"vision": true, "completion_chat": true}},
        {"id": "flag/reads", "capabilities": {"vision": false}},
        {"id": "flag/silent", "capabilities": {"completion_chat": true}},
        {"id": "word/sees", "capabilities": ["completion", "vision"]},
        {"id": "word/reads", "capabilities": ["completion", "tools"]},
        {"id": "odd", "capabilities": "vision", "architecture": 7, "input_modalities": null},
    ]});
    let expected = [
        ("gpt-4.1", None),
        ("router/sees", Some(true)),
        ("router/reads", Some(false)),
        ("router/draws", Some(false)),
        ("router/silent", None),
        ("flat/sees", Some(true)),
        ("flag/sees", Some(true)),
        ("flag/reads", Some(false)),
        ("flag/silent", None),
        ("word/sees", Some(true)),
        ("word/reads", Some(false)),
        ("odd", None),
    ];
    assert_eq!(sight(Flavour::OpenAi, &list).await, named(&expected));
}

#[tokio::test]
async fn llama_cpp_says_it_in_a_second_list() {
    let list = |capabilities: Value| {
        json!({
            "models": [
                {"name": "other", "model": "other", "capabilities": ["completion", "multimodal"]},
                {"name": "gemma", "model": "gemma", "type": "model", "capabilities": capabilities},
            ],
            "object": "list",
            "data": [{"id": "gemma", "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}}],
        })
    };
    for (capabilities, vision) in [
        (json!(["completion", "multimodal"]), Some(true)),
        (json!(["completion"]), Some(false)),
        (Value::Null, None),
    ] {
        assert_eq!(sight(Flavour::OpenAi, &list(capabilities)).await, named(&[("gemma", vision)]));
    }
}

#[tokio::test]
async fn anthropic_says_whether_a_model_takes_images() {
    let list = json!({"has_more": false, "data": [
        {"id": "sees", "capabilities": {"image_input": {"supported": true}, "batch": {"supported": false}}},
        {"id": "reads", "capabilities": {"image_input": {"supported": false}, "batch": {"supported": true}}},
        {"id": "silent", "capabilities": {"batch": {"supported": true}}},
        {"id": "claude-sonnet-4-5"},
        {"id": "null", "capabilities": null},
        {"id": "odd", "capabilities": ["image_input"]},
    ]});
    let expected = [
        ("sees", Some(true)),
        ("reads", Some(false)),
        ("silent", None),
        ("claude-sonnet-4-5", None),
        ("null", None),
        ("odd", None),
    ];
    assert_eq!(sight(Flavour::Anthropic, &list).await, named(&expected));
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
    let large = Reply::json(
        &json!({"data": [{"id": ""}, {"id": "d", "max_input_tokens": 1_000_000}], "has_more": false}),
    );
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
        let sees = ModelInfo { vision: Some(true), ..model("z", None) };
        let models = vec![model("x", None), model("y", Some(5)), sees];
        let settings = Settings {
            base_url: Some("http://127.0.0.1:1".to_owned()),
            models: Some(models.clone()),
            ..Settings::new("work", Kind::parse(name).unwrap())
        };
        assert_eq!(build(settings).models().await, Ok(models));
    }
    let demo = build(Settings::new("demo", Kind::parse("demo").unwrap()));
    assert_eq!(
        demo.models().await,
        Ok(vec![ModelInfo { vision: Some(true), ..model("demo", Some(200_000)) }])
    );
}
