//! The OpenAPI 3.1 document of a table.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use wire::{ErrorBody, ErrorCode};

use super::schemas::Schemas;
use super::{Group, Kind, Operation, Parameter};
use crate::routes::{EVENT_STREAM, NDJSON};
use crate::{access, answer};

/// Where examples send their requests.
const SERVER: &str = "http://127.0.0.1:24203";

const ABOUT: &str = "Agent conversations over HTTP: start turns, watch them live, steer and stop them, read what was said.\n\n\
    A turn belongs to the server: it runs to its end whoever watches. History has sealed turns; what a turn in flight says \
    comes on the streams (`POST /chat`, `GET /conversations/{id}/events`, or the WebSocket, which is described at \
    `/docs/websocket`), and the two never overlap.\n\n\
    A conversation that does not exist is no error: it reads as empty, and the first write creates it. Fields that are \
    not known are ignored, in both directions. An optional field that has no value is left out, never `null`.\n\n\
    Every error is `{ \"error\": \"a sentence\", \"code\": \"a stable name\" }`.";

/// The document of a table.
pub(super) fn of(groups: &[Group]) -> Value {
    let mut schemas = Schemas::new();
    let errors = Errors::new(&mut schemas);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let operations =
        groups.iter().flat_map(|group| group.operations.iter().map(move |operation| (group, operation)));
    for (position, (group, operation)) in operations.enumerate() {
        let mut described = describe(operation, group.name, &mut schemas, &errors);
        // Objects have no order, and readers like one.
        described["x-position"] = position.into();
        paths.entry(operation.path).or_default().insert(operation.method.to_owned(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Dispatch",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A self-hosted server for durable, replayable agent conversations.",
            "description": ABOUT,
            "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server." }],
        "security": [{}, { "bearer": [] }, { "header": [] }],
        "tags": groups.iter().map(|group| json!({ "name": group.name, "description": group.about })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of the configured keys, which are the operator's, or one made with `POST /v1/keys`. Where \
                        none is configured, on loopback, none is needed.",
                },
                "header": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-KEY",
                    "description": "The same, as clients of realtime sessions send it.",
                },
                "query": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "api_key",
                    "description": "The same, for clients that cannot send a header.",
                },
            },
            "schemas": schemas.components(),
        },
    })
}

fn describe(operation: &Operation, group: &str, schemas: &mut Schemas, errors: &Errors) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [group],
        "summary": operation.summary,
        "responses": responses(operation, schemas, errors),
        "x-codeSamples": [{ "lang": "Shell", "label": "curl", "source": curl(operation) }],
    });
    if !operation.description.is_empty() {
        described["description"] = operation.description.into();
    }
    let mut parameters: Vec<Value> = path_parameters(operation.path).map(path_parameter).collect();
    parameters.extend(operation.parameters.iter().map(parameter));
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = &operation.body {
        described["requestBody"] = json!({
            "required": !body.optional,
            "content": { "application/json": { "schema": schemas.shape(&body.shape), "example": body.example } },
        });
    }
    if access::is_public(operation.path) {
        described["security"] = json!([]);
    } else if operation.key_in_query {
        described["security"] = json!([{}, { "bearer": [] }, { "header": [] }, { "query": [] }]);
    }
    described
}

fn responses(operation: &Operation, schemas: &mut Schemas, errors: &Errors) -> Map<String, Value> {
    let mut responses: BTreeMap<u16, Value> = errors.responses(operation);
    for answer in &operation.answers {
        let schema = match &answer.shape {
            Some(shape) => schemas.shape(shape),
            None if answer.content_type == super::JSON => json!({ "type": "object" }),
            None => json!({ "type": "string" }),
        };
        let mut described = json!({
            "description": answer.about,
            "content": { answer.content_type: { "schema": schema } },
        });
        if !answer.headers.is_empty() {
            let headers = answer.headers.iter();
            let headers: Map<String, Value> = headers
                .map(|(name, about)| {
                    let header = json!({ "description": about, "schema": { "type": "string" } });
                    ((*name).to_owned(), header)
                })
                .collect();
            described["headers"] = headers.into();
        }
        if !answer.codes.is_empty() {
            described["x-error-codes"] = json!(answer.codes);
        }
        responses.insert(answer.status, described);
    }
    responses.into_iter().map(|(status, response)| (status.to_string(), response)).collect()
}

/// What every error looks like, and what its code means.
struct Errors {
    body: Value,
    codes: Vec<Value>,
}

impl Errors {
    fn new(schemas: &mut Schemas) -> Self {
        Self { body: schemas.of::<ErrorBody>(), codes: schemas.variants::<ErrorCode>() }
    }

