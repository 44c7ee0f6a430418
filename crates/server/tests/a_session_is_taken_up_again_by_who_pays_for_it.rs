//! The parameter `session` of the query: another connection goes on with the prompt and the image of an earlier one, and
//! both are on one receipt, for the same key and for nobody else.

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use meter::ConnectionId;
use serde_json::json;
use video::{Generator, Health, Output, Passthrough, Refused, Style};

use crate::stage::{PATIENCE, PIXEL, stage_with};

/// What generators were told to do: the prompt, and whether there was an image.
type Told = Arc<Mutex<Vec<(String, bool)>>>;

struct Listening(Passthrough, Told);

impl Generator for Listening {
    fn set(&mut self, style: Style) {
        self.1.lock().unwrap().push((style.prompt.clone(), style.image.is_some()));
        self.0.set(style);
    }

    fn submit(&mut self, frame: video::Frame) -> Result<(), Refused> {
        self.0.submit(frame)
    }

    fn poll(&mut self, waker: &Waker) -> Option<Output> {
        self.0.poll(waker)
    }

    fn health(&self) -> Health {
        self.0.health()
    }
}

#[tokio::test]
async fn with_its_prompt_and_its_image() {
    let told = Told::default();
    let generators = {
        let told = told.clone();
        Box::new(move |_: &str| {
            Some(Box::new(Listening(Passthrough::new(), told.clone())) as Box<dyn Generator>)
        })
    };
    let stage = stage_with(|_| {}, generators).await;
    let (a, b) = (stage.key("a", "100").await, stage.key("b", "100").await);
    let token = stage.token("ek_of_a", json!({"key": "a"})).await;
    let shown = (String::from("invert"), true);

    let (mut line, first) = stage.produce(&a, "paid").await;
    line.say(json!({"type": "set_image", "image_data": PIXEL, "prompt": "invert"})).await;
    line.until("set_image_ack").await;
    let (_camera, _) = line.film().await;
    line.until("generation_tick").await;
    line.close(None).await;
    assert_eq!(stage.settled(&first).await.seconds, 1);
    assert_eq!(told.lock().unwrap().last(), Some(&shown));
    let kept = async {
        while stage
            .ledger()
            .resumable(&ConnectionId::new(first.clone()))
            .await
            .unwrap()
            .is_none_or(|kept| kept.image.is_none())
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.unwrap();

    // No token opened it so far.
    let token_reads = async || {
        let url = stage.server.url(&format!("/v1/sessions/{first}"));
        let request = stage.server.client.get(url).bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(token_reads().await, 404);

    // Another key knows the id, and gets a session of its own.
    told.lock().unwrap().clear();
    let (mut stranger, of_stranger) = stage.produce_with(&b, "paid", &[("session", &first)]).await;
    let (mut camera, _) = stranger.film().await;
    camera.sees(3).await;
    stranger.close(None).await;
    let receipt = stage.settled(&of_stranger).await;
    assert_eq!((receipt.session.as_str(), receipt.connections.len()), (&*of_stranger, 1));
    assert_eq!(*told.lock().unwrap(), []);

    // The same key, or a token of it, goes on. What newer clients say when they have nothing to set takes nothing away.
    let (mut line, second) = stage.produce_with(&token, "paid", &[("session", &first)]).await;
    assert_ne!(second, first);
    assert_eq!(token_reads().await, 200);
    line.say(json!({"type": "set_image", "image_data": null, "prompt": null})).await;
    line.until("set_image_ack").await;
    let (mut camera, _) = line.film().await;
    camera.sees(3).await;
    assert_eq!(*told.lock().unwrap(), std::slice::from_ref(&shown));
    let ticks = line.until("generation_tick").await;
    assert_eq!(
        ticks.last(),
        Some(&json!({"type": "generation_tick", "seconds": 1, "credits": "99"})),
        "they begin anew"
    );
    line.close(None).await;
    let receipt = stage.settled(&second).await;
    assert_eq!(receipt.session.as_str(), first);
    let connections: Vec<&str> =
        receipt.connections.iter().map(|connection| connection.connection.as_str()).collect();
    assert_eq!(connections, [&*first, &*second]);
    assert_eq!(receipt.seconds, receipt.connections.iter().map(|connection| connection.seconds).sum::<u64>());

    // The first id still does, for a client that has heard of no other.
    let (mut line, third) = stage.produce_with(&a, "paid", &[("session", &first)]).await;
    line.close(None).await;
    let receipt = stage.settled(&third).await;
    assert_eq!((receipt.session.as_str(), receipt.connections.len()), (&*first, 3));

    // Nobody goes on with what was ended for good.
    let session = receipt.session.clone();
    stage.ledger().end_session(&session, 1).await.unwrap();
    let (mut line, fresh) = stage.produce_with(&a, "paid", &[("session", &second)]).await;
    line.close(None).await;
    assert_eq!(stage.settled(&fresh).await.session.as_str(), fresh);
}
