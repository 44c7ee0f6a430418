//! Surfaces over the socket: what they show, when they say so again, and what their actions do.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use server::{Extension, Parts, Server};
use tokio::sync::Notify;
use wire::ConversationId;

use crate::support;
use crate::support::world::{Play, call, steer, text, tools};
use crate::support::*;

/// What a socket hears next that is no event and no status.
async fn surface(socket: &mut Socket) -> Value {
    loop {
        let frame = socket.next().await;
        if frame["type"] != "chat.delta" && frame["type"] != "conversation.statusChanged" {
            return frame;
        }
    }
}

async fn quiet(socket: &mut Socket) {
    while let Some(frame) = socket.try_next(Duration::from_millis(150)).await {
        assert!(
            frame["type"] == "chat.delta" || frame["type"] == "conversation.statusChanged",
            "{frame} although nothing changed"
        );
    }
}

fn field<'a>(spec: &'a Value, label: &str) -> &'a Value {
    let fields = spec["fields"].as_array().unwrap();
    fields.iter().find(|field| field["label"] == label).unwrap_or_else(|| panic!("no {label} in {spec}"))
}

#[tokio::test]
async fn the_catalog_comes_first_and_names_each_surface_once() {
    let server = serve().await;
    let (stream, _) = tokio_tungstenite::connect_async(format!("ws://{}/", server.http)).await.unwrap();
    let mut socket = Socket::past_nothing(stream);
    assert_eq!(
        socket.next().await,
        json!({ "type": "catalog", "catalog": [
            { "id": "conversation", "region": "side", "title": "Conversation", "scope": "conversation" },
            { "id": "todo", "region": "side", "title": "Tasks", "scope": "conversation" },
            { "id": "message-queue", "region": "side", "title": "Message Queue", "scope": "conversation" },
            { "id": "cache-warming", "region": "side", "title": "Cache Warming", "scope": "conversation" },
            { "id": "loaded-extensions", "region": "side", "title": "Loaded Extensions", "scope": "global" },
        ]})
    );
}

#[tokio::test]
async fn the_queue_is_shown_as_it_changes_and_only_to_those_who_look_at_that_conversation() {
    let server = serve().await;
    let gate = Arc::new(Notify::new());
    server.world.plays(vec![vec![text("one"), Play::Gate(gate.clone()), support::world::stop()]]);
    let mut here = server.socket().await;
    let mut elsewhere = server.socket().await;
    for (socket, conversation) in [(&mut here, "c"), (&mut elsewhere, "other")] {
        let frame =
            json!({ "type": "subscribe", "surfaceId": "message-queue", "conversationId": conversation });
        socket.send(frame).await;
        assert_eq!(
            surface(socket).await,
            json!({ "type": "surface", "conversationId": conversation, "spec": {
                "id": "message-queue", "region": "side", "title": "Message Queue",
                "fields": [{ "kind": "custom", "rendererId": "message-queue", "payload": { "messages": [] } }],
            }})
        );
    }
    here.send(json!({ "type": "chat.send", "conversationId": "c", "message": "go" })).await;
    here.until("text-delta").await;
    here.send(json!({ "type": "chat.queue", "conversationId": "c", "text": "also", "clientMessageId": "m" }))
        .await;
    let update = surface(&mut here).await;
    assert_eq!((&update["type"], &update["update"]["conversationId"]), (&json!("update"), &json!("c")));
    let messages = update["update"]["spec"]["fields"][0]["payload"]["messages"].clone();
    assert_eq!(messages[0]["text"], "also");
    assert_eq!(messages[0]["clientMessageId"], "m");
    assert_eq!(update["update"]["surfaceId"], "message-queue");
    here.send(json!({ "type": "chat.queue.cancel", "conversationId": "c", "messageId": messages[0]["id"] }))
        .await;
    let update = surface(&mut here).await;
    assert_eq!(update["update"]["spec"]["fields"][0]["payload"], json!({ "messages": [] }));
    // Cancelled again: nothing changes, and nothing is said.
    here.send(json!({ "type": "chat.queue.cancel", "conversationId": "c", "messageId": messages[0]["id"] }))
        .await;
    quiet(&mut here).await;
    quiet(&mut elsewhere).await;
    here.send(json!({ "type": "unsubscribe", "surfaceId": "message-queue", "conversationId": "c" })).await;
    here.send(json!({ "type": "subscribe", "surfaceId": "loaded-extensions" })).await;
    assert_eq!(surface(&mut here).await["spec"]["id"], "loaded-extensions", "unsubscribed by now");
    server.world.engine.queue(&ConversationId::new("c"), steer("unseen")).await.unwrap();
    quiet(&mut here).await;
    gate.notify_one();
}

