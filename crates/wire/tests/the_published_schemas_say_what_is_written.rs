use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support;
use crate::validator;

fn schema(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether the value is of the type, by the schema of all types.
fn check(all: &Value, name: &str, value: &Value) -> Result<(), String> {
    let definition = all["$defs"].get(name).unwrap_or_else(|| panic!("{name} has no schema"));
    validator::check(all, definition, value)
}

#[test]
fn every_value_that_we_write_is_accepted() {
    let all = schema("dispatch.schema.json");
    for sample in support::all() {
        let json = sample.json();
        assert_eq!(check(&all, sample.name, &json), Ok(()), "{} {json}", sample.name);
    }
}

#[test]
fn what_is_streamed_has_a_schema_that_stands_alone() {
    for (file, samples) in [
        ("agent-event.schema.json", support::events()),
        ("client-message.schema.json", support::client_frames()),
        ("server-message.schema.json", support::server_frames()),
    ] {
        let root = schema(file);
        for sample in samples {
            let json = sample.json();
            assert_eq!(validator::check(&root, &root, &json), Ok(()), "{file} {json}");
        }
    }
}

#[test]
fn every_definition_has_a_sample_that_it_accepts() {
    fn mentioned(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                    found.insert(name.trim_start_matches("#/$defs/").to_owned());
                }
                fields.values().for_each(|field| mentioned(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| mentioned(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let all = schema("dispatch.schema.json");
    // What is only ever part of another type is accepted with it.
    let mut open: BTreeSet<String> = support::all().iter().map(|sample| sample.name.to_owned()).collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = open.pop_first() {
        mentioned(&all["$defs"][&name], &mut open);
        reached.insert(name);
        open.retain(|name| !reached.contains(name));
    }
    let defined: BTreeSet<String> = all["$defs"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(reached, defined);
}

#[test]
fn a_value_that_lacks_a_required_field_is_refused() {
    let all = schema("dispatch.schema.json");
    let mut refused = 0;
    for sample in support::all() {
        let Value::Object(fields) = &sample.expected else { continue };
        for name in fields.keys() {
            let mut fewer = fields.clone();
            fewer.remove(name);
            let fewer = Value::Object(fewer);
            // Other samples show which fields are optional: without one, the value is still of the type.
            let optional = support::all().iter().any(|other| {
                other.name == sample.name
                    && other.expected.get(name).is_none()
                    && other.expected.get("type") == fewer.get("type")
            });
            let verdict = check(&all, sample.name, &fewer);
            assert_eq!(verdict.is_ok(), optional, "{} without {name}: {verdict:?}", sample.name);
            refused += usize::from(!optional);
        }
    }
    assert!(refused > 200, "only {refused} fields are required");
}

#[test]
fn null_and_wrong_types_are_refused() {
    let all = schema("dispatch.schema.json");
    let usage = json!({ "inputTokens": 1, "outputTokens": 2 });
    assert_eq!(check(&all, "Usage", &usage), Ok(()));
    for (name, value) in [
        ("Usage", json!({ "inputTokens": 1, "outputTokens": 2, "cacheReadTokens": null })),
        ("Usage", json!({ "inputTokens": -1, "outputTokens": 2 })),
        ("Usage", json!({ "inputTokens": 1.5, "outputTokens": 2 })),
        ("Usage", json!({ "inputTokens": "1", "outputTokens": 2 })),
        ("Usage", json!([1, 2])),
        ("Role", json!("robot")),
        ("Chunk", json!({ "type": "image", "text": "hi" })),
        ("Chunk", json!({ "type": "error", "message": "no", "code": null })),
        ("CwdResponse", json!({ "conversationId": "c1" })),
        ("StoredChunk", json!({ "seq": 1, "role": "user", "chunk": { "type": "text" } })),
        ("ClientMessage", json!({ "type": "chat.send", "message": "hi", "reasoningEffort": "extreme" })),
        ("ModelsResponse", json!({ "models": [], "modelInfo": { "a/b": { "contextWindow": "big" } } })),
        // A flattened part is as strict as the rest.
        ("ChatExtras", json!({ "clientMessageId": "m1", "afterEventSeq": -1 })),
        ("ChatExtras", json!({ "whenActive": "drop" })),
        ("ImageChunk", json!({ "url": "/images/c1/a.png" })),
        ("ImageChunk", json!({ "type": "text", "url": "/images/c1/a.png" })),
    ] {
        assert!(check(&all, name, &value).is_err(), "{name} {value}");
    }
}
