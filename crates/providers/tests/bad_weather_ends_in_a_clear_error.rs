//! Whatever a provider does, a stream ends, says what happened, and never says "stop" to half an answer.

use std::time::Duration;

use kernel::{Failure, FinishReason, ProviderEvent};
use providers::{Limits, Settings};
use serde_json::json;
use tokio::net::TcpListener;
use weather::{Answer, Flavour, Reply, Script, Weather};

use crate::support::{build, events, failure, hello, provider, settings};

const BOTH: [Flavour; 2] = [Flavour::OpenAi, Flavour::Anthropic];

/// The events of one call to a provider that replies like this.
async fn play(flavour: Flavour, reply: Reply) -> Vec<ProviderEvent> {
    let weather = Weather::start(reply).await.unwrap();
    events(&provider(flavour, &weather), hello()).await
}

async fn play_with(flavour: Flavour, reply: Reply, limits: Limits) -> Vec<ProviderEvent> {
    let weather = Weather::start(reply).await.unwrap();
    let settings = Settings { limits, ..settings(flavour, &weather.base_url()) };
    events(&build(settings), hello()).await
}

fn failed(message: &str, code: &str, retryable: bool) -> Failure {
    Failure { message: message.to_owned(), code: Some(code.to_owned()), retryable, retry_after: None }
}