    fn about(&self, code: ErrorCode) -> &str {
        let entry = self.codes.iter().find(|entry| entry["const"] == code.as_str());
        entry.and_then(|entry| entry["description"].as_str()).unwrap_or_default()
    }

    fn responses(&self, operation: &Operation) -> BTreeMap<u16, Value> {
        let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
        for code in codes(operation) {
            let codes = by_status.entry(answer::status_of(code).as_u16()).or_default();
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        let response = |codes: Vec<ErrorCode>| {
            let lines: Vec<String> =
                codes.iter().map(|code| format!("`{code}`: {}", self.about(*code))).collect();
            let content = json!({ "application/json": { "schema": self.body } });
            json!({ "description": lines.join("\n\n"), "x-error-codes": codes, "content": content })
        };
        by_status.into_iter().map(|(status, codes)| (status, response(codes))).collect()
    }
}

/// All codes that an operation can fail with: its own, and those of its kind.
fn codes(operation: &Operation) -> Vec<ErrorCode> {
    let mut codes = Vec::new();
    if let Some(body) = &operation.body {
        if !body.optional {
            codes.extend([ErrorCode::InvalidJson, ErrorCode::InvalidRequest]);
        }
        codes.push(ErrorCode::BodyTooLarge);
    }
    if !access::is_public(operation.path) {
        if path_parameters(operation.path).next().is_some() {
            codes.push(ErrorCode::InvalidRequest);
        }
        codes.push(ErrorCode::Unauthorized);
    }
    codes.push(ErrorCode::ForbiddenOrigin);
    codes.extend(&operation.errors);
    codes
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// What a parameter of a path means, and an example.
fn about_path(name: &str) -> (&'static str, &'static str) {
    match name {
        "id" | "conversationId" => (
            "The conversation: any string of 1 to 256 bytes without control characters, percent-encoded. One that does not \
             exist reads as empty.",
            "tour",
        ),
        "messageId" => {
            ("The queued message, by its id in the queue.", "0b9c5a52-5b1c-4e0a-9f5e-3f1d2c7a8b90")
        }
        "file" => ("As in the `url` of the image chunk.", "0b9c5a52-5b1c-4e0a-9f5e-3f1d2c7a8b90.png"),
        "session" => (
            "The session, by its id or that of one of its connections.",
            "5b0f9f6e-2a0c-4a57-9d0e-7c2f51d0b6aa",
        ),
        "conversation" => ("The conversation that the app shows.", "3f2a"),
        "asset" => ("The file, as the page or another file names it.", "index.js"),
        "key" => ("The key, by its id, which is no secret.", "key_9d2b7c0e4f514a6f8b3a1c5d7e9f0a2b"),
        _ => ("", ""),
    }
}

fn path_parameter(name: &str) -> Value {
    let (about, example) = about_path(name);
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": about,
        "schema": { "type": "string" },
        "example": example,
    })
}

fn parameter(parameter: &Parameter) -> Value {
    let mut described = json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.example.is_some(),
        "description": parameter.about,
        "schema": match parameter.kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Flag => json!({ "type": "boolean", "default": false }),
            Kind::Integer(least) => json!({ "type": "integer", "minimum": least }),
            Kind::OneOf(values) => json!({ "type": "string", "enum": values }),
        },
    });
    if let Some(example) = parameter.example {
        described["example"] = example.into();
    }
    described
}

/// The operation as a command that can be pasted.
fn curl(operation: &Operation) -> String {
    let mut url = format!("{SERVER}{}", operation.path);
    for name in path_parameters(operation.path) {
        url = url.replace(&format!("{{{name}}}"), about_path(name).1);
    }
    let query = operation.parameters.iter().filter(|parameter| parameter.place == "query");
    let query: Vec<String> =
        query.filter_map(|parameter| Some(format!("{}={}", parameter.name, parameter.example?))).collect();
    if !query.is_empty() {
        url = format!("{url}?{}", query.join("&"));
    }
    let streams = operation.answers.iter().any(|answer| matches!(answer.content_type, NDJSON | EVENT_STREAM));
    let mut command = String::from(if streams { "curl -N" } else { "curl" });
    if operation.method != "get" && !(operation.method == "post" && operation.body.is_some()) {
        command.push_str(&format!(" -X {}", operation.method.to_uppercase()));
    }
    command.push_str(&format!(" '{url}'"));
    if let Some(body) = &operation.body {
        let body = body.example.to_string().replace('\'', r"'\''");
        command.push_str(&format!(" \\\n  -d '{body}'"));
    }
    command
}
