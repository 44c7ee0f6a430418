//! The JSON Schemas that users get: one of all types, and one by itself for each kind of message that is streamed.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Output;
use super::modules::{Definition, Module};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What a validator is pointed at: the lines of a chat's answer and the frames in both directions.
const ROOTS: [(&str, &str); 3] =
    [("AgentEvent", "agent-event"), ("ClientMessage", "client-message"), ("ServerMessage", "server-message")];

/// The files of `schema/`.
pub(super) fn files(modules: &[Module]) -> Result<Vec<Output>> {
    let definitions: Vec<&Definition> = modules.iter().flat_map(|module| &module.types).collect();
    let mut files = vec![output(
        "dispatch",
        json!({
            "$schema": DIALECT,
            "title": "Dispatch",
            "description": "All types that cross the wire: events, history, HTTP bodies and WebSocket frames.",
            "$defs": named(&definitions, |_| true),
        }),
    )?];
    for (name, file) in ROOTS {
        let root = definitions
            .iter()
            .find(|definition| definition.name == name)
            .with_context(|| format!("{name} is not among the generated types"))?;
        let reachable = reachable(root, &definitions);
        let mut schema = root.schema.clone();
        schema["$schema"] = DIALECT.into();
        schema["title"] = name.into();
        schema["$defs"] = named(&definitions, |name| reachable.contains(name)).into();
        files.push(output(file, schema)?);
    }
    Ok(files)
}

fn output(name: &str, schema: Value) -> Result<Output> {
    let content = format!("{}\n", serde_json::to_string_pretty(&schema)?);
    Ok(Output { path: format!("schema/{name}.schema.json"), content })
}

fn named(definitions: &[&Definition], wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    definitions
        .iter()
        .filter(|definition| wanted(&definition.name))
        .map(|definition| (definition.name.clone(), definition.schema.clone()))
        .collect()
}

/// The names of all definitions that the schema refers to, directly or through others.
fn reachable<'a>(root: &'a Definition, definitions: &[&'a Definition]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![&root.schema];
    while let Some(schema) = open.pop() {
        match schema {
            Value::Object(object) => {
                if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(referenced)
                    && found.insert(name)
                {
                    open.extend(definitions.iter().find(|one| one.name == name).map(|one| &one.schema));
                }
                open.extend(object.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// The name of the definition that a `$ref` points to.
pub(super) fn referenced(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/$defs/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_brings_along_what_it_refers_to_and_nothing_else() {
        let definition = |name: &str, schema: Value| Definition { name: name.into(), schema };
        let modules = [Module {
            name: "wire",
            doc: "",
            types: vec![
                definition("AgentEvent", json!({ "oneOf": [{ "$ref": "#/$defs/Done" }] })),
                definition("Done", json!({ "properties": { "usage": { "$ref": "#/$defs/Usage" } } })),
                definition("Usage", json!({ "type": "object" })),
                definition("Other", json!({ "type": "string" })),
                definition("ClientMessage", json!({})),
                definition("ServerMessage", json!({})),
            ],
        }];
        let files = files(&modules).unwrap();
        let event = files.iter().find(|file| file.path == "schema/agent-event.schema.json").unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&event.content).unwrap(),
            json!({
                "$schema": DIALECT,
                "title": "AgentEvent",
                "oneOf": [{ "$ref": "#/$defs/Done" }],
                "$defs": {
                    "Done": { "properties": { "usage": { "$ref": "#/$defs/Usage" } } },
                    "Usage": { "type": "object" },
                },
            })
        );
    }
}
