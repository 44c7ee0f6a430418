//! Which types are generated, in which file, and their schemas.

use anyhow::{Result, ensure};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};
use wire::{account, conversation, error, event, extension, id, lifecycle, queue, surface, transport, usage};

/// The types of one generated file, in the order in which they are printed.
pub(super) struct Module {
    /// The file's name, without its ending.
    pub(super) name: &'static str,
    /// What the file is about, in a sentence.
    pub(super) doc: &'static str,
    pub(super) types: Vec<Definition>,
}

/// A named type and its JSON Schema.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// All modules. A type may refer to types of any module.
pub(super) fn all() -> Result<Vec<Module>> {
    // What the server writes, not all that it would read: a field that is always there is required.
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();

    macro_rules! module {
        ($name:literal, $doc:literal, [$($type:ty),* $(,)?]) => {
            Module { name: $name, doc: $doc, types: vec![$(definition::<$type>(&mut generator)),*] }
        };
    }

    let mut modules = vec![
        module!(
            "wire",
            "The contract: conversations, their history, and the events of a turn.",
            [
                conversation::Role,
                id::TurnId,
                id::StepId,
                conversation::Chunk,
                conversation::ChatMessage,
                conversation::StoredChunk,
                usage::ReasoningEffort,
                usage::Usage,
                usage::StepMetrics,
                usage::TurnMetrics,
                queue::QueuedMessage,
                queue::QueuePayload,
                event::AgentEvent,
                lifecycle::ConversationStatus,
                lifecycle::ConversationMeta,
                lifecycle::CompactionResult,
            ]
        ),
        module!(
            "surface",
            "Surfaces: small panels of state and actions that a client renders as it likes.",
            [
                surface::SurfaceScope,
                surface::SurfaceCatalogEntry,
                surface::SurfaceSpec,
                surface::SurfaceField,
                surface::SelectorOption,
                surface::ActionRef,
            ]
        ),
        module!(
            "transport",
            "The bodies of HTTP requests and answers, and the frames of the WebSocket.",
            [
                error::ErrorBody,
                error::ErrorCode,
                transport::HealthResponse,
                transport::ModelsResponse,
                transport::ModelInfo,
                transport::ChatRequest,
                transport::WarmRequest,
                transport::WarmResponse,
                transport::ConversationListResponse,
                transport::ConversationHistoryResponse,
                transport::ConversationMetricsResponse,
                transport::LastMessageResponse,
                transport::StopResponse,
                transport::QueueRequest,
                transport::QueueResponse,
                transport::SetCwdRequest,
                transport::CwdResponse,
                transport::SetReasoningEffortRequest,
                transport::ReasoningEffortResponse,
                transport::SetTitleRequest,
                transport::TitleResponse,
                transport::OpenConversationResponse,
                transport::CompactRequest,
                transport::CompactResponse,
                transport::SetCompactPercentRequest,
                transport::CompactPercentResponse,
                transport::ThroughputPeriod,
                transport::ThroughputResponse,
                transport::ModelThroughput,
                transport::LspServerState,
                transport::LspServerInfo,
                transport::LspStatusResponse,
                transport::ClientMessage,
                transport::ServerMessage,
                transport::SurfaceUpdate,
            ]
        ),
        module!(
            "extensions",
            "What goes beyond the contract, each part optional for a client: Extras are fields on messages of the contract\n\
             // (`ChatRequest & ChatExtras`); events, chunks and frames come only where extensions were asked for.",
            [
                extension::ExtensionEvent,
                extension::EventExtras,
                extension::MessageImage,
                extension::StoredChunkExtras,
                extension::TurnMetricsExtras,
                extension::WhenActive,
                extension::ImageInput,
                extension::ImageChunk,
                extension::ChatExtras,
                extension::WatchExtras,
                extension::QueueExtras,
                extension::QueuedMessageExtras,
                extension::ModelExtras,
                extension::WorkspaceExtras,
                extension::QueueStateResponse,
                extension::CancelQueuedResponse,
                extension::ConversationStatusResponse,
                extension::ConversationModelResponse,
                extension::SetConversationModelRequest,
                extension::DeleteConversationResponse,
                extension::McpServerState,
                extension::McpServerInfo,
                extension::McpStatusResponse,
                extension::SystemPromptTemplate,
                extension::SystemPromptVariable,
                extension::SystemPromptVariablesResponse,
                extension::TodoStatus,
                extension::Todo,
                extension::TodoPayload,
                extension::CacheWarmingTimer,
                extension::ExtensionClientMessage,
                extension::ExtensionServerMessage,
                account::ClientTokenRequest,
                account::ClientTokenConstraints,
                account::RealtimeConstraints,
                account::ClientTokenResponse,
                account::ClientTokenPermissions,
                account::InvalidFieldsBody,
                account::InvalidField,
                account::SessionListResponse,
                account::SessionReceipt,
                account::ConnectionReceipt,
                account::RealtimeModelsResponse,
                account::RealtimeModel,
                account::RealtimeMetricsResponse,
                account::KeyFunds,
                account::ApiKey,
                account::KeyResponse,
                account::KeyListResponse,
                account::CreateKeyRequest,
                account::CreateKeyResponse,
                account::CreditKeyRequest,
                account::UsageResponse,
                account::UsageRow,
            ]
        ),
    ];

    let mut schemas = generator.take_definitions(true);
    for definition in modules.iter_mut().flat_map(|module| &mut module.types) {
        // Inline types brought their schema along; all others left it with the generator.
        if let Some(schema) = schemas.remove(&definition.name) {
            definition.schema = schema;
        }
        normalise(&mut definition.schema);
    }
    let forgotten: Vec<&String> = schemas.keys().collect();
    ensure!(
        forgotten.is_empty(),
        "other types refer to {forgotten:?}: add them to xtask/src/generate/modules.rs"
    );
    Ok(modules)
}

