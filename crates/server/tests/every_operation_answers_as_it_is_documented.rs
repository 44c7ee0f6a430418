//! Calls every operation of `/openapi.json` as its example says, and checks the answer against its schema.

use std::collections::BTreeMap;

use engine::Options;
use serde_json::{Value, json};
use server::Parts;

use crate::ledger;
use crate::support::world::{stop, text};
use crate::support::*;
use crate::validator;

/// These change what the others read, so they come last, in this order.
const LAST: [&str; 6] = ["clearCwd", "compact", "close", "deleteConversation", "endSession", "revokeKey"];

struct Operation {
    id: String,
    method: String,
    url: String,
    described: Value,
}

/// All operations of the document, with the examples of their parameters filled in, and an image and a file of the web app
/// that are there.
fn operations(document: &Value, image: &str, asset: Option<&str>) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let id = described["operationId"].as_str().unwrap().to_owned();
            let mut url = path.clone();
            let mut query = Vec::new();
            for parameter in described["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let example = parameter["example"].as_str().unwrap_or_default();
                match parameter["in"].as_str().unwrap() {
                    "path" => url = url.replace(&format!("{{{name}}}"), example),
                    "query" if parameter["required"] == true => query.push(format!("{name}={example}")),
                    _ => {}
                }
            }
            match (id.as_str(), asset) {
                ("image", _) => url = image.to_owned(),
                ("appAsset", Some(asset)) => url = asset.to_owned(),
                _ => {}
            }
            if !query.is_empty() {
                url = format!("{url}?{}", query.join("&"));
            }
            operations.push(Operation { id, method: method.clone(), url, described: described.clone() });
        }
    }
    operations.sort_by_key(|operation| LAST.iter().position(|id| *id == operation.id).map_or(0, |at| at + 1));
    operations
}

/// The example of a parameter of paths.
fn example(document: &Value, name: &str) -> String {
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let mut parameters =
        operations.flat_map(|described| described["parameters"].as_array().into_iter().flatten());
    let parameter = parameters.find(|parameter| parameter["name"] == name && parameter["in"] == "path");
    parameter.unwrap()["example"].as_str().unwrap().to_owned()
}

impl Operation {
    fn request(&self, server: &Running) -> reqwest::RequestBuilder {
        let method = self.method.to_uppercase().parse().unwrap();
        let request = server.client.request(method, server.url(&self.url));
        match self.described.pointer("/requestBody/content/application~1json/example") {
            Some(example) => request.body(example.to_string()),
            None => request,
        }
    }

    /// The schema that the document has for an answer.
    fn schema<'a>(&'a self, status: u16, content_type: &str) -> &'a Value {
        let answer = &self.described["responses"][status.to_string()];
        assert!(answer.is_object(), "{}: status {status} is not documented", self.id);
        let contents = answer["content"].as_object().unwrap();
        let content = contents
            .iter()
            .find(|(known, _)| *known == "*/*" || content_type.starts_with(known.trim_end_matches('*')))
            .unwrap_or_else(|| panic!("{}: {content_type} is not documented", self.id));
        &content.1["schema"]
    }
}

fn check(document: &Value, operation: &Operation, schema: &Value, value: &Value) {
    let verdict = validator::check(document, schema, value);
    assert_eq!(verdict, Ok(()), "{}: {value}", operation.id);
}

#[tokio::test]
async fn every_operation_answers_as_it_is_documented() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { images: Some(directory.path().to_owned()), ..Options::default() };
    let server = serve_over(settings(), world::world_with(options), Parts::default()).await;
    let images = json!([{"url": "data:image/png;base64,iVBORw0KGgo="}]);
    server.chat(json!({"message": "look", "conversationId": "tour", "images": images})).await;
    for _ in 0..5 {
        let message = "more and more ".repeat(50);
        server.chat(json!({"message": message, "conversationId": "tour"})).await;
        server.world.settled().await;
    }
    let (_, history) = server.get("/conversations/tour?extensions=true").await;
    let image = history["chunks"][1]["chunk"]["url"].as_str().unwrap().to_owned();
    let (_, document) = server.get("/openapi.json").await;
    let (key, session) = (example(&document, "key"), example(&document, "session"));
    ledger::key(&*server.world.store, &key, "10").await;
    ledger::connect(&*server.world.store, &key, &session, &session, 1, 2).await;

    let page = server.client.get(server.url("/")).send().await.unwrap().text().await.unwrap();
    let asset = page.split('"').find(|text| text.starts_with("/assets/"));
    assert_eq!(asset.is_some(), app::is_built());

    let mut called = BTreeMap::new();
    for operation in operations(&document, &image, asset) {
        if operation.id == "appAsset" && asset.is_none() {
            continue;
        }
        if operation.id == "compact" {
            server.world.plays(vec![vec![text("a short summary"), stop()]]);
        }
        let mut response = operation.request(&server).send().await.unwrap();
        let status = response.status().as_u16();
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(status, 200, "{}: {}", operation.id, response.text().await.unwrap());
        let schema = operation.schema(status, &content_type);
        match content_type.as_str() {
            "application/json" => {
                let value: Value = response.json().await.unwrap();
                check(&document, &operation, schema, &value);
            }
            "application/x-ndjson" => {
                for line in response.text().await.unwrap().lines() {
                    check(&document, &operation, schema, &serde_json::from_str(line).unwrap());
                }
            }
            "text/event-stream" => {
                let turn = server.chat(json!({"message": "watched", "conversationId": "tour"})).await;
                let mut read = String::new();
                while !read.contains("turn-sealed") {
                    let chunk = response.chunk().await.unwrap().unwrap();
                    read.push_str(std::str::from_utf8(&chunk).unwrap());
                }
                let data: Vec<Value> = read
                    .lines()
                    .filter_map(|line| line.strip_prefix("data: "))
                    .map(|data| serde_json::from_str(data).unwrap())
                    .collect();
                assert_eq!(kinds(&data), kinds(&turn));
                data.iter().for_each(|event| check(&document, &operation, schema, event));
            }
            _ => assert_eq!(schema["type"], "string"),
        }
        server.world.settled().await;
        called.insert(operation.id, status);
    }
    let known: usize =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(called.len(), known - usize::from(asset.is_none()));
    assert!(known > 45, "only {known} operations");
}

#[tokio::test]
async fn refusals_are_as_documented_too() {
    let server = serve().await;
    let (_, document) = server.get("/openapi.json").await;
    let long = "i".repeat(300);
    let mut refused = 0;
    for operation in operations(&document, &format!("/images/{long}/x.png"), None) {
        let ids = operation.url.contains("/tour");
        // Nobody has these here.
        let unknown = operation.described["responses"].get("404").is_some();
        let bodies = operation.described["requestBody"]["required"] == true;
        if !ids && !bodies && !unknown {
            continue;
        }
        let method = operation.method.to_uppercase().parse().unwrap();
        let url = operation.url.replace("/tour", &format!("/{long}"));
        let request = server.client.request(method, server.url(&url)).body(if bodies { "[]" } else { "" });
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let schema = operation.schema(status, "application/json").clone();
        let value: Value = response.json().await.unwrap();
        check(&document, &operation, &schema, &value);
        let codes = &operation.described["responses"][status.to_string()]["x-error-codes"];
        assert!(codes.as_array().unwrap().contains(&value["code"]), "{}: {value}", operation.id);
        refused += 1;
    }
    assert!(refused > 25, "only {refused} were refused");
    assert_eq!(server.get("/conversations").await, (200, json!({"conversations": []})));
}
