//! The schemas of what crosses the wire, as components of a document.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use wire::extension::{EventExtras, ExtensionEvent, ImageChunk, StoredChunkExtras, TurnMetricsExtras};
use wire::{AgentEvent, ErrorBody};

use super::{SchemaOf, Shape};

/// The component for an event on a stream: the contract's and those beyond it, with what they may carry besides.
pub(super) const STREAMED_EVENT: &str = "StreamedEvent";

/// Where components are, in OpenAPI as in AsyncAPI.
const PATH: &str = "/components/schemas";

/// Collects the types that a document speaks of.
pub(super) struct Schemas {
    generator: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        // What is written, not all that would be read: a field that is always there is required.
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let settings = settings.with(|settings| settings.definitions_path = PATH.into());
        Self { generator: settings.into_generator() }
    }

    /// A reference to the type, or its schema where it has no name of its own.
    pub(super) fn of<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().into()
    }

    /// The same, for a type that is only known here.
    pub(super) fn reference(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.generator).into()
    }

    /// The schema of a body.
    pub(super) fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Component(name) => json!({ "$ref": format!("#{PATH}/{name}") }),
            Shape::Of(types) => {
                let mut schemas: Vec<Value> = types.iter().map(|schema| self.reference(*schema)).collect();
                if schemas.len() == 1 { schemas.remove(0) } else { json!({ "allOf": schemas }) }
            }
        }
    }

    /// The choices of an enum, each with its own schema.
    pub(super) fn variants<T: JsonSchema>(&mut self) -> Vec<Value> {
        self.of::<T>();
        let schema = self.generator.definitions().get(T::schema_name().as_ref());
        let mut variants = schema.and_then(|schema| schema["oneOf"].as_array()).cloned().unwrap_or_default();
        variants.iter_mut().for_each(tidy);
        variants
    }

    /// All of them, put together and in order.
    pub(super) fn components(mut self) -> Value {
        let event = json!({
            "description": "An event of a turn. Those of `ExtensionEvent` come only where extensions were asked for; clients \
                ignore types that they do not know. `eventSeq` and `attempt` come only where a cursor was asked for.",
            "allOf": [
                { "anyOf": [self.of::<AgentEvent>(), self.of::<ExtensionEvent>()] },
                self.of::<EventExtras>(),
            ],
        });
        self.of::<ImageChunk>();
        self.of::<ErrorBody>();
        let mut components = self.generator.take_definitions(true);
        components.insert(STREAMED_EVENT.to_owned(), event);
        extend(&mut components);
        components.values_mut().for_each(tidy);
        components.into()
    }
}

/// Adds what the contract's types leave out because it goes beyond the contract, and is served all the same.
fn extend(components: &mut Map<String, Value>) {
    let (chunk, turn) = (fields_of::<StoredChunkExtras>(), fields_of::<TurnMetricsExtras>());
    if let Some(Value::Array(chunks)) = components.get_mut("Chunk").and_then(|chunk| chunk.get_mut("oneOf")) {
        chunks.push(json!({
            "title": "ImageChunk",
            "description": "An image of the user's. Comes only where extensions were asked for; elsewhere a `text` chunk \
                stands in its place.",
            "type": "object",
            "allOf": [{ "$ref": format!("#{PATH}/ImageChunk") }],
            "properties": { "type": { "type": "string", "const": "image" } },
            "required": ["type"],
        }));
    }
    let mut field = |component: &str, name: &str, schema: Value| {
        if let Some(Value::Object(fields)) =
            components.get_mut(component).and_then(|component| component.get_mut("properties"))
        {
            fields.insert(name.to_owned(), schema);
        }
    };
    let vision = "Whether it takes images. Absent where that is not known.";
    field("ModelInfo", "vision", json!({ "type": "boolean", "description": vision }));
    let id = "The client's own id of the message, if it gave one.";
    field("QueuedMessage", "clientMessageId", json!({ "type": "string", "description": id }));
    for (component, extras) in [("StoredChunk", chunk), ("TurnMetrics", turn)] {
        for (name, schema) in extras {
            field(component, &name, schema);
        }
    }
}

/// The fields that ride on a message of the contract where extensions were asked for.
fn fields_of<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    match schema.remove("properties") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Brings what the generator says in line with the rules of the wire: an optional field without a value is left out,
/// never `null`. And descriptions are for people who read no Rust.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("x-brand");
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace("[`", "`").replace("`]", "`");
            }
            let required: Vec<Value> =
                object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                let optional = properties.iter_mut().filter(|(name, _)| !required.contains(&json!(name)));
                optional.filter_map(|(_, field)| field.as_object_mut()).for_each(without_null);
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes the `null` out of `"type": [T, "null"]` and of `"anyOf": [T, { "type": "null" }]`.
fn without_null(field: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = field.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            field.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = field.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            field.remove("anyOf");
            // What the field itself says, its description above all, wins over what its type says.
            for (name, value) in only {
                field.entry(name).or_insert(value);
            }
        }
    }
}
