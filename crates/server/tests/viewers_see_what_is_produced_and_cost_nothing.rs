//! `/subscribe/{id}`: who watches, what they are told, and who pays.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger;
use crate::stage::stage_with;

#[tokio::test]
async fn several_viewers_of_one_producer() {
    // Viewers need no place.
    let one = |settings: &mut realtime::run::Settings| settings.max_sessions = 1;
    let stage = stage_with(one, Box::new(video::builtin)).await;
    let (payer, guest) = (stage.key("payer", "100").await, stage.key("guest", "0").await);
    let (mut producer, id) = stage.produce(&payer, "paid").await;

    // One comes before there is anything to see, the others later.
    let mut early = stage.watch(&guest, &id).await;
    let (mut early_screen, before) = early.look().await;
    assert_eq!(before, [] as [Value; 0], "the answer is the first that a viewer hears");
    let (mut camera, _) = producer.film().await;
    producer.until("generation_tick").await;
    early_screen.sees(3).await;
    let token = stage.token("ek_guest", json!({"key": "guest", "models": []})).await;
    let mut late = stage.watch(&token, &id).await;
    let (mut late_screen, _) = late.look().await;
    late_screen.sees(3).await;

    // What a viewer asks for changes nothing.
    let cannot = "Only the producer of a session can change it";
    late.say(json!({"type": "prompt", "prompt": "invert"})).await;
    let refused = json!({"type": "prompt_ack", "prompt": "invert", "success": false, "error": cannot});
    assert_eq!(late.next().await, refused);
    late.say(json!({"type": "set_image", "image_data": null})).await;
    assert_eq!(late.next().await, json!({"type": "set_image_ack", "success": false, "error": cannot}));

    // A viewer that leaves takes nothing along.
    let mut leaver = stage.watch(&guest, &id).await;
    let (mut leaver_screen, _) = leaver.look().await;
    leaver_screen.sees(1).await;
    assert_eq!(leaver.close(Some(1000)).await, Some(1000));
    early_screen.sees(3).await;
    camera.sees(3).await;

    producer.close(None).await;
    let ended = json!({"type": "error", "error": "invalid session: producer ended", "error_type": "session_not_found"});
    for viewer in [&mut early, &mut late] {
        assert_eq!(
            viewer.rest().await,
            (vec![ended.clone()], Some(1008)),
            "no ticks, no end of a generation"
        );
    }
    let mut again = stage.watch(&guest, &id).await;
    assert_eq!(again.rest().await, (vec![ended], Some(1008)));
    stage.is_empty().await;

    let receipt = stage.settled(&id).await;
    assert_eq!(receipt.connections.len(), 1);
    let ledger = stage.ledger();
    assert_eq!(ledger.sessions(None, 10).await.unwrap(), std::slice::from_ref(&receipt));
    let charged = |key: &str| {
        let key = meter::KeyId::new(key);
        async move { ledger.key(&key).await.unwrap().unwrap().balance }
    };
    assert_eq!(charged("guest").await, ledger::credits("0"));
    let left = charged("payer").await;
    assert_eq!(left.checked_add(receipt.credits), Some(ledger::credits("100")));
    assert!(receipt.seconds >= 1);
}

#[tokio::test]
async fn a_viewer_too_many_is_told_to_come_later() {
    let two = |settings: &mut realtime::run::Settings| settings.max_viewers_per_session = 2;
    let stage = stage_with(two, Box::new(video::builtin)).await;
    let key = stage.key("k", "100").await;
    let (mut producer, id) = stage.produce(&key, "paid").await;
    let (_other, other_id) = stage.produce(&key, "paid").await;
    let mut seated = stage.watch(&key, &id).await;
    let mut leaver = stage.watch(&key, &id).await;
    for _ in 0..20 {
        let told = json!({
            "type": "error",
            "error": "This session has as many viewers as it may have. Please try again later.",
            "error_type": "upstream_capacity",
        });
        assert_eq!(stage.watch(&key, &id).await.rest().await, (vec![told], Some(1013)));
        assert_eq!(leaver.close(Some(1000)).await, Some(1000));
        leaver = stage.watch(&key, &id).await;
    }
    // Each session has its own.
    let mut elsewhere = stage.watch(&key, &other_id).await;
    let (mut screen, _) = seated.look().await;
    let (_camera, _) = producer.film().await;
    screen.sees(3).await;
    assert_eq!(elsewhere.close(Some(1000)).await, Some(1000));
}

#[tokio::test]
async fn a_viewer_that_offers_nothing_is_let_go() {
    let impatient = |settings: &mut realtime::run::Settings| {
        settings.session.limits.offer = Duration::from_millis(300);
    };
    let stage = stage_with(impatient, Box::new(video::builtin)).await;
    let (mut producer, id) = stage.produce(ledger::OPERATOR, "free").await;
    let (_camera, _) = producer.film().await;
    producer.until("generation_started").await;
    let mut viewer = stage.watch(ledger::OPERATOR, &id).await;
    let no_offer =
        json!({"type": "error", "error": "No offer came in time", "error_type": "upstream_timeout"});
    assert_eq!(viewer.rest().await, (vec![no_offer], Some(1008)));
    producer.close(None).await;
}
