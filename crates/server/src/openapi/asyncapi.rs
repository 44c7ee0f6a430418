//! The AsyncAPI 3.0 document of the WebSocket.
//!
//! The frames come from the types of the wire; here stands what a type cannot say: what answers what, and an example.

use serde_json::{Map, Value, json};
use wire::extension::{ChatExtras, ExtensionClientMessage, ExtensionServerMessage, QueueExtras, WatchExtras};
use wire::transport::{ClientMessage, ServerMessage};

use super::schemas::{STREAMED_EVENT, Schemas};
use super::{SchemaOf, of};

const ABOUT: &str = "One socket carries conversations and surfaces: text frames, one JSON object each, told apart by `type`. An \
    upgrade on any path of the HTTP port opens one, and so does the separate WebSocket port. Browsers, which cannot send a \
    header, give the key as `?api_key=`.\n\n\
    The first frame is always `catalog`. Frames have no ids and are not acknowledged: an effect shows on the stream, in an \
    `update`, or as an error. A frame that cannot be served is answered with `error` or `chat.error`, and the socket stays \
    open. Both sides ignore types and fields that they do not know. The server pings every 20 seconds; clients need not.\n\n\
    A turn belongs to the server: a socket that closes ends no turn. A client that comes back subscribes again. The turn in \
    flight is replayed from its first event, or from where the client was, if it asked for a cursor: with `cursor: true` \
    events carry `eventSeq`, and `chat.subscribe` with `turnId` and `afterEventSeq` goes on exactly after that event.";

/// What a type cannot say of a frame.
struct Notes {
    kind: &'static str,
    /// The types of the frames that answer it, or of those that it answers.
    answers: &'static [&'static str],
    about: &'static str,
    /// Fields beyond the contract.
    extras: Option<SchemaOf>,
    example: Value,
}

