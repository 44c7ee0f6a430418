//! The tools that a server offers, made fit for any provider.

use std::collections::BTreeMap;

use rmcp::RoleClient;
use rmcp::model::{ClientRequest, ErrorCode, ListToolsRequest, PaginatedRequestParams, ServerResult, Tool};
use rmcp::service::{Peer, ServiceError};
use serde_json::{Map, Value};

/// The most bytes of a tool's description. The rest is cut.
const MAX_DESCRIPTION_BYTES: usize = 16 << 10;

/// The most bytes of a tool's input schema. A tool with a longer one is left out.
const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// The most pages of a list.
const MAX_PAGES: usize = 100;

/// What a server offers, in an order that does not depend on the server's.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) tools: Vec<Offer>,
    /// What is missing of its list, and why.
    pub(crate) note: Option<String>,
}

/// One tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    /// What the server calls it.
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema: Value,
    pub(crate) read_only: bool,
}

/// Asks for the list, page by page.
pub(crate) async fn fetch(peer: &Peer<RoleClient>, max_tools: usize) -> Result<Listing, ServiceError> {
    let mut gathered = Gathered::default();
    let mut cursor = None;
    for _ in 0..MAX_PAGES {
        let params = PaginatedRequestParams::default().with_cursor(cursor.take());
        let request = ListToolsRequest { params: Some(params), ..ListToolsRequest::default() };
        let (tools, next) = match peer.send_request(ClientRequest::ListToolsRequest(request)).await {
            Ok(ServerResult::ListToolsResult(page)) => {
                (page.tools.into_iter().map(Some).collect(), page.next_cursor)
            }
            // One tool that is no tool makes the list no list; the others are still good.
            Ok(ServerResult::CustomResult(page)) => leniently(page.0)?,
            Ok(ServerResult::EmptyResult(_)) => (Vec::new(), None),
            Ok(_) => return Err(ServiceError::UnexpectedResponse),
            // A server without tools.
            Err(ServiceError::McpError(error)) if error.code == ErrorCode::METHOD_NOT_FOUND => {
                (Vec::new(), None)
            }
            Err(error) => return Err(error),
        };
        for tool in tools {
            gathered.take(tool);
        }
        cursor = next;
        if cursor.is_none() || gathered.tools.len() > max_tools {
            break;
        }
    }
    Ok(gathered.listing(max_tools))
}

fn leniently(page: Value) -> Result<(Vec<Option<Tool>>, Option<String>), ServiceError> {
    let Value::Object(mut page) = page else { return Err(ServiceError::UnexpectedResponse) };
    let Some(Value::Array(tools)) = page.remove("tools") else {
        return Err(ServiceError::UnexpectedResponse);
    };
    let next = page.remove("nextCursor").and_then(|cursor| cursor.as_str().map(str::to_owned));
    Ok((tools.into_iter().map(|tool| serde_json::from_value(tool).ok()).collect(), next))
}

#[derive(Default)]
struct Gathered {
    /// By name: some servers shuffle their lists, and a prompt cache must not notice.
    tools: BTreeMap<String, Offer>,
    malformed: usize,
    repeated: usize,
}

impl Gathered {
    fn take(&mut self, tool: Option<Tool>) {
        let Some(offer) = tool.and_then(fit) else {
            self.malformed += 1;
            return;
        };
        if self.tools.contains_key(&offer.name) {
            self.repeated += 1;
        } else {
            self.tools.insert(offer.name.clone(), offer);
        }
    }