fn definition<T: JsonSchema>(generator: &mut SchemaGenerator) -> Definition {
    let schema = if T::inline_schema() { T::json_schema(generator) } else { generator.subschema_for::<T>() };
    Definition { name: T::schema_name().into_owned(), schema: schema.into() }
}

/// Brings what schemars says in line with the rules of the wire:
///
/// - an optional field without a value is left out, never `null`, which an `Option` alone does not tell;
/// - a brand counts only where a type is defined, not where its inline schema is used.
fn normalise(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties").cloned() {
                let properties = properties.into_iter().map(|(name, mut property)| {
                    if let Value::Object(property) = &mut property {
                        property.remove("x-brand");
                        if !is_required(object, &name) {
                            drop_null(property);
                        }
                    }
                    (name, property)
                });
                let properties: Map<String, Value> = properties.collect();
                object.insert("properties".into(), properties.into());
            }
            object.values_mut().for_each(normalise);
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_required(object: &Map<String, Value>, field: &str) -> bool {
    object
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|names| names.iter().any(|name| name == field))
}

/// Takes the `null` out of `"type": [T, "null"]` and of `"anyOf": [T, { "type": "null" }]`.
fn drop_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            property.remove("anyOf");
            // What the field itself says, its description above all, wins over what its type says.
            for (key, value) in only {
                property.entry(key).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::workspace;

    #[test]
    fn an_optional_field_is_omitted_and_never_null() {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "always": { "type": ["string", "null"] },
                "count": { "type": ["integer", "null"], "minimum": 0 },
                "usage": { "anyOf": [{ "$ref": "#/$defs/Usage" }, { "type": "null" }], "description": "Tokens." },
            },
            "required": ["always"],
        });
        normalise(&mut schema);
        let expected = json!({
            "type": "object",
            "properties": {
                "always": { "type": ["string", "null"] },
                "count": { "type": "integer", "minimum": 0 },
                "usage": { "$ref": "#/$defs/Usage", "description": "Tokens." },
            },
            "required": ["always"],
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn a_brand_counts_only_where_the_type_is_defined() {
        let mut brand = json!({ "type": "string", "x-brand": "TurnId" });
        let mut user = json!({ "type": "object", "properties": { "turnId": brand }, "required": ["turnId"] });
        normalise(&mut brand);
        normalise(&mut user);
        assert_eq!(brand, json!({ "type": "string", "x-brand": "TurnId" }));
        assert_eq!(
            user,
            json!({ "type": "object", "properties": { "turnId": { "type": "string" } }, "required": ["turnId"] })
        );
    }

    /// Types with a schema that the wire crate writes into others instead of naming them.
    const INLINE: [&str; 3] = ["ConversationId", "OutputStream", "Relayed"];

    #[test]
    fn every_type_of_the_wire_that_has_a_schema_is_generated() {
        let mut declared = BTreeSet::new();
        for entry in fs::read_dir(workspace().join("crates/wire/src")).unwrap() {
            let source = fs::read_to_string(entry.unwrap().path()).unwrap();
            let mut derived = false;
            for line in source.lines().map(str::trim_start) {
                derived |= line.starts_with("#[derive(") && line.contains("JsonSchema");
                let by_hand = line.split_once("JsonSchema for ").filter(|_| line.starts_with("impl"));
                let by_derive = line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum "));
                if let Some(rest) = by_hand.map(|(_, rest)| rest).or(by_derive.filter(|_| derived)) {
                    let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                    declared.insert(name.to_owned());
                }
                if by_derive.is_some() {
                    derived = false;
                }
            }
        }
        let mut expected: BTreeSet<String> = all()
            .unwrap()
            .into_iter()
            .flat_map(|module| module.types)
            .map(|definition| definition.name)
            .collect();
        expected.extend(INLINE.map(str::to_owned));
        assert_eq!(declared, expected);
    }
}