fn notes(kind: &'static str, answers: &'static [&'static str], about: &'static str, example: Value) -> Notes {
    Notes { kind, answers, about, extras: None, example }
}

fn from_clients() -> Vec<Notes> {
    vec![
        Notes {
            extras: Some(of::<ChatExtras>()),
            ..notes(
                "chat.send",
                &["chat.delta", "chat.error"],
                "The socket watches the conversation from then on, over later turns too, also if the message is refused. \
                 Without `conversationId` the conversation is new, and the first event has its id.",
                json!({ "type": "chat.send", "conversationId": "tour", "message": "help" }),
            )
        },
        Notes {
            extras: Some(of::<WatchExtras>()),
            ..notes(
                "chat.subscribe",
                &["chat.delta", "chat.error"],
                "Nothing is replayed where no turn is running. A second subscription of the same conversation replays nothing \
                 again.",
                json!({ "type": "chat.subscribe", "conversationId": "tour" }),
            )
        },
        notes(
            "chat.unsubscribe",
            &["chat.error"],
            "No answer, unless the frame cannot be read.",
            json!({ "type": "chat.unsubscribe", "conversationId": "tour" }),
        ),
        Notes {
            extras: Some(of::<QueueExtras>()),
            ..notes(
                "chat.queue",
                &["chat.delta", "chat.error"],
                "Nothing says that it is queued: the text shows as `steering`, or as the `user-message` of the next turn. If it \
                 starts a turn, the socket watches it.",
                json!({ "type": "chat.queue", "conversationId": "tour", "text": "and mention the tests" }),
            )
        },
        notes(
            "chat.queue.cancel",
            &["chat.error"],
            "Beyond the contract; the `message-queue` surface shows the queue.",
            json!({ "type": "chat.queue.cancel", "conversationId": "tour", "messageId": "0b9c5a52-5b1c-4e0a-9f5e-3f1d2c7a8b90" }),
        ),
        notes(
            "subscribe",
            &["surface", "update", "error"],
            "A surface of one conversation and the same surface of none are different subscriptions.",
            json!({ "type": "subscribe", "surfaceId": "todo", "conversationId": "tour" }),
        ),
        notes(
            "unsubscribe",
            &[],
            "Unknown subscriptions are no error.",
            json!({ "type": "unsubscribe", "surfaceId": "todo", "conversationId": "tour" }),
        ),
        notes(
            "invoke",
            &["update", "error"],
            "The payload is the new value of the field: a boolean, the value of an option, a number; nothing for a button.",
            json!({
                "type": "invoke",
                "surfaceId": "cache-warming",
                "actionId": "cache-warming/set-interval",
                "payload": 240,
                "conversationId": "tour",
            }),
        ),
    ]
}

fn from_server() -> Vec<Notes> {
    let spec = json!({
        "id": "todo",
        "region": "side",
        "title": "Tasks",
        "fields": [{ "kind": "custom", "rendererId": "todo", "payload": { "todos": [] } }],
    });
    let update = json!({ "surfaceId": "todo", "spec": spec, "conversationId": "tour" });
    vec![
        notes(
            "catalog",
            &[],
            "Sent once, when the socket opens.",
            json!({
                "type": "catalog",
                "catalog": [{ "id": "todo", "region": "side", "title": "Tasks", "scope": "conversation" }],
            }),
        ),
        notes(
            "chat.delta",
            &["chat.send", "chat.subscribe", "chat.queue"],
            "Of one conversation, every watcher gets the same events in the same order; a slow one gets adjacent deltas merged.",
            json!({
                "type": "chat.delta",
                "event": { "type": "text-delta", "conversationId": "tour", "turnId": "turn-1", "delta": "Hello" },
            }),
        ),
        notes(
            "chat.error",
            &["chat.send", "chat.subscribe", "chat.unsubscribe", "chat.queue", "chat.queue.cancel"],
            "Only the socket that sent the frame hears it.",
            json!({
                "type": "chat.error",
                "conversationId": "tour",
                "message": "a turn is already generating for this conversation; queue the message, or stop the turn first",
                "code": "turn-active",
            }),
        ),
        notes(
            "surface",
            &["subscribe"],
            "",
            json!({ "type": "surface", "spec": spec, "conversationId": "tour" }),
        ),
        notes(
            "update",
            &["subscribe", "invoke"],
            "Always the whole surface.",
            json!({ "type": "update", "update": update }),
        ),
        notes(
            "error",
            &["subscribe", "invoke"],
            "Also for a frame that is not JSON, or of a type that is not known.",
            json!({ "type": "error", "surfaceId": "nope", "message": "Unknown surface: nope", "code": "unknown-surface" }),
        ),
        notes(
            "conversation.open",
            &[],
            "Sent to every socket when somebody calls `POST /conversations/{id}/open`. This frame and the others of this kind \
             also have a `workspaceId`, which is always `default`.",
            json!({ "type": "conversation.open", "conversationId": "tour", "workspaceId": "default" }),
        ),
        notes(
            "conversation.statusChanged",
            &[],
            "Sent to every socket. In no particular order with the events of the turn.",
            json!({
                "type": "conversation.statusChanged",
                "conversationId": "tour",
                "status": "active",
                "workspaceId": "default",
            }),
        ),
        notes(
            "conversation.compacted",
            &[],
            "Sent to every socket. The seqs of the conversation begin anew at 1.",
            json!({
                "type": "conversation.compacted",
                "conversationId": "tour",
                "newConversationId": "5f0f3c1e-6f7d-4f0a-8f5b-1f2e3d4c5b6a",
                "messagesSummarized": 30,
                "messagesKept": 10,
                "workspaceId": "default",
            }),
        ),
        notes(
            "conversation.deleted",
            &[],
            "Beyond the contract: sent to sockets that asked for extensions.",
            json!({ "type": "conversation.deleted", "conversationId": "tour", "workspaceId": "default" }),
        ),
        notes(
            "conversation.titleChanged",
            &[],
            "Beyond the contract: sent to sockets that asked for extensions when somebody sets a title. The first message of \
             a conversation, which gives it one as well, shows as `conversation.statusChanged`.",
            json!({
                "type": "conversation.titleChanged",
                "conversationId": "tour",
                "title": "A tour",
                "workspaceId": "default",
            }),
        ),
    ]
}

/// How a socket ends, as its client sees it.
const CLOSES: [(u16, &str); 3] = [
    (1000, "The client closed it."),
    (1001, "The server is stopping. Turns are sealed before it does; come back later."),
    (
        1006,
        "The connection broke without a word: the network, a frame larger than `limits.body_bytes`, or a client that took \
         nothing for five minutes. Come back and subscribe again.",
    ),
];

/// The document.
pub(super) fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut clients = schemas.variants::<ClientMessage>();
    clients.extend(schemas.variants::<ExtensionClientMessage>());
    let mut server = schemas.variants::<ServerMessage>();
    server.extend(schemas.variants::<ExtensionServerMessage>());

    let mut messages = Map::new();
    let mut operations = Map::new();
    for (action, frames, notes) in [("receive", clients, from_clients()), ("send", server, from_server())] {
        for note in notes {
            let Some(frame) = frames.iter().find(|frame| kind(frame) == note.kind) else { continue };
            let name = note.kind.to_owned();
            let mut operation = json!({
                "action": action,
                "channel": { "$ref": "#/channels/socket" },
                "title": name,
                "x-position": operations.len(),
                "messages": [{ "$ref": format!("#/channels/socket/messages/{name}") }],
            });
            if action == "receive" && !note.answers.is_empty() {
                let answers = note.answers.iter();
                let answers: Vec<Value> = answers
                    .map(|answer| json!({ "$ref": format!("#/channels/socket/messages/{answer}") }))
                    .collect();
                operation["reply"] =
                    json!({ "channel": { "$ref": "#/channels/socket" }, "messages": answers });
            }
            operations.insert(name.clone(), operation);
            messages.insert(name, message(frame, note, &mut schemas));
        }
    }
    let on_channel: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Dispatch: the WebSocket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache License 2.0" },
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/",
                "title": "The socket",
                "description": "Any path will do.",
                "messages": on_channel,
                "bindings": {
                    "ws": {
                        "query": {
                            "type": "object",
                            "properties": {
                                "api_key": { "type": "string", "description": "For clients that cannot send a header." },
                            },
                        },
                    },
                },
                "x-close-codes": CLOSES
                    .map(|(code, about)| json!({ "code": code, "description": about })),
            },
        },
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas.components() },
    })
}

