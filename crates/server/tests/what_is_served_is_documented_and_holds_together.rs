//! `/openapi.json`, `/asyncapi.json` and the pages made of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use wire::ErrorCode;

use crate::support::*;
use crate::validator;

/// What the contract has, and clients rely on.
const CONTRACT: [&str; 27] = [
    "get /health",
    "get /models",
    "post /chat",
    "post /chat/warm",
    "get /conversations",
    "get /conversations/{id}",
    "get /conversations/{id}/metrics",
    "get /metrics/throughput",
    "post /conversations/{id}/close",
    "post /conversations/{id}/stop",
    "post /conversations/{id}/queue",
    "delete /conversations/{id}/queue/{messageId}",
    "get /conversations/{id}/cwd",
    "put /conversations/{id}/cwd",
    "delete /conversations/{id}/cwd",
    "get /conversations/{id}/last",
    "get /conversations/{id}/reasoning-effort",
    "put /conversations/{id}/reasoning-effort",
    "get /conversations/{id}/lsp",
    "get /conversations/{id}/mcp",
    "post /conversations/{id}/open",
    "get /conversations/{id}/title",
    "put /conversations/{id}/title",
    "post /conversations/{id}/compact",
    "get /conversations/{id}/compact-percent",
    "put /conversations/{id}/compact-percent",
    "get /images/{conversationId}/{file}",
];

async fn document(path: &str) -> Value {
    let server = serve().await;
    let (status, document) = server.get(path).await;
    assert_eq!(status, 200);
    document
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = object(&document["paths"]).iter();
    paths
        .flat_map(|(path, methods)| {
            object(methods).iter().map(move |(method, described)| (path.as_str(), method.as_str(), described))
        })
        .collect()
}

/// Every `$ref` of a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref") {
                found.insert(reference.as_str().unwrap());
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fails if an object has fields that its kind does not have, or lacks one that it must have.
fn only(value: &Value, required: &[&str], optional: &[&str]) {
    let fields = object(value);
    for name in required {
        assert!(fields.contains_key(*name), "{name} is missing in {value}");
    }
    for name in fields.keys().filter(|name| !name.starts_with("x-")) {
        let known = required.contains(&name.as_str()) || optional.contains(&name.as_str());
        assert!(known, "{name} is not known in {value}");
    }
}

#[tokio::test]
async fn the_openapi_document_has_the_form_of_one() {
    let document = document("/openapi.json").await;
    only(&document, &["openapi", "info", "paths", "components"], &["servers", "security", "tags"]);
    assert_eq!(document["openapi"], "3.1.0");
    only(&document["info"], &["title", "version"], &["summary", "description", "license"]);
    only(&document["info"]["license"], &["name"], &["identifier"]);
    only(&document["components"], &[], &["schemas", "securitySchemes"]);
    let tags: BTreeSet<&str> =
        list(&document["tags"]).iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let schemes = object(&document["components"]["securitySchemes"]);
    let mut ids = BTreeSet::new();
    for (path, method, described) in operations(&document) {
        assert!(["get", "put", "post", "delete"].contains(&method), "{method}");
        let optional = ["description", "parameters", "requestBody", "security"];
        only(described, &["operationId", "tags", "summary", "responses"], &optional);
        assert!(
            ids.insert(described["operationId"].as_str().unwrap()),
            "{path}: {}",
            described["operationId"]
        );
        assert!(!described["summary"].as_str().unwrap().is_empty(), "{path}");
        assert!(tags.contains(described["tags"][0].as_str().unwrap()));
        let in_path: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let mut declared = BTreeSet::new();
        let mut names = BTreeSet::new();
        for parameter in list(&described["parameters"]) {
            only(parameter, &["name", "in", "schema", "description"], &["required", "example"]);
            assert!(parameter["description"].as_str().unwrap().len() > 10, "{path}: {parameter}");
            let place = parameter["in"].as_str().unwrap();
            assert!(["path", "query", "header"].contains(&place));
            assert!(names.insert((place, parameter["name"].as_str().unwrap())), "{path}: {parameter}");
            if place == "path" {
                assert_eq!(parameter["required"], true);
                declared.insert(parameter["name"].as_str().unwrap());
            }
        }
        assert_eq!(declared, in_path, "{path}");
        if let Some(body) = described.get("requestBody") {
            only(body, &["content"], &["required", "description"]);
            contents(&document, body);
        }
        for (status, response) in object(&described["responses"]) {
            assert!(status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)), "{status}");
            only(response, &["description"], &["content", "headers"]);
            contents(&document, response);
            for code in list(&response["x-error-codes"]) {
                let code = code.as_str().unwrap();
                assert!(ErrorCode::parse(code).is_some(), "{path}: {code}");
                assert!(response["description"].as_str().unwrap().contains(&format!("`{code}`: ")));
            }
        }
        assert!(object(&described["responses"]).keys().any(|status| status.starts_with('2')), "{path}");
        for requirement in list(&described["security"]) {
            assert!(object(requirement).keys().all(|scheme| schemes.contains_key(scheme)));
        }
        let sample = described["x-codeSamples"][0]["source"].as_str().unwrap();
        assert!(sample.starts_with("curl ") && !sample.contains('{') | sample.contains("-d"), "{sample}");
    }
    for known in CONTRACT {
        let (method, path) = known.split_once(' ').unwrap();
        assert!(document["paths"][path][method].is_object(), "{known}");
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} is not there");
    }
}

