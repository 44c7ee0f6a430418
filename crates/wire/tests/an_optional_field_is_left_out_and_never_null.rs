use serde_json::Value;

use crate::support;

/// What a client or a tool said, of any shape.
const ANYTHING: [&str; 2] = ["input", "payload"];
/// Always there, and `null` until they are set.
const NULL_UNTIL_SET: [&str; 8] = [
    "CacheWarmingTimer.lastWarmAt",
    "CacheWarmingTimer.nextWarmAt",
    "ConversationModelResponse.model",
    "CwdResponse.cwd",
    "LspStatusResponse.cwd",
    "McpStatusResponse.cwd",
    "ReasoningEffortResponse.reasoningEffort",
    "SetConversationModelRequest.model",
];

fn nulls(json: &Value, path: &str, found: &mut Vec<String>) {
    match json {
        Value::Null => found.push(path.to_owned()),
        Value::Array(items) => items.iter().for_each(|item| nulls(item, path, found)),
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !ANYTHING.contains(&name.as_str())) {
                nulls(value, &format!("{path}.{name}"), found);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn no_type_writes_null_but_the_settings() {
    let mut found = Vec::new();
    for sample in support::all() {
        nulls(&sample.json(), sample.name, &mut found);
    }
    found.sort();
    found.dedup();
    assert_eq!(found, NULL_UNTIL_SET);
}