fn kind(frame: &Value) -> &str {
    frame["properties"]["type"]["const"].as_str().unwrap_or_default()
}

fn message(frame: &Value, notes: Notes, schemas: &mut Schemas) -> Value {
    let mut frame = frame.clone();
    let title = frame["title"].take();
    let summary = frame["description"].take();
    if let Some(fields) = frame.as_object_mut() {
        fields.remove("title");
        fields.remove("description");
    }
    if notes.kind == "chat.delta" {
        // What travels in it may go beyond the contract.
        frame["properties"]["event"] = json!({ "$ref": format!("#/components/schemas/{STREAMED_EVENT}") });
    }
    let payload = match notes.extras {
        Some(extras) => json!({ "allOf": [frame, schemas.reference(extras)] }),
        None => frame,
    };
    json!({
        "name": notes.kind,
        "title": title,
        "summary": summary,
        "description": notes.about,
        "payload": payload,
        "examples": [{ "payload": notes.example }],
        "x-answers": notes.answers,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_frame_of_the_wire_has_its_notes_and_the_other_way_round() {
        let mut schemas = Schemas::new();
        let mut clients = schemas.variants::<ClientMessage>();
        clients.extend(schemas.variants::<ExtensionClientMessage>());
        let mut server = schemas.variants::<ServerMessage>();
        server.extend(schemas.variants::<ExtensionServerMessage>());
        for (frames, notes) in [(clients, from_clients()), (server, from_server())] {
            let frames: BTreeSet<&str> = frames.iter().map(kind).collect();
            let notes: BTreeSet<&str> = notes.iter().map(|notes| notes.kind).collect();
            assert_eq!(frames, notes);
        }
    }

    #[test]
    fn what_answers_a_frame_says_so_itself() {
        for frame in from_clients() {
            for answer in frame.answers {
                let answer = from_server().into_iter().find(|notes| notes.kind == *answer).unwrap();
                assert!(answer.answers.contains(&frame.kind), "{} and {}", frame.kind, answer.kind);
            }
        }
    }
}