#[tokio::test]
async fn tasks_are_shown_as_the_model_writes_them() {
    let server = serve().await;
    let todos = json!([{ "content": "look", "status": "in_progress" }]);
    server.world.plays(vec![vec![call("a", "todo_write", json!({ "todos": todos })), tools()]]);
    let mut socket = server.socket().await;
    socket.send(json!({ "type": "subscribe", "surfaceId": "todo", "conversationId": "c" })).await;
    assert_eq!(surface(&mut socket).await["spec"]["fields"][0]["payload"], json!({ "todos": [] }));
    server.chat(json!({ "conversationId": "c", "message": "plan" })).await;
    let update = surface(&mut socket).await;
    assert_eq!(update["update"]["spec"]["fields"][0]["payload"], json!({ "todos": todos }));
    // Subscribed once more: answered once more, and no second registration.
    socket.send(json!({ "type": "subscribe", "surfaceId": "todo", "conversationId": "c" })).await;
    assert_eq!(surface(&mut socket).await["type"], "surface");
    server.world.plays(vec![vec![call("b", "todo_write", json!({ "todos": [] })), tools()]]);
    server.chat(json!({ "conversationId": "c", "message": "clear" })).await;
    assert_eq!(surface(&mut socket).await["type"], "update");
    quiet(&mut socket).await;
}

#[tokio::test]
async fn warming_is_switched_and_timed_by_its_actions() {
    let server = serve().await;
    server.chat(json!({ "conversationId": "c", "message": "hello" })).await;
    let mut socket = server.socket().await;
    socket.send(json!({ "type": "subscribe", "surfaceId": "cache-warming", "conversationId": "c" })).await;
    let spec = surface(&mut socket).await["spec"].take();
    assert_eq!(
        spec["fields"],
        json!([
            { "kind": "toggle", "label": "Enabled", "value": false, "action": { "actionId": "cache-warming/toggle" } },
            { "kind": "number", "label": "Refresh Interval", "value": 240.0, "min": 1.0, "step": 1.0, "unit": "s",
              "action": { "actionId": "cache-warming/set-interval" } },
            { "kind": "stat", "label": "Last Cache %", "value": "—" },
            { "kind": "stat", "label": "Cache retention", "value": "—" },
            { "kind": "custom", "rendererId": "cache-warming-timer",
              "payload": { "nextWarmAt": null, "lastWarmAt": null } },
        ])
    );
    let invoke = |action: &str, payload: Value| {
        json!({ "type": "invoke", "surfaceId": "cache-warming", "actionId": action, "payload": payload,
                "conversationId": "c" })
    };
    socket.send(invoke("cache-warming/toggle", json!(true))).await;
    let spec = surface(&mut socket).await["update"]["spec"].take();
    assert_eq!(field(&spec, "Enabled")["value"], true);
    assert!(spec["fields"][4]["payload"]["nextWarmAt"].is_u64());
    for (payload, seconds) in [(json!(60), 60.0), (json!({ "value": 90 }), 90.0), (json!(0), 1.0)] {
        socket.send(invoke("cache-warming/set-interval", payload)).await;
        let spec = surface(&mut socket).await["update"]["spec"].take();
        assert_eq!(field(&spec, "Refresh Interval")["value"], seconds);
        if seconds < 2.0 {
            break;
        }
    }
    socket.send(invoke("cache-warming/set-interval", json!("soon"))).await;
    loop {
        let frame = surface(&mut socket).await;
        if frame["type"] == "error" {
            assert_eq!(
                frame,
                json!({ "type": "error", "surfaceId": "cache-warming", "code": "action-failed",
                        "message": "the payload must be a number of seconds" })
            );
            break;
        }
    }
    let (_, metrics) = server.get("/conversations/c/metrics").await;
    assert_eq!(metrics["turns"].as_array().unwrap().len(), 1, "a warming is no turn");
}

