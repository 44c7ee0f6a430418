//! A credential keeps its connection: the handshake is paid once, not with every step.

use std::time::Duration;

use futures_util::StreamExt;
use kernel::ProviderEvent;
use serde_json::json;
use weather::{Answer, Flavour, Reply, Script, Weather};

use crate::support::{events, hello, provider};

#[tokio::test]
async fn a_connection_serves_many_requests() {
    // The end of the body comes after the end of the answer, as it does over a network.
    let late = Duration::from_millis(50);
    for flavour in [Flavour::OpenAi, Flavour::Anthropic] {
        let weather = Weather::start(
            Script::always(Answer::new(flavour).text("Hello there.").usage(1, 2).finish().wait(late))
                .models(Reply::json(&json!({"data": []}))),
        )
        .await
        .unwrap();
        let provider = provider(flavour, &weather);
        provider.models().await.unwrap();
        for _ in 0..10 {
            // As the engine does: nobody polls a stream after its end.
            let mut stream = provider.stream(hello());
            while !matches!(stream.next().await, Some(ProviderEvent::Finish(_))) {}
            drop(stream);
            weather.settled().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((weather.requests().len(), weather.connections()), (11, 1));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    let weather =
        Weather::start(Script::always(Answer::new(Flavour::OpenAi).finish().header("connection", "close")))
            .await
            .unwrap();
    let provider = provider(Flavour::OpenAi, &weather);
    for _ in 0..3 {
        assert!(matches!(events(&provider, hello()).await.last(), Some(ProviderEvent::Finish(_))));
    }
}

#[tokio::test]
async fn many_calls_at_once_do_not_wait_for_each_other() {
    let weather = Weather::start(Script::always(Answer::new(Flavour::OpenAi).text("Half").cut().stall()))
        .await
        .unwrap();
    let provider = provider(Flavour::OpenAi, &weather);
    let mut streams: Vec<_> = (0..20).map(|_| provider.stream(hello())).collect();
    for stream in &mut streams {
        assert_eq!(stream.next().await, Some(ProviderEvent::TextDelta("Half".to_owned())));
    }
}