fn said(events: &[ProviderEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        ProviderEvent::TextDelta(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn impatient() -> Limits {
    Limits { stall: Duration::from_millis(300), ..Limits::default() }
}

#[tokio::test]
async fn too_many_requests() {
    for flavour in BOTH {
        let body = json!({"error": {"type": "rate_limit_error", "message": "Slow down."}});
        let reply = Reply::status(429).header("retry-after", "7").with_json(&body);
        let expected = Failure {
            retry_after: Some(Duration::from_secs(7)),
            ..failed("HTTP 429: Slow down.", "429", true)
        };
        assert_eq!(play(flavour, reply).await, [ProviderEvent::Error(expected)]);
    }
}

#[tokio::test]
async fn refusals_and_failures() {
    let error = |words: &str| json!({"type": "error", "error": {"type": "x", "message": words}});
    let cases = [
        (Reply::status(500).send("boom"), failed("HTTP 500: boom", "500", true)),
        (Reply::status(529).with_json(&error("Overloaded")), failed("HTTP 529: Overloaded", "529", true)),
        (
            Reply::status(503).header("content-type", "text/html").send("<html>wait</html>"),
            failed("HTTP 503: Service Unavailable", "503", true),
        ),
        (Reply::status(400).with_json(&error("bad field")), failed("HTTP 400: bad field", "400", false)),
        (
            Reply::status(404).with_json(&error("no such model")),
            failed("HTTP 404: no such model", "404", false),
        ),
        (
            Reply::status(401).with_json(&error("invalid key")),
            failed("HTTP 401: invalid key; check the key of credential \"work\"", "401", false),
        ),
        (
            Reply::status(403).with_json(&error("not yours")),
            failed("HTTP 403: not yours; check the key of credential \"work\"", "403", false),
        ),
    ];
    for (reply, expected) in cases {
        for flavour in BOTH {
            assert_eq!(play(flavour, reply.clone()).await, [ProviderEvent::Error(expected.clone())]);
        }
    }
}

#[tokio::test]
async fn a_missing_key_is_named() {
    let weather = Weather::start(Reply::status(401)).await.unwrap();
    let settings = Settings { api_key: None, ..settings(Flavour::OpenAi, &weather.base_url()) };
    assert_eq!(
        failure(&events(&build(settings), hello()).await),
        failed("HTTP 401: Unauthorized; credential \"work\" has no key", "401", false)
    );
    assert_eq!(weather.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_model_that_does_not_think_that_way() {
    let words = "\"thinking.type.enabled\" is not supported for this model.";
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": words}});
    let events = play(Flavour::Anthropic, Reply::status(400).with_json(&body)).await;
    let message = format!(
        "HTTP 400: {words}; if model-1 does not think that way, set the credential's thinking to \"budget\", \
         \"adaptive\" or \"off\""
    );
    assert_eq!(events, [ProviderEvent::Error(failed(&message, "400", false))]);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for flavour in BOTH {
        let failure =
            failure(&events(&build(settings(flavour, &format!("http://{address}"))), hello()).await);
        assert_eq!(failure.code.as_deref(), Some("provider-unreachable"));
        assert!(failure.retryable);
        assert!(failure.message.starts_with(&format!("could not reach {address}: ")), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_without_a_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let provider = build(settings(Flavour::OpenAi, &format!("http://{address}")));
    let failure = failure(&events(&provider, hello()).await);
    assert_eq!((failure.code.as_deref(), failure.retryable), (Some("provider-unreachable"), true));
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls() {
    let weather = Weather::start(Script::new([])).await.unwrap();
    let url = weather.base_url().replace("http:", "https:");
    let failure = failure(&events(&build(settings(Flavour::OpenAi, &url)), hello()).await);
    assert_eq!(
        (failure.code.as_deref(), failure.retryable),
        (Some("provider-unreachable"), true),
        "{failure:?}"
    );
}

#[tokio::test]
async fn an_answer_that_ends_without_saying_so() {
    let ended = "the provider's stream ended before it said that it was finished";
    for flavour in BOTH {
        let half = Answer::new(flavour).text("Half an ans");
        for reply in [
            Reply::events(),
            half.clone().cut(),
            half.clone().cut().send("data: {\"choices\":[{\"del"),
            half.clone().reasoning("hm").cut(),
            half.clone().call("a", "read_file", &json!({"path": "x"})).cut().send("data: "),
        ] {
            let events = play(flavour, reply).await;
            assert_eq!(failure(&events), failed(ended, "provider-stream-ended", true));
        }
        assert_eq!(said(&play(flavour, half.cut()).await), "Half an ans");
    }
}

#[tokio::test]
async fn an_end_mark_alone_finishes_only_what_is_whole() {
    let chunk = |delta: serde_json::Value| format!("data: {}\n\n", json!({"choices": [{"delta": delta}]}));
    let done = "data: [DONE]\n\n";
    let call = |arguments: &str| {
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "read", "arguments": arguments}}]}),
        )
    };
    let last =
        |reply: String| async move { play(Flavour::OpenAi, Reply::recording(reply)).await.pop().unwrap() };
    let ended = ProviderEvent::Error(failed(
        "the provider's stream ended before it said that it was finished",
        "provider-stream-ended",
        true,
    ));
    let text = chunk(json!({"content": "All of it."}));
    assert_eq!(last(text.clone() + done).await, ProviderEvent::Finish(FinishReason::Stop));
    assert_eq!(last(call("{}") + done).await, ProviderEvent::Finish(FinishReason::ToolCalls));
    assert_eq!(last(call("{\"pa") + done).await, ended);
    assert_eq!(last(text + &call("{\"pa") + done).await, ended);
    assert_eq!(last(chunk(json!({"reasoning": "hm"})) + done).await, ended);
    assert_eq!(last(done.to_owned()).await, ended);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle() {
    for flavour in BOTH {
        let events = play(flavour, Answer::new(flavour).text("Half an ans").cut().hang_up()).await;
        assert_eq!(said(&events), "Half an ans");
        let failure = failure(&events);
        assert_eq!((failure.code.as_deref(), failure.retryable), (Some("provider-unreachable"), true));
        assert!(failure.message.starts_with("the connection to 127.0.0.1:"), "{}", failure.message);
    }
}

#[tokio::test]
async fn silence_before_and_in_the_middle_of_an_answer() {
    let stalled = failed("the provider sent nothing for 300 ms", "provider-stalled", true);
    for flavour in BOTH {
        for reply in [
            Reply::silence(),
            Reply::events().stall(),
            Reply::status(500).stall(),
            Answer::new(flavour).text("Half").cut().stall(),
            Answer::new(flavour).text("Half").cut().send("data: {\"cho").stall(),
        ] {
            let failure = failure(&play_with(flavour, reply.clone(), impatient()).await);
            // A refusal is clear even if its body never comes.
            let expected = if failure.code.as_deref() == Some("500") {
                failed("HTTP 500: Internal Server Error", "500", true)
            } else {
                stalled.clone()
            };
            assert_eq!(failure, expected, "{reply:?}");
        }
    }
}

#[tokio::test]
async fn bytes_of_any_kind_keep_a_stream_alive() {
    for flavour in BOTH {
        let mut reply = Answer::new(flavour).text("Slow").cut();
        for _ in 0..8 {
            reply = reply.wait(Duration::from_millis(100)).send(": still here\n\n");
        }
        let weather = Weather::start(reply).await.unwrap();
        let limits = Limits { stall: Duration::from_millis(600), ..Limits::default() };
        let provider = build(Settings { limits, ..settings(flavour, &weather.base_url()) });
        assert_eq!(
            failure(&events(&provider, hello()).await).code.as_deref(),
            Some("provider-stream-ended"),
            "it ended, it did not stall"
        );
    }
}

#[tokio::test]
async fn garbage() {
    for flavour in BOTH {
        for garbage in ["data: not json\n\n", "data: {\"choices\": 7, \"type\": 7}\n\n", "data: [1]\n\n"] {
            let failure = failure(&play(flavour, Reply::recording(garbage)).await);
            assert_eq!(
                (failure.code.as_deref(), failure.retryable),
                (Some("provider-protocol"), false),
                "{garbage}"
            );
        }
    }
}

#[tokio::test]
async fn an_event_that_is_too_large() {
    for flavour in BOTH {
        let limits = Limits { event_bytes: 10_000, ..Limits::default() };
        let endless = std::iter::repeat_n(vec![b'x'; 4000], 100);
        let reply = endless.fold(Answer::new(flavour).text("Well").cut().send("data: "), Reply::send).stall();
        let events = play_with(flavour, reply, limits).await;
        assert_eq!(said(&events), "Well");
        assert_eq!(
            failure(&events),
            failed("the provider sent an event of more than 10000 bytes", "provider-protocol", false)
        );
    }
}

#[tokio::test]
async fn calls_without_end() {
    for flavour in BOTH {
        let limits = Limits { event_bytes: 10_000, ..Limits::default() };
        let long = json!({"path": "x".repeat(100_000)});
        let reply = Answer::new(flavour).call("a", "read_file", &long).cut().stall();
        assert_eq!(
            failure(&play_with(flavour, reply, limits).await),
            failed(
                "the provider sent more tool calls than fit into the memory allowed for them",
                "provider-protocol",
                false
            )
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_stream() {
    for flavour in BOTH {
        let page = Reply::status(200).header("content-type", "text/html; charset=utf-8").send("<html>");
        assert_eq!(
            failure(&play(flavour, page).await),
            failed(
                "the provider answered with text/html instead of a stream of events; check the base URL",
                "provider-protocol",
                false
            )
        );
        let error = Reply::json(&json!({"error": {"message": "Model is loading", "code": 503}}));
        assert_eq!(
            failure(&play(flavour, error).await),
            failed("the provider failed: Model is loading", "503", true)
        );
    }
}

#[tokio::test]
async fn a_whole_answer_is_not_lost_because_the_provider_does_not_let_go() {
    let reason = json!({"choices": [{"index": 0, "delta": {"content": "All."}, "finish_reason": "stop"}]});
    for reply in [
        Reply::recording(format!("data: {reason}\n\n")).stall(),
        Reply::recording(format!("data: {reason}\n\n")).hang_up(),
        Reply::recording(format!("data: {reason}\n\n")),
    ] {
        assert_eq!(
            play_with(Flavour::OpenAi, reply, impatient()).await,
            [ProviderEvent::TextDelta("All.".to_owned()), ProviderEvent::Finish(FinishReason::Stop)]
        );
    }
}

#[tokio::test]
async fn what_comes_after_the_end_is_ignored() {
    for flavour in BOTH {
        let after = Answer::new(flavour).text("And another thing").finish();
        let weather = Weather::start(Script::new([
            Answer::new(flavour).text("All.").usage(3, 1).finish().send("data: garbage\n\n").stall(),
            after,
        ]))
        .await
        .unwrap();
        let provider = provider(flavour, &weather);
        let events = events(&provider, hello()).await;
        assert_eq!(said(&events), "All.");
        assert_eq!(events.last(), Some(&ProviderEvent::Finish(FinishReason::Stop)));
    }
}

#[tokio::test]
async fn dropping_a_stream_hangs_up() {
    use futures_util::StreamExt;
    for flavour in BOTH {
        let weather = Weather::start(Answer::new(flavour).text("Half").cut().stall()).await.unwrap();
        let provider = provider(flavour, &weather);
        let mut stream = provider.stream(hello());
        while !matches!(stream.next().await, Some(ProviderEvent::TextDelta(_))) {}
        drop(stream);
        tokio::time::timeout(Duration::from_secs(20), weather.settled()).await.expect("the request goes on");
        assert!(!weather.requests()[0].played);
    }
}

#[tokio::test]
async fn nothing_happens_before_a_stream_is_polled() {
    for flavour in BOTH {
        let weather = Weather::start(Answer::new(flavour).finish()).await.unwrap();
        let provider = provider(flavour, &weather);
        drop(provider.stream(hello()));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!((weather.requests().len(), weather.connections()), (0, 0));
    }
}