#[tokio::test]
async fn settings_are_shown_and_set_with_every_kind_of_field() {
    let server = serve().await;
    server.world.script.window.store(1000, std::sync::atomic::Ordering::Relaxed);
    let usage = wire::Usage { input_tokens: 240, output_tokens: 10, ..wire::Usage::default() };
    let usage = Play::Say(kernel::ProviderEvent::Usage(usage));
    server.world.plays(vec![vec![text("hi"), usage, support::world::stop()]]);
    server.chat(json!({ "conversationId": "c", "message": "hello", "model": "test/m" })).await;
    let mut socket = server.socket().await;
    socket.send(json!({ "type": "subscribe", "surfaceId": "conversation" })).await;
    let unfocused = surface(&mut socket).await["spec"].take();
    assert_eq!(unfocused["fields"].as_array().unwrap().len(), 1);
    assert_eq!(field(&unfocused, "Status")["kind"], "stat");
    socket.send(json!({ "type": "subscribe", "surfaceId": "conversation", "conversationId": "c" })).await;
    let spec = surface(&mut socket).await["spec"].take();
    let levels =
        ["low", "medium", "high", "xhigh", "max"].map(|level| json!({ "value": level, "label": level }));
    assert_eq!(
        spec["fields"],
        json!([
            { "kind": "selector", "label": "Model", "value": "test/m",
              "options": [{ "value": "", "label": "default" }, { "value": "test/m", "label": "test/m" }],
              "action": { "actionId": "conversation/set-model" } },
            { "kind": "selector", "label": "Reasoning Effort", "value": "high",
              "options": levels,
              "action": { "actionId": "conversation/set-effort" } },
            { "kind": "progress", "label": "Context", "value": 0.25 },
            { "kind": "number", "label": "Compact At", "value": 85.0, "min": 0.0, "max": 100.0, "step": 1.0, "unit": "%",
              "action": { "actionId": "conversation/set-compact-percent" } },
            { "kind": "button", "label": "Compact Now", "action": { "actionId": "conversation/compact" } },
        ])
    );
    let invoke = |action: &str, payload: Value| {
        let action = format!("conversation/{action}");
        json!({ "type": "invoke", "surfaceId": "conversation", "actionId": action, "payload": payload,
                "conversationId": "c" })
    };
    // The subscription without a conversation shows nothing of it, and stays as it was.
    for (action, payload, label) in [
        ("set-model", json!(""), "Model"),
        ("set-effort", json!("low"), "Reasoning Effort"),
        ("set-compact-percent", json!(50), "Compact At"),
    ] {
        socket.send(invoke(action, payload.clone())).await;
        let update = surface(&mut socket).await["update"].take();
        assert_eq!(update["conversationId"], "c");
        let value = &field(&update["spec"], label)["value"];
        assert!(*value == payload || value.as_f64() == payload.as_f64(), "{update}");
    }
    for (action, payload, code) in [
        ("set-model", json!("nobody/x"), "action-failed"),
        ("set-effort", json!(7), "action-failed"),
        ("set-compact-percent", json!(101), "action-failed"),
        ("compact", Value::Null, "compaction-refused"),
        ("explode", Value::Null, "unknown-action"),
    ] {
        socket.send(invoke(action, payload)).await;
        let error = surface(&mut socket).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
        assert_eq!(error["surfaceId"], "conversation");
    }
    assert_eq!(server.get("/conversations/c/reasoning-effort").await.1["reasoningEffort"], "low");
}