    fn listing(self, max_tools: usize) -> Listing {
        let mut notes = Vec::new();
        if self.tools.len() > max_tools {
            notes.push(format!(
                "it offers more than {max_tools} tools; the first {max_tools} by name are used"
            ));
        }
        if self.malformed > 0 {
            let count = self.malformed;
            notes.push(format!("{count} of its tools cannot be used: no name, or no schema of an object"));
        }
        if self.repeated > 0 {
            notes.push(format!("{} of its tools have the name of another", self.repeated));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Listing { tools: self.tools.into_values().take(max_tools).collect(), note }
    }
}

/// Nothing if a provider would refuse a whole request for it.
fn fit(tool: Tool) -> Option<Offer> {
    let annotations = tool.annotations.unwrap_or_default();
    let description = tool.description.map(String::from).or(tool.title).or(annotations.title);
    let mut description = description.unwrap_or_default();
    description.truncate(description.floor_char_boundary(MAX_DESCRIPTION_BYTES));
    let name = tool.name.into_owned();
    let read_only = annotations.read_only_hint == Some(true);
    let schema = schema(&tool.input_schema)?;
    (!name.is_empty()).then_some(Offer { name, description, schema, read_only })
}

fn schema(schema: &Map<String, Value>) -> Option<Value> {
    let mut schema = schema.clone();
    match schema.get("type") {
        None => drop(schema.insert("type".to_owned(), "object".into())),
        Some(kind) if kind == "object" => {}
        Some(_) => return None,
    }
    // Providers refuse these at the top. Without them more inputs are allowed, and the server checks them anyway.
    for key in ["oneOf", "anyOf", "allOf", "not", "enum"] {
        schema.remove(key);
    }
    if !schema.get("properties").is_some_and(Value::is_object) {
        schema.insert("properties".to_owned(), Map::new().into());
    }
    let schema = Value::Object(schema);
    (schema.to_string().len() <= MAX_SCHEMA_BYTES).then_some(schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing(tools: &[Value], max_tools: usize) -> Listing {
        let mut gathered = Gathered::default();
        for tool in tools {
            gathered.take(serde_json::from_value(tool.clone()).ok());
        }
        gathered.listing(max_tools)
    }

    fn offer(name: &str, schema: Value) -> Offer {
        Offer { name: name.to_owned(), description: String::new(), schema, read_only: false }
    }

    #[test]
    fn tools_are_sorted_and_made_fit() {
        let tools = [
            json!({"name": "b", "inputSchema": {"type": "object", "properties": {"x": {"type": "string"}}}}),
            json!({
                "name": "a", "description": "does a", "annotations": {"readOnlyHint": true},
                "inputSchema": {"$schema": "x", "anyOf": [], "oneOf": [], "allOf": [], "not": {}, "enum": []},
            }),
            json!({"name": "c", "title": "C", "inputSchema": {"type": "object", "properties": null}}),
        ];
        let empty = json!({"type": "object", "properties": {}});
        let expected = [
            Offer {
                description: "does a".to_owned(),
                read_only: true,
                ..offer("a", json!({"$schema": "x", "type": "object", "properties": {}}))
            },
            offer("b", json!({"type": "object", "properties": {"x": {"type": "string"}}})),
            Offer { description: "C".to_owned(), ..offer("c", empty) },
        ];
        assert_eq!(listing(&tools, 10), Listing { tools: expected.to_vec(), note: None });
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_counted() {
        let object = json!({"type": "object", "properties": {}});
        let long = json!({"type": "object", "description": "x".repeat(MAX_SCHEMA_BYTES)});
        let tools = [
            json!({"name": "a", "inputSchema": object}),
            json!({"name": "a", "description": "again", "inputSchema": object}),
            json!({"name": "", "inputSchema": object}),
            json!({"name": "b", "inputSchema": {"type": "array"}}),
            json!({"name": "c", "inputSchema": long}),
            json!({"name": "d"}),
            json!(1),
            json!({"name": "e", "inputSchema": object}),
            json!({"name": "f", "inputSchema": object}),
        ];
        let note = "it offers more than 2 tools; the first 2 by name are used; 5 of its tools cannot be used: no \
                    name, or no schema of an object; 1 of its tools have the name of another";
        let expected = vec![offer("a", object.clone()), offer("e", object)];
        assert_eq!(listing(&tools, 2), Listing { tools: expected, note: Some(note.to_owned()) });
    }

    #[test]
    fn a_description_is_cut() {
        let tool = json!({"name": "a", "description": "é".repeat(20_000), "inputSchema": {}});
        assert_eq!(listing(&[tool], 1).tools[0].description, "é".repeat(MAX_DESCRIPTION_BYTES / 2));
    }
}
