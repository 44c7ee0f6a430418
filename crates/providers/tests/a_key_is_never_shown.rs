//! A key goes to its provider and nowhere else: not into an error, not into a debug print, not to another host.

use providers::{Kind, Limits, Secret, Settings};
use serde_json::json;
use weather::{Answer, Flavour, Reply, Script, Weather};

use crate::support::{KEY, build, events, failure, hello, provider, settings};

const BOTH: [Flavour; 2] = [Flavour::OpenAi, Flavour::Anthropic];

#[tokio::test]
async fn it_is_sent_as_the_protocol_wants() {
    let weather = Weather::start(Script::chosen_by(|_| Answer::new(Flavour::OpenAi).finish())).await.unwrap();
    for flavour in BOTH {
        events(&provider(flavour, &weather), hello()).await;
    }
    let requests = weather.requests();
    assert_eq!(requests[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(requests[0].header("x-api-key"), None);
    assert_eq!(requests[1].header("x-api-key"), Some(KEY));
    assert_eq!(requests[1].header("authorization"), None);
    assert_eq!(requests[1].header("anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn a_provider_that_echoes_it_is_not_repeated() {
    let echo = format!("Incorrect API key provided: {KEY}. Bearer%20{KEY}");
    let error = json!({"type": "error", "error": {"type": "authentication_error", "message": echo}});
    let event = format!("event: error\ndata: {error}\n\n");
    for flavour in BOTH {
        for reply in [
            Reply::status(401).with_json(&error),
            Reply::status(500).send(echo.clone()),
            Reply::status(500).send("x".repeat(590) + KEY),
            Reply::status(302).header("location", &format!("https://elsewhere/?key={KEY}")),
            Reply::recording(event.clone()),
            Reply::json(&error),
            Reply::recording(format!("data: {{\"choices\": \"{KEY}\", \"type\": \"{KEY}\"}}\n\n")),
        ] {
            let weather = Weather::start(Script::always(reply.clone())).await.unwrap();
            let provider = provider(flavour, &weather);
            let failures = [
                failure(&events(&provider, hello()).await),
                match provider.models().await {
                    Err(failure) => failure,
                    Ok(models) => panic!("{models:?}"),
                },
            ];
            for failure in failures {
                let shown = format!("{failure:?}");
                assert!(!shown.contains("sk-0123"), "{shown} after {reply:?}");
            }
        }
    }
}

#[tokio::test]
async fn half_of_it_is_not_shown_either() {
    let body = format!("the key {KEY} is wrong");
    for error_bytes in 1..body.len() {
        let weather = Weather::start(Reply::status(401).send(body.clone())).await.unwrap();
        let limits = Limits { error_bytes, ..Limits::default() };
        let provider = build(Settings { limits, ..settings(Flavour::OpenAi, &weather.base_url()) });
        let message = failure(&events(&provider, hello()).await).message;
        assert!(!message.contains("sk-"), "{message}");
    }
}

#[tokio::test]
async fn a_redirect_does_not_take_it_along() {
    for flavour in BOTH {
        let elsewhere = Weather::start(Answer::new(flavour).finish()).await.unwrap();
        for status in [301, 302, 307, 308] {
            let location = format!("{}/v1/messages", elsewhere.base_url());
            let weather = Weather::start(Reply::status(status).header("location", &location)).await.unwrap();
            let failure = failure(&events(&provider(flavour, &weather), hello()).await);
            assert_eq!(failure.code.as_deref(), Some(status.to_string().as_str()));
            assert!(
                failure.message.ends_with(&format!(
                    "redirects are not followed: if {location} is right, make it the base URL"
                )),
                "{}",
                failure.message
            );
        }
        assert_eq!(elsewhere.requests().len(), 0);
    }
}

#[tokio::test]
async fn a_key_inside_the_base_url_is_hidden_too() {
    let words = "user-secret-1 and query-secret-2";
    let weather = Weather::start(Reply::status(400).send(words)).await.unwrap();
    let base = weather.base_url().replace("http://", "http://me:user-secret-1@");
    let base_url = Some(format!("{base}/v1?api-version=7&subscription-key=query-secret-2"));
    let settings = Settings { base_url, ..settings(Flavour::OpenAi, "http://unused") };
    assert!(!format!("{settings:?}").contains("secret-"));
    let message = failure(&events(&build(settings), hello()).await).message;
    assert_eq!(message, "HTTP 400: [key] and [key]");
    let request = &weather.requests()[0];
    assert_eq!(request.path, "/v1/chat/completions");
    assert_eq!(request.query.as_deref(), Some("api-version=7&subscription-key=query-secret-2"));
}

#[test]
fn a_key_or_url_that_cannot_work_is_refused_without_being_shown() {
    let with = |base_url: Option<&str>, key: &str| {
        let kind = Kind::parse("openai").unwrap();
        providers::build(Settings {
            base_url: base_url.map(str::to_owned),
            api_key: Some(Secret::new(key)),
            ..Settings::new("work", kind)
        })
        .err()
        .map(|error| error.to_string())
    };
    assert_eq!(with(None, "sk-1\n"), None);
    assert_eq!(
        with(None, "sk-1\nsk-2").unwrap(),
        "the key of credential \"work\" has characters that an HTTP header cannot carry; \
         check that it was copied whole and alone"
    );
    assert_eq!(
        with(Some("localhost:8080"), "sk-1").unwrap(),
        "the base URL of credential \"work\" is not usable: it begins with localhost:, not with http: or https:"
    );
    assert_eq!(
        with(Some("api.example.com/v1"), "sk-1").unwrap(),
        "the base URL of credential \"work\" is not usable: relative URL without a base"
    );
    assert_eq!(format!("{:?}", Secret::new("sk-1")), "Secret", "neither its text nor its length");
}