#[tokio::test]
async fn an_action_that_takes_long_keeps_nobody_waiting_and_its_end_is_heard() {
    let server = serve().await;
    for _ in 0..8 {
        let message = "more and more ".repeat(50);
        server.chat(json!({ "conversationId": "c", "message": message })).await;
        server.world.settled().await;
    }
    let gate = Arc::new(Notify::new());
    let summary = vec![Play::Gate(gate.clone()), text("short"), support::world::stop()];
    server.world.plays(vec![summary]);
    let mut socket = server.socket().await;
    let about = |kind: &str| json!({ "type": kind, "surfaceId": "conversation", "conversationId": "c" });
    socket.send(about("subscribe")).await;
    let shown = surface(&mut socket).await["spec"].take();
    let mut compact = about("invoke");
    compact["actionId"] = json!("conversation/compact");
    socket.send(compact).await;
    // It waits for the model, and the socket goes on.
    socket.send(json!({ "type": "subscribe", "surfaceId": "loaded-extensions" })).await;
    let next = surface(&mut socket).await;
    assert_eq!(next["spec"]["id"], "loaded-extensions", "{next}");
    gate.notify_one();
    let mut heard = [surface(&mut socket).await, surface(&mut socket).await];
    heard.sort_by_key(|frame| frame["type"] == "update");
    assert_eq!(heard[0]["type"], "conversation.compacted");
    assert_eq!(heard[1]["update"]["spec"], shown, "it says so although it shows the same");
    quiet(&mut socket).await;
}

#[tokio::test]
async fn what_is_asked_wrong_is_answered_and_the_socket_stays() {
    let server = serve().await;
    let mut socket = server.socket().await;
    for frame in ["subscribe", "unsubscribe", "invoke"] {
        socket.send(json!({ "type": frame, "surfaceId": "nothing", "actionId": "a" })).await;
        if frame != "unsubscribe" {
            let error = surface(&mut socket).await;
            assert_eq!(
                error,
                json!({ "type": "error", "surfaceId": "nothing", "message": "Unknown surface: nothing",
                        "code": "unknown-surface" })
            );
        }
    }
    socket.send(json!({ "type": "invoke", "surfaceId": "todo" })).await;
    assert_eq!(surface(&mut socket).await["code"], "invalid-request");
    socket
        .send(json!({ "type": "invoke", "surfaceId": "cache-warming", "actionId": "cache-warming/toggle" }))
        .await;
    assert_eq!(surface(&mut socket).await["message"], "the action needs a `conversationId`");
    socket.send(json!({ "type": "subscribe", "surfaceId": "todo", "conversationId": 7 })).await;
    assert_eq!(surface(&mut socket).await["code"], "invalid-request");
    quiet(&mut socket).await;
}

#[tokio::test]
async fn what_the_server_is_made_of_is_a_table_without_a_conversation() {
    let world = support::world::world();
    let extension = Extension {
        name: "tool/obey".to_owned(),
        version: "1.2.3".to_owned(),
        trust: "bundled".to_owned(),
        activation: "startup".to_owned(),
    };
    let parts = Parts { extensions: vec![extension], ..Parts::default() };
    let server = Server::bind_with(settings(), world.engine.clone(), parts).await.unwrap();
    let http = server.http_addr().unwrap();
    tokio::spawn(server.run(std::future::pending()));
    let mut socket = Socket::open(&format!("ws://{http}/")).await;
    // The same for all conversations: its answer names none.
    socket
        .send(json!({ "type": "subscribe", "surfaceId": "loaded-extensions", "conversationId": "c" }))
        .await;
    assert_eq!(
        surface(&mut socket).await,
        json!({ "type": "surface", "spec": {
            "id": "loaded-extensions", "region": "side", "title": "Loaded Extensions", "fields": [
                { "kind": "stat", "label": "Loaded", "value": "1" },
                { "kind": "custom", "rendererId": "table", "payload": {
                    "columns": ["Name", "Version", "Trust", "Activation"],
                    "rows": [["tool/obey", "1.2.3", "bundled", "startup"]],
                }},
            ],
        }})
    );
}