/// The contents of a body: their schemas are schemas, and their examples fit.
fn contents(document: &Value, body: &Value) {
    for content in object(&body["content"]).values() {
        only(content, &["schema"], &["example"]);
        if let Some(example) = content.get("example") {
            assert_eq!(validator::check(document, &content["schema"], example), Ok(()), "{example}");
        }
    }
}

#[tokio::test]
async fn the_types_say_what_goes_beyond_the_contract_and_nothing_of_rust() {
    let document = document("/openapi.json").await;
    let schemas = &document["components"]["schemas"];
    let image = serde_json::json!({"type": "image", "url": "/images/c/x.png"});
    assert_eq!(validator::check(&document, &schemas["Chunk"], &image), Ok(()));
    assert!(validator::check(&document, &schemas["Chunk"], &serde_json::json!({"type": "image"})).is_err());
    assert_eq!(schemas["QueuedMessage"]["properties"]["clientMessageId"]["type"], "string");
    assert_eq!(schemas["ModelInfo"]["properties"]["vision"]["type"], "boolean");
    let chunk = &schemas["StoredChunk"]["properties"];
    assert_eq!(
        [&chunk["turnId"]["type"], &chunk["steering"]["type"], &chunk["durationMs"]["type"]],
        ["string", "boolean", "integer"]
    );
    let turn = &schemas["TurnMetrics"]["properties"];
    assert_eq!(
        [&turn["startedAt"]["type"], &turn["reason"]["type"], &turn["model"]["type"]],
        ["integer", "string", "string"]
    );
    let text = document.to_string();
    for rust in ["[`", "crate::", "x-brand"] {
        assert!(!text.contains(rust), "{rust}");
    }
}

#[tokio::test]
async fn the_asyncapi_document_has_every_frame_with_an_example_that_fits() {
    let document = document("/asyncapi.json").await;
    only(&document, &["asyncapi", "info", "channels", "operations", "components"], &["defaultContentType"]);
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} is not there");
    }
    let messages = object(&document["components"]["messages"]);
    assert_eq!(messages.len(), object(&document["operations"]).len());
    assert!(messages.len() >= 18, "{}", messages.len());
    for (name, message) in messages {
        only(message, &["name", "title", "summary", "payload"], &["description", "examples"]);
        assert!(!message["summary"].as_str().unwrap().is_empty(), "{name}");
        let example = &message["examples"][0]["payload"];
        assert_eq!(example["type"], *name);
        assert_eq!(validator::check(&document, &message["payload"], example), Ok(()), "{example}");
    }
    let codes: Vec<&Value> =
        list(&document["channels"]["socket"]["x-close-codes"]).iter().map(|close| &close["code"]).collect();
    assert_eq!(codes, [1000, 1001, 1006]);
}

#[tokio::test]
async fn the_guide_speaks_of_routes_that_are_there() {
    let document = document("/openapi.json").await;
    let guide = include_str!("../../../docs/http.md");
    let known: Vec<Vec<&str>> =
        object(&document["paths"]).keys().map(|path| path.split('/').skip(1).collect()).collect();
    let mut routes = BTreeSet::new();
    for call in guide.split("$D/").skip(1) {
        let path = call.split([' ', '?', '"', '`', '\n']).next().unwrap().trim_end_matches('.');
        routes.insert(path);
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |route: &Vec<&str>| {
            route.len() == parts.len()
                && route.iter().zip(&parts).all(|(known, part)| known.starts_with('{') || known == part)
        };
        assert!(known.iter().any(fits), "{path}");
    }
    assert!(routes.len() > 15, "{routes:?}");
}

#[tokio::test]
async fn the_pages_need_nothing_from_elsewhere_and_no_key() {
    let server = serve_with(server::Settings { api_keys: vec!["secret".to_owned()], ..settings() }).await;
    for (path, content_type) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/websocket", "text/html; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/asyncapi.json", "application/json"),
    ] {
        let response = server.client.get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), content_type);
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = response.text().await.unwrap();
        if !path.ends_with(".json") {
            let elsewhere = text.replace("http://127.0.0.1:24203", "");
            let names_a_host =
                |rest: &str| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
            let named =
                ["http://", "https://"].map(|scheme| elsewhere.split(scheme).skip(1).any(names_a_host));
            assert_eq!(named, [false; 2], "{path}");
            // Attributes would need another policy; a handler that a script sets does not.
            assert!(
                !text.contains("innerHTML") && !text.contains("style=") && !text.contains("onclick="),
                "{path}"
            );
        }
    }
    assert_eq!(server.get("/models").await.0, 401);
    assert_eq!(server.get("/system-prompt").await.0, 401);
}
